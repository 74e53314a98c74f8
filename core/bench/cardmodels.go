package bench

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"pare/core/graph"
	"pare/core/model/hf"
	"pare/core/model/zoo"
	"pare/core/tensor"
)

// cardModel is an architecture whose training steps are measured on a card. Its weights
// are random: what a step costs does not depend on what the model knows.
type cardModel struct {
	batch, tokens int // of a step, when nothing else is asked for
	build         func(tokens int) (*graph.Model, error)
	// net is the model in peernets.py, and sizes what it takes there, given the heads and
	// the hidden channels of a layer that a cut leaves.
	net   string
	sizes func(tokens, heads, hidden int) []int
	head  int // channels of one
	// hidden is how the names end of the layers whose outputs are the hidden channels of
	// a feed-forward network.
	hidden string
	// adapted is how the names end of the layers that get adapters: queries and values,
	// the field's set-up. kept are the layers that train beside them, as PEFT's
	// modules_to_save for classifiers.
	adapted, kept []string
	// large: two of it do not fit a card. It is opened for each turn and closed behind it.
	large bool
	// half: PyTorch keeps what does not train in bf16, as PEFT's users load large models;
	// else in float32, which autocast casts in each step.
	half bool
}

// cardModels are the models that are measured, by name. llama2-7b-l8 has the shape of
// Llama 2 7B (Touvron et al. 2023) with 8 of its 32 layers, so that a full step with
// float32 weights and AdamW's moments fits 80 GB; bert-base is that of Devlin et al. 2019
// with a classifier of two classes.
var cardModels = map[string]cardModel{
	"gpt2-124m": gptOnCard(12, 768, 12),
	"gpt2-355m": gptOnCard(24, 1024, 16),
	"gpt-4096":  gptOnCard(4, 4096, 32),
	"bert-base": bertOnCard(12, 768, 12, 30522, 32, 384),
	"llama2-7b-l8": func() cardModel {
		m := llamaOnCard(8, 4096, 32, 11008, 32000, 8, 1024)
		m.large, m.half = true, true
		return m
	}(),
}

func gptOnCard(layers, width, heads int) cardModel {
	const vocabulary = 50257
	return cardModel{
		batch: 32, tokens: 1024,
		build: func(tokens int) (*graph.Model, error) {
			b := &graph.Net{M: graph.NewSequence("gpt", 1, tokens)}
			zoo.GPT{Layers: layers, Width: width, Heads: heads, Vocabulary: vocabulary, Tokens: tokens}.Add(b)
			return b.M, b.Err
		},
		net: "gpt", sizes: func(tokens, h, f int) []int { return []int{layers, width, h, vocabulary, tokens, f, width / heads} },
		head: width / heads, hidden: "mlp.c_fc", adapted: []string{"attn.c_attn"},
	}
}

func bertOnCard(layers, width, heads, vocabulary, batch, tokens int) cardModel {
	const places, segments, classes = 512, 2, 2
	return cardModel{
		batch: batch, tokens: tokens,
		build: func(tokens int) (*graph.Model, error) {
			return hf.Blank(fmt.Appendf(nil, `{"model_type": "bert", "architectures": ["BertForSequenceClassification"], "vocab_size": %d, "hidden_size": %d,
				"num_hidden_layers": %d, "num_attention_heads": %d, "intermediate_size": %d, "hidden_act": "gelu", "max_position_embeddings": %d,
				"type_vocab_size": %d, "layer_norm_eps": 1e-12}`, vocabulary, width, layers, heads, 4*width, places, segments), tokens)
		},
		net: "bert", sizes: func(_, h, f int) []int {
			return []int{layers, width, h, width / heads, f, vocabulary, places, segments, classes}
		},
		head: width / heads, hidden: "intermediate.dense", adapted: []string{"attention.self.query", "attention.self.value"}, kept: []string{"classifier"},
	}
}

func llamaOnCard(layers, width, heads, hidden, vocabulary, batch, tokens int) cardModel {
	return cardModel{
		batch: batch, tokens: tokens,
		build: func(tokens int) (*graph.Model, error) {
			return hf.Blank(fmt.Appendf(nil, `{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": %d, "hidden_size": %d,
				"num_hidden_layers": %d, "num_attention_heads": %d, "num_key_value_heads": %d, "intermediate_size": %d, "hidden_act": "silu",
				"max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 10000, "tie_word_embeddings": false}`, vocabulary, width, layers, heads, heads, hidden), tokens)
		},
		net: "llama", sizes: func(_, h, f int) []int { return []int{layers, width, h, width / heads, f, vocabulary} },
		head: width / heads, hidden: "mlp.gate_proj", adapted: []string{"self_attn.q_proj", "self_attn.v_proj"},
	}
}

// CurveModel is one of the GPTs among CardModels with fresh weights, for Curve: its vocabulary is
// GPT-2's, whatever the text has of it. nil: name is none of them.
func CurveModel(name string, tokens int, seed uint64) (*graph.Model, error) {
	c := cardModels[name]
	if c.net != "gpt" {
		return nil, nil
	}
	s := c.sizes(tokens, 0, 0)
	return zoo.GPT{Layers: s[0], Width: s[1], Heads: s[1] / c.head, Vocabulary: s[3], Tokens: tokens}.Build(name, seed)
}

// CardModels are the names of the models that Card measures.
func CardModels() []string {
	var l []string
	for n := range cardModels {
		l = append(l, n)
	}
	slices.Sort(l)
	return l
}

// Adapters of a treatment: rank and alpha.
const (
	cardRank  = 8
	cardAlpha = 16
)

// Treatment is how a model is trained: as it is, cut, with adapters on a frozen base, or
// both.
type Treatment struct {
	Name string
	Cut  float64 // share of the heads and of the hidden channels of every layer that goes
	LoRA bool
	// TwoFour: of each four inputs of every layer but the last two weights are kept; Both:
	// of each four outputs as well.
	TwoFour, Both bool
}

// ParseTreatment reads full, lora, half, cut=SHARE, 24, 24-both, and each of the last four
// with +lora behind it.
func ParseTreatment(s string) (Treatment, error) {
	t := Treatment{Name: s}
	what, rest, two := strings.Cut(s, "+")
	if what == "lora" && !two {
		return Treatment{Name: s, LoRA: true}, nil
	}
	t.LoRA = two && rest == "lora"
	share, cut := strings.CutPrefix(what, "cut=")
	var err error
	switch {
	case two && !t.LoRA:
		err = strconv.ErrSyntax
	case what == "24" || what == "24-both":
		t.TwoFour, t.Both = true, what == "24-both"
	case what == "half":
		t.Cut = 0.5
	case cut:
		if t.Cut, err = strconv.ParseFloat(share, 64); err == nil && !(t.Cut > 0 && t.Cut < 1) {
			err = strconv.ErrRange
		}
	case s != "full":
		err = strconv.ErrSyntax
	}
	if err != nil {
		return t, fmt.Errorf("treatment %q: full, lora, or half, 24, 24-both or cut=SHARE with a share between 0 and 1, alone or with +lora", s)
	}
	return t, nil
}

// treated is a model after its treatment.
type treated struct {
	*graph.Model
	heads, hidden   int   // of a layer
	params, trained int64 // values
}

// hiddenRound is what the hidden channels that a cut leaves are rounded to: products on
// tensor cores gain nothing by less.
const hiddenRound = 64

// treat builds the model for sequences of tokens tokens and treats it: a cut takes the
// last heads and hidden channels of every layer (which ones makes no difference to
// random weights) by the rewrites of any structured cut; adapters of rank 8 go on queries
// and values and all else is frozen.
func (c cardModel) treat(t Treatment, tokens int) (*treated, error) {
	m, err := c.build(tokens)
	if err != nil {
		return nil, err
	}
	x := &treated{Model: m}
	groups, err := m.Groups()
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		n, round := &x.heads, 1
		if !g.Heads {
			n, round = &x.hidden, hiddenRound
		}
		if g.Refused != "" || !g.Heads && !strings.HasSuffix(g.Name, c.hidden) {
			continue
		}
		*n = g.Size
		if t.Cut == 0 {
			continue
		}
		*n = max(int(math.Round((1-t.Cut)*float64(g.Size)/float64(round))), 1) * round
		keep := make([]int, *n)
		for i := range keep {
			keep[i] = i
		}
		if _, err := (graph.CutAxis{Group: g.Name, Keep: keep}).Apply(m); err != nil {
			return nil, err
		}
	}
	if t.TwoFour {
		for _, l := range m.Layers() {
			if p := &m.Params[l.Param]; m.Nodes[l.Node].Out != m.Output {
				p.Mask = twoFour(p.Shape[0], p.Shape[1:].Len(), t.Both)
			}
		}
	}
	if t.LoRA {
		for _, l := range m.Layers() {
			if slices.ContainsFunc(c.adapted, func(s string) bool { return strings.HasSuffix(l.Name, s) }) {
				if _, err := (graph.AttachLoRA{Layer: l.Name, Rank: cardRank, Alpha: cardAlpha, Seed: 1}).Apply(m); err != nil {
					return nil, err
				}
			}
		}
		if _, err := (graph.Freeze{Except: c.kept}).Apply(m); err != nil {
			return nil, err
		}
	}
	for _, p := range m.Params {
		n := int64(p.Shape.Len())
		x.params += n
		if !p.Frozen {
			x.trained += n
		}
	}
	return x, nil
}

// twoFour is a mask that keeps two of each four inputs, which two differs from row to row;
// with both as well two of each four outputs. Which ones makes no difference to random
// weights.
func twoFour(n, k int, both bool) *tensor.Mask {
	m := tensor.NewMask(n * k)
	for row := range n {
		shift := row
		if !both {
			shift = row / 4
		}
		for i := range k {
			if (i+shift)%4 >= 2 {
				m.Drop(row*k + i)
			}
		}
	}
	return m
}

// values are fresh ones of a parameter: uniform with BERT's and GPT-2's variance of 0.02²
// for matrices, 1 for factors, 0 for what is added. They lie in buf if it is long enough.
func values(p *graph.Param, seed uint64, buf []float32) []float32 {
	n := p.Shape.Len()
	if cap(buf) < n {
		buf = make([]float32, n)
	}
	x := buf[:n]
	switch p.Role {
	case graph.Weight, graph.Table:
		inParallel(n, func(from, to int) {
			for i := from; i < to; i++ { // SplitMix64, by the element's number
				z := seed + uint64(i+1)*0x9e3779b97f4a7c15
				z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
				z = (z ^ z>>27) * 0x94d049bb133111eb
				x[i] = float32(int32(z>>32)) * (0.02 * 1.7320508 / (1 << 31))
			}
		})
	case graph.Scale:
		for i := range x {
			x[i] = 1
		}
	default:
		clear(x)
	}
	return x
}
