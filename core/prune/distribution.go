package prune

import (
	"math"

	"pare/core/graph"
)

// counts says how many weights each layer loses by a distribution that looks at
// shapes alone.
func counts(m *graph.Model, distribution string, xs []units, share float64) []int {
	n := make([]int, len(xs))
	if distribution != "erk" {
		for i, x := range xs {
			n[i] = count(share, x.l.n*x.l.k)
		}
		return n
	}
	shapes := make([][]int, len(xs))
	all := 0
	for i, x := range xs {
		shapes[i] = m.Params[x.l.param].Shape
		all += x.l.n * x.l.k
	}
	sum := 0
	for i, s := range ERK(shapes, share) {
		n[i] = count(s, xs[i].l.n*xs[i].l.k)
		sum += n[i]
	}
	// Rounding may miss k of all by a few: the largest layers make up for it.
	for miss := count(share, all) - sum; miss != 0; {
		step := 1
		if miss < 0 {
			step = -1
		}
		at := -1
		for i, x := range xs {
			if full := x.l.n * x.l.k; n[i]+step >= 0 && n[i]+step <= full && n[i] > 0 && (at < 0 || full > xs[at].l.n*xs[at].l.k) {
				at = i
			}
		}
		if at < 0 {
			break
		}
		n[at] += step
		miss -= step
	}
	return n
}

// ERK is the share of zeros of each layer by the Erdős–Rényi kernel rule, so that
// all together have the given share: density_l = ε·Σdims/Πdims, over all axes of the
// weight (Evci et al. 2020, arXiv:1911.11134 §3). Where that would be more than 1 the
// layer stays dense and ε is solved anew for the others. The weights that stay are
// counted as google-research/rigl does, n − ⌊share·n⌋ of each layer.
func ERK(shapes [][]int, share float64) []float64 {
	n, raw := make([]float64, len(shapes)), make([]float64, len(shapes))
	keep := 0.0 // weights that stay
	for i, s := range shapes {
		sum := 0.0
		n[i] = 1
		for _, d := range s {
			sum, n[i] = sum+float64(d), n[i]*float64(d)
		}
		raw[i] = sum / n[i]
		keep += n[i] - math.Floor(share*n[i])
	}
	dense := make([]bool, len(shapes))
	for {
		left, weight := keep, 0.0
		for i := range n {
			if dense[i] {
				left -= n[i]
			} else {
				weight += raw[i] * n[i]
			}
		}
		eps := math.Inf(1)
		if weight > 0 {
			eps = left / weight
		}
		most := -1
		for i := range n {
			if !dense[i] && raw[i]*eps > 1 && (most < 0 || raw[i] > raw[most]) {
				most = i
			}
		}
		if most < 0 {
			out := make([]float64, len(shapes))
			for i := range out {
				if !dense[i] {
					out[i] = min(max(1-raw[i]*eps, 0), 1)
				}
			}
			return out
		}
		for i := range n { // all that are as thin
			dense[i] = dense[i] || raw[i] == raw[most]
		}
	}
}
