package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// wordPiece takes the longest token that a word starts with, then the longest
// that what is left goes on with; a word that cannot be covered is unknown.
type wordPiece struct {
	first, more *prefixes // what starts a word; what goes on with one, without its prefix
	unk         int32
	maxChars    int
}

func newWordPiece(v *vocabulary, unk, prefix string, maxChars int) (*wordPiece, error) {
	id, ok := v.ids[unk]
	if !ok {
		return nil, fmt.Errorf("model.unk_token: %.100q is not in the vocabulary", unk)
	}
	m := &wordPiece{unk: id, maxChars: maxChars}
	var first, more []entry
	for s, id := range v.ids {
		first = append(first, entry{s, id})
		if rest, ok := strings.CutPrefix(s, prefix); ok {
			more = append(more, entry{rest, id})
		}
	}
	m.first, m.more = newPrefixes(first), newPrefixes(more)
	return m, nil
}

func (m *wordPiece) tokenize(dst []token, word string) ([]token, error) {
	if utf8.RuneCountInString(word) > m.maxChars {
		return append(dst, token{m.unk, 0, int32(len(word))}), nil
	}
	n, set := len(dst), m.first
	for i := 0; i < len(word); set = m.more {
		e := set.longest(word[i:])
		if e == nil {
			return append(dst[:n], token{m.unk, 0, int32(len(word))}), nil
		}
		dst = append(dst, token{e.id, int32(i), int32(i + len(e.s))})
		i += len(e.s)
	}
	return dst, nil
}
