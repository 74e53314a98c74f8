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
// see border.go. dw takes one tap of the window at a time, for the part of the
// image where it lies inside.

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

// partsOfBlocks is the number of tasks of the gradient of blocks: one for each worker,
// for each reads all of x. They go through it side by side, so that it comes from main
// memory once. A block's sum is the same in any of them.
func (e *exec) partsOfBlocks(w *weight, g *geometry) int {
	macs := len(w.v) * g.oh * g.ow * e.p.Batch
	return max(1, min(e.threads, macs/taskMACs))
}

// blockConvDW: dw of some blocks, over all tiles and pixels.
func blockConvDW(e *exec, c *call, w *weight, part int) {
	r := w.blk.r
	from, to := part*len(w.blk.idx)/c.parts, (part+1)*len(w.blk.idx)/c.parts
	if !e.adds(c) {
		clearAll(w.g[from*r : to*r])
	}
	for i := range c.bands {
		b := &c.bands[i]
		if b.oy1-b.oy0 == 1 || b.ox1-b.ox0 == 1 {
			b.line(e, c, w, from, to)
			continue
		}
		for t := range e.tiles {
			b.plane(e, c, w, t, from, to)
		}
	}
	run := w.blk.runs[0]
	if rows := w.blk.rows(); rows*r > w.n {
		w.clearBehind(rows-1, max(from, int(run[rows-1])), to)
	}
	e.settle(c, w, from*r, to*r)
}

// dwPixels is the most pixels of a call of dw: what all blocks see of x there stays in
// the second level of cache, dy of four outputs in the first.
const dwPixels = 112

// line adds what a band of one row or one column of pixels adds to the gradient of
// blocks from to to−1: a border. It goes through all tiles in turn, for it is short.
func (b *band) line(e *exec, c *call, w *weight, from, to int) {
	g := &c.geo
	x, dy, pixels := g.SW*g.c*rowBytes, g.n*rowBytes, b.ox1-b.ox0
	if pixels == 1 {
		x, dy, pixels = g.SH*g.w*g.c*rowBytes, g.ow*g.n*rowBytes, b.oy1-b.oy0
	}
	for first := 0; first < pixels; first += dwPixels {
		d := blockDWArgs{tiles: min(dwPixels, pixels-first), xStride: x, dyStride: dy, acc: 1}
		d.xSkip, d.dySkip = e.stride()-d.tiles*x, e.stride()-d.tiles*dy
		most := max(1, dwPixels/d.tiles)
		for t := 0; t < e.tiles; t += most {
			d.tiles2 = min(most, e.tiles-t)
			d.x, d.dy = b.at(e, c, t, b.oy0, b.ox0)
			d.x, d.dy = at(d.x, first*x), at(d.dy, first*dy)
			b.sum(g, w, d, from, to)
		}
	}
}

// plane is line for any band of one tile: a few rows of pixels at a time for all
// blocks, so that they are fetched from the outer caches once.
func (b *band) plane(e *exec, c *call, w *weight, t, from, to int) {
	g := &c.geo
	for ox := b.ox0; ox < b.ox1; ox += dwPixels {
		d := blockDWArgs{tiles: min(dwPixels, b.ox1-ox), xStride: g.SW * g.c * rowBytes, dyStride: g.n * rowBytes, acc: 1}
		d.xSkip = g.SH*g.w*g.c*rowBytes - d.tiles*d.xStride
		d.dySkip = g.ow*g.n*rowBytes - d.tiles*d.dyStride
		strip := max(1, dwPixels/d.tiles)
		for oy := b.oy0; oy < b.oy1; oy += strip {
			d.tiles2 = min(strip, b.oy1-oy)
			d.x, d.dy = b.at(e, c, t, oy, ox)
			if d.xAhead = 0; oy+strip < b.oy1 { // rows of x that the next strip is the first to see
				d.xAhead = (g.KH - g.SH + d.tiles2*g.SH) * g.w * g.c * rowBytes
			}
			b.sum(g, w, d, from, to)
		}
	}
}

// at is where the band's first tap of pixel (oy, ox) lies in x, and the pixel in dy.
func (b *band) at(e *exec, c *call, t, oy, ox int) (x, dy pointer) {
	g := &c.geo
	x = at(e.at(c.In[0], t), ((oy*g.SH-g.PT+b.ky0)*g.w+ox*g.SW-g.PL+b.kx0)*g.c*rowBytes)
	return x, at(e.at(c.In[1], t), (oy*g.ow+ox)*g.n*rowBytes)
}

// sum adds what the pixels of d, of which x is that of the band's first tap and dy of
// the first output, add to the gradient of blocks from to to−1.
func (b *band) sum(g *geometry, w *weight, d blockDWArgs, from, to int) {
	r := w.blk.r
	most := max(1, min(maxSteps/(d.tiles*d.tiles2), maxBlocks, maxFloats/2/r))
	dy, run := d.dy, w.blk.runs[0]
	first := sort.Search(w.blk.rows()-1, func(i int) bool { return int(run[i+1]) > from })
	xAhead, xEnd, more := d.xAhead, d.xAhead+d.tiles2*g.SH*g.w*g.c*rowBytes, d.xAhead > 0
	for row := first; row < w.blk.rows() && int(run[row]) < to; row++ {
		d.dy, d.dyAhead = at(dy, row*r*rowBytes), r*rowBytes
		if more && (row+1 == w.blk.rows() || int(run[row+1]) >= to) { // the next strip's first
			d.dyAhead = (d.tiles2*g.ow*g.n - (row-first)*r) * rowBytes
		}
		for ky := b.ky0; ky < b.ky1; ky++ {
			k0, k1 := ky*g.KW+b.kx0, ky*g.KW+b.kx1-1
			if b.kx1-b.kx0 == g.KW { // blocks of several rows of the window lie side by side
				ky = b.ky1 - 1
				k1 = ky*g.KW + g.KW - 1
			}
			j0, j1 := max(from, int(w.blk.cuts[k0].from[row])), min(to, int(w.blk.cuts[k1].to[row]))
			for j := j0; j < j1; j += most {
				d.n, d.off, d.dw = min(most, j1-j), ptr(b.off[j:]), ptr(w.g[j*r:])
				d.xAhead = 0
				if more && xAhead < xEnd {
					d.xAhead = xAhead
				}
				dwKernel(r, &d)
				xAhead += dwRounds(r, d.n) * d.tiles * d.tiles2 * rowBytes
			}
		}
	}
}

// dwRounds is how often the AVX-512 kernel of dw goes through the pixels for n blocks.
func dwRounds(r, n int) int {
	if r == 4 {
		return n/6 + n%6/3 + (n%3+1)/2
	}
	return max(1, r/8) * ((n + 2) / 3)
}
