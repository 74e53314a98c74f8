package prune

import (
	"fmt"

	"pare/core/tensor"
)

// In a 2:4 mask (Mishra et al. 2021, arXiv:2104.08378) at most 2 of each 4 weights along
// the inputs stay; axis 1: inputs of a linear layer [N, K], channels of a convolution
// [N, C, KH, KW]. A unit is the two of a group that are worth least, so that below the
// target of half the groups that lose least have become 2:4.

// half is the share of zeros of a 2:4 mask.
const half = 0.5

// twoFour reports whether a pattern is 2:4, along inputs or both ways.
func twoFour(pattern string) bool { return pattern == "2:4" || pattern == "2:4-both" }

// CheckTarget refuses a share that the pattern cannot have.
func (s Spec) CheckTarget(share float64) error {
	if twoFour(s.Pattern) && share != half && share != 0 {
		return fmt.Errorf("pattern %s keeps two of each four: the target is 0.5 (50 %%), not %g", s.Pattern, share)
	}
	return nil
}

// ratePairs makes the units of 2:4.
func ratePairs(s *Spec, l *layer) units {
	sc, inner := scoreOf(s.Score), l.k/l.c
	n := l.n * l.k / 4
	x := units{l: l, score: make([]float32, n), kept: make([]uint8, n)}
	pairs := make([][2]int32, n)
	x.each = func(u int, f func(e int)) {
		f(int(pairs[u][0]))
		f(int(pairs[u][1]))
	}
	for u := range n {
		// Unit u is (output, group, place in the window), row-major.
		o, g, in := u/(l.k/4), u/inner%(l.c/4), u%inner
		var worth [4]float32
		var at [4]int
		for j := range 4 {
			at[j] = (o*l.c+4*g+j)*inner + in
			worth[j] = sc.unit(s, l, at[j], at[j], 1)
		}
		lost, goes := float32(0), pairs[u][:0]
		for j := range 4 {
			better := 0
			for h := range 4 {
				if l.before(at[h], worth[h], at[j], worth[j]) {
					better++
				}
			}
			if better >= 2 {
				goes = append(goes, int32(at[j]))
				if l.mask.Kept(at[j]) {
					lost += worth[j]
				}
			}
		}
		x.score[u] = lost
		x.count(u)
	}
	return x
}

// before reports whether element a stays rather than b: what is masked goes first, then
// what is worth less, of equal ones the higher index.
func (l *layer) before(a int, worthA float32, b int, worthB float32) bool {
	if ka, kb := l.mask.Kept(a), l.mask.Kept(b); ka != kb {
		return ka
	}
	return worthA > worthB || worthA == worthB && a < b
}

// fitsPairs says why a layer cannot be 2:4.
func fitsPairs(l *layer) error {
	if l.c%4 != 0 {
		return fmt.Errorf("2:4 takes inputs four by four, and layer %s has %d: put it in prune.skip", l.name, l.c)
	}
	return nil
}

// TwoOfFour is the 2:4 mask of a weight by magnitude: in each group of four along axis
// 1, which must be a multiple of 4, the two of largest |w| stay, of equal ones the lower
// index.
func TwoOfFour(w []float32, shape tensor.Shape) (*tensor.Mask, error) {
	if len(shape) < 2 || len(w) != shape.Len() {
		return nil, fmt.Errorf("2:4 mask: %d values for a weight of shape %v", len(w), shape)
	}
	if shape[1]%4 != 0 {
		return nil, fmt.Errorf("2:4 mask: %d inputs of a weight of shape %v: need a multiple of 4", shape[1], shape)
	}
	l := &layer{n: shape[0], k: shape[1:].Len(), c: shape[1], w: w}
	x := ratePairs(&Spec{Score: "magnitude"}, l)
	m := tensor.NewMask(len(w))
	for u := range x.score {
		x.each(u, m.Drop)
	}
	return m, nil
}
