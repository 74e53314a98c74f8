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
}

// Build makes the model with fresh weights. Names are those of GPT-2's files.
func (g GPT) Build(name string, seed uint64) (*graph.Model, error) {
	b := &graph.Net{M: graph.NewSequence(name, 1, g.Tokens)}
	x := b.Positions("wpe", b.Embedding("wte", 0, g.Vocabulary, g.Width), g.Tokens)
	for i := range g.Layers {
		at := func(s string) string { return fmt.Sprintf("h.%d.%s", i, s) }
		a := b.Linear(at("attn.c_attn"), b.LayerNorm(at("ln_1"), x, 1e-5), 3*g.Width)
		a = b.Linear(at("attn.c_proj"), b.Attention(at("attn"), g.Heads, g.Heads, true, a), g.Width)
		x = b.Op(at("attn.add"), "add", x, a)
		h := b.Op(at("mlp.act"), "gelu", b.Linear(at("mlp.c_fc"), b.LayerNorm(at("ln_2"), x, 1e-5), 4*g.Width))
		x = b.Op(at("mlp.add"), "add", x, b.Linear(at("mlp.c_proj"), h, g.Width))
	}
	x = b.LayerNorm("ln_f", x, 1e-5)
	if b.Err != nil {
		return nil, fmt.Errorf("%s: %w", name, b.Err)
	}
	if _, err := b.M.Append("lm_head", "linear", graph.Attrs{}, []int{b.M.Param("wte.weight")}, x); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b.M, Init(b.M, seed)
}
