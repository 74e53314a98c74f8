package cpu

import "pare/core/device"

// geometry is the window of a convolution or pool over x[H][W][C] that makes
// y[OH][OW][N].
type geometry struct {
	*device.Window
	h, w, c, oh, ow, n int
}

// span is where the windows of one axis lie: tap k of output o reads input
// o·stride − pad + k, if that is inside.
type span struct{ in, out, taps, stride, pad int }

// newGeometry describes the window win of a call between x and y.
func newGeometry(win *device.Window, x, y device.Val) geometry {
	return geometry{win, x.H, x.W, x.C, y.H, y.W, y.C}
}

func (g *geometry) rows() span { return span{g.h, g.oh, g.KH, g.SH, g.PT} }
func (g *geometry) cols() span { return span{g.w, g.ow, g.KW, g.SW, g.PL} }

// inside is the range of taps of output o that lie inside the input, and the
// input under the first of them.
func (s span) inside(o int) (from, to, input int) {
	first := o*s.stride - s.pad
	from, to = max(0, -first), min(s.taps, s.in-first)
	return from, to, first + from
}

// outputs is the range of outputs whose tap k lies inside the input; it may be
// empty (from ≥ to).
func (s span) outputs(k int) (from, to int) {
	// o·stride ≥ pad − k and o·stride ≤ in − 1 + pad − k
	from = max(0, s.pad-k+s.stride-1) / s.stride
	last := s.in - 1 + s.pad - k
	if last < 0 {
		return 0, 0
	}
	return from, min(s.out, last/s.stride+1)
}

// taps are the windows that hold one input: outputs out, out−1, … at taps tap,
// tap + stride, ….
type taps struct{ tap, out, n int }

// over finds the windows over input i; there may be none when the stride is
// larger than the window.
func (s span) over(i int) taps {
	// o·stride + k = i + pad with 0 ≤ k < taps, 0 ≤ o < out
	o := min((i+s.pad)/s.stride, s.out-1)
	k := i + s.pad - o*s.stride
	if k >= s.taps {
		return taps{}
	}
	return taps{k, o, min((s.taps-1-k)/s.stride, o) + 1}
}
