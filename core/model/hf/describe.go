package hf

import (
	"fmt"
	"slices"
	"strings"

	"pare/core/graph"
)

// shapes reads the sizes of a graph by the names of its parameters.
type shapes struct {
	m   *graph.Model
	err error
}

// rows is the first size of a parameter; all that stand in the place of %d in the name
// must have the same, which config.json has one number for.
func (s *shapes) rows(key, name string) int {
	size := 0
	for i := 0; s.err == nil; i++ {
		at := name
		if strings.Contains(name, "%d") {
			at = fmt.Sprintf(name, i)
		} else if i > 0 {
			break
		}
		p := s.m.Param(at)
		switch {
		case p < 0 && i == 0:
			s.err = fmt.Errorf("has no parameter %s", at)
		case p < 0:
			return size
		case i > 0 && s.m.Params[p].Shape[0] != size:
			s.err = fmt.Errorf("%s is %d in layer 0 and %d in layer %d: config.json holds one number for all", key, size, s.m.Params[p].Shape[0], i)
		default:
			size = s.m.Params[p].Shape[0]
		}
	}
	return size
}

// layers counts the names that have a number in the place of %d.
func (s *shapes) layers(name string) (n int) {
	for s.m.Param(fmt.Sprintf(name, n)) >= 0 {
		n++
	}
	return n
}

// heads are the query and key-value heads of attention, the same in all layers.
func (s *shapes) heads() (q, kv int) {
	for _, n := range s.m.Nodes {
		switch {
		case n.Op != "attention" || s.err != nil:
		case q == 0:
			q, kv = n.Attrs.Heads, n.Attrs.KVHeads
		case q != n.Attrs.Heads || kv != n.Attrs.KVHeads:
			s.err = fmt.Errorf("%s has %d heads and %d of keys, the first layer %d and %d: config.json holds one number for all", n.Name, n.Attrs.Heads, n.Attrs.KVHeads, q, kv)
		}
	}
	return q, kv
}

// node is the first node of an op, for its attributes.
func (s *shapes) node(op string) graph.Attrs {
	if i := slices.IndexFunc(s.m.Nodes, func(n graph.Node) bool { return n.Op == op }); i >= 0 {
		return s.m.Nodes[i].Attrs
	}
	return graph.Attrs{}
}

// activation is the name there of the op that follows layer name.
func (s *shapes) activation(name string) string {
	for i, n := range s.m.Nodes {
		if n.Name != name || i+1 == len(s.m.Nodes) {
			continue
		}
		op := s.m.Nodes[i+1].Op
		for _, k := range []string{"gelu_new", "gelu", "relu", "silu", "tanh"} {
			if acts[k] == op {
				return k
			}
		}
	}
	return "gelu"
}

// describe are the entries of config.json that follow from a graph whose parameters
// have the names of files: model_type and all sizes.
func describe(m *graph.Model) (map[string]any, error) {
	s := &shapes{m: m}
	q, kv := s.heads()
	var c map[string]any
	has := func(name string) bool { return m.Param(name) >= 0 }
	switch {
	case has("wte.weight") || has("transformer.wte.weight"):
		at := ""
		if has("transformer.wte.weight") {
			at = "transformer."
		}
		width := s.rows("n_embd", at+"ln_f.weight")
		c = map[string]any{
			"model_type": "gpt2", "architectures": []string{"GPT2LMHeadModel"}, "vocab_size": s.rows("vocab_size", at+"wte.weight"), "n_embd": width,
			"n_positions": s.rows("n_positions", at+"wpe.weight"), "n_layer": s.layers(at + "h.%d.ln_1.weight"), "n_head": q,
			"n_inner": s.rows("n_inner", at+"h.%d.mlp.c_fc.weight"), "layer_norm_epsilon": s.node("layernorm").Eps,
			"activation_function": s.activation(at + "h.0.mlp.c_fc"), "tie_word_embeddings": !has("lm_head.weight"),
		}
	case has("model.embed_tokens.weight"):
		c = map[string]any{
			"model_type": "llama", "architectures": []string{"LlamaForCausalLM"}, "vocab_size": s.rows("vocab_size", "model.embed_tokens.weight"),
			"hidden_size": s.rows("hidden_size", "model.norm.weight"), "num_hidden_layers": s.layers("model.layers.%d.input_layernorm.weight"),
			"intermediate_size": s.rows("intermediate_size", "model.layers.%d.mlp.gate_proj.weight"), "num_attention_heads": q, "num_key_value_heads": kv,
			"head_dim": s.rows("head_dim", "model.layers.%d.self_attn.q_proj.weight") / max(q, 1), "rms_norm_eps": s.node("rmsnorm").Eps,
			"hidden_act": s.activation("model.layers.0.mlp.gate_proj"), "tie_word_embeddings": !has("lm_head.weight"),
		}
	case has("vit.embeddings.cls_token"):
		in, win := m.Input(), s.node("conv2d").Win
		if win == nil {
			return nil, fmt.Errorf("has no convolution for its patches")
		}
		c = map[string]any{
			"model_type": "vit", "architectures": []string{"ViTForImageClassification"}, "hidden_size": s.rows("hidden_size", "vit.layernorm.weight"),
			"num_hidden_layers": s.layers("vit.encoder.layer.%d.layernorm_before.weight"), "num_attention_heads": q,
			"intermediate_size": s.rows("intermediate_size", "vit.encoder.layer.%d.intermediate.dense.weight"), "hidden_act": s.activation("vit.encoder.layer.0.intermediate.dense"),
			"layer_norm_eps": s.node("layernorm").Eps, "image_size": square(in.H, in.W), "patch_size": square(win.KH, win.KW), "num_channels": in.C,
			"qkv_bias": has("vit.encoder.layer.0.attention.attention.query.bias"),
		}
	case has("distilbert.embeddings.word_embeddings.weight") || has("transformer.layer.0.ffn.lin1.weight"):
		at := ""
		if has("distilbert.embeddings.word_embeddings.weight") {
			at = "distilbert."
		}
		c = map[string]any{
			"model_type": "distilbert", "architectures": []string{"DistilBert" + ending(m)}, "vocab_size": s.rows("vocab_size", at+"embeddings.word_embeddings.weight"),
			"dim": s.rows("dim", at+"embeddings.LayerNorm.weight"), "max_position_embeddings": s.rows("max_position_embeddings", at+"embeddings.position_embeddings.weight"),
			"n_layers": s.layers(at + "transformer.layer.%d.ffn.lin1.weight"), "n_heads": q, "hidden_dim": s.rows("hidden_dim", at+"transformer.layer.%d.ffn.lin1.weight"),
			"activation": s.activation(at + "transformer.layer.0.ffn.lin1"),
		}
	case has("bert.embeddings.word_embeddings.weight") || has("embeddings.word_embeddings.weight"):
		at := ""
		if has("bert.embeddings.word_embeddings.weight") {
			at = "bert."
		}
		c = map[string]any{
			"model_type": "bert", "architectures": []string{"Bert" + ending(m)}, "vocab_size": s.rows("vocab_size", at+"embeddings.word_embeddings.weight"),
			"hidden_size": s.rows("hidden_size", at+"embeddings.LayerNorm.weight"), "max_position_embeddings": s.rows("max_position_embeddings", at+"embeddings.position_embeddings.weight"),
			"type_vocab_size": s.rows("type_vocab_size", at+"embeddings.token_type_embeddings.weight"), "num_hidden_layers": s.layers(at + "encoder.layer.%d.output.dense.weight"),
			"num_attention_heads": q, "intermediate_size": s.rows("intermediate_size", at+"encoder.layer.%d.intermediate.dense.weight"),
			"hidden_act": s.activation(at + "encoder.layer.0.intermediate.dense"), "layer_norm_eps": s.node("layernorm").Eps,
		}
	default:
		return nil, fmt.Errorf("is none of GPT-2, Llama, BERT, DistilBERT or ViT by the names of its parameters")
	}
	if a := s.node("embedding"); a.Padded {
		c["pad_token_id"] = a.Pad
	}
	if own := has("cls.predictions.decoder.weight") || has("vocab_projector.weight"); own {
		c["tie_word_embeddings"] = false
	}
	c["dtype"] = "float32"
	return c, s.err
}

// square is one number for equal sides, else both.
func square(h, w int) any {
	if h == w {
		return h
	}
	return []int{h, w}
}

// ending is the end of an encoder's architecture, by what stands on it.
func ending(m *graph.Model) string {
	switch {
	case m.Param("classifier.weight") >= 0 && m.Values[m.Output].Seq == 0:
		return "ForSequenceClassification"
	case m.Param("classifier.weight") >= 0:
		return "ForTokenClassification"
	case m.Param("cls.predictions.transform.dense.weight") >= 0 || m.Param("vocab_projector.bias") >= 0:
		return "ForMaskedLM"
	}
	return "Model"
}
