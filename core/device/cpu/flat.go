package cpu

import (
	"math"
	"slices"

	"pare/core/device"
)

// Plans of one sample or a few. Of a tile's 16 lanes few would be used; instead values are
// flat, [H][W][C] without lanes, and 16 outputs of a panel, or 16 channels of a pixel,
// take the place of the lanes. Each sample has a slab of its own, with values at the
// beginning of their places, and counts as a tile. In such a plan all values are flat, so
// all its calls must have kernels for them; else it runs in tiles.
//
// Rows of 16 channels may end in the pixels that follow. Pixels are therefore written in
// their order, and of several rows of one the last row first or one pixel after the
// other: what a row writes too far is then written again. Behind the last pixel there is
// room, for values keep that of 16 samples, and what lies there nobody uses.

// mostFlat is the most samples of a plan whose values are flat. Slabs of more samples than
// one must not take more than flatFloats.
const (
	mostFlat   = 7
	flatFloats = 16 << 20
)

// Shares of stored values above which all of a weight takes less time, one sample at a time:
// single ones take half a cycle a pixel in a convolution, a sixteenth part of a product with
// their zeros, and in a linear layer the load of their place besides their own, which four rows
// share. By BenchmarkShares of core/infer.
var (
	flatFrom = map[int]float64{1: 1. / 12}       // convolutions, by rows of blocks
	oneFrom  = map[int]float64{1: 0.11, 4: 0.55} // linear layers
)

// inFull reports whether a weight in blocks is multiplied with the zeros between them where a
// plan takes one sample at a time or has flat values. What trains is not kept twice.
func (w *weight) inFull() bool {
	if w.lay != blocks || w.Train || w.Adapted || w.Conv && useNEON {
		return false
	}
	shares := oneFrom
	if w.Conv {
		shares = flatFrom
	}
	from, ok := shares[w.blk.r]
	return ok && w.share() > from
}

// share is the share of the values that w stores.
func (w *weight) share() float64 { return float64(len(w.v)) / float64(w.n*w.k) }

// flatWeight is what a call of one sample or of flat values multiplies by.
func (w *weight) flatWeight() *weight {
	if w.full != nil {
		return w.full
	}
	return w
}

// asTile is how many samples without lanes take the time of a tile, which is that of 16 for
// any number, by BenchmarkFew of core/infer. Single weights share nothing between outputs, and
// neither do blocks of long rows between samples (see prepareOne); all others are read once for
// many pixels or samples.
func (w *weight) asTile() float64 {
	const dense = mostFlat + 0.9 // tiles take less time from the next number on
	switch {
	case w.inFull(): // as dense, but the tile takes less
		return min(dense, max(2, 20*w.share()))
	case w.lay == blocks && w.blk.r == 1:
		return 2
	case w.lay == blocks && !w.Conv && w.k > pixelSteps:
		return map[int]float64{4: 2.2, 8: 3.2, 16: 4.5}[w.blk.r]
	case w.lay == blocks && !w.Conv && w.blk.r == 4 && w.k > 2048:
		return 3.2
	case w.lay == blocks && !w.Conv && w.blk.r == 4:
		return 4.9
	}
	return dense
}

// flatTiles are kernels of flat values, where those of tiles do not serve both.
var flatTiles = map[device.Kernel]func(e *exec, c *call, l *local, t0, t1 int){
	device.Load: each(loadFlat), device.Linear: linearOne, device.Conv: each(convOne), device.MaxPool: each(maxPoolOne), device.AvgPool: each(avgPoolOne),
	device.NormInfer: each(normOne), device.Flatten: each(flattenOne), device.ActFn: actKernel, device.Add: add, device.Mul: mul,
	device.Scale: scaleKernel, device.Concat: concat, device.Slice: slice, device.Gate: each(gateOne), device.Softmax: each(softmaxOne),
}

// each makes a kernel of one for a single sample.
func each(f func(e *exec, c *call, l *local, t int)) func(e *exec, c *call, l *local, t0, t1 int) {
	return func(e *exec, c *call, l *local, t0, t1 int) {
		for t := t0; t < t1; t++ {
			f(e, c, l, t)
		}
	}
}

// few is the most samples of a plan of p's calls whose values are flat, because they take
// less time than a tile: 0 where some call knows no flat values. There are no NEON kernels for
// flat images, nor for more than one vector.
func few(p *device.Plan, b *bank) int {
	images := slices.ContainsFunc(p.Vals, func(v device.Val) bool { return v.H*v.W > 1 })
	if p.Seq > 0 || images && useNEON {
		return 0
	}
	tile, sample := 0., 0. // time of the products
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			if flatTiles[c.Kernel] == nil {
				return 0
			}
			if c.Kernel != device.Conv && c.Kernel != device.Linear {
				continue
			}
			w, y := &b.ws[c.W[0]], p.Vals[c.Out[0]]
			if c.Kernel == device.Conv && !w.isFlat() {
				return 0
			}
			t := float64(len(w.v) * y.H * y.W)
			tile, sample = tile+t, sample+t/w.asTile()
		}
	}
	if useNEON || tile == 0 {
		return 1
	}
	return min(mostFlat, max(1, int(tile/sample)), max(1, flatFloats/max(1, p.Slab)))
}

// isFlat reports whether a convolution with w knows flat values: all but grouped ones of
// more than one channel or filter a group, and blocks of which a row may be too long for
// one call of a kernel.
func (w *weight) isFlat() bool {
	switch w.lay {
	case rowMajor:
		return w.Groups == w.Shape[0] && w.Shape[1] == 1
	case blocks:
		return w.k <= pixelSteps || w.inFull()
	}
	return true
}

// flatSize is the number of floats of a flat value, in whole rows.
func flatSize(v device.Val) int { return rounded(v.C * v.H * v.W) }

// lane is the number of floats of an element: a lane for each sample of a tile.
func (e *exec) lane() int {
	if e.flat {
		return 1
	}
	return T
}

// rounded is n rounded up to whole rows of 16.
func rounded(n int) int { return (n + P - 1) / P * P }

// loadFlat takes the sample, [C][H][W] in files.
func loadFlat(e *exec, c *call, _ *local, t int) {
	v := e.p.Vals[c.Out[0]]
	from, i := e.s.X, t
	switch {
	case c.S[0] == 1: // not data: one row for each row of the batch
		from = e.s.OutGrad
	case c.S[0] == 2:
		from = e.s.Teacher
	case e.s.Rows != nil:
		i = int(e.s.Rows[t])
	}
	turn(e.floats(c.Out[0], t), from[i*v.C*v.H*v.W:], v.C, v.H*v.W)
}

// flattenOne: [H][W][C] to the logical order C, H, W.
func flattenOne(e *exec, c *call, _ *local, t int) {
	v := e.p.Vals[c.In[0]]
	turn(e.floats(c.Out[0], t), e.floats(c.In[0], t), v.H*v.W, v.C)
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
func normOne(e *exec, c *call, l *local, t int) {
	v := e.p.Vals[c.In[0]]
	scale, shift := e.affineOf(c, l, v.C)
	depthArgs{
		w: ptr(scale), shift: ptr(shift), x: e.at(c.In[0], t), y: e.at(c.Out[0], t), n: over(v.C, P), pixels: v.H * v.W,
		rows: 1, cols: 1, xPixel: v.C * 4, yPixel: v.C * 4, relu: reluOf(c),
	}.run(overChannels)
}

// gateOne: y = x·s, s of the pixel's channel.
func gateOne(e *exec, c *call, _ *local, t int) {
	v := e.p.Vals[c.In[0]]
	depthArgs{
		w: e.at(c.In[1], t), x: e.at(c.In[0], t), y: e.at(c.Out[0], t), n: over(v.C, P), pixels: v.H * v.W,
		rows: 1, cols: 1, xPixel: v.C * 4, yPixel: v.C * 4,
	}.run(overChannels)
}

// softmaxOne: y = e^x / Σ e^x.
func softmaxOne(e *exec, c *call, _ *local, t int) {
	v := e.p.Vals[c.In[0]]
	x, y := e.floats(c.In[0], t)[:v.C*v.H*v.W], e.floats(c.Out[0], t)
	top, sum := slices.Max(x), 0.0
	for i, v := range x {
		exp := math.Exp(float64(v - top))
		y[i], sum = float32(exp), sum+exp
	}
	for i := range x {
		y[i] = float32(float64(y[i]) / sum)
	}
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
	if c.Kernel != device.NormInfer && len(c.W)%2 == 0 {
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
