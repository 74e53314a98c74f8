package devicetest

import "pare/core/graph"

// placeModels are nets with values of tokens and values of samples, with segments,
// and with keys that attention leaves out.
func placeModels(sequence func(name string, seq, c, batch int, build func(b *graph.Net)) model) (l []model) {
	for i, seq := range []int{1, 5, 16, 19, 33} {
		batch := []int{2, 18, 3, 17, 1}[i]
		l = append(l,
			sequence("segment/none", seq, 5, batch, func(b *graph.Net) { b.Linear("out", b.Segments("types", 0, 2+9*i), 4) }),
			sequence("segment/ids", seq, 2, 2+i, func(b *graph.Net) {
				b.Linear("out", b.Segments("types", b.Embedding("wte", 0, 9, 7), segments), 4)
			}),
			sequence("token", seq, 6, batch, func(b *graph.Net) {
				b.Linear("out", b.Op("tanh", "tanh", b.Linear("pool", b.Token("token", b.Op("act", "tanh", b.Linear("in", 0, 20)), seq-1), 9)), 4)
			}),
			sequence("meantokens", seq, 6, batch, func(b *graph.Net) {
				b.Linear("out", b.Op("tanh", "tanh", b.Linear("pool", b.Op("mean", "meantokens", b.Op("act", "tanh", b.Linear("in", 0, 20))), 9)), 4)
			}),
			// Some keys, and of some sequences or some queries all keys, are left out.
			sequence("attention/pads", seq, 1, 2+i, func(b *graph.Net) {
				x := b.Embedding("wte", 0, 2+i, 12)
				b.Linear("out", b.MaskedAttention("attn", 3, 1, i%2 == 1, 1, b.Linear("q", x, 12), b.Linear("k", x, 4), b.Linear("v", x, 4)), 5)
			}),
			sequence("attention/pads-qkv", seq, 2, 2+i, func(b *graph.Net) {
				b.Linear("out", b.MaskedAttention("attn", 2, 2, i%2 == 0, 0, b.Linear("qkv", b.Embedding("wte", 0, 3, 8), 24)), 5)
			}))
	}
	// A table of segments that the head shares.
	l = append(l, sequence("shared/segments", 19, 1, 3, func(b *graph.Net) {
		x := b.Segments("table", b.Embedding("wte", 0, 9, 7), 4)
		again(b, "head", "linear", b.Op("tanh", "tanh", x))
	}))
	image := func(name string, c, h, w, batch int, build func(b *graph.Net)) {
		l = append(l, model{name: name, c: c, h: h, w: w, batch: batch, train: true, build: build})
	}
	for i, batch := range []int{1, 3, 17} {
		image("tokens", 5, 3, 2+3*i, batch, func(b *graph.Net) { b.Linear("out", b.Tokens("tokens", 0, false), 4) })
		image("tokens/class", 3, 6, 8, batch, func(b *graph.Net) {
			x := b.Positions("wpe", b.Tokens("class", b.Conv("patch", 0, 12, 2, 2, 0, 1, true), true), 13)
			b.Attention("attn", 3, 3, false, b.Linear("qkv", b.LayerNorm("norm", x, 1e-5), 36))
			b.Linear("out", b.Token("first", b.Op("add", "add", x, b.M.Output), 0), 5)
		})
	}
	// Batch norm and dropout on images, then a sequence, then a vector.
	image("tokens/all", 2, 5, 4, 18, func(b *graph.Net) {
		x := b.Op("relu", "relu", b.Norm("bn", b.Conv("conv", 0, 6, 3, 1, 1, 1, false)))
		x = b.Op("act", "gelu", b.Linear("mlp", b.Tokens("tokens", b.Dropout("drop", x, 0.2), true), 18))
		b.Linear("out", b.Op("norm", "relu", b.Linear("head", b.Token("token", x, 7), 20)), 5)
	})
	l[len(l)-1].blocks, l[len(l)-1].least = true, 12
	bert := sequence("bert", 19, 2, 2, func(b *graph.Net) {
		x := b.Segments("types", b.Positions("wpe", b.Embedding("wte", 0, 20, 24), 30), segments)
		x = b.LayerNorm("norm0", x, 1e-5)
		a := b.MaskedAttention("attn", 4, 4, false, 0, b.Linear("q", x, 24), b.Linear("k", x, 24), b.Linear("v", x, 24))
		x = b.LayerNorm("norm1", b.Op("add1", "add", x, b.Linear("o", a, 24)), 1e-5)
		h := b.Linear("down", b.Op("gelu", "gelu", b.Linear("up", x, 40)), 24)
		x = b.LayerNorm("norm2", b.Op("add2", "add", x, h), 1e-5)
		b.Linear("head", b.Op("pooled", "tanh", b.Linear("pool", b.Token("cls", x, 0), 24)), 3)
	})
	bert.blocks, bert.long = true, true
	return append(l, bert)
}
