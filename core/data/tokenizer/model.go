package tokenizer

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
)

// token is one id and the bytes of its word that it stands for.
type token struct {
	id       int32
	from, to int32
}

// model gives the tokens of a word. It is safe for concurrent use.
type model interface {
	// tokenize appends the tokens of word, which is not empty.
	tokenize(dst []token, word string) ([]token, error)
}

// vocabulary is the tokens of a model by id and by text.
type vocabulary struct {
	ids    map[string]int32
	tokens map[int32]string // a map, since a file may give any ids
}

func newVocabulary(ids map[string]int32) (*vocabulary, error) {
	v := &vocabulary{ids: ids, tokens: make(map[int32]string, len(ids))}
	for s, id := range ids {
		if id < 0 {
			return nil, fmt.Errorf("model.vocab: %.100q has id %d", s, id)
		}
		if other, taken := v.tokens[id]; taken {
			return nil, fmt.Errorf("model.vocab: %.100q and %.100q have id %d", min(s, other), max(s, other), id)
		}
		v.tokens[id] = s
	}
	return v, nil
}

// modelSpec is the section model of tokenizer.json.
type modelSpec struct {
	Type                    string          `json:"type"`
	Vocab                   json.RawMessage `json:"vocab"`
	Merges                  json.RawMessage `json:"merges"`
	UnkToken                *string         `json:"unk_token"`
	UnkID                   *int32          `json:"unk_id"`
	ContinuingSubwordPrefix *string         `json:"continuing_subword_prefix"`
	EndOfWordSuffix         *string         `json:"end_of_word_suffix"`
	FuseUnk                 bool            `json:"fuse_unk"`
	ByteFallback            bool            `json:"byte_fallback"`
	IgnoreMerges            bool            `json:"ignore_merges"`
	MaxInputCharsPerWord    *int            `json:"max_input_chars_per_word"`
}

// newModel reads the section model. Dropout, which it may give to BPE, is for
// training a model and stays off, as `transformers` has it.
func newModel(raw json.RawMessage) (model, *vocabulary, error) {
	var s modelSpec
	if isNull(raw) {
		return nil, nil, fmt.Errorf("has no model")
	}
	if err := unmarshal("model", raw, &s); err != nil {
		return nil, nil, err
	}
	if s.Type == "" { // older files: told by their keys
		switch {
		case s.Merges != nil:
			s.Type = "BPE"
		case s.MaxInputCharsPerWord != nil:
			s.Type = "WordPiece"
		case s.UnkID != nil:
			s.Type = "Unigram"
		}
	}
	if s.Type == "Unigram" {
		return newUnigram(&s)
	}
	if s.Type != "BPE" && s.Type != "WordPiece" {
		return nil, nil, fmt.Errorf("model %q is not supported: use BPE, WordPiece or Unigram", s.Type)
	}
	var ids map[string]int32
	if err := unmarshal("model.vocab", s.Vocab, &ids); err != nil {
		return nil, nil, err
	}
	v, err := newVocabulary(ids)
	if err != nil {
		return nil, nil, err
	}
	if s.Type == "WordPiece" {
		m, err := newWordPiece(v, or(s.UnkToken, "[UNK]"), or(s.ContinuingSubwordPrefix, "##"), or(s.MaxInputCharsPerWord, 100))
		return m, v, err
	}
	var merges []mergePair
	if err := unmarshal("model.merges", s.Merges, &merges); err != nil {
		return nil, nil, err
	}
	m, err := newBPE(v, merges, &s)
	return m, v, err
}

// cache keeps the tokens of words that were seen before: two generations of at
// most cacheWords each, the older dropped when the younger is full.
type cache struct {
	mu       sync.RWMutex
	old, now map[string][]token
}

const (
	cacheWords  = 1 << 14
	cacheLength = 64 // bytes; longer words are rare and seldom come again
)

// tokenize appends the tokens of word, from the cache if it can.
func (c *cache) tokenize(m model, dst []token, word string) ([]token, error) {
	if len(word) > math.MaxInt32 {
		return nil, fmt.Errorf("a word of %d bytes is too long", len(word))
	}
	if len(word) > cacheLength || len(word) < 2 {
		return m.tokenize(dst, word)
	}
	c.mu.RLock()
	t, ok := c.now[word]
	if !ok {
		t, ok = c.old[word]
	}
	c.mu.RUnlock()
	if ok {
		return append(dst, t...), nil
	}
	n := len(dst)
	dst, err := m.tokenize(dst, word)
	if err != nil {
		return nil, err
	}
	t = append([]token(nil), dst[n:]...)
	word = strings.Clone(word) // not to keep the whole text
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.now) >= cacheWords {
		c.old, c.now = c.now, nil
	}
	if c.now == nil {
		c.now = map[string][]token{}
	}
	c.now[word] = t
	return dst, nil
}
