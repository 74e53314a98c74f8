package zoo

import (
	"fmt"
	"math"
	"strings"

	"pare/core/graph"
)

// GPT is the architecture of GPT-2 (Radford et al. 2019): learned positions, layer
// norm before attention and before a GELU network (tanh form) of four times the
// width, and a head that shares the embedding's table.
type GPT struct {
	Layers, Width, Heads int
	Vocabulary           int
	Tokens               int // of a sequence
	Places               int // rows of the table of positions; 0: as many as Tokens
}

// The sizes of gpt-nano, gpt-micro and gpt-mini are minGPT's (Karpathy 2020,
// mingpt/model.py), gpt-small's those of the smallest GPT-2. Parameters are counted
// with the vocabulary and the places of Info.
var (
	gptNano  = gptEntry("gpt-nano", 3, 48, 3, 92_592)
	gptMicro = gptEntry("gpt-micro", 4, 128, 4, 813_824)
	gptMini  = gptEntry("gpt-mini", 6, 192, 6, 2_700_288)
	gptSmall = gptEntry("gpt-small", 12, 768, 12, 85_178_880)
)

func gptEntry(name string, layers, width, heads int, params int64) entry {
	return entry{
		info: Info{
			Name:  name,
			About: fmt.Sprintf("GPT-2 with %d layers of width %d", layers, width),
			Input: Input{C: 1, H: 1, W: 1, Tokens: 64, Vocab: 96}, Classes: 96, Params: params,
			Paper: "Radford et al. 2019, Language Models are Unsupervised Multitask Learners; sizes of minGPT",
		},
		// Rate and decay of nanoGPT's character model (config/train_shakespeare_char.py):
		// AdamW, 1e-3 falling along a cosine, decay 0.1, batches of 64; its β₂ of 0.99,
		// its clipping and warm-up are left out.
		preset: Preset{Optimizer: "adamw", LR: 1e-3, WeightDecay: 0.1, Batch: 64, Epochs: 5, LRSchedule: "cosine", Source: "nanoGPT's character model"},
		text:   languageModel,
		build: func(b *graph.Net, in Input, _ int) {
			GPT{Layers: layers, Width: width, Heads: heads, Vocabulary: in.Vocab, Tokens: in.Tokens}.Add(b)
		},
		init: initGPT,
	}
}

// Build makes the model with fresh weights.
func (g GPT) Build(name string, seed uint64) (*graph.Model, error) {
	b := &graph.Net{M: graph.NewSequence(name, 1, g.Tokens)}
	g.Add(b)
	if b.Err != nil {
		return nil, fmt.Errorf("%s: %w", name, b.Err)
	}
	if err := Init(b.M, seed); err != nil {
		return nil, err
	}
	initGPT(b.M, seed)
	return b.M, nil
}

// Add adds all layers to a net that holds nothing but its input, ids. Names are those
// of GPT-2's files.
func (g GPT) Add(b *graph.Net) {
	x := b.Positions("wpe", b.Embedding("wte", 0, g.Vocabulary, g.Width), max(g.Places, g.Tokens))
	for i := range g.Layers {
		at := func(s string) string { return fmt.Sprintf("h.%d.%s", i, s) }
		a := b.Linear(at("attn.c_attn"), b.LayerNorm(at("ln_1"), x, 1e-5), 3*g.Width)
		a = b.Linear(at("attn.c_proj"), b.Attention(at("attn"), g.Heads, g.Heads, true, a), g.Width)
		x = b.Op(at("attn.add"), "add", x, a)
		h := b.Op(at("mlp.act"), "gelu_tanh", b.Linear(at("mlp.c_fc"), b.LayerNorm(at("ln_2"), x, 1e-5), 4*g.Width))
		x = b.Op(at("mlp.add"), "add", x, b.Linear(at("mlp.c_proj"), h, g.Width))
	}
	x = b.LayerNorm("ln_f", x, 1e-5)
	if b.Err == nil {
		_, b.Err = b.M.Append("lm_head", "linear", graph.Attrs{}, []int{b.M.Param("wte.weight")}, x)
	}
}

// initGPT draws weights with GPT-2's variance of 0.02², divided by the number of
// additions to the residual stream in the layers that end in one, and sets biases to
// zero. The distribution is uniform, as Init's tables.
func initGPT(m *graph.Model, seed uint64) {
	adds := 0
	for _, n := range m.Nodes {
		if n.Op == "add" {
			adds++
		}
	}
	for i := range m.Params {
		p := &m.Params[i]
		switch p.Role {
		case graph.Weight:
			bound := 0.02 * math.Sqrt(3)
			if strings.HasSuffix(p.Name, "c_proj.weight") {
				bound /= math.Sqrt(float64(adds))
			}
			key := streamKey(seed, p.Name)
			for j := range p.Data {
				p.Data[j] = symmetric(key, uint64(j)) * float32(bound)
			}
			p.Mask.Apply(p.Data)
		case graph.Bias:
			clear(p.Data)
		}
	}
}
