package cpu

import (
	"slices"
	"sort"

	"pare/core/device"
)

// Convolutions with a weight in blocks: for one pixel of y after the other the
// products of a linear layer, whose inputs are the pixels of the window. A pass
// serves neighbouring pixels as it serves tiles elsewhere. All windows must look
// the same: those that reach over the border work on an image with its padding,
// see border.go. dw takes the taps of a window row together where all of them lie
// inside of the image, see bands.

// prepareConvBlocks works out where the blocks of c's weight lie in the image.
func (e *exec) prepareConvBlocks(c *call) {
	w, g := &e.b.ws[c.W[0]], &c.geo
	if w.lay == rowMajor { // see depthWeights
		e.padded = max(e.padded, len(w.v))
	}
	if w.lay == panels && c.Kernel == device.ConvDW && g.n <= narrow { // see narrowDW
		e.padded = max(e.padded, g.KW*g.c*narrow)
		for i := range g.KW * g.c {
			c.off = append(c.off, uint32(i*rowBytes))
		}
	}
	if w.lay != blocks {
		return
	}
	if taskKernels[c.Kernel] != nil {
		c.bands = g.bands(w)
		c.far = g.SH <= g.KH && (e.checked || 4*e.slabs(e.p.Batch)*e.p.Slab > farBytes)
		return
	}
	c.border = newBorder(g)
	c.off = g.offsets(w, 0, 0)
	c.offPad = make([]uint32, len(w.blk.idx))
	for i, k := range w.blk.idx {
		tap, ci := int(k)/g.c, int(k)%g.c
		c.offPad[i] = uint32((tap/g.KW*g.paddedW()+tap%g.KW)*g.c*rowBytes + ci*rowBytes)
	}
	if g.isPadded() {
		e.padded = max(e.padded, g.paddedH()*g.paddedW()*g.c*e.lane())
	}
}

// blockConv: y = f(w ⋆ x + b).
func blockConv(e *exec, c *call, w *weight, l *local, t0, t1 int) {
	g := &c.geo
	p := blockPass{w: w, scratch: l.buf, piece: &l.piece}
	for t := t0; t < t1; t++ {
		image := padded{border: &c.border, pad: l.pad, image: e.floats(c.In[0], t)}
		y := e.at(c.Out[0], t)
		image.strips(w, func(oy, end int) {
			for i := oy; i < end; i++ {
				image.fill(i)
				image.row(c, p, y, i)
			}
			image.columns(c, p, y, oy, end)
			if len(c.W) > 1 || c.Act != device.NoAct {
				for i := oy * g.ow; i < end*g.ow; i++ {
					finish(e, c, at(y, i*g.n*rowBytes), 0, g.n)
				}
			}
		})
	}
}

// blockConvDX: dx[window] += wᵀ·dy for each pixel of dy.
func blockConvDX(e *exec, c *call, w *weight, l *local, t0, t1 int) {
	g := &c.geo
	p := blockPass{w: w, scratch: l.buf, piece: &l.piece, backward: true}
	for t := t0; t < t1; t++ {
		image := padded{border: &c.border, pad: l.pad, image: e.floats(c.Out[0], t)}
		dy := e.at(c.In[0], t)
		image.strips(w, func(oy, end int) {
			for i := oy; i < end; i++ {
				image.zero(i)
				image.row(c, p, dy, i)
			}
			image.columns(c, p, dy, oy, end)
			image.drain(end * g.SH)
		})
		image.rest()
	}
}

// band is a range of pixels of y whose windows hold the same taps of an image: rows
// oy0 to oy1−1 and columns ox0 to ox1−1 see taps ky0 to ky1−1 and kx0 to kx1−1.
type band struct {
	oy0, oy1, ky0, ky1 int
	ox0, ox1, kx0, kx1 int
	off                []uint32 // of w's blocks, from tap (ky0, kx0) on
}

// bands are those of a whole image: inside, and at each border and corner.
func (g *geometry) bands(w *weight) (all []band) {
	for oy0 := 0; oy0 < g.oh; {
		ky0, ky1, oy1 := g.rows().like(oy0)
		for ox0 := 0; ox0 < g.ow; {
			kx0, kx1, ox1 := g.cols().like(ox0)
			if ky0 < ky1 && kx0 < kx1 {
				b := band{oy0, oy1, ky0, ky1, ox0, ox1, kx0, kx1, nil}
				if i := slices.IndexFunc(all, func(a band) bool { return a.ky0 == ky0 && a.kx0 == kx0 }); i >= 0 {
					b.off = all[i].off
				} else {
					b.off = g.offsets(w, ky0, kx0)
				}
				all = append(all, b)
			}
			ox0 = ox1
		}
		oy0 = oy1
	}
	return all
}

// offsets are where the inputs of w's blocks lie, from tap (ky, kx) on; those of blocks
// before it mean nothing.
func (g *geometry) offsets(w *weight, ky, kx int) []uint32 {
	off := make([]uint32, len(w.blk.idx))
	for i, k := range w.blk.idx {
		tap, ci := int(k)/g.c, int(k)%g.c
		off[i] = uint32((((tap/g.KW-ky)*g.w+tap%g.KW-kx)*g.c + ci) * rowBytes)
	}
	return off
}

// like is the range of taps of output o that lie inside, and the next output of
// which others do.
func (s span) like(o int) (from, to, end int) {
	from, to, _ = s.inside(o)
	for end = o + 1; end < s.out; end++ {
		if f, t, _ := s.inside(end); f != from || t != to {
			break
		}
	}
	return from, to, end
}

// cutBlocks cuts the gradient of blocks. A task reads all of x, and dy of its blocks: two
// tasks therefore go through half of the batch each, and further ones share the blocks
// (ns), side by side, so that x comes from main memory once. The halves' sums are added at
// the end, which costs little where x is large beside them.
func (e *exec) cutBlocks(w *weight, g *geometry) (c cutting, halves int) {
	macs, tiles := len(w.v)*g.oh*g.ow*e.p.Batch, e.p.Tiles(e.p.Batch)
	c, halves = cutting{ks: 1, ns: max(1, min(e.threads, macs/taskMACs))}, 1
	if tiles > 1 && tiles*T*g.h*g.w*g.c >= 4*len(w.v) {
		halves = 2
		if c.ns%2 == 0 {
			c.ns /= 2
		}
	}
	return c, halves
}

// dwTask adds the gradient of blocks from to to−1 over tiles t0 to t1−1 to sums.
type dwTask struct {
	e                *exec
	c                *call
	w                *weight
	sums             []float32 // [blocks][R]
	from, to, t0, t1 int
	touched          uint32 // what fetch read: loads for nothing would be left out
}

// blockConvDW: dw of some blocks over some tiles and all pixels.
func blockConvDW(e *exec, c *call, w *weight, part int) {
	s := e.shareOf(c, part)
	r, n := w.blk.r, len(w.blk.idx)
	d := dwTask{e: e, c: c, w: w, sums: s.sums, from: s.part * n / c.cut.ns, to: (s.part + 1) * n / c.cut.ns, t0: s.from(), t1: s.from() + s.tiles}
	if s.second || !e.adds(c) {
		clearAll(d.sums[d.from*r : d.to*r])
	}
	for i := range c.bands {
		b := &c.bands[i]
		if b.oy1-b.oy0 == 1 || b.ox1-b.ox0 == 1 {
			d.line(b)
			continue
		}
		for t := d.t0; t < d.t1; t++ {
			d.plane(b, t)
		}
	}
	run := w.blk.runs[0]
	if rows := w.blk.rows(); rows*r > w.n {
		w.clearBehind(d.sums, rows-1, max(d.from, int(run[rows-1])), d.to)
	}
	e.settle(c, w, d.from*r, d.to*r)
}

// dwPixels is the most pixels of a call of dw: what all blocks see of x there stays in
// the second level of cache, dy of four outputs in the first.
const dwPixels = 112

// line takes a band of one row or one column of pixels: a border. It goes through all
// tiles in turn, for it is short.
func (d *dwTask) line(b *band) {
	g, e := &d.c.geo, d.e
	x, dy, pixels := g.SW*g.c*rowBytes, g.n*rowBytes, b.ox1-b.ox0
	if pixels == 1 {
		x, dy, pixels = g.SH*g.w*g.c*rowBytes, g.ow*g.n*rowBytes, b.oy1-b.oy0
	}
	for first := 0; first < pixels; first += dwPixels {
		a := blockDWArgs{tiles: min(dwPixels, pixels-first), xStride: x, dyStride: dy, acc: 1}
		a.xSkip, a.dySkip = e.stride()-a.tiles*x, e.stride()-a.tiles*dy
		most := max(1, dwPixels/a.tiles)
		for t := d.t0; t < d.t1; t += most {
			a.tiles2 = min(most, d.t1-t)
			a.x, a.dy = b.at(e, d.c, t, b.oy0, b.ox0)
			a.x, a.dy = at(a.x, first*x), at(a.dy, first*dy)
			d.sum(b, a)
		}
	}
}

// plane takes any band of one tile: a few rows of pixels at a time for all
// blocks, so that they come from the outer caches once.
func (d *dwTask) plane(b *band, t int) {
	g := &d.c.geo
	for ox := b.ox0; ox < b.ox1; ox += dwPixels {
		a := blockDWArgs{tiles: min(dwPixels, b.ox1-ox), xStride: g.SW * g.c * rowBytes, dyStride: g.n * rowBytes, acc: 1}
		a.xSkip = g.SH*g.w*g.c*rowBytes - a.tiles*a.xStride
		a.dySkip = g.ow*g.n*rowBytes - a.tiles*a.dyStride
		strip := max(1, dwPixels/a.tiles)
		for oy := b.oy0; oy < b.oy1; oy += strip {
			a.tiles2 = min(strip, b.oy1-oy)
			a.x, a.dy = b.at(d.e, d.c, t, oy, ox)
			if d.c.far {
				d.fetch(b, &a, oy > b.oy0)
			}
			d.sum(b, a)
		}
	}
}

// farBytes is the size of a step's values from which dw finds its own in main memory, the
// third level of cache having been filled with others meanwhile. For what lies there,
// fetch takes longer than it saves (BenchmarkProfile, LeNet-5).
const farBytes = 16 << 20

// fetch reads a word of each line that the pixels of a see of x, but for the rows that those
// above saw, if there are any, and of dy: the hardware then fetches from main memory line
// after line, which it does not where blocks read them.
func (d *dwTask) fetch(b *band, a *blockDWArgs, above bool) {
	g, seen := &d.c.geo, 0
	if above {
		seen = max(0, b.ky1-b.ky0-g.SH)
	}
	for i := seen; i < (a.tiles2-1)*g.SH+b.ky1-b.ky0; i++ {
		d.touch(at(a.x, i*g.w*g.c*rowBytes), ((a.tiles-1)*g.SW+b.kx1-b.kx0)*g.c)
	}
	for i := range a.tiles2 {
		d.touch(at(a.dy, i*g.ow*g.n*rowBytes), a.tiles*g.n)
	}
}

func (d *dwTask) touch(p pointer, lines int) {
	all := uint32(0)
	for i := range lines {
		all |= *(*uint32)(at(p, i*rowBytes))
	}
	d.touched |= all
}

// at is where the band's first tap of pixel (oy, ox) lies in x, and the pixel in dy.
func (b *band) at(e *exec, c *call, t, oy, ox int) (x, dy pointer) {
	g := &c.geo
	x = at(e.at(c.In[0], t), ((oy*g.SH-g.PT+b.ky0)*g.w+ox*g.SW-g.PL+b.kx0)*g.c*rowBytes)
	return x, at(e.at(c.In[1], t), (oy*g.ow+ox)*g.n*rowBytes)
}

// sum takes the pixels of a, of which x is that of the band's first tap and dy of the
// first output.
func (d *dwTask) sum(b *band, a blockDWArgs) {
	g, w, r := &d.c.geo, d.w, d.w.blk.r
	most := max(1, min(maxSteps/(a.tiles*a.tiles2), maxBlocks, maxFloats/2/r))
	dy, run := a.dy, w.blk.runs[0]
	first := sort.Search(w.blk.rows()-1, func(i int) bool { return int(run[i+1]) > d.from })
	for row := first; row < w.blk.rows() && int(run[row]) < d.to; row++ {
		a.dy, a.dyAhead = at(dy, row*r*rowBytes), r*rowBytes
		for ky := b.ky0; ky < b.ky1; ky++ {
			k0, k1 := ky*g.KW+b.kx0, ky*g.KW+b.kx1-1
			if b.kx1-b.kx0 == g.KW { // blocks of several rows of the window lie side by side
				ky = b.ky1 - 1
				k1 = ky*g.KW + g.KW - 1
			}
			j0, j1 := max(d.from, int(w.blk.cuts[k0].from[row])), min(d.to, int(w.blk.cuts[k1].to[row]))
			for j := j0; j < j1; j += most {
				a.n, a.off, a.dw = min(most, j1-j), ptr(b.off[j:]), ptr(d.sums[j*r:])
				dwKernel(r, &a)
			}
		}
	}
}
