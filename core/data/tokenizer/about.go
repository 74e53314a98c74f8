package tokenizer

import "fmt"

// Kind is bpe, wordpiece or unigram.
func (t *Tokenizer) Kind() string {
	switch t.model.(type) {
	case *wordPiece:
		return "wordpiece"
	case *unigram:
		return "unigram"
	}
	return "bpe"
}

// IDs is one more than the largest id: the rows of a table of embeddings that has
// one for every token. It is VocabSize unless the file leaves ids out.
func (t *Tokenizer) IDs() int {
	n := int32(-1)
	for id := range t.vocab.tokens {
		n = max(n, id)
	}
	for id := range t.addedI {
		n = max(n, id)
	}
	return int(n) + 1
}

// Mask is the id that stands for a token to be guessed; false: there is none.
func (t *Tokenizer) Mask() (int32, bool) {
	for _, s := range []string{t.mask, "[MASK]", "<mask>"} {
		if id, ok := t.ID(s); ok && s != "" {
			return id, true
		}
	}
	return 0, false
}

// Frame is what the post-processor puts in front of the tokens of a text and behind them.
func (t *Tokenizer) Frame() (before, after []int32, err error) {
	slots, err := t.post.slots(1)
	if err != nil {
		return nil, nil, fmt.Errorf("tokenizer: %w", err)
	}
	at := &before
	for _, s := range slots {
		if s.seq >= 0 {
			at = &after
			continue
		}
		*at = append(*at, s.ids...)
	}
	return before, after, nil
}

// Pad is the id that fills up short texts; false: the files name none.
func (t *Tokenizer) Pad() (int32, bool) { return t.padding.id, t.padding.known }
