package zoo

import (
	"fmt"

	"pare/core/graph"
)

// bertMini is BERT with 4 layers of width 256, with a classifier: for texts with one
// label each. Names are those of transformers' files. Parameters are counted with the
// vocabulary and the places of Info.
var bertMini = entry{
	info: Info{
		Name:  "bert-mini",
		About: "BERT, 4 layers of width 256, for texts",
		Input: Input{C: 1, H: 1, W: 1, Tokens: 128, Vocab: 30_522}, Classes: 2, Params: 11_072_770,
		Paper: "Devlin et al. 2019, BERT; sizes of Turc et al. 2019, Well-Read Students Learn Better",
	},
	// Turc et al. 2019, the larger of their rates and their batch for fine-tuning; from
	// fresh weights it is a modest rate.
	preset: Preset{Optimizer: "adamw", LR: 3e-4, WeightDecay: 0.01, Batch: 32, Epochs: 4, LRSchedule: "cosine", Source: "Turc et al. 2019"},
	text:   textClassifier,
	build: func(b *graph.Net, in Input, classes int) {
		BERT{Layers: 4, Width: 256, Heads: 4, Vocabulary: in.Vocab, Tokens: in.Tokens, Pad: in.Pad, Classes: classes}.Add(b)
	},
	init: initGPT, // the same variance of 0.02²; nothing here ends in c_proj
}

// BERT is the architecture of BERT-base: learned positions and segments, layer norm
// behind attention and behind a GELU network of four times the width, and a classifier
// on the first token through a tanh layer, the pooler.
type BERT struct {
	Layers, Width, Heads int
	Vocabulary           int
	Tokens               int // of a sequence; the table of positions has as many
	Pad                  int // id that attention leaves out, −1: none
	Classes              int
}

// Add adds all layers to a net that holds nothing but its input, ids.
func (g BERT) Add(b *graph.Net) {
	const e = "bert.embeddings."
	x := b.Embedding(e+"word_embeddings", 0, g.Vocabulary, g.Width)
	if g.Pad >= 0 && b.Err == nil {
		a := &b.M.Nodes[len(b.M.Nodes)-1].Attrs
		a.Padded, a.Pad = true, g.Pad
	}
	x = b.Segments(e+"token_type_embeddings", b.Positions(e+"position_embeddings", x, g.Tokens), 2)
	x = b.LayerNorm(e+"LayerNorm", x, 1e-12)
	for i := range g.Layers {
		at := func(s string) string { return fmt.Sprintf("bert.encoder.layer.%d.%s", i, s) }
		q, k, v := b.Linear(at("attention.self.query"), x, g.Width), b.Linear(at("attention.self.key"), x, g.Width), b.Linear(at("attention.self.value"), x, g.Width)
		var a int
		if g.Pad >= 0 {
			a = b.MaskedAttention(at("attention.self"), g.Heads, g.Heads, false, g.Pad, q, k, v)
		} else {
			a = b.Attention(at("attention.self"), g.Heads, g.Heads, false, q, k, v)
		}
		a = b.Op(at("attention.output.add"), "add", b.Linear(at("attention.output.dense"), a, g.Width), x)
		x = b.LayerNorm(at("attention.output.LayerNorm"), a, 1e-12)
		h := b.Op(at("intermediate.act"), "gelu", b.Linear(at("intermediate.dense"), x, 4*g.Width))
		h = b.Op(at("output.add"), "add", b.Linear(at("output.dense"), h, g.Width), x)
		x = b.LayerNorm(at("output.LayerNorm"), h, 1e-12)
	}
	x = b.Op("bert.pooler.act", "tanh", b.Linear("bert.pooler.dense", b.Token("bert.pooler.first", x, 0), g.Width))
	b.Linear("classifier", x, g.Classes)
}
