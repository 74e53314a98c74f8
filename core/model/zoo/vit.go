package zoo

import (
	"fmt"
	"strings"

	"pare/core/graph"
)

// vitTiny is the smallest vision transformer of DeiT. Names are those of transformers'
// files.
var vitTiny = entry{
	info: Info{
		Name:  "vit-tiny",
		About: "vision transformer, 12 layers, width 192",
		Input: Input{C: 3, H: 224, W: 224}, Classes: 1000, Params: 5_717_416,
		Paper: "Dosovitskiy et al. 2021, An Image is Worth 16×16 Words; sizes of Touvron et al. 2021, DeiT",
	},
	// DeiT (table 9): AdamW at 5e-4 per 512 samples, decay 0.05, cosine; the rate is
	// kept for batches of 128, augmentation and warm-up are left out.
	preset: Preset{Optimizer: "adamw", LR: 5e-4, WeightDecay: 0.05, Batch: 128, Epochs: 10, LRSchedule: "cosine", Source: "DeiT, table 9"},
	build: func(b *graph.Net, in Input, classes int) {
		addViT(b, in, 12, 192, 3, classes)
	},
	init: initGPT,
}

// patchOf is the side of patches for an image: the largest of 16, 8, 4, 2 and 1 that
// divides its sides and leaves at least 7 × 7 patches, 16 for the paper's 224.
func patchOf(in Input) (int, error) {
	for p := 16; p > 0; p /= 2 {
		if in.H%p == 0 && in.W%p == 0 && in.H/p >= 7 && in.W/p >= 7 {
			return p, nil
		}
	}
	return 0, fmt.Errorf("images of %d×%d pixels: a vision transformer takes 7×7 at least", in.H, in.W)
}

// addViT adds patches, a class token in front of them, positions, layers with layer
// norm before attention and before a GELU network of four times the width, and a
// classifier on the class token.
func addViT(b *graph.Net, in Input, layers, width, heads, classes int) {
	patch, err := patchOf(in)
	if err != nil {
		b.Err = err
		return
	}
	const e = "vit.embeddings."
	x := b.Conv(e+"patch_embeddings.projection", 0, width, patch, patch, 0, 1, true)
	bare := func(v int) int { // these two parameters have the names of their layers there
		if b.Err == nil {
			p := &b.M.Params[len(b.M.Params)-1]
			p.Name = strings.TrimSuffix(p.Name, ".weight")
		}
		return v
	}
	x = bare(b.Tokens(e+"cls_token", x, true))
	x = bare(b.Positions(e+"position_embeddings", x, in.H/patch*(in.W/patch)+1))
	for i := range layers {
		at := func(s string) string { return fmt.Sprintf("vit.encoder.layer.%d.%s", i, s) }
		n := b.LayerNorm(at("layernorm_before"), x, 1e-6)
		part := func(s string) int { return b.Linear(at("attention.attention."+s), n, width) }
		a := b.Attention(at("attention.attention"), heads, heads, false, part("query"), part("key"), part("value"))
		x = b.Op(at("attention.add"), "add", x, b.Linear(at("attention.output.dense"), a, width))
		h := b.Op(at("intermediate.act"), "gelu", b.Linear(at("intermediate.dense"), b.LayerNorm(at("layernorm_after"), x, 1e-6), 4*width))
		x = b.Op(at("output.add"), "add", x, b.Linear(at("output.dense"), h, width))
	}
	b.Linear("classifier", b.Token("vit.first", b.LayerNorm("vit.layernorm", x, 1e-6), 0), classes)
}
