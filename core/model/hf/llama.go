package hf

import (
	"fmt"
	"math"

	"pare/core/graph"
	"pare/core/tensor"
)

// llama builds LlamaForCausalLM, MistralForCausalLM and Qwen2ForCausalLM (which has
// biases on queries, keys and values).
func llama(b *builder) error {
	c := b.c
	err := positive(map[string]int{
		"vocab_size": c.Vocab, "hidden_size": c.Hidden, "intermediate_size": c.Intermediate, "num_hidden_layers": c.HiddenLayers, "num_attention_heads": c.AttnHeads,
	})
	if err != nil {
		return err
	}
	window := c.SlidingWindow
	if c.UseWindow != nil && !*c.UseWindow {
		window = 0
	}
	seq := b.M.Input().Seq
	switch {
	case window > 0 && seq > window:
		return fmt.Errorf("sequences of %d tokens: beyond the sliding window of %d, which is not supported", seq, window)
	case c.MaxPositions > 0 && seq > c.reach():
		return fmt.Errorf("sequences of %d tokens: the model was made for up to %d", seq, c.reach())
	}
	kv, dim := c.KVHeads, c.HeadDim
	if kv == 0 {
		kv = c.AttnHeads
	}
	if dim == 0 {
		dim = c.Hidden / c.AttnHeads
	}
	turn, longer, err := c.rope(dim, seq)
	if err != nil {
		return err
	}
	scores := float32(0) // of attention: 1/√dim
	if longer != 1 {
		scores = float32(longer * longer / math.Sqrt(float64(dim)))
	}
	rope := func(name string, in, heads int) int {
		turn.Heads = heads
		return b.node(name, "rope", turn, nil, in)
	}
	qkvBias := c.AttnBias || c.ModelType == "qwen2"
	norm := func(name string, in int) int {
		if b.Err != nil {
			return 0
		}
		return b.node(name, "rmsnorm", graph.Attrs{Eps: c.RMSEps}, []int{b.param(name+".weight", graph.Scale, tensor.Shape{c.Hidden}, false)}, in)
	}
	const table = "model.embed_tokens.weight"
	x := b.node("model.embed_tokens", "embedding", b.padding(), []int{b.param(table, graph.Table, tensor.Shape{c.Vocab, c.Hidden}, false)}, 0)
	for i := range b.layers(c.HiddenLayers) {
		l := fmt.Sprintf("model.layers.%d.", i)
		n := norm(l+"input_layernorm", x)
		q := rope(l+"self_attn.q_rope", b.linear(l+"self_attn.q_proj", n, c.AttnHeads*dim, qkvBias, false), c.AttnHeads)
		k := rope(l+"self_attn.k_rope", b.linear(l+"self_attn.k_proj", n, kv*dim, qkvBias, false), kv)
		v := b.linear(l+"self_attn.v_proj", n, kv*dim, qkvBias, false)
		a := b.linear(l+"self_attn.o_proj", b.scoring(scores, b.Attention(l+"self_attn", c.AttnHeads, kv, true, q, k, v)), c.Hidden, c.AttnBias, false)
		x = b.Op(l+"self_attn.add", "add", x, a)
		n = norm(l+"post_attention_layernorm", x)
		g := b.act(l+"mlp.act_fn", c.HiddenAct, b.linear(l+"mlp.gate_proj", n, c.Intermediate, c.MLPBias, false))
		m := b.Op(l+"mlp.mul", "mul", g, b.linear(l+"mlp.up_proj", n, c.Intermediate, c.MLPBias, false))
		x = b.Op(l+"mlp.add", "add", x, b.linear(l+"mlp.down_proj", m, c.Hidden, c.MLPBias, false))
	}
	b.head(norm("model.norm", x), table, c.Tied != nil && *c.Tied)
	return nil
}
