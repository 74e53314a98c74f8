package cpu

// Convolutions with a weight in blocks: for one pixel of y after the other the
// products of a linear layer, whose inputs are the pixels of the window. A pass
// serves neighbouring pixels as it serves tiles elsewhere. Forward and dx work
// on an image with its padding, so that every window looks the same; dw takes
// one tap of the window at a time, for the part of the image where it lies
// inside.

// paddedW and paddedH are the size of x with its padding.
func (g *geometry) paddedW() int { return g.w + g.PL + g.PR }
func (g *geometry) paddedH() int { return g.h + g.PT + g.PB }

// isPadded reports whether x has padding at all.
func (g *geometry) isPadded() bool { return g.PL+g.PR+g.PT+g.PB > 0 }

// prepareConvBlocks works out where the blocks of c's weight lie in the image.
func (e *exec) prepareConvBlocks(c *call) {
	w, g := &e.b.ws[c.W[0]], &c.geo
	if w.lay == rowMajor { // see depthWeights
		e.padded = max(e.padded, len(w.v))
	}
	if w.lay != blocks {
		return
	}
	c.off = make([]uint32, len(w.blk.idx))
	dw := taskKernels[c.Kernel] != nil
	for i, k := range w.blk.idx {
		tap, ci := int(k)/g.c, int(k)%g.c
		if !dw { // of dw the tap is known
			ci += (tap/g.KW*g.paddedW() + tap%g.KW) * g.c
		}
		c.off[i] = uint32(ci * rowBytes)
	}
	if !dw && g.isPadded() {
		e.padded = max(e.padded, g.paddedH()*g.paddedW()*g.c*T)
	}
}

// eachRow calls f for every row of the padded image of size: the range of the
// row that holds pixels of x, and where they lie in x, all in floats.
func (g *geometry) eachRow(f func(row, from, to, inX int)) {
	width := g.paddedW() * g.c * T
	for y := range g.paddedH() {
		if iy := y - g.PT; iy >= 0 && iy < g.h {
			f(y*width, y*width+g.PL*g.c*T, y*width+(g.PL+g.w)*g.c*T, iy*g.w*g.c*T)
		} else {
			f(y*width, y*width, y*width, 0)
		}
	}
}

// blockConv: y = f(w ⋆ x + b).
func blockConv(e *exec, c *call, w *weight, l *local, t0, t1 int) {
	g := &c.geo
	width := g.paddedW() * g.c * T
	for t := t0; t < t1; t++ {
		x, y := e.at(c.In[0], t), e.at(c.Out[0], t)
		if g.isPadded() {
			image := e.floats(c.In[0], t)
			g.eachRow(func(row, from, to, inX int) {
				clearAll(l.pad[row:from])
				copyAll(l.pad[from:to], image[inX:])
				clearAll(l.pad[to : row+width])
			})
			x = ptr(l.pad)
		}
		g.windows(blockPass{w: w, off: c.off, scratch: l.buf, piece: &l.piece}, x, y)
		for i := range g.oh * g.ow {
			finish(e, c, at(y, i*g.n*rowBytes), 0, g.n)
		}
	}
}

// windows runs p for every row of y.
func (g *geometry) windows(p blockPass, x, y pointer) {
	p.xs, p.ys = g.SW*g.c*rowBytes, g.n*rowBytes
	for oy := range g.oh {
		p.x, p.y, p.tiles = at(x, oy*g.SH*g.paddedW()*g.c*rowBytes), at(y, oy*g.ow*p.ys), g.ow
		p.run()
	}
}

// blockConvDX: dx[window] += wᵀ·dy for each pixel of dy.
func blockConvDX(e *exec, c *call, w *weight, l *local, t0, t1 int) {
	g := &c.geo
	for t := t0; t < t1; t++ {
		image := e.floats(c.Out[0], t)
		dx := image
		if g.isPadded() {
			dx = l.pad[:g.paddedH()*g.paddedW()*g.c*T]
		}
		clearAll(dx)
		g.windows(blockPass{w: w, off: c.off, scratch: l.buf, piece: &l.piece, backward: true}, ptr(dx), e.at(c.In[0], t))
		if g.isPadded() {
			g.eachRow(func(_, from, to, inX int) { copyAll(image[inX:], dx[from:to]) })
		}
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
	for row := ni * rows / c.cut.ns; row < (ni+1)*rows/c.cut.ns; row++ {
		j0, j1 := int(cut.from[row]), int(cut.to[row])
		if j0 == j1 {
			continue
		}
		if oy0 >= oy1 || ox0 >= ox1 { // the tap never meets a pixel
			clearAll(w.g[j0*r : j1*r])
			e.settle(c, w, j0*r, j1*r)
			continue
		}
		a := blockDWArgs{
			tiles:   ox1 - ox0,
			xStride: g.SW * g.c * rowBytes, dyStride: g.n * rowBytes,
		}
		a.xSkip = g.SH*g.w*g.c*rowBytes - a.tiles*a.xStride
		a.dySkip = g.ow*g.n*rowBytes - a.tiles*a.dyStride
		// Of many channels a few at a time, of few channels several rows of pixels.
		most, blocks := max(1, maxSteps/((j1-j0)*a.tiles)), max(1, maxBlocks/a.tiles)
		for j := j0; j < j1; j += blocks {
			a.n, a.acc = min(blocks, j1-j), 0
			a.off, a.dw = ptr(c.off[j:]), ptr(w.g[j*r:])
			for t := range e.tiles {
				for oy := oy0; oy < oy1; oy += most {
					a.tiles2 = min(most, oy1-oy)
					a.x = at(e.at(c.In[0], t), ((oy*g.SH-g.PT+ky)*g.w+ox0*g.SW-g.PL+kx)*g.c*rowBytes)
					a.dy = at(e.at(c.In[1], t), ((oy*g.ow+ox0)*g.n+row*r)*rowBytes)
					dwKernel(r, &a)
					a.acc = 1
				}
			}
		}
		w.clearBehind(row, j0, j1)
		e.settle(c, w, j0*r, j1*r)
	}
}
