package devicetest

import (
	"fmt"
	"slices"

	"pare/core/graph"
)

// oneModels are nets on images that run forward with one sample, some with a few: devices
// may keep such values in a layout of their own.
func oneModels() (l []model) {
	for _, m := range slices.Concat(convModels(), poolModels(), rowModels(), channelModels(), joinModels()) {
		if m.h*m.w > 1 {
			m.name, m.batch, m.least, m.train = "one/"+m.name, 1, 0, false
			l = append(l, m)
		}
	}
	add := func(name string, c, h, w int, build func(b *graph.Net)) {
		for _, batch := range []int{1, 5} {
			l = append(l, model{name: fmt.Sprintf("few%d/%s", batch, name), c: c, h: h, w: w, batch: batch, blocks: true, build: build})
		}
	}
	// Blocks of a mobile net: a convolution, one of each channel, one of pixels, each with
	// batch norm, and a sum.
	add("mobile", 3, 9, 8, func(b *graph.Net) {
		x := b.Op("act", "hardswish", b.Norm("n0", convolve(b, "c0", 0, 20, square(3, 2, 1, 1), true)))
		y := b.Op("relu1", "relu", b.Norm("n1", convolve(b, "c1", x, 40, square(1, 1, 0, 1), false)))
		y = b.Op("relu2", "relu", b.Norm("n2", convolve(b, "c2", y, 40, square(3, 1, 1, 40), false)))
		y = b.Norm("n3", convolve(b, "c3", y, 20, square(1, 1, 0, 1), false))
		x = b.Op("add", "add", x, y)
		b.Linear("out", b.Op("flat", "flatten", b.Op("mean", "globalavgpool", x)), 5)
	})
	// No padding, and a batch norm whose result may lie where the input did.
	add("inplace", 32, 4, 5, func(b *graph.Net) {
		x := b.Op("tanh", "tanh", 0)
		x = b.Norm("n1", convolve(b, "c1", x, 32, square(1, 1, 0, 1), false))
		x = b.Norm("n2", convolve(b, "c2", x, 16, square(2, 1, 0, 1), true))
		b.Linear("out", b.Op("flat", "flatten", x), 5)
	})
	// Batch norm in front, with readers of both sides of it.
	add("preactivation", 6, 5, 18, func(b *graph.Net) {
		x := convolve(b, "c1", 0, 19, square(3, 1, 1, 1), false)
		y := b.Op("relu", "relu", b.Norm("n1", x))
		x = b.Op("add", "add", convolve(b, "c2", y, 19, square(3, 1, 1, 1), true), x)
		b.Op("mean", "globalavgpool", x)
	})
	add("softmax", 3, 6, 6, func(b *graph.Net) {
		x := b.Op("relu", "relu", convolve(b, "c1", 0, 7, square(3, 1, 1, 1), true))
		b.Op("softmax", "softmax", b.Linear("out", b.Op("flat", "flatten", x), 19))
	})
	// Vectors: products in a row, whole panels and parts of one, and calls between them.
	add("vectors", 37, 1, 1, func(b *graph.Net) {
		x := b.Linear("fc2", b.Linear("fc1", 0, 300), 129)
		x = b.Op("gelu", "gelu", b.Norm("n1", x))
		b.Op("softmax", "softmax", b.Linear("fc4", b.Op("relu", "relu", b.Linear("fc3", x, 48)), 5))
	})
	// What a convolution of each channel ends in may lie where its input did: behind one
	// batch norm, or one activation, alone.
	for _, act := range []string{"tanh", "hardswish", "relu"} {
		add("depthwise/"+act, 20, 5, 6, func(b *graph.Net) {
			x := b.Op("in", "tanh", 0)
			x = convolve(b, "c1", x, 20, square(3, 1, 1, 20), true)
			if act != "relu" {
				x = b.Norm("n1", x)
			}
			x = b.Op("act", act, x)
			x = b.Op("out", "tanh", b.Norm("n2", convolve(b, "c2", x, 20, square(3, 1, 1, 20), false)))
			b.Op("mean", "globalavgpool", x)
		})
	}
	// Likewise behind a batch norm by itself, of channels that fill no row of 16.
	add("norm/relu", 3, 5, 6, func(b *graph.Net) {
		x := b.Op("in", "tanh", convolve(b, "c1", 0, 19, square(3, 1, 1, 1), false))
		b.Op("mean", "globalavgpool", b.Op("relu", "relu", b.Norm("n1", x)))
	})
	// Grouped: in tiles.
	add("grouped", 4, 5, 5, func(b *graph.Net) {
		x := b.Norm("n1", convolve(b, "c1", 0, 6, square(3, 1, 1, 2), false))
		b.Op("mean", "globalavgpool", x)
	})
	return l
}
