package tokenizer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

// charsmap is the normalizer that SentencePiece writes into its models: a double
// array trie (Darts) from what to replace to an offset in a list of replacements,
// each ended by a zero byte.
type charsmap struct {
	trie []uint32
	text string
}

// newCharsmap reads the bytes of precompiled_charsmap: the size of the trie in
// bytes, the trie, the replacements.
func newCharsmap(b []byte) (*charsmap, error) {
	if len(b) < 4 {
		return nil, errors.New("shorter than its header")
	}
	n := binary.LittleEndian.Uint32(b)
	b = b[4:]
	if n%4 != 0 || n == 0 || uint64(n) > uint64(len(b)) {
		return nil, errors.New("the trie does not fit into it")
	}
	c := &charsmap{trie: make([]uint32, n/4), text: string(b[n:])}
	for i := range c.trie {
		c.trie[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	if !utf8.ValidString(c.text) {
		return nil, errors.New("the replacements are not UTF-8")
	}
	for s := range strings.SplitSeq(c.text, "\x00") {
		if len(s) > maxGrowth {
			return nil, fmt.Errorf("a replacement is longer than %d bytes", maxGrowth)
		}
	}
	return c, nil
}

// lookup is the replacement of the shortest start of s that has one. (Not the
// longest, as SentencePiece itself does: that is how `tokenizers` reads it, and
// models are trained on what it gives.)
func (c *charsmap) lookup(s string) (string, bool) {
	offset := func(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }
	pos := offset(c.trie[0])
	for i := range len(s) {
		if s[i] == 0 {
			break
		}
		pos ^= uint32(s[i])
		if uint64(pos) >= uint64(len(c.trie)) {
			break
		}
		unit := c.trie[pos]
		if unit&(1<<31|0xff) != uint32(s[i]) {
			break
		}
		pos ^= offset(unit)
		if unit>>8&1 == 1 {
			if uint64(pos) >= uint64(len(c.trie)) {
				break
			}
			at := c.trie[pos] &^ (1 << 31)
			if uint64(at) > uint64(len(c.text)) {
				break
			}
			end := int(at)
			for end < len(c.text) && c.text[end] != 0 {
				end++
			}
			return c.text[at:end], utf8.ValidString(c.text[at:end])
		}
	}
	return "", false
}

// normalize replaces whole grapheme clusters where they are short and have a
// replacement, else their characters.
func (c *charsmap) normalize(b *builder, t text) error {
	var list []change
	g := graphemes.FromString(t.s)
	for g.Next() {
		s := g.Value()
		if len(s) < 6 {
			if to, ok := c.lookup(s); ok {
				list = replaceChanges(list, s, to)
				continue
			}
		}
		for _, r := range s {
			var buf [utf8.UTFMax]byte
			one := string(buf[:utf8.EncodeRune(buf[:], r)])
			if to, ok := c.lookup(one); ok {
				list = replaceChanges(list, one, to)
			} else {
				list = append(list, change{r, 0})
			}
		}
	}
	b.changes(t, list)
	return nil
}

// replaceChanges appends the change of from into to: character by character, the
// last ones taking what is left over.
func replaceChanges(list []change, from, to string) []change {
	for _, r := range to {
		list = append(list, change{r, 0})
	}
	more := utf8.RuneCountInString(to) - utf8.RuneCountInString(from)
	for i := len(list) - more; more > 0 && i < len(list); i++ {
		list[i].n = 1
	}
	if more < 0 && len(list) > 0 {
		list[len(list)-1].n += more
	}
	return list
}
