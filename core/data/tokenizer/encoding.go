package tokenizer

import (
	"errors"
	"fmt"
	"slices"
)

// Options say what Encode gives besides the tokens of the text itself.
type Options struct {
	// NoSpecial leaves out the special tokens that the post-processor adds.
	// Those that stand in the text are found in any case.
	NoSpecial bool
	// MaxTokens is how many tokens there may be, special ones counted; 0 for any
	// number. What is too much is cut off, of a pair from the longer text.
	MaxTokens int
	// PadTo is how many tokens there are at least; 0 for no padding.
	PadTo int
}

// Encoding is a text as tokens. All lists are equally long.
type Encoding struct {
	IDs     []int32
	TypeIDs []int32    // which text of a pair a token is of, as the model wants it told
	Mask    []bool     // false for padding: the attention mask
	Special []bool     // true for what was added: by the post-processor, or padding
	Offsets [][2]int32 // the bytes of the original text, from and to; 0, 0 for what was added
}

// Len is the number of tokens.
func (e *Encoding) Len() int { return len(e.IDs) }

func (e *Encoding) add(id, typeID int32, s span, special bool) {
	e.IDs = append(e.IDs, id)
	e.TypeIDs = append(e.TypeIDs, typeID)
	e.Mask = append(e.Mask, true)
	e.Special = append(e.Special, special)
	e.Offsets = append(e.Offsets, [2]int32{s.from, s.to})
}

// sequence is the tokens of one text before special tokens are added.
type sequence struct {
	text  string // the original
	ids   []int32
	spans []span
	added []bool // whether it was cut out of the text as an added token
}

func (s *sequence) add(id int32, at span, added bool) {
	s.ids = append(s.ids, id)
	s.spans = append(s.spans, at)
	s.added = append(s.added, added)
}

// cut leaves n tokens, the last ones if left is cut off.
func (s *sequence) cut(n int, left bool) {
	from, to := 0, min(n, len(s.ids))
	if left {
		from, to = len(s.ids)-to, len(s.ids)
	}
	s.ids, s.spans, s.added = s.ids[from:to], s.spans[from:to], s.added[from:to]
}

// truncation is how a file wants texts to be cut off.
type truncation struct {
	strategy string // LongestFirst, OnlyFirst, OnlySecond
	left     bool
}

// apply cuts one or two sequences to max tokens in all.
func (t truncation) apply(seqs []*sequence, limit int) error {
	total := 0
	for _, s := range seqs {
		total += len(s.ids)
	}
	over := total - limit
	if over <= 0 {
		return nil
	}
	if limit == 0 {
		for _, s := range seqs {
			s.cut(0, t.left)
		}
		return nil
	}
	if t.strategy == "LongestFirst" {
		if len(seqs) == 1 {
			seqs[0].cut(limit, t.left)
			return nil
		}
		a, b := seqs[0], seqs[1]
		if len(a.ids) > len(b.ids) {
			a, b = b, a
		}
		// The shorter one stays whole unless it has more than half.
		n, m := len(a.ids), len(a.ids)
		if n <= limit {
			m = max(n, limit-n)
		}
		if n+m > limit {
			n = limit / 2
			m = n + limit%2
		}
		a.cut(n, t.left)
		b.cut(m, t.left)
		return nil
	}
	s := seqs[0]
	if t.strategy == "OnlySecond" {
		if len(seqs) < 2 {
			return errors.New("truncation: strategy OnlySecond needs a pair of texts")
		}
		s = seqs[1]
	}
	if len(s.ids) <= over {
		return fmt.Errorf("truncation: strategy %s cannot cut %d of %d tokens; allow more tokens", t.strategy, over, len(s.ids))
	}
	s.cut(len(s.ids)-over, t.left)
	return nil
}

// padding is what a text is filled up with.
type padding struct {
	id, typeID int32
	known      bool // whether there is a pad token
	left       bool
}

func (p padding) apply(e *Encoding, n int) error {
	add := n - e.Len()
	if add <= 0 {
		return nil
	}
	if !p.known {
		return errors.New("padding: the tokenizer has no pad token; name one in tokenizer_config.json (pad_token)")
	}
	at := e.Len()
	if p.left {
		at = 0
	}
	e.IDs = slices.Insert(e.IDs, at, slices.Repeat([]int32{p.id}, add)...)
	e.TypeIDs = slices.Insert(e.TypeIDs, at, slices.Repeat([]int32{p.typeID}, add)...)
	e.Mask = slices.Insert(e.Mask, at, make([]bool, add)...)
	e.Special = slices.Insert(e.Special, at, slices.Repeat([]bool{true}, add)...)
	e.Offsets = slices.Insert(e.Offsets, at, make([][2]int32, add)...)
	return nil
}
