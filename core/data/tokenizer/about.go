package tokenizer

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

// Pad is the id that fills up short texts; false: the files name none.
func (t *Tokenizer) Pad() (int32, bool) { return t.padding.id, t.padding.known }
