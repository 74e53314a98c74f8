package devicetest

import (
	"fmt"

	"pare/core/graph"
	"pare/core/model/zoo"
)

// tokenModels are nets on sequences, of lengths around those of tiles.
func tokenModels() (l []model) {
	sequence := func(name string, seq, c, batch int, build func(b *graph.Net)) model {
		return model{name: fmt.Sprintf("%s-%d", name, seq), c: c, h: 1, w: 1, seq: seq, batch: batch, train: true, build: build}
	}
	for i, seq := range []int{1, 3, 7, 16, 17, 31, 33, 48, 127, 129} {
		heads, kv, dim := 1+i%3, 1, []int{1, 5, 8, 16, 17}[i%5]
		if i%2 == 0 {
			heads, kv = 4, 2
		}
		m := sequence("attention/causal", seq, heads*dim, 1+i%3, func(b *graph.Net) {
			k, v := b.Linear("k", 0, kv*dim), b.Linear("v", 0, kv*dim)
			b.Linear("out", b.Attention("attn", heads, kv, true, spread(b, b.Linear("q", 0, heads*dim)), k, v), 5)
		})
		m.long = seq > 40
		l = append(l, m)
		m = sequence("attention/all", seq, 6, 1+(i+1)%3, func(b *graph.Net) {
			b.Linear("out", b.Attention("attn", heads, kv, false, b.Linear("qkv", 0, (heads+2*kv)*dim)), 5)
		})
		m.long = seq > 40
		l = append(l, m)
	}
	l = append(l,
		sequence("attention/itself", 18, 12, 2, func(b *graph.Net) { b.Attention("attn", 3, 3, true, 0, 0, 0) }),
		sequence("attention/twice", 18, 12, 2, func(b *graph.Net) {
			b.Attention("second", 2, 1, false, b.Attention("first", 3, 3, true, 0, 0, 0), b.Linear("k", 0, 6), b.Linear("v", 0, 6))
		}),
		// Scores of around a hundred, whose exponential overflows.
		sequence("attention/large", 18, 12, 2, func(b *graph.Net) {
			x := spread(b, 0)
			x = b.Op("double", "add", x, x)
			b.Attention("attn", 1, 1, true, b.Op("again", "add", x, x), 0, 0)
		}))
	for _, c := range []int{1, 3, 16, 33, 300} {
		for _, op := range []string{"layernorm", "rmsnorm"} {
			norm := func(b *graph.Net, in int) int {
				if op == "rmsnorm" {
					return b.RMSNorm("norm", in, 1e-2)
				}
				return b.LayerNorm("norm", in, 1e-2)
			}
			l = append(l,
				vectorNet(fmt.Sprintf("%s/vector%d", op, c), 5, func(b *graph.Net) { b.Linear("out", norm(b, b.Linear("in", 0, c)), 3) }),
				sequence(fmt.Sprintf("%s/tokens%d", op, c), 19, c, 3, func(b *graph.Net) { b.Linear("out", norm(b, 0), 3) }))
			if op == "layernorm" && c == 1 { // y is beta, and all of dx is rounding
				l[len(l)-1].train, l[len(l)-2].train = false, false
			}
		}
	}
	// More channels than are summed in float32.
	l = append(l, vectorNet("layernorm/5000", 3, func(b *graph.Net) { b.Linear("out", b.LayerNorm("norm", b.Linear("in", 0, 5000), 1e-5), 3) }))
	l[len(l)-1].long, l[len(l)-1].batch = true, 3
	for i, seq := range []int{1, 5, 16, 33} {
		l = append(l,
			sequence("embedding", seq, 1, 2+i, func(b *graph.Net) { b.Linear("out", b.Embedding("wte", 0, 9+16*i, 7), 4) }),
			sequence("positions", seq, 5, 2+i, func(b *graph.Net) { b.Linear("out", b.Positions("wpe", 0, seq+i), 4) }),
			sequence("rope", seq, 12, 2+i, func(b *graph.Net) { b.Linear("out", b.Rope("rope", 0, 3, 100), 4) }),
			sequence("mul", seq, 7, 2, func(b *graph.Net) {
				b.Linear("out", b.Op("mul", "mul", b.Op("f", "silu", b.Linear("gate", 0, 18)), b.Linear("up", 0, 18)), 3)
			}))
		padded := sequence("embedding/padded", seq, 1, 2+i, func(b *graph.Net) {
			x := b.Embedding("wte", 0, 3+i, 7)
			b.M.Nodes[0].Attrs = graph.Attrs{Padded: true, Pad: 2}
			b.Linear("out", x, 4)
		})
		padded.held = true // hf-bert's oracle tells what the reference must give
		l = append(l, padded)
	}
	l = append(l,
		vectorNet("mul/itself", 9, func(b *graph.Net) { b.Op("mul", "mul", 0, 0) }),
		sequence("dropout", 19, 7, 3, func(b *graph.Net) { b.Linear("out", b.Dropout("drop", 0, 0.3), 3) }),
		model{name: "softmax/tokens", c: 5, h: 1, w: 1, seq: 18, batch: 2, build: func(b *graph.Net) { b.Op("s", "softmax", b.Linear("fc", 0, 10)) }})
	// A table in two or three places, each of which adds to its gradient.
	l = append(l,
		sequence("shared/places", 19, 7, 2, func(b *graph.Net) {
			again(b, "second", "positions", b.Op("tanh", "tanh", b.Positions("table", 0, 35)))
			b.Linear("out", b.M.Output, 4)
		}),
		sequence("shared/all", 19, 1, 3, func(b *graph.Net) {
			again(b, "places", "positions", b.Embedding("table", 0, 30, 8))
			again(b, "head", "linear", b.Linear("between", b.M.Output, 8))
		}))
	l = append(l, placeModels(sequence)...)
	gpt := gptModel()
	llama := sequence("llama", 19, 1, 2, func(b *graph.Net) {
		x := b.Embedding("embed", 0, 20, 24)
		n := b.RMSNorm("norm1", x, 1e-5)
		a := b.Attention("attn", 4, 2, true, b.Rope("rq", b.Linear("q", n, 24), 4, 1e4), b.Rope("rk", b.Linear("k", n, 12), 2, 1e4), b.Linear("v", n, 12))
		x = b.Op("add1", "add", x, b.Linear("o", a, 24))
		n = b.RMSNorm("norm2", x, 1e-5)
		h := b.Op("mul", "mul", b.Op("silu", "silu", b.Linear("gate", n, 40)), b.Linear("up", n, 40))
		x = b.Op("add2", "add", x, b.Linear("down", h, 24))
		b.Linear("head", b.RMSNorm("norm3", x, 1e-5), 20)
	})
	llama.blocks, llama.long = true, true
	return append(l, gpt, llama)
}

// gptModel is a small GPT.
func gptModel() model {
	return model{name: "gpt-21", c: 1, h: 1, w: 1, seq: 21, batch: 3, train: true, blocks: true, build: zoo.GPT{Layers: 2, Width: 24, Heads: 3, Vocabulary: 30, Tokens: 21, Places: 64}.Add}
}

// again adds a layer whose weight is that of layer "table".
func again(b *graph.Net, name, op string, in int) {
	if b.Err == nil {
		_, b.Err = b.M.Append(name, op, graph.Attrs{}, []int{b.M.Param("table.weight")}, in)
	}
}
