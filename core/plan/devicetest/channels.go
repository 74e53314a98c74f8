package devicetest

import (
	"fmt"

	"pare/core/graph"
)

// channelModels cover activations with constants, gates and what puts channels side by
// side.
func channelModels() (l []model) {
	op := func(b *graph.Net, name, op string, a graph.Attrs, in ...int) int {
		if b.Err != nil {
			return 0
		}
		var v int
		v, b.Err = b.M.Append(name, op, a, nil, in...)
		return v
	}
	for _, f := range []struct {
		op   string
		a, b float32
	}{{"hardsigmoid", 1. / 6, 0.5}, {"hardsigmoid", 0.2, 0.4}, {"leakyrelu", 0.1, 0}, {"elu", 1, 0}, {"elu", 0.7, 0}, {"clip", 0, 6}, {"clip", -1, 2}, {"affine", -0.5, 3}} {
		attrs := graph.Attrs{Alpha: f.a, Beta: f.b}
		l = append(l,
			model{name: fmt.Sprintf("%s/%g/behind-linear", f.op, f.a), c: 7, h: 1, w: 1, train: true, least: 4, build: func(b *graph.Net) {
				b.Linear("out", op(b, "f", f.op, attrs, b.Linear("in", 0, 19)), 3)
			}},
			model{name: fmt.Sprintf("%s/%g/behind-conv", f.op, f.a), c: 2, h: 4, w: 3, train: true, build: func(b *graph.Net) {
				b.Op("mean", "globalavgpool", op(b, "f", f.op, attrs, convolve(b, "conv", 0, 5, square(3, 1, 1, 1), true)))
			}})
	}
	for i, c := range []int{1, 5, 17, 33} {
		l = append(l,
			model{name: fmt.Sprint("gate/image", c), c: 3, h: 5, w: 4, train: true, long: i == 3, build: func(b *graph.Net) {
				x := convolve(b, "conv", 0, c, square(3, 1, 1, 1), true)
				s := b.Op("silu", "silu", convolve(b, "down", b.Op("mean", "globalavgpool", x), 3, square(1, 1, 0, 1), true))
				s = b.Op("gate", "sigmoid", convolve(b, "up", s, c, square(1, 1, 0, 1), true))
				b.Op("pool", "globalavgpool", b.Op("gated", "gate", x, s))
			}},
			model{name: fmt.Sprint("concat/image", c), c: 3, h: 4, w: 4, train: true, build: func(b *graph.Net) {
				x := b.Op("tanh", "tanh", convolve(b, "a", 0, c, square(3, 1, 1, 1), true))
				y := convolve(b, "b", x, 7, square(1, 1, 0, 1), true)
				b.Op("mean", "globalavgpool", b.Op("cat", "concat", x, 0, y, x))
			}},
			model{name: fmt.Sprint("slice/image", c), c: 3, h: 4, w: 4, train: true, build: func(b *graph.Net) {
				x := convolve(b, "a", 0, 2*c+1, square(3, 1, 1, 1), true)
				y := op(b, "left", "slice", graph.Attrs{From: 0, Size: c}, x)
				z := op(b, "right", "slice", graph.Attrs{From: c + 1, Size: c}, x)
				b.Op("mean", "globalavgpool", b.Op("mul", "mul", b.Op("tanh", "tanh", y), z))
			}})
	}
	return append(l,
		vectorNet("gate/vector", 9, func(b *graph.Net) {
			b.Linear("out", b.Op("gated", "gate", b.Linear("a", 0, 18), b.Op("s", "sigmoid", b.Linear("g", 0, 18))), 3)
		}),
		vectorNet("concat/vector", 9, func(b *graph.Net) {
			b.Linear("out", b.Op("cat", "concat", b.Linear("a", 0, 18), 0, b.Linear("g", 0, 3)), 3)
		}),
		model{name: "slice/tokens", c: 6, h: 1, w: 1, seq: 19, batch: 3, train: true, build: func(b *graph.Net) {
			qkv := b.Linear("qkv", 0, 24)
			q := op(b, "q", "slice", graph.Attrs{From: 0, Size: 8}, qkv)
			k := op(b, "k", "slice", graph.Attrs{From: 8, Size: 8}, qkv)
			v := op(b, "v", "slice", graph.Attrs{From: 16, Size: 8}, qkv)
			x := b.Op("cat", "concat", b.Attention("attn", 2, 2, true, q, k, v), q)
			b.Linear("out", op(b, "scaled", "attention", graph.Attrs{Heads: 2, KVHeads: 2, Scale: 0.3}, x, x, x), 5)
		}})
}
