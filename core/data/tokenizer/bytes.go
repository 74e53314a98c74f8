package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// The alphabet of byte-level BPE (GPT-2): every byte is written as one visible
// character, itself where it is one, else U+0100 and up.
var (
	byteRune [256]rune
	runeByte [324]int16 // -1 for what stands for no byte
)

func init() {
	for i := range runeByte {
		runeByte[i] = -1
	}
	next := rune(256)
	for b := range 256 {
		r := rune(b)
		if !(b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae) {
			r = next
			next++
		}
		byteRune[b] = r
		runeByte[r] = int16(b)
	}
}

// toByteLevel rewrites t in the alphabet of bytes.
func toByteLevel(b *builder, t text) {
	for i := range len(t.s) {
		b.rune(byteRune[t.s[i]], t.at[i])
	}
}

// fromByteLevel appends the bytes that token writes, or its own if it is not
// written in the alphabet (an added token).
func fromByteLevel(dst []byte, token string) []byte {
	n := len(dst)
	for _, r := range token {
		if int(r) >= len(runeByte) || runeByte[r] < 0 {
			return append(dst[:n], token...)
		}
		dst = append(dst, byte(runeByte[r]))
	}
	return dst
}

// validUTF8 replaces each maximal ill-formed part of b by U+FFFD, as the Unicode
// standard recommends (section 3.9); strings.ToValidUTF8 replaces runs, range
// loops each byte.
func validUTF8(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var s strings.Builder
	s.Grow(len(b) + 8)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r != utf8.RuneError || n != 1 {
			s.Write(b[:n])
			b = b[n:]
			continue
		}
		s.WriteRune(utf8.RuneError)
		b = b[truncated(b):]
	}
	return s.String()
}

// truncated is the length of the longest start of b that is the start of a
// well-formed character, at least 1. b does not start with a whole one.
func truncated(b []byte) int {
	lo, hi, want := byte(0x80), byte(0xbf), 0
	switch c := b[0]; {
	case c >= 0xc2 && c <= 0xdf:
		want = 2
	case c >= 0xe0 && c <= 0xef:
		want = 3
		if c == 0xe0 {
			lo = 0xa0
		} else if c == 0xed {
			hi = 0x9f
		}
	case c >= 0xf0 && c <= 0xf4:
		want = 4
		if c == 0xf0 {
			lo = 0x90
		} else if c == 0xf4 {
			hi = 0x8f
		}
	}
	n := 1
	for n < want && n < len(b) && b[n] >= lo && b[n] <= hi {
		lo, hi = 0x80, 0xbf
		n++
	}
	return n
}
