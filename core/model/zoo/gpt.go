package zoo

import (
	"fmt"

	"pare/core/graph"
)

// GPT is the architecture of GPT-2 (Radford et al. 2019): learned positions, layer
// norm before attention and before a GELU network of four times the width, and a
// head that shares the embedding's table.
type GPT struct {
	Layers, Width, Heads int
	Vocabulary           int
	Tokens               int // of a sequence
	Places               int // rows of the table of positions; 0: as many as Tokens
}

// Build makes the model with fresh weights.
func (g GPT) Build(name string, seed uint64) (*graph.Model, error) {
	b := &graph.Net{M: graph.NewSequence(name, 1, g.Tokens)}
	g.Add(b)
	if b.Err != nil {
		return nil, fmt.Errorf("%s: %w", name, b.Err)
	}
	return b.M, Init(b.M, seed)
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
		h := b.Op(at("mlp.act"), "gelu", b.Linear(at("mlp.c_fc"), b.LayerNorm(at("ln_2"), x, 1e-5), 4*g.Width))
		x = b.Op(at("mlp.add"), "add", x, b.Linear(at("mlp.c_proj"), h, g.Width))
	}
	x = b.LayerNorm("ln_f", x, 1e-5)
	if b.Err == nil {
		_, b.Err = b.M.Append("lm_head", "linear", graph.Attrs{}, []int{b.M.Param("wte.weight")}, x)
	}
}
