package data

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"pare/core/data/tokenizer"
)

// nul stands in the vocabulary of the tokenizer char for what fills up a short text.
const nul = 0

// tokenize makes the samples of texts that have one label each: ids [N][T], cut off
// at T tokens or filled up with Text.Pad on the right.
func (d *Data) tokenize(name string, texts []string, labels []int32, part []uint8, o Options) error {
	t, err := o.tokens()
	if err != nil {
		return err
	}
	if o.Tokenizer == "" {
		o.Tokenizer = Bytes
		if o.Vocab != "" {
			o.Tokenizer = Chars
		}
	}
	if d.Text, err = textsTokenizer(name, texts, part, o); err != nil {
		return err
	}
	d.Text.Len = t
	var n [3]int
	for _, p := range part {
		n[p]++
	}
	var sets [3]*Set
	var raw [3]splitHash
	for p := range sets {
		sets[p] = &Set{X: make([]float32, 0, n[p]*t), Labels: make([]int32, 0, n[p]), Shape: []int{t}}
		raw[p] = newSplitHash()
	}
	cut := 0
	buf := make([]byte, 0, 4*t)
	for i, s := range texts {
		ids, whole, err := d.Text.sample(s)
		if err != nil {
			return fmt.Errorf("%s: text %d (%s): %w", name, i+1, short(s), err)
		}
		if !whole {
			cut++
		}
		set := sets[part[i]]
		buf = buf[:0]
		for _, id := range ids {
			set.X = append(set.X, float32(id))
			buf = binary.LittleEndian.AppendUint32(buf, uint32(id))
		}
		raw[part[i]].h.Write(buf)
		set.Labels = append(set.Labels, labels[i])
	}
	if cut > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("%d of %d texts are longer than %d tokens and cut off there", cut, len(texts), t))
	}
	d.Train, d.Val, d.Test = sets[inTrain], sets[inVal], sets[inTest]
	d.finishHash("tokens", raw)
	return nil
}

// textsTokenizer opens the tokenizer for texts of their own and sets its Pad.
func textsTokenizer(name string, texts []string, part []uint8, o Options) (*Text, error) {
	if o.Tokenizer == Chars && o.Vocab == "" {
		var of [3][]string
		for i, s := range texts {
			if !utf8.ValidString(s) {
				return nil, fmt.Errorf("%s: text %d (%s) %w", name, i+1, short(s), &notUTF8{})
			}
			of[part[i]] = append(of[part[i]], s)
		}
		o.Vocab = string(append([]rune{nul}, vocabulary(of[inTrain], append(of[inVal], of[inTest]...))...))
	}
	x, err := newText([3][]stretch{}, o)
	if err != nil {
		return nil, err
	}
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
	return x, nil
}

// sample gives the T ids of one text, and whether all of it is in them.
func (x *Text) sample(s string) (ids []int32, whole bool, err error) {
	if t, ok := x.Tokens.(fileTokens); ok {
		e, err := t.Tokenizer.Encode(s, tokenizer.Options{MaxTokens: x.Len, PadTo: x.Len})
		if err != nil {
			return nil, false, err
		}
		full, err := t.Encode(s)
		return e.IDs, err == nil && len(full) <= unpadded(e), err
	}
	if ids, err = x.Tokens.Encode(s); err != nil {
		return nil, false, err
	}
	if whole = len(ids) <= x.Len; !whole {
		return ids[:x.Len], false, nil
	}
	for len(ids) < x.Len {
		ids = append(ids, x.Pad)
	}
	return ids, true, nil
}

// unpadded counts the tokens that stand for text.
func unpadded(e tokenizer.Encoding) int {
	n := 0
	for _, s := range e.Special {
		if !s {
			n++
		}
	}
	return n
}
