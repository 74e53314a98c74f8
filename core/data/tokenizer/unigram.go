package tokenizer

import (
	"encoding/json"
	"fmt"
	"math"
	"unicode/utf8"
)

// unigram takes the tokens whose log probabilities sum up highest (Kudo 2018).
type unigram struct {
	vocab  *vocabulary
	set    *prefixes
	scores []float64 // by id
	unk    int32     // -1 for none
	// unkScore is that of a character no token covers: 10 below the lowest of all,
	// as in SentencePiece.
	unkScore float64
	bytes    *[256]int32 // byte fallback; nil without
}

// scored is one entry of the vocabulary: ["token", log probability].
type scored struct {
	s     string
	score float64
}

func (e *scored) UnmarshalJSON(raw []byte) error {
	var s *string
	var score *float64
	v := []any{&s, &score}
	if err := json.Unmarshal(raw, &v); err != nil || len(v) != 2 || s == nil || score == nil {
		return fmt.Errorf("%.100q is not a token and its score", raw)
	}
	e.s, e.score = *s, *score
	return nil
}

func newUnigram(s *modelSpec) (model, *vocabulary, error) {
	var list []scored
	if err := unmarshal("model.vocab", s.Vocab, &list); err != nil {
		return nil, nil, err
	}
	m := &unigram{unk: -1, scores: make([]float64, len(list)), unkScore: math.Inf(1)}
	m.vocab = &vocabulary{ids: make(map[string]int32, len(list)), tokens: make(map[int32]string, len(list))}
	entries := make([]entry, len(list))
	for i, e := range list {
		m.vocab.ids[e.s] = int32(i)
		m.vocab.tokens[int32(i)] = e.s
		m.scores[i] = e.score
		m.unkScore = min(m.unkScore, e.score)
		entries[i] = entry{e.s, int32(i)}
	}
	m.unkScore -= 10
	m.set = newPrefixes(entries)
	if s.UnkID != nil {
		if m.unk = *s.UnkID; m.unk < 0 || int(m.unk) >= len(list) {
			return nil, nil, fmt.Errorf("model.unk_id: %d is not in the vocabulary", m.unk)
		}
	}
	if s.ByteFallback {
		m.bytes = new([256]int32)
		for i := range m.bytes {
			m.bytes[i] = m.vocab.id(fmt.Sprintf("<0x%02X>", i))
		}
	}
	return m, m.vocab, nil
}

// step is the best way to a place in a word: its score and its last token.
type step struct {
	score float64
	from  int32 // -1: not reached yet
	id    int32
}

func (m *unigram) tokenize(dst []token, word string) ([]token, error) {
	best := make([]step, len(word)+1)
	for i := range best {
		best[i].from = -1
	}
	reach := func(to int, s step) {
		if b := &best[to]; b.from < 0 || s.score > b.score {
			*b = s
		}
	}
	best[0].score = 0
	for i := 0; i < len(word); {
		_, n := utf8.DecodeRuneInString(word[i:])
		sofar, single := best[i].score, false
		m.set.each(word[i:], func(e *entry) {
			reach(i+len(e.s), step{sofar + m.scores[e.id], int32(i), e.id})
			single = single || len(e.s) == n
		})
		if !single {
			if m.unk < 0 {
				return nil, fmt.Errorf("model: %.20q is not in the vocabulary, and there is no unk_id", word[i:i+n])
			}
			reach(i+n, step{sofar + m.unkScore, int32(i), m.unk})
		}
		i += n
	}
	// Back from the end; unknown characters that follow each other are one.
	n := len(dst)
	for to := int32(len(word)); to > 0; {
		b := best[to]
		from := b.from
		for b.id == m.unk && from > 0 && best[from].id == m.unk {
			from = best[from].from
		}
		dst = append(dst, token{b.id, from, to})
		to = from
	}
	return m.resolve(dst, n, word), nil
}

// resolve puts the tokens from dst[n] on, found back to front, in order, and
// writes unknown ones as what they are: they may be in the vocabulary once they
// are one, or be written as bytes.
func (m *unigram) resolve(dst []token, n int, word string) []token {
	found := append([]token(nil), dst[n:]...)
	dst = dst[:n]
	for i := len(found) - 1; i >= 0; i-- {
		t := found[i]
		if t.id != m.unk {
			dst = append(dst, t)
			continue
		}
		s := word[t.from:t.to]
		if id, ok := m.vocab.ids[s]; ok {
			dst = append(dst, token{id, t.from, t.to})
		} else if m.bytes != nil && m.hasBytes(s) {
			for k := range len(s) {
				dst = append(dst, token{m.bytes[s[k]], t.from, t.to})
			}
		} else {
			dst = append(dst, t)
		}
	}
	return dst
}

func (m *unigram) hasBytes(s string) bool {
	for i := range len(s) {
		if m.bytes[s[i]] < 0 {
			return false
		}
	}
	return true
}
