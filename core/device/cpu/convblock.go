package cpu

import "pare/core/device"

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
	c.off = make([]uint32, len(w.blk.idx))
	if taskKernels[c.Kernel] != nil { // of dw the tap is known
		for i, k := range w.blk.idx {
			c.off[i] = uint32(int(k) % g.c * rowBytes)
		}
		return
	}
	c.border = newBorder(g)
	c.offPad = make([]uint32, len(w.blk.idx))
	for i, k := range w.blk.idx {
		tap, ci := int(k)/g.c, int(k)%g.c
		c.off[i] = uint32((tap/g.KW*g.w+tap%g.KW)*g.c*rowBytes + ci*rowBytes)
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

// blockConvDW: dw at the blocks of one tap, for a range of block rows.
func blockConvDW(e *exec, c *call, w *weight, part int) {
	g, r := &c.geo, w.blk.r
	tap, ni := part%c.cut.ks, part/c.cut.ks
	ky, kx := tap/g.KW, tap%g.KW
	oy0, oy1 := g.rows().outputs(ky)
	ox0, ox1 := g.cols().outputs(kx)
	cut, rows := &w.blk.cuts[tap], w.blk.rows()
	from, to := ni*rows/c.cut.ns, (ni+1)*rows/c.cut.ns
	// A few rows of pixels at a time for all block rows, so that they are fetched
	// from the outer caches once.
	strip := max(1, stripBytes/((g.c*g.SW*g.w/g.ow+g.n)*g.ow*rowBytes))
	acc := e.acc(c, 0)
	for t := range e.tiles {
		for oy := oy0; oy < oy1 && ox0 < ox1; oy += strip {
			for row := from; row < to; row++ {
				j0, j1 := int(cut.from[row]), int(cut.to[row])
				if j0 == j1 {
					continue
				}
				a := blockDWArgs{tiles: ox1 - ox0, xStride: g.SW * g.c * rowBytes, dyStride: g.n * rowBytes}
				a.xSkip = g.SH*g.w*g.c*rowBytes - a.tiles*a.xStride
				a.dySkip = g.ow*g.n*rowBytes - a.tiles*a.dyStride
				// Of many channels a few at a time, of few channels several rows of pixels.
				most, blocks := max(1, maxSteps/((j1-j0)*a.tiles)), min(max(1, maxSteps/4/a.tiles), maxBlocks, maxFloats/2/r)
				for j := j0; j < j1; j += blocks {
					a.n, a.acc = min(blocks, j1-j), acc
					a.off, a.dw = ptr(c.off[j:]), ptr(w.g[j*r:])
					for y := oy; y < min(oy+strip, oy1); y += most {
						a.tiles2 = min(most, min(oy+strip, oy1)-y)
						a.x = at(e.at(c.In[0], t), ((y*g.SH-g.PT+ky)*g.w+ox0*g.SW-g.PL+kx)*g.c*rowBytes)
						a.dy = at(e.at(c.In[1], t), ((y*g.ow+ox0)*g.n+row*r)*rowBytes)
						dwKernel(r, &a)
						a.acc = 1
					}
				}
			}
			acc = 1
		}
	}
	for row := from; row < to; row++ {
		j0, j1 := int(cut.from[row]), int(cut.to[row])
		if acc == 0 { // the tap never meets a pixel
			clearAll(w.g[j0*r : j1*r])
		}
		w.clearBehind(row, j0, j1)
		e.settle(c, w, j0*r, j1*r)
	}
}

// stripBytes is what of x and dy stays in the second level of cache while all
// block rows pass by.
const stripBytes = 512 << 10
