package hf

import (
	"fmt"
	"strings"

	"pare/core/graph"
	"pare/core/tensor"
)

// heads are the ends of the names of architectures, and what stands on their encoders.
var heads = []struct {
	end  string
	task Task
}{
	{"ForSequenceClassification", SequenceClassifier},
	{"ForMaskedLM", MaskedLM},
	{"ForTokenClassification", TokenClassifier},
	{"Model", BareEncoder},
}

// standing reads an encoder's task from architectures; files without it tell by their
// tensors, masks being one of a masked language model.
func (b *builder) standing(masks string) (Task, error) {
	if len(b.c.Archs) == 0 {
		switch {
		case b.d.tensors["classifier.weight"] != nil:
			return SequenceClassifier, nil
		case b.d.tensors[masks] != nil:
			return MaskedLM, nil
		}
		return BareEncoder, nil
	}
	var known []string
	for _, h := range heads {
		if strings.HasSuffix(b.c.Archs[0], h.end) {
			return h.task, nil
		}
		known = append(known, "…"+h.end)
	}
	return "", fmt.Errorf("config.json: architecture %s is not supported: known are %s", b.c.Archs[0], strings.Join(known, ", "))
}

// encoder is the model's task, and what the names of its encoder begin with in the
// folder: that of the model, or nothing where it held the encoder alone.
func (b *builder) encoder(model string) (task Task, at string, err error) {
	if task, err = b.d.Task(); err != nil {
		return "", "", err
	}
	task = b.classify(task)
	if b.d.tensors[model+"embeddings.word_embeddings.weight"] != nil {
		return task, model, nil
	}
	if task == SequenceClassifier {
		b.under = model
	}
	return task, "", nil
}

// embed adds the embeddings of ids and places, and of segments if types > 0.
func (b *builder) embed(at string, width, places, types int, eps float32) int {
	table := func(name string, rows int) []int {
		return []int{b.param(at+name+".weight", graph.Table, tensor.Shape{rows, width}, false)}
	}
	x := b.node(at+"word_embeddings", "embedding", b.padding(), table("word_embeddings", b.c.Vocab), 0)
	x = b.node(at+"position_embeddings", "positions", graph.Attrs{}, table("position_embeddings", places), x)
	if types > 0 {
		in := []int{x}
		if b.o.Segments {
			in = append(in, 0)
		}
		x = b.node(at+"token_type_embeddings", "segment", graph.Attrs{}, table("token_type_embeddings", types), in...)
	}
	return b.layerNorm(at+"LayerNorm", x, eps)
}

// attend adds attention over all tokens, without padding unless it is asked for.
func (b *builder) attend(name string, heads int, q, k, v int) int {
	if pad := b.c.Pad; pad != nil && !b.o.Pads {
		return b.MaskedAttention(name, heads, heads, false, *pad, q, k, v)
	}
	return b.Attention(name, heads, heads, false, q, k, v)
}

// places tests that the sequence fits the model's positions.
func (b *builder) places(n int) error {
	if seq := b.M.Input().Seq; seq > n {
		return fmt.Errorf("sequences of %d tokens: the model has places for %d", seq, n)
	}
	return nil
}

// The bias of BERT's head for masked tokens, and the one that a head with a weight of its
// own has.
const bertBias, bertDecoderBias = "cls.predictions.bias", "cls.predictions.decoder.bias"

// vocabulary is the head of a masked language model: a score for each id, from the
// embedding's table once more or from a weight of its own, and a bias.
func (b *builder) vocabulary(name, bias, table string, in int) {
	if b.Err != nil {
		return
	}
	w := b.M.Param(table)
	if b.c.Tied != nil && !*b.c.Tied {
		w = b.param(name+".weight", graph.Weight, tensor.Shape{b.c.Vocab, b.M.Values[in].C}, false)
		if own := name + ".bias"; own != bias && b.d.tensors[own] != nil { // then the bias is not shared either
			b.extra = append(b.extra, bias)
			bias = own
		}
	}
	b.extra = append(b.extra, name+".") // some files hold the shared ones twice
	b.node(name, "linear", graph.Attrs{}, []int{w, b.param(bias, graph.Bias, tensor.Shape{b.c.Vocab}, false)}, in)
}

// classes is the number of rows of the classifier.
func (b *builder) classes() int {
	if b.o.Classes > 0 {
		return b.o.Classes
	}
	if t := b.d.tensors["classifier.weight"]; t != nil && len(t.Shape) == 2 {
		return t.Shape[0]
	}
	return max(len(b.c.Labels), 2) // param says what is missing
}

// bert builds BertModel and BertFor… with the heads above.
func bert(b *builder) error {
	c := b.c
	err := positive(map[string]int{
		"vocab_size": c.Vocab, "hidden_size": c.Hidden, "intermediate_size": c.Intermediate, "num_hidden_layers": c.HiddenLayers,
		"num_attention_heads": c.AttnHeads, "max_position_embeddings": c.MaxPositions, "type_vocab_size": c.Types,
	})
	switch {
	case err != nil:
		return err
	case c.IsDecoder || c.CrossAttn:
		return fmt.Errorf("config.json: BERT as a decoder (is_decoder, add_cross_attention) is not supported")
	case c.PosKind != "" && c.PosKind != "absolute":
		return fmt.Errorf("config.json: position_embedding_type %q is not supported, only \"absolute\"", c.PosKind)
	}
	if err := b.places(c.MaxPositions); err != nil {
		return err
	}
	task, at, err := b.encoder("bert.")
	if err != nil {
		return err
	}
	eps := c.NormEps
	if eps == 0 {
		eps = 1e-12 // the default of BERT's configuration
	}
	x := b.embed(at+"embeddings.", c.Hidden, c.MaxPositions, c.Types, eps)
	for i := range b.layers(c.HiddenLayers) {
		l := fmt.Sprintf("%sencoder.layer.%d.", at, i)
		part := func(s string) int { return b.linear(l+"attention.self."+s, x, c.Hidden, true, false) }
		a := b.attend(l+"attention.self", c.AttnHeads, part("query"), part("key"), part("value"))
		a = b.linear(l+"attention.output.dense", a, c.Hidden, true, false)
		x = b.layerNorm(l+"attention.output.LayerNorm", b.Op(l+"attention.output.add", "add", a, x), eps)
		m := b.act(l+"intermediate.act", c.HiddenAct, b.linear(l+"intermediate.dense", x, c.Intermediate, true, false))
		m = b.linear(l+"output.dense", m, c.Hidden, true, false)
		x = b.layerNorm(l+"output.LayerNorm", b.Op(l+"output.add", "add", m, x), eps)
	}
	switch task {
	case SequenceClassifier:
		p := b.linear(at+"pooler.dense", b.Token(at+"pooler.first", x, 0), c.Hidden, true, false)
		b.linear("classifier", b.Op(at+"pooler.act", "tanh", p), b.classes(), true, false)
	case TokenClassifier:
		b.linear("classifier", x, b.classes(), true, false)
	case MaskedLM:
		const t = "cls.predictions.transform."
		y := b.act(t+"act", c.HiddenAct, b.linear(t+"dense", x, c.Hidden, true, false))
		y = b.layerNorm(t+"LayerNorm", y, eps)
		b.vocabulary("cls.predictions.decoder", bertBias, at+"embeddings.word_embeddings.weight", y)
		b.extra = append(b.extra, "cls.seq_relationship.")
	}
	b.extra = append(b.extra, at+"pooler.")
	return nil
}

// distilbert builds DistilBertModel and DistilBertFor… with the heads above.
func distilbert(b *builder) error {
	c := b.c
	err := positive(map[string]int{
		"vocab_size": c.Vocab, "dim": c.Dim, "hidden_dim": c.DimInner, "n_layers": c.DimLayers, "n_heads": c.DimHeads, "max_position_embeddings": c.MaxPositions,
	})
	if err != nil {
		return err
	}
	if err := b.places(c.MaxPositions); err != nil {
		return err
	}
	task, at, err := b.encoder("distilbert.")
	if err != nil {
		return err
	}
	const eps = 1e-12
	x := b.embed(at+"embeddings.", c.Dim, c.MaxPositions, 0, eps)
	for i := range b.layers(c.DimLayers) {
		l := fmt.Sprintf("%stransformer.layer.%d.", at, i)
		part := func(s string) int { return b.linear(l+"attention."+s, x, c.Dim, true, false) }
		a := b.attend(l+"attention", c.DimHeads, part("q_lin"), part("k_lin"), part("v_lin"))
		a = b.linear(l+"attention.out_lin", a, c.Dim, true, false)
		x = b.layerNorm(l+"sa_layer_norm", b.Op(l+"attention.add", "add", a, x), eps)
		m := b.act(l+"ffn.act", c.Activation, b.linear(l+"ffn.lin1", x, c.DimInner, true, false))
		m = b.linear(l+"ffn.lin2", m, c.Dim, true, false)
		x = b.layerNorm(l+"output_layer_norm", b.Op(l+"ffn.add", "add", m, x), eps)
	}
	switch task {
	case SequenceClassifier:
		p := b.linear("pre_classifier", b.Token("first", x, 0), c.Dim, true, false)
		b.linear("classifier", b.Op("pre_classifier.act", "relu", p), b.classes(), true, false)
	case TokenClassifier:
		b.linear("classifier", x, b.classes(), true, false)
	case MaskedLM:
		y := b.act("vocab_transform.act", c.Activation, b.linear("vocab_transform", x, c.Dim, true, false))
		y = b.layerNorm("vocab_layer_norm", y, eps)
		b.vocabulary("vocab_projector", "vocab_projector.bias", at+"embeddings.word_embeddings.weight", y)
	}
	return nil
}
