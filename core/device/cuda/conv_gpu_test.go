package cuda

import (
	"fmt"
	"testing"
)

// TestGPUConv compares forward and both gradients of every case with loops in float64, and
// two runs with each other, on the tensor cores and by the plain kernels.
func TestGPUConv(t *testing.T) {
	d := openCard(t)
	for _, precision := range []Precision{BF16, TF32, F32} {
		dev := With(d, nil, precision)
		cases := append(convCases(),
			&convCase{n: 8, c: 64, h: 28, w: 28, out: 64, win: even(3, 1, 1), bias: true},
			&convCase{n: 4, c: 128, h: 14, w: 14, out: 256, win: even(3, 2, 1), accum: true},
			&convCase{n: 4, c: 256, h: 7, w: 7, out: 256, win: even(3, 1, 1)},
			&convCase{n: 4, c: 3, h: 64, w: 64, out: 64, win: even(7, 2, 3)},
			&convCase{n: 64, c: 16, h: 16, w: 16, out: 32, win: even(3, 2, 1), bias: true},
			&convCase{n: 2, c: 13, h: 17, w: 19, out: 27, win: even(3, 2, 1), bias: true},
		)
		for _, plain := range []bool{false, true} {
			if plain && precision == F32 {
				continue
			}
			dev.plain = plain
			for _, k := range cases {
				if (plain || precision == F32) && k.skew {
					continue // values of a plan never lie so, and activations rely on it
				}
				c := *k
				t.Run(fmt.Sprintf("%v/plain=%v/%v", precision, plain, k), func(t *testing.T) { c.compare(t, dev, 2) })
			}
		}
	}
}
