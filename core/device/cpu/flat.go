package cpu

import (
	"math"

	"pare/core/device"
)

// Plans of one sample. Of a tile's 16 lanes one would be used; instead values are flat,
// [H][W][C] without lanes at the beginning of their place in the slab, and 16 outputs of
// a panel, or 16 channels of a pixel, take the place of the lanes. In such a plan all
// values are flat, so all its calls must have kernels for them; else it runs in tiles.
//
// Rows of 16 channels may end in the pixels that follow. Pixels are therefore written in
// their order, and of several rows of one the last row first or one pixel after the
// other: what a row writes too far is then written again. Behind the last pixel there is
// room, for values keep that of 16 samples, and what lies there nobody uses.

// flatTiles are kernels of flat values, where those of tiles do not serve both.
var flatTiles = map[device.Kernel]func(e *exec, c *call, l *local, t0, t1 int){
	device.Load: loadFlat, device.Linear: linearOne, device.Conv: convOne, device.MaxPool: maxPoolOne, device.AvgPool: avgPoolOne,
	device.NormInfer: normOne, device.Flatten: flattenOne, device.ActFn: actKernel, device.Add: add, device.Mul: mul,
}

// isFlat reports whether p is a plan of one sample whose calls all know flat values.
// There are no NEON kernels for flat images.
func isFlat(p *device.Plan, b *bank) bool {
	if p.Batch != 1 || p.Seq > 0 {
		return false
	}
	for _, v := range p.Vals {
		if useNEON && v.H*v.W > 1 {
			return false
		}
	}
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			if flatTiles[c.Kernel] == nil || c.Kernel == device.Conv && !b.ws[c.W[0]].isFlat() {
				return false
			}
		}
	}
	return true
}

// isFlat reports whether a convolution with w knows flat values: all but grouped ones of
// more than one channel or filter a group, and blocks of which a row may be too long for
// one call of a kernel.
func (w *weight) isFlat() bool {
	switch w.lay {
	case rowMajor:
		return w.Groups == w.Shape[0] && w.Shape[1] == 1
	case blocks:
		return w.k <= pixelSteps
	}
	return true
}

// flatSize is the number of floats of a flat value, in whole rows.
func flatSize(v device.Val) int { return rounded(v.C * v.H * v.W) }

// rounded is n rounded up to whole rows of 16.
func rounded(n int) int { return (n + P - 1) / P * P }

// loadFlat takes the sample, [C][H][W] in files.
func loadFlat(e *exec, c *call, _ *local, _, _ int) {
	v := e.p.Vals[c.Out[0]]
	x := e.s.X[e.source(0, 0)*v.C*v.H*v.W:]
	switch c.S[0] {
	case 1:
		x = e.s.OutGrad
	case 2:
		x = e.s.Teacher
	}
	turn(e.floats(c.Out[0], 0), x, v.C, v.H*v.W)
}

// flattenOne: [H][W][C] to the logical order C, H, W.
func flattenOne(e *exec, c *call, _ *local, _, _ int) {
	v := e.p.Vals[c.In[0]]
	turn(e.floats(c.Out[0], 0), e.floats(c.In[0], 0), v.H*v.W, v.C)
}

// turn transposes x[m][n] to y[n][m].
func turn(y, x []float32, m, n int) {
	if m == 1 || n == 1 {
		copyAll(y[:m*n], x)
		return
	}
	for i := range m {
		for j, v := range x[i*n : (i+1)*n] {
			y[j*m+i] = v
		}
	}
}

// normOne: y = f((x − running mean)/√(running variance + eps)·gamma + beta).
func normOne(e *exec, c *call, l *local, _, _ int) {
	v := e.p.Vals[c.In[0]]
	scale, shift := e.affineOf(c, l, v.C)
	depthArgs{
		w: ptr(scale), shift: ptr(shift), x: e.at(c.In[0], 0), y: e.at(c.Out[0], 0), n: over(v.C, P), pixels: v.H * v.W,
		rows: 1, cols: 1, xPixel: v.C * 4, yPixel: v.C * 4, relu: reluOf(c),
	}.run(overChannels)
}

// affineOf are the scale and the shift of n channels that a call ends in, in whole rows:
// the bias of a convolution and the batch norm it was fused with, see fuse.
func (e *exec) affineOf(c *call, l *local, n int) (scale, shift []float32) {
	to := rounded(n)
	scale, shift = l.one[:to], l.one[to:2*to]
	for i := range n {
		scale[i], shift[i] = 1, 0
	}
	clear(scale[n:])
	clear(shift[n:])
	if c.Kernel == device.Conv && len(c.W)%2 == 0 {
		copy(shift, e.b.ws[c.W[1]].v[:n])
	}
	if len(c.W) < 4 {
		return scale, shift
	}
	norm := c.W[len(c.W)-4:]
	gamma, beta, mean, variance := e.b.ws[norm[0]].v, e.b.ws[norm[1]].v, e.b.ws[norm[2]].v, e.b.ws[norm[3]].v
	for i := range n {
		s := float64(gamma[i]) / math.Sqrt(float64(variance[i])+float64(c.S[0]))
		scale[i], shift[i] = float32(s), float32(float64(beta[i])+(float64(shift[i])-float64(mean[i]))*s)
	}
	return scale, shift
}

func reluOf(c *call) int {
	if c.Act == device.ReLU {
		return 1
	}
	return 0
}
