package core

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"pare/core/data/tokenizer"
	"pare/core/device"
	"pare/core/infer"
	"pare/core/model/hf"
)

// Answer is what a model of a folder says to one text: of these fields the ones of its
// task.
type Answer struct {
	Text string  `json:"text"`
	IDs  []int32 `json:"ids"` // the text's tokens
	// A classifier of sequences: all classes, the likeliest first.
	Classes []Chance `json:"classes,omitempty"`
	// A causal language model: the likeliest tokens behind the text.
	Next []Chance `json:"next,omitempty"`
	// A masked language model: the likeliest tokens in the place of each mask.
	Masks [][]Chance `json:"masks,omitempty"`
	// A classifier of tokens: the likeliest class of each that stands in the text.
	Tokens []TokenClass `json:"tokens,omitempty"`
	// An encoder without a head: the mean over the text's tokens, of length 1.
	Embedding []float32 `json:"embedding,omitempty"`
}

// Chance is a class or a token with its score: a share of 1, or a number as it is where
// the model is a regression.
type Chance struct {
	Label string  `json:"label"`
	ID    int     `json:"id"`
	Score float64 `json:"score"`
	Logit float32 `json:"logit"`
}

// TokenClass is the class of one token.
type TokenClass struct {
	Token string `json:"token"`
	From  int32  `json:"from"` // bytes of the text
	To    int32  `json:"to"`
	Chance
}

// likeliest is how many tokens an answer names.
const likeliest = 5

// PredictTexts runs the model of a folder of Hugging Face on texts, each cut by the
// folder's own tokenizer. Texts of different lengths go together where filling them up
// changes nothing. A text longer than the model's places is an error.
func PredictTexts(path string, texts []string, dev device.Device, threads int) (hf.Task, []Answer, error) {
	task, answers, err := predictTexts(path, texts, dev, threads)
	switch {
	case err == nil:
		return task, answers, nil
	case strings.HasPrefix(err.Error(), path+":"): // it has said where
		return task, nil, err
	}
	return task, nil, fmt.Errorf("model %s: %w", path, err)
}

func predictTexts(path string, texts []string, dev device.Device, threads int) (hf.Task, []Answer, error) {
	d, err := openHF(path)
	if err != nil {
		return "", nil, err
	}
	task, err := d.Task()
	switch {
	case err != nil:
		return "", nil, err
	case task == hf.ImageClassifier:
		return task, nil, fmt.Errorf("an %s takes no text: give its pixels, [B, channels, height, width], as .npy, .safetensors or .json", task)
	case len(texts) == 0:
		return task, nil, errors.New("no text to work on")
	}
	tok, err := tokenizer.Open(or(tokenizerOf(path), path))
	if err != nil {
		return task, nil, err
	}
	fill, fills := d.Fills(task)
	most := d.Places(math.MaxInt)
	codes := make([]tokenizer.Encoding, len(texts))
	groups := map[int][]int{} // texts by the length they run at
	longest := 0
	for i, s := range texts {
		if codes[i], err = tok.Encode(s, tokenizer.Options{}); err != nil {
			return task, nil, fmt.Errorf("text %d: %w", i+1, err)
		}
		n := codes[i].Len()
		switch {
		case n == 0:
			return task, nil, fmt.Errorf("text %d has no tokens: write something into it", i+1)
		case n > most:
			return task, nil, fmt.Errorf("text %d has %d tokens, the model takes at most %d: shorten it", i+1, n, most)
		}
		longest = max(longest, n)
	}
	for i := range codes {
		n := longest
		if !fills {
			n = codes[i].Len()
		}
		groups[n] = append(groups[n], i)
	}
	answers := make([]Answer, len(texts))
	for n, group := range groups {
		run, err := newTextRun(d, dev, threads, n)
		if err != nil {
			return task, nil, err
		}
		for _, i := range group {
			answers[i] = Answer{Text: texts[i], IDs: codes[i].IDs}
			y, err := run.on(codes[i].IDs, fill)
			if err == nil {
				err = answers[i].say(d.Dir, tok, task, codes[i], y, run.net.Output())
			}
			if err != nil {
				run.net.Close() //nolint:errcheck // the other error says it
				return task, nil, fmt.Errorf("text %d: %w", i+1, err)
			}
		}
		if err := run.net.Close(); err != nil {
			return task, nil, err
		}
	}
	return task, answers, nil
}

// textRun runs a model on sequences of one length.
type textRun struct {
	net *infer.Net
	y   []float32
}

func newTextRun(d *folder, dev device.Device, threads, tokens int) (*textRun, error) {
	m, err := d.Build(hf.Options{Tokens: tokens})
	if err != nil {
		return nil, err
	}
	net, err := infer.New(m, infer.On(dev), infer.Threads(threads), infer.Batch(1))
	if err != nil {
		return nil, err
	}
	return &textRun{net: net, y: make([]float32, net.Output().Len())}, nil
}

// on runs it on the tokens of a text, filled up to the length.
func (r *textRun) on(ids []int32, fill int) ([]float32, error) {
	x := make([]float32, r.net.Input().Len())
	for i := range x {
		if x[i] = float32(fill); i < len(ids) {
			x[i] = float32(ids[i])
		}
	}
	return r.y, r.net.Run(x, r.y)
}

// say fills in what the outputs y mean.
func (a *Answer) say(d *hf.Dir, tok *tokenizer.Tokenizer, task hf.Task, e tokenizer.Encoding, y []float32, out infer.Port) error {
	row := func(t int) []float32 { return y[t*out.C : (t+1)*out.C] }
	token := func(id int) string { return tok.Decode([]int32{int32(id)}, false) }
	n := e.Len()
	if err := allFinite(y); err != nil {
		return err
	}
	switch task {
	case hf.SequenceClassifier:
		a.Classes = chances(y, d.Score(len(y)), d.Label, len(y))
	case hf.CausalLM:
		a.Next = chances(row(n-1), hf.Shares, token, likeliest)
	case hf.MaskedLM:
		mask, ok := tok.Mask()
		for t, id := range e.IDs {
			if ok && id == mask {
				a.Masks = append(a.Masks, chances(row(t), hf.Shares, token, likeliest))
			}
		}
		if a.Masks == nil {
			word, _ := tok.Token(mask)
			if !ok {
				word = "a mask, which its tokenizer does not know"
			}
			return fmt.Errorf("a %s guesses what stands in the place of %s: put one into the text", task, word)
		}
	case hf.TokenClassifier:
		for t, id := range e.IDs {
			if e.Special[t] {
				continue
			}
			word, _ := tok.Token(id)
			a.Tokens = append(a.Tokens, TokenClass{word, e.Offsets[t][0], e.Offsets[t][1], chances(row(t), hf.Shares, d.Label, 1)[0]})
		}
	case hf.BareEncoder:
		a.Embedding = meanOf(y[:n*out.C], out.C)
	}
	return nil
}

// chances are the most likely of the logits y.
func chances(y []float32, by hf.Score, label func(int) string, most int) []Chance {
	order := make([]int, len(y))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case y[a] > y[b]:
			return -1
		case y[a] < y[b]:
			return 1
		}
		return 0
	})
	sum := 0.0
	for _, v := range y {
		sum += math.Exp(float64(v) - float64(y[order[0]]))
	}
	l := make([]Chance, min(most, len(y)))
	for k := range l {
		i := order[k]
		v := float64(y[i])
		l[k] = Chance{Label: label(i), ID: i, Score: v, Logit: y[i]}
		switch by {
		case hf.Shares:
			l[k].Score = math.Exp(v-float64(y[order[0]])) / sum
		case hf.Each:
			l[k].Score = 1 / (1 + math.Exp(-v))
		}
	}
	return l
}

// meanOf is the mean over rows of c values, scaled to length 1.
func meanOf(y []float32, c int) []float32 {
	sum, length := make([]float64, c), 0.0
	for i, v := range y {
		sum[i%c] += float64(v)
	}
	for _, v := range sum {
		length += v * v
	}
	out := make([]float32, c)
	for i, v := range sum {
		out[i] = float32(v / math.Sqrt(max(length, 1e-24)))
	}
	return out
}
