package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// bpe is byte pair encoding: a word starts as its characters, and the pair of
// neighbours that was merged first in training is merged first.
type bpe struct {
	vocab        *vocabulary
	merges       map[uint64]merge // by pair
	chars        [1024]int32      // ids of the first characters, -1 for none; unset with affixes
	bytes        [256]int32       // <0x00> to <0xFF>, -1 for none
	unk          int32            // -1 for none
	prefix       string           // before what does not start a word
	suffix       string           // behind what ends one
	fuseUnk      bool
	byteFallback bool
	ignoreMerges bool // a word that is in the vocabulary is that token
}

// merge is what a pair becomes; the lower rank is merged first.
type merge struct{ rank, id int32 }

func pair(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

// mergePair is one line of merges: "a b", or since 2024 ["a", "b"].
type mergePair struct{ a, b string }

func (m *mergePair) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '[' {
		var ab []string
		if err := json.Unmarshal(raw, &ab); err != nil || len(ab) != 2 {
			return fmt.Errorf("%.100q is not a pair", raw)
		}
		m.a, m.b = ab[0], ab[1]
		return nil
	}
	var line string
	if err := json.Unmarshal(raw, &line); err != nil {
		return fmt.Errorf("%.100q is not a pair", raw)
	}
	return m.parse(line)
}

func (m *mergePair) parse(line string) error {
	a, b, ok := strings.Cut(line, " ")
	if !ok || strings.Contains(b, " ") {
		return fmt.Errorf("%.100q is not two tokens and a space between them", line)
	}
	m.a, m.b = a, b
	return nil
}

func newBPE(v *vocabulary, merges []mergePair, s *modelSpec) (*bpe, error) {
	m := &bpe{
		vocab: v, merges: make(map[uint64]merge, len(merges)), unk: -1,
		prefix: or(s.ContinuingSubwordPrefix, ""), suffix: or(s.EndOfWordSuffix, ""),
		fuseUnk: s.FuseUnk, byteFallback: s.ByteFallback, ignoreMerges: s.IgnoreMerges,
	}
	if len(m.prefix)+len(m.suffix) > maxGrowth {
		return nil, fmt.Errorf("model: continuing_subword_prefix and end_of_word_suffix are longer than %d bytes", maxGrowth)
	}
	if u := or(s.UnkToken, ""); u != "" {
		id, ok := v.ids[u]
		if !ok {
			return nil, fmt.Errorf("model.unk_token: %.100q is not in the vocabulary", u)
		}
		m.unk = id
	}
	for i := range m.bytes {
		m.bytes[i] = v.id(fmt.Sprintf("<0x%02X>", i))
	}
	for i := range m.chars {
		m.chars[i] = v.id(string(rune(i)))
	}
	for rank, p := range merges {
		a, okA := v.ids[p.a]
		b, okB := v.ids[p.b]
		id, okAB := v.ids[p.a+strings.TrimPrefix(p.b, m.prefix)]
		if !okA || !okB || !okAB {
			return nil, fmt.Errorf("model.merges: %.100q and %.100q (number %d) or what they make are not in the vocabulary", p.a, p.b, rank)
		}
		m.merges[pair(a, b)] = merge{int32(rank), id}
	}
	return m, nil
}

// id is the id of s, -1 if there is none.
func (v *vocabulary) id(s string) int32 {
	if id, ok := v.ids[s]; ok {
		return id
	}
	return -1
}

func (m *bpe) tokenize(dst []token, word string) ([]token, error) {
	if m.ignoreMerges {
		if id, ok := m.vocab.ids[word]; ok {
			return append(dst, token{id, 0, int32(len(word))}), nil
		}
	}
	n := len(dst)
	dst = m.characters(dst, word)
	return dst[:n+m.merge(dst[n:])], nil
}

// characters appends the tokens of the characters of word. What is not in the
// vocabulary becomes its bytes, else the unknown token, else nothing.
func (m *bpe) characters(dst []token, word string) []token {
	unk := token{id: -1} // not appended yet, so that it can grow
	flush := func() {
		if unk.id >= 0 {
			dst = append(dst, unk)
			unk.id = -1
		}
	}
	affixes := m.prefix != "" || m.suffix != ""
	for i := 0; i < len(word); {
		r, n := utf8.DecodeRuneInString(word[i:])
		s := word[i : i+n]
		var id int32 // −1: not in the vocabulary
		switch {
		case affixes:
			if i > 0 {
				s = m.prefix + s
			}
			if i+n == len(word) {
				s += m.suffix
			}
			id = m.vocab.id(s)
		case int(r) < len(m.chars):
			id = m.chars[r]
		default:
			id = m.vocab.id(s)
		}
		from, to := int32(i), int32(i+n)
		i += n
		if id >= 0 {
			flush()
			dst = append(dst, token{id, from, to})
			continue
		}
		if m.byteFallback && m.hasBytes(s) {
			// An unknown token that waits stays behind these, as in `tokenizers`.
			for k := range len(s) {
				dst = append(dst, token{m.bytes[s[k]], from, to})
			}
			continue
		}
		if m.unk < 0 {
			continue
		}
		if unk.id >= 0 && m.fuseUnk {
			unk.to = to
			continue
		}
		flush()
		unk = token{m.unk, from, to}
	}
	flush()
	return dst
}

func (m *bpe) hasBytes(s string) bool {
	for i := range len(s) {
		if m.bytes[s[i]] < 0 {
			return false
		}
	}
	return true
}

// shortWord is up to how many tokens looking through all pairs for each merge is
// faster than keeping a queue.
const shortWord = 48

// merge merges list in place and returns how many tokens are left.
func (m *bpe) merge(list []token) int {
	if len(list) > shortWord {
		return m.mergeLong(list)
	}
	return m.mergeShort(list)
}

func (m *bpe) mergeShort(list []token) int {
	var buf [shortWord]merge // what list[i] and list[i+1] become; rank -1 for nothing
	next := buf[:0]
	if len(list) > len(buf) {
		next = make([]merge, 0, len(list))
	}
	look := func(i int) merge {
		if i+1 < len(list) {
			if g, ok := m.merges[pair(list[i].id, list[i+1].id)]; ok {
				return g
			}
		}
		return merge{-1, 0}
	}
	for i := range list {
		next = append(next, look(i))
	}
	for {
		best := -1
		for i, g := range next {
			if g.rank >= 0 && (best < 0 || g.rank < next[best].rank) {
				best = i
			}
		}
		if best < 0 {
			return len(list)
		}
		list[best] = token{next[best].id, list[best].from, list[best+1].to}
		list = append(list[:best+1], list[best+2:]...)
		next = append(next[:best+1], next[best+2:]...)
		next[best] = look(best)
		if best > 0 {
			next[best-1] = look(best - 1)
		}
	}
}
