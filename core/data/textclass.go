package data

import (
	"errors"
	"fmt"
	"strings"

	"pare/core/data/tokenizer"
)

// nul stands in the vocabulary of the tokenizer char for what fills up a short text.
const nul = 0

// texts makes tokens of texts that have one label each: T of them, cut off there or
// filled up with Pad (on the right, or on the side that a tokenizer's file says).
type texts struct {
	Text
	free bool // char without a vocabulary: ids are code points until number
	cut  int  // texts that were cut off
}

// newTexts opens the tokenizer that o names.
func newTexts(o Options) (*texts, error) {
	n, err := o.tokens()
	if err != nil {
		return nil, err
	}
	if o.own(); o.Tokenizer == "" {
		o.Tokenizer = Bytes
		if o.Vocab != "" {
			o.Tokenizer = Chars
		}
	}
	if o.Pair && (o.Tokenizer == Chars || o.Tokenizer == Bytes) {
		return nil, fmt.Errorf("the tokenizer %s has nothing to stand between two texts: for data.pair give that of a model (data.tokenizer = a tokenizer.json or its folder)", o.Tokenizer)
	}
	if o.Tokenizer == Chars && o.Vocab == "" {
		return &texts{Text: Text{Kind: Chars, Len: n}, free: true}, nil
	}
	x, err := newText([3][]stretch{}, o)
	if err != nil {
		return nil, err
	}
	x.Len, x.Pair = n, o.Pair
	switch k := x.Tokens.(type) {
	case *charTokens:
		pad, ok := k.ids[nul]
		if !ok {
			return nil, errors.New("the vocabulary has no U+0000, which fills up short texts: take that of a recipe for texts with labels")
		}
		x.Pad = pad
	case fileTokens:
		pad, ok := k.Pad()
		if !ok {
			return nil, fmt.Errorf("tokenizer %s: has no pad token to fill up short texts: name one in tokenizer_config.json (pad_token)", o.Tokenizer)
		}
		x.Pad = pad
	}
	return &texts{Text: *x}, nil
}

// pair puts the T ids of two texts into dst, each with its segment.
func (x *texts) pair(dst []float32, said [2]string) ([]float32, error) {
	dst = dst[:0]
	t := x.Tokens.(fileTokens) // newTexts saw to it
	limit := max(1<<16, 256*x.Len)
	var part [2]string
	for i, s := range said {
		part[i] = s[:lineCut(s, limit)]
	}
	e, err := t.Tokenizer.EncodePair(part[0], part[1], tokenizer.Options{MaxTokens: x.Len, PadTo: x.Len})
	if err != nil {
		return nil, err
	}
	var end [2]int // of what was taken of each; offsets start anew with the second
	text, full := 0, true
	for i, id := range e.IDs {
		dst = append(dst, float32(id), float32(e.TypeIDs[i]))
		if from, to := int(e.Offsets[i][0]), int(e.Offsets[i][1]); !e.Special[i] {
			if from < end[text] {
				text = 1
			}
			end[text] = max(end[text], to)
		}
		full = full && e.Mask[i]
	}
	short := func(i int) bool { return len(part[i]) < len(said[i]) || end[i] < len(strings.TrimSpace(part[i])) }
	if full && (short(0) || short(1)) {
		x.cut++
	}
	return dst, nil
}

// IDs are the ids of the tokens of a sample, without segments.
func (x *Text) IDs(sample []float32) []int32 {
	step := 1
	if x.Pair {
		step = 2
	}
	ids := make([]int32, 0, x.Len)
	for i := 0; i < len(sample); i += step {
		ids = append(ids, int32(sample[i]))
	}
	return ids
}

// sample puts the T ids of a text into dst. A tokenizer's file adds its special
// tokens, and gets no more of a long text than could matter.
func (x *texts) sample(dst []float32, s string) ([]float32, error) {
	dst = dst[:0]
	if t, ok := x.Tokens.(fileTokens); ok {
		limit := max(1<<16, 256*x.Len)
		part := s[:lineCut(s, limit)]
		e, err := t.Tokenizer.Encode(part, tokenizer.Options{MaxTokens: x.Len, PadTo: x.Len})
		if err != nil {
			return nil, err
		}
		end, full := 0, true
		for i, id := range e.IDs {
			dst = append(dst, float32(id))
			end = max(end, int(e.Offsets[i][1]))
			full = full && e.Mask[i]
		}
		if len(part) < len(s) || full && end < len(strings.TrimSpace(s)) {
			x.cut++
		}
		return dst, nil
	}
	if x.free {
		if i := invalid(s); i >= 0 {
			return nil, fmt.Errorf("%s %w", short(s), &notUTF8{i})
		}
		for _, c := range s {
			if len(dst) == x.Len {
				x.cut++
				break
			}
			dst = append(dst, float32(c))
		}
	} else {
		ids, err := x.Tokens.Encode(s)
		if err != nil {
			return nil, err
		}
		if len(ids) > x.Len {
			ids = ids[:x.Len]
			x.cut++
		}
		for _, id := range ids {
			dst = append(dst, float32(id))
		}
	}
	for len(dst) < x.Len {
		dst = append(dst, float32(x.Pad))
	}
	return dst, nil
}

// number gives the characters of a free vocabulary their ids: U+0000, those of the
// training part by code point, and U+FFFD for others if there are any. What stands
// behind the first T characters of a text does not count.
func (x *texts) number(st *store, part []uint8) error {
	if !x.free {
		return nil
	}
	if err := st.done(); err != nil {
		return err
	}
	var seen [2]map[rune]bool
	seen[0], seen[1] = map[rune]bool{nul: true}, map[rune]bool{}
	err := st.each(func(i int, ids []float32) {
		in := seen[min(part[i], 1)]
		for _, c := range ids {
			in[rune(c)] = true
		}
	})
	if err != nil {
		return err
	}
	chars := vocabulary(seen[0], seen[1])
	t, err := newChars(chars)
	if err != nil {
		return err
	}
	x.Vocab, x.Chars, x.Tokens, x.free = len(chars), string(chars), t, false
	return st.edit(func(ids []float32) {
		for i, c := range ids {
			id, ok := t.ids[rune(c)]
			if !ok {
				id = t.ids[replacement]
			}
			ids[i] = float32(id)
		}
	})
}

// Shown is the text of a sample without what filled it up, for a person.
func (x *Text) Shown(ids []int32) string {
	if x.LM {
		return x.Tokens.Decode(ids)
	}
	for len(ids) > 0 && ids[len(ids)-1] == x.Pad {
		ids = ids[:len(ids)-1]
	}
	for len(ids) > 0 && ids[0] == x.Pad {
		ids = ids[1:]
	}
	return x.Tokens.Decode(ids)
}
