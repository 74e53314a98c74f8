package tokenizer

import (
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalizer writes a piece of text anew.
type normalizer func(b *builder, t text) error

// newNormalizers reads the section normalizer.
func newNormalizers(raw json.RawMessage) ([]normalizer, error) {
	list, err := steps("normalizer", raw, func(s *spec) []json.RawMessage { return s.Normalizers })
	if err != nil {
		return nil, err
	}
	var out []normalizer
	growth := 1
	for _, s := range list {
		switch s.Type {
		case "NFC":
			out = append(out, normalForm(norm.NFC))
		case "NFD":
			out = append(out, normalForm(norm.NFD))
		case "NFKC":
			out = append(out, normalForm(norm.NFKC))
		case "NFKD":
			out = append(out, normalForm(norm.NFKD))
		case "Lowercase":
			out = append(out, lowercase)
		case "StripAccents":
			out = append(out, drop(accents))
		case "Strip":
			out = append(out, strip(s.StripLeft, s.StripRight))
		case "Prepend":
			growth *= 1 + len(s.Prepend)
			out = append(out, func(b *builder, t text) error {
				b.prepend(t, s.Prepend)
				return nil
			})
		case "Replace":
			n, by, err := replacer("normalizer", s)
			if err != nil {
				return nil, err
			}
			growth *= by
			out = append(out, n)
		case "BertNormalizer":
			out = append(out, bertNormalizers(s.CleanText, s.HandleChineseChars, or(s.StripAccents, s.Lowercase), s.Lowercase)...)
		case "Precompiled":
			if len(s.Charsmap) == 0 {
				continue // saved from a model whose rule is "identity"
			}
			n, err := newCharsmap(s.Charsmap)
			if err != nil {
				return nil, fmt.Errorf("normalizer: precompiled_charsmap: %w", err)
			}
			out = append(out, n.normalize)
		default:
			return nil, fmt.Errorf("normalizer %q is not supported", s.Type)
		}
		if growth > maxGrowth {
			return nil, fmt.Errorf("normalizer: makes a text more than %d times as long", maxGrowth)
		}
	}
	return out, nil
}

// bertNormalizers are the steps of BertNormalizer.
func bertNormalizers(clean, chinese, stripAccents, lower bool) (out []normalizer) {
	if clean {
		out = append(out, cleanText)
	}
	if chinese {
		out = append(out, spaceChinese)
	}
	if stripAccents {
		out = append(out, normalForm(norm.NFD), drop(bertAccents))
	}
	if lower {
		out = append(out, lowercase)
	}
	return out
}

// replacer is Replace; by is how many times it may lengthen a text.
func replacer(section string, s *spec) (n normalizer, by int, err error) {
	find, shortest, err := s.Pattern.compile(section)
	if err != nil {
		return nil, 0, err
	}
	by = 1 + len(s.Content)/shortest
	return func(b *builder, t text) error {
		done := 0
		err := find(t.s, func(from, to int) {
			b.part(t, done, from)
			a := span{}
			if to > 0 {
				a = t.at[to-1]
			} else if len(t.at) > 0 {
				a = span{t.at[0].from, t.at[0].from}
			}
			b.string(s.Content, a)
			done = to
		})
		b.part(t, done, len(t.s))
		return err
	}, by, nil
}

// drop leaves out the characters in l, none of which is ASCII.
func drop(l runeRanges) normalizer {
	return func(b *builder, t text) error {
		for i, r := range t.s {
			if r < utf8.RuneSelf || !l.has(r) {
				b.rune(r, t.at[i])
			}
		}
		return nil
	}
}

func lowercase(b *builder, t text) error {
	for i, r := range t.s {
		if r == 'İ' { // the only letter whose lower case is two characters
			b.string("i\u0307", t.at[i])
			continue
		}
		b.rune(unicode.ToLower(r), t.at[i])
	}
	return nil
}

func strip(left, right bool) normalizer {
	return func(b *builder, t text) error {
		from, to := 0, len(t.s)
		for left && from < to {
			r, n := utf8.DecodeRuneInString(t.s[from:])
			if !unicode.IsSpace(r) {
				break
			}
			from += n
		}
		for right && to > from {
			r, n := utf8.DecodeLastRuneInString(t.s[:to])
			if !unicode.IsSpace(r) {
				break
			}
			to -= n
		}
		b.part(t, from, to)
		return nil
	}
}

// cleanText drops control characters and U+FFFD and makes all white space plain.
func cleanText(b *builder, t text) error {
	for i, r := range t.s {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			r = ' '
		case r == 0 || r == utf8.RuneError || isControl(r):
			continue
		case unicode.IsSpace(r):
			r = ' '
		}
		b.rune(r, t.at[i])
	}
	return nil
}

// spaceChinese puts spaces around CJK ideographs.
func spaceChinese(b *builder, t text) error {
	for i, r := range t.s {
		if !isChinese(r) {
			b.rune(r, t.at[i])
			continue
		}
		b.rune(' ', t.at[i])
		b.rune(r, t.at[i])
		b.rune(' ', t.at[i])
	}
	return nil
}
