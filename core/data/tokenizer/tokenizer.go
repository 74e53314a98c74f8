package tokenizer

import (
	"fmt"
	"strings"
)

// Tokenizer turns text into token ids and back. It is safe for concurrent use.
type Tokenizer struct {
	model  model
	vocab  *vocabulary
	cache  cache
	added  map[string]*addedToken
	addedI map[int32]*addedToken

	plain, normalized *finder // added tokens looked for before and after the normalizers
	normalizers       []normalizer
	preTokenizers     []preTokenizer
	post              *postProcessor
	decoders          []decoder
	truncation        truncation
	padding           padding
	mask              string // token to be guessed, as the configuration names it
	size              int
}

// maxText is how much text Encode takes at once: offsets have 32 bits, and the
// alphabet of bytes doubles the text.
const maxText = 1 << 29

// Encode gives the tokens of text. It fails if a text cannot be represented (a
// model without an unknown token), if a pattern of the file takes too long, or if
// o cannot be kept.
func (t *Tokenizer) Encode(text string, o Options) (Encoding, error) {
	return t.encode(o, text)
}

// EncodePair gives the tokens of two texts that belong together, as question and
// answer. Offsets count in each text by itself.
func (t *Tokenizer) EncodePair(a, b string, o Options) (Encoding, error) {
	return t.encode(o, a, b)
}

func (t *Tokenizer) encode(o Options, texts ...string) (e Encoding, err error) {
	seqs := make([]*sequence, len(texts))
	for i, s := range texts {
		if seqs[i], err = t.sequence(s); err != nil {
			return e, fmt.Errorf("tokenizer: %w", err)
		}
	}
	slots, err := t.post.slots(len(texts))
	if err != nil {
		return e, fmt.Errorf("tokenizer: %w", err)
	}
	if o.MaxTokens > 0 {
		limit := o.MaxTokens
		if !o.NoSpecial {
			if limit -= added(slots); limit < 0 {
				return e, fmt.Errorf("tokenizer: %d tokens leave no room for the %d special ones", o.MaxTokens, added(slots))
			}
		}
		if err := t.truncation.apply(seqs, limit); err != nil {
			return e, fmt.Errorf("tokenizer: %w", err)
		}
	}
	for _, tr := range t.post.trims {
		for _, s := range seqs {
			tr.apply(s, t.vocab.tokens)
		}
	}
	for _, s := range slots {
		if s.seq >= 0 {
			q := seqs[s.seq]
			for i, id := range q.ids {
				e.add(id, s.typeID, q.spans[i], false)
			}
		} else if !o.NoSpecial {
			for _, id := range s.ids {
				e.add(id, s.typeID, span{}, true)
			}
		}
	}
	if err := t.padding.apply(&e, o.PadTo); err != nil {
		return e, fmt.Errorf("tokenizer: %w", err)
	}
	return e, nil
}

// sequence gives the tokens of one text.
func (t *Tokenizer) sequence(s string) (*sequence, error) {
	if len(s) > maxText {
		return nil, fmt.Errorf("a text of %d bytes; split it, %d is the most", len(s), maxText)
	}
	p := newSplits(s)
	if t.plain != nil {
		if err := p.split(t.plain.find); err != nil {
			return nil, err
		}
	}
	for _, n := range t.normalizers {
		if err := p.rewrite(n); err != nil {
			return nil, err
		}
	}
	p.dropEmpty()
	if t.normalized != nil {
		if err := p.split(t.normalized.find); err != nil {
			return nil, err
		}
	}
	for _, pre := range t.preTokenizers {
		if err := pre(p); err != nil {
			return nil, err
		}
	}
	out := &sequence{text: s}
	var buf []token
	for _, c := range p.pieces {
		if c.token >= 0 {
			out.add(c.token, p.original(c.from, c.to), true)
			continue
		}
		if c.from == c.to {
			continue
		}
		var err error
		if buf, err = t.cache.tokenize(t.model, buf[:0], p.s[c.from:c.to]); err != nil {
			return nil, err
		}
		for _, k := range buf {
			out.add(k.id, p.original(c.from+int(k.from), c.from+int(k.to)), false)
		}
	}
	return out, nil
}

// Decode gives the text of ids; with skipSpecial, without special tokens. Ids
// that do not exist are left out.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	tokens := make([]string, 0, len(ids))
	for _, id := range ids {
		if a := t.addedI[id]; a != nil {
			if !skipSpecial || !a.Special {
				tokens = append(tokens, a.text)
			}
		} else if s, ok := t.vocab.tokens[id]; ok {
			tokens = append(tokens, s)
		}
	}
	if len(t.decoders) == 0 {
		return strings.Join(tokens, " ")
	}
	for _, d := range t.decoders {
		tokens = d(tokens)
	}
	return strings.Join(tokens, "")
}

// VocabSize is the number of different tokens, added ones counted.
func (t *Tokenizer) VocabSize() int { return t.size }

// ID is the id of a token as it stands in the vocabulary ("Ġthe", "##ing").
func (t *Tokenizer) ID(token string) (int32, bool) {
	if a := t.added[token]; a != nil {
		return a.ID, true
	}
	id, ok := t.vocab.ids[token]
	return id, ok
}

// Token is the token with an id, as it stands in the vocabulary.
func (t *Tokenizer) Token(id int32) (string, bool) {
	if a := t.addedI[id]; a != nil {
		return a.Content, true
	}
	s, ok := t.vocab.tokens[id]
	return s, ok
}
