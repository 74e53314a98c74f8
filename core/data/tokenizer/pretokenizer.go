package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// preTokenizer cuts the pieces of a text into words.
type preTokenizer func(p *splits) error

// newPreTokenizers reads the section pre_tokenizer.
func newPreTokenizers(raw json.RawMessage) ([]preTokenizer, error) {
	const section = "pre_tokenizer"
	list, err := steps(section, raw, func(s *spec) []json.RawMessage { return s.Pretokenizers })
	if err != nil {
		return nil, err
	}
	var out []preTokenizer
	for _, s := range list {
		switch s.Type {
		case "ByteLevel":
			out = append(out, byteLevel(or(s.AddPrefixSpace, true), or(s.UseRegex, true)))
		case "Split":
			f, _, err := s.Pattern.compile(section)
			if err != nil {
				return nil, err
			}
			b, err := newBehavior(section, s.Behavior)
			if err != nil {
				return nil, err
			}
			out = append(out, cut(f, b, s.Invert))
		case "Whitespace": // \w+|[^\w\s]+
			out = append(out, cut(findWords, removed, true))
		case "WhitespaceSplit":
			out = append(out, cut(findRune(unicode.IsSpace), removed, false))
		case "BertPreTokenizer":
			out = append(out, bertPreTokenizers()...)
		case "Punctuation":
			b, err := newBehavior(section, s.Behavior)
			if err != nil {
				return nil, err
			}
			out = append(out, cut(findRune(isPunct), b, false))
		case "Digits":
			b := contiguous
			if s.IndividualDigits {
				b = isolated
			}
			out = append(out, cut(findRune(unicode.IsNumber), b, false))
		case "Metaspace":
			m, err := newMetaspace(section, s)
			if err != nil {
				return nil, err
			}
			out = append(out, m.preTokenize)
		default:
			return nil, fmt.Errorf("pre_tokenizer %q is not supported", s.Type)
		}
	}
	return out, nil
}

// bertPreTokenizers are the steps of BertPreTokenizer.
func bertPreTokenizers() []preTokenizer {
	return []preTokenizer{cut(findRune(unicode.IsSpace), removed, false), cut(findRune(isPunct), isolated, false)}
}

// byteLevel is GPT-2's: its split, then its alphabet of bytes.
func byteLevel(prefixSpace, split bool) preTokenizer {
	words := cut(gpt2Split, isolated, false)
	return func(p *splits) error {
		if prefixSpace {
			err := p.rewrite(func(b *builder, t text) error {
				if strings.HasPrefix(t.s, " ") {
					b.copy(t)
				} else {
					b.prepend(t, " ")
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		if split {
			if err := words(p); err != nil {
				return err
			}
		}
		return p.rewrite(func(b *builder, t text) error {
			toByteLevel(b, t)
			return nil
		})
	}
}

// findWords finds \w+|[^\w\s]+.
func findWords(s string, match func(from, to int)) error {
	const none, word, mark = 0, 1, 2
	from, kind := 0, none
	for i, r := range s {
		k := mark
		if isWord(r) {
			k = word
		} else if unicode.IsSpace(r) {
			k = none
		}
		if k != kind {
			if kind != none {
				match(from, i)
			}
			from, kind = i, k
		}
	}
	if kind != none {
		match(from, len(s))
	}
	return nil
}

// metaspace writes spaces as a visible character and cuts before it (SentencePiece).
type metaspace struct {
	mark   rune
	scheme string // always, first, never: where a mark is put before the text
	split  bool
}

// newMetaspace reads old files too, which have add_prefix_space instead of
// prepend_scheme.
func newMetaspace(section string, s *spec) (*metaspace, error) {
	mark, err := oneRune(section, "replacement", s.Replacement)
	if err != nil {
		return nil, err
	}
	m := &metaspace{mark: mark, scheme: or(s.PrependScheme, "always"), split: or(s.Split, true)}
	switch m.scheme {
	case "always", "first", "never":
	default:
		return nil, fmt.Errorf("%s: prepend_scheme %q is not supported", section, m.scheme)
	}
	if !or(s.AddPrefixSpace, true) {
		if s.PrependScheme != nil && m.scheme != "never" {
			return nil, fmt.Errorf("%s: add_prefix_space and prepend_scheme contradict each other", section)
		}
		m.scheme = "never"
	}
	return m, nil
}

func (m *metaspace) preTokenize(p *splits) error {
	mark := string(m.mark)
	err := p.rewrite(func(b *builder, t text) error {
		if m.scheme == "always" || m.scheme == "first" && t.at[0].from == 0 {
			if !strings.HasPrefix(t.s, " ") && !strings.HasPrefix(t.s, mark) {
				b.string(mark, t.at[0])
			}
		}
		for i := 0; i < len(t.s); i++ {
			if t.s[i] == ' ' {
				b.string(mark, t.at[i])
			} else {
				b.part(t, i, i+1)
			}
		}
		return nil
	})
	if err != nil || !m.split {
		return err
	}
	return cut(findString(mark), mergedWithNext, false)(p)
}
