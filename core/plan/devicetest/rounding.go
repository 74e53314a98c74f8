package devicetest

import (
	"math"
	"math/rand/v2"
	"testing"

	"pare/core/device"
)

// Some results move by more than the limit where what they are made of is off by a rounding.
// Logits z of a thousand are off by |z|u and more, and the gradient of cross-entropy with them
// by p(1−p)|z|u ≤ |z|u/4: 1.5e-5 for u = 2⁻²⁴ and one rounding, of which a sum of n terms has n.
// The gradient of a clip jumps where the value is within rounding of a bound. So how far a result
// may move is measured: ref, which sums in float64, runs on samples and parameters that are each
// off by a random share of up to s,
//
//	x̃ = x(1 + sδ), |δ| ≤ 1, |ỹ − y| ≲ s Σ|∂y/∂x||x| where y has a slope,
//
// and in some of the runs on the other side of a jump that is within rounding. s is 2u where
// products round what they read and sum in float32. In float32 each sum rounds: of n terms by
// about √n·u, 8u for those of the cases that need it. Twice the largest move of each value in all
// runs is what rounding explains. A term that is missing moves a result by its own size, which is
// 1/u times that, but where the problem is so ill-conditioned that no device could solve it in
// this precision.

const (
	moves = 8 // runs of ref
	most  = 8 // numbers that a case is tried with
)

// unitOf is the relative error of a rounding on dev.
func unitOf(dev device.Device) float64 {
	if f, ok := dev.(family); ok {
		return f.unit
	}
	return unit32
}

// Units of rounding: of float32, of products in TF32 and of bfloat16.
const (
	unit32   = 1. / (1 << 24)
	unitTF32 = 1. / (1 << 11)
	unitBF16 = 1. / (1 << 8)
)

// carried is how far rounding moves each value of each result of j on ref, which gave want.
func (j job) carried(t testing.TB, ref device.Device, unit float64, want []result) [][]float64 {
	t.Helper()
	far := make([][]float64, len(want))
	for i, w := range want {
		far[i] = make([]float64, len(w.x))
	}
	share := 2 * unit
	if unit == unit32 {
		share = 8 * unit
	}
	for n := range uint64(moves) {
		k := j.whole()
		k.off = &noise{share, rand.New(rand.NewPCG(j.seed, n))}
		for i, r := range k.record(t, ref) {
			for e, v := range r.x {
				far[i][e] = max(far[i][e], 2*math.Abs(float64(v)-float64(want[i].x[e])))
			}
		}
	}
	return far
}

// noise moves values by random shares of themselves.
type noise struct {
	share float64
	r     *rand.Rand
}

// of is x moved, x itself without noise.
func (n *noise) of(x []float32) []float32 {
	if n == nil {
		return x
	}
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(float64(v) * (1 + n.share*(2*n.r.Float64()-1)))
	}
	return y
}
