package hf

import (
	"errors"
	"fmt"
	"math"

	"pare/core/graph"
	"pare/core/tensor"
)

// gpt2 builds GPT2LMHeadModel. Linear layers are Conv1D there: weights [in, out].
func gpt2(b *builder) error {
	c := b.c
	err := positive(map[string]int{"vocab_size": c.Vocab, "n_embd": c.Width, "n_head": c.Heads, "n_layer": c.Layers, "n_positions": c.Places})
	switch {
	case err != nil:
		return err
	case b.M.Input().Seq > c.Places:
		return fmt.Errorf("sequences of %d tokens: the model has places for %d", b.M.Input().Seq, c.Places)
	case c.CrossAttn:
		return errors.New("config.json: add_cross_attention is not supported")
	}
	inner := c.Inner
	if inner == 0 {
		inner = 4 * c.Width
	}
	at := ""
	if b.d.tensors["transformer.wte.weight"] != nil {
		at = "transformer."
	}
	norm := func(name string, in int) int { return b.layerNorm(name, in, c.Eps) }
	wte := at + "wte.weight"
	x := b.node(at+"wte", "embedding", graph.Attrs{}, []int{b.param(wte, graph.Table, tensor.Shape{c.Vocab, c.Width}, false)}, 0)
	x = b.node(at+"wpe", "positions", graph.Attrs{}, []int{b.param(at+"wpe.weight", graph.Table, tensor.Shape{c.Places, c.Width}, false)}, x)
	for i := range b.layers(c.Layers) {
		h := fmt.Sprintf("%sh.%d.", at, i)
		a := b.linear(h+"attn.c_attn", norm(h+"ln_1", x), 3*c.Width, true, true)
		a = b.linear(h+"attn.c_proj", b.scoring(c.gpt2Scores(i), b.Attention(h+"attn", c.Heads, c.Heads, true, a)), c.Width, true, true)
		x = b.Op(h+"attn.add", "add", x, a)
		m := b.act(h+"mlp.act", c.Act, b.linear(h+"mlp.c_fc", norm(h+"ln_2", x), inner, true, true))
		x = b.Op(h+"mlp.add", "add", x, b.linear(h+"mlp.c_proj", m, c.Width, true, true))
	}
	b.head(norm(at+"ln_f", x), wte, c.Tied == nil || *c.Tied)
	return nil
}

// gpt2Scores is the factor of the scores of layer i's attention, 0 for 1/√D.
func (c *Config) gpt2Scores(i int) float32 {
	by := 1 / math.Sqrt(float64(c.Width/c.Heads))
	if c.ScaleAttn != nil && !*c.ScaleAttn {
		by = 1
	} else if !c.ByLayer {
		return 0
	}
	if c.ByLayer {
		by /= float64(i + 1)
	}
	return float32(by)
}
