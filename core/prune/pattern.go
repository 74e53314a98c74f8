package prune

import (
	"fmt"

	"pare/core/tensor"
)

// pattern is a mask pattern: units of rows outputs × 1 input of W[N][K] go
// together. Unit (nb, j) with index nb·K + j holds the elements
// W[nb·rows … min(nb·rows+rows, N)−1][j]; for a convolution j runs over
// (ci, ky, kx). These are the blocks of tensor.Block. The last block row is
// smaller when N is no multiple of rows.
type pattern struct {
	Word
	rows int
	text string
}

var patterns = []pattern{
	{Word{"element", "single weights: the most accurate; our kernels skip them from about 60 % zeros"}, 1, "single weights"},
	{Word{"block4x1", "blocks of 4 outputs × 1 input: our kernels skip them from about 25 % zeros"}, 4, "4×1 blocks"},
	{Word{"block8x1", "blocks of 8 outputs × 1 input: a little faster than 4×1, coarser"}, 8, "8×1 blocks"},
	{Word{"block16x1", "blocks of 16 outputs × 1 input: the fastest for one sample at a time, the coarsest"}, 16, "16×1 blocks"},
}

// patternOf finds a row; nil for patterns that cut.
func patternOf(name string) *pattern {
	for i := range patterns {
		if patterns[i].Name == name {
			return &patterns[i]
		}
	}
	return nil
}

// units is a layer cut up by a pattern and rated.
type units struct {
	l     *layer
	rows  int
	score []float32 // per unit
	kept  []uint8   // elements of the unit that are not masked yet
}

// span is the first element of unit u and the number of its elements, l.k apart.
func (x *units) span(u int) (at, size int) {
	row := u / x.l.k * x.rows
	return row*x.l.k + u%x.l.k, min(x.rows, x.l.n-row)
}

// rate makes the units of a layer.
func rate(s *Spec, l *layer, p *pattern) units {
	sc := scoreOf(s.Score)
	n := (l.n + p.rows - 1) / p.rows * l.k
	x := units{l: l, rows: p.rows, score: make([]float32, n), kept: make([]uint8, n)}
	for u := range x.score {
		at, size := x.span(u)
		for i := 0; i < size; i++ {
			if l.mask.Kept(at + i*l.k) {
				x.kept[u]++
			}
		}
		x.score[u] = sc.unit(s, l, u, at, size)
	}
	return x
}

// TwoOfFour is the 2:4 mask of a weight (at most 2 non-zero in each 4) by
// magnitude: in each group of four along the reduction dimension the two of
// largest |w| stay, of equal ones the lower index (Mishra et al. 2021,
// arXiv:2104.08378). Groups lie along axis 1: inputs of a linear layer [N, K],
// channels of a convolution [N, C, KH, KW]. Axis 1 must be a multiple of 4.
func TwoOfFour(w []float32, shape tensor.Shape) (*tensor.Mask, error) {
	if len(shape) < 2 || len(w) != shape.Len() {
		return nil, fmt.Errorf("2:4 mask: %d values for a weight of shape %v", len(w), shape)
	}
	c, inner := shape[1], shape[2:].Len()
	if c%4 != 0 {
		return nil, fmt.Errorf("2:4 mask: %d inputs of a weight of shape %v: need a multiple of 4", c, shape)
	}
	abs := func(i int) float32 { return max(w[i], -w[i]) }
	m := tensor.NewMask(len(w))
	for o := 0; o < shape[0]; o++ {
		for g := 0; g < c; g += 4 {
			for in := 0; in < inner; in++ {
				at := func(j int) int { return (o*c+g+j)*inner + in }
				for j := 0; j < 4; j++ {
					better := 0
					for h := 0; h < 4; h++ {
						if a, b := abs(at(h)), abs(at(j)); a > b || a == b && h < j {
							better++
						}
					}
					if better >= 2 {
						m.Drop(at(j))
					}
				}
			}
		}
	}
	return m, nil
}
