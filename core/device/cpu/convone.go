package cpu

import "pare/core/device"

// Convolutions of one sample: 16 outputs of a panel are the lanes, and a kernel's rows
// are pixels that lie side by side. Over the left and the right border they see an
// image with its padding; rows of the window above and below the image are left out.

// convOne: y = f(w ⋆ x + b).
func convOne(e *exec, c *call, l *local, t int) {
	w, g := e.b.ws[c.W[0]].flatWeight(), &c.geo
	scale, shift := e.affineOf(c, l, g.n)
	switch w.lay {
	case rowMajor:
		depthOne(e, c, w, l, t, scale, shift)
	case blocks:
		blockConvOne(e, c, w, l, t, scale, shift)
	default:
		x, y, wide := ptr(e.image(c, l, t)), e.at(c.Out[0], t), g.paddedW()*g.c*4
		pieces := over(g.ow, maxMR)
		for n := rounded(g.n) - P; n >= 0; n -= P {
			for oy := range g.oh {
				ky0, ky1, _ := g.rows().inside(oy)
				a := pixelArgs{
					inner: g.KW * g.c, outer: ky1 - ky0, aOuter: wide, bOuter: g.KW * g.c * rowBytes, aStride: g.SW * g.c * 4, cStride: g.n * 4,
					b: at(ptr(w.v), (n*w.k+ky0*g.KW*g.c*P)*4), scale: ptr(scale[n:]), shift: ptr(shift[n:]), relu: reluOf(c),
				}
				ox := 0
				for i := range pieces {
					mr := (g.ow + i) / pieces // as even as can be
					a.a, a.c = at(x, (oy*g.SH+ky0)*wide+ox*a.aStride), at(y, ((oy*g.ow+ox)*g.n+n)*4)
					a.run(mr)
					ox += mr
				}
			}
		}
	}
	if c.Act != device.ReLU && c.Act != device.NoAct {
		y := e.floats(c.Out[0], t)
		actRows(c.Act, y, y)
	}
}

// prepareOne makes room for a call of flat values.
func (e *exec) prepareOne(c *call) {
	g := &c.geo
	e.one = max(e.one, 2*rounded(e.p.Vals[c.Out[0]].C))
	if c.Kernel != device.Conv && c.Kernel != device.Linear {
		return
	}
	e.b.fill(&e.b.ws[c.W[0]])
	w := e.b.ws[c.W[0]].flatWeight()
	switch {
	case c.Kernel == device.Linear:
		switch {
		case e.p.Batch == 1:
		case w.lay == panels && w.pair == nil:
			c.part, c.parts, c.ones = linearFew, min(over(w.n, P), over(4*len(w.v), wideBytes/2)), 1
		case w.lay == blocks && w.blk.r > 1 && w.k <= pixelSteps:
			c.part, c.parts, c.ones = blocksFew, max(1, min(over(w.n, P), over(4*len(w.v), wideBytes/2))), 2
			if w.blk.r == 16 {
				c.ones = 1
			}
			for _, off := range w.blk.off[:len(w.blk.idx)] { // without lanes
				c.off = append(c.off, off/T)
			}
		}
		return
	case w.lay == rowMajor: // see depthOne
		room := rounded(len(w.v)) + P
		if c.copied = e.overlap(c.In[0], c.Out[0]); c.copied {
			room += flatSize(e.p.Vals[c.In[0]]) + P
		}
		e.padded = max(e.padded, room)
		return
	case w.lay == blocks:
		for i, off := range c.offPad { // without lanes
			c.off[i] = off / T
		}
	}
	if g.KH*g.KW*g.SH*g.SW == 1 && !g.isPadded() { // all pixels are one row
		g.w, g.h, g.ow, g.oh = g.w*g.h, 1, g.ow*g.oh, 1
	}
	if g.isPadded() || e.overlap(c.In[0], c.Out[0]) {
		c.copied, e.padded = true, max(e.padded, g.paddedH()*g.paddedW()*g.c)
	}
}

// overlap reports whether flat values v and u share memory. Those of a convolution that
// was fused with the calls behind it may: the plan keeps apart what single calls use.
func (e *exec) overlap(v, u int) bool {
	x, y := e.p.Vals[v], e.p.Vals[u]
	return x.Off < y.Off+rounded(flatSize(y)+P) && y.Off < x.Off+rounded(flatSize(x)+P)
}

// image is x of a convolution with its padding.
func (e *exec) image(c *call, l *local, t int) []float32 {
	g, x := &c.geo, e.floats(c.In[0], t)
	if !c.copied {
		return x
	}
	row, left, in := g.paddedW()*g.c, g.PL*g.c, g.w*g.c
	pad := l.pad[:g.paddedH()*row]
	clearAll(pad[:g.PT*row])
	for y := range g.h {
		to := pad[(g.PT+y)*row:][:row]
		clearAll(to[:left])
		copyAll(to[left:], x[y*in:][:in])
		clearAll(to[left+in:])
	}
	clearAll(pad[(g.PT+g.h)*row:])
	return pad
}

// run calls mulP in pieces of at most pixelSteps steps; the last ends in scale and shift.
func (a pixelArgs) run(mr int) {
	if a.inner*a.outer <= pixelSteps {
		mulP(mr, &a)
		return
	}
	p := a
	for o := range a.outer {
		for k := 0; k < a.inner; k += pixelSteps {
			p.inner, p.outer = min(pixelSteps, a.inner-k), 1
			p.a, p.b = at(a.a, o*a.aOuter+k*4), at(a.b, o*a.bOuter+k*rowBytes)
			if p.scale = nil; o == a.outer-1 && k+p.inner == a.inner {
				p.scale = a.scale
			}
			mulP(mr, &p)
			p.acc = 1
		}
	}
}

// blockConvOne is convOne for a weight in blocks.
func blockConvOne(e *exec, c *call, w *weight, l *local, t int, scale, shift []float32) {
	g, x, wide := &c.geo, ptr(e.image(c, l, t)), c.geo.paddedW()*c.geo.c*4
	a := blockPixelArgs{xStride: g.SW * g.c * 4, yStride: g.n * 4, relu: reluOf(c)}
	pieces := over(g.ow, mostPixels(w.blk.r))
	for oy := range g.oh {
		ox := 0
		for i := range pieces {
			pixels := (g.ow + i) / pieces
			a.x = at(x, oy*g.SH*wide+ox*a.xStride)
			a.run(w, c.off, at(e.at(c.Out[0], t), (oy*g.ow+ox)*g.n*4), 0, w.blk.rows(), pixels, scale, shift)
			ox += pixels
		}
	}
}

// run multiplies with block rows from to to−1 of w, a bounded number of blocks at a time. y
// is that of the first pixel.
func (a *blockPixelArgs) run(w *weight, off []uint32, y pointer, from, to, pixels int, scale, shift []float32) {
	r, run := w.blk.r, w.blk.runs[0]
	for end := to; end > from; end -= a.rows {
		a.rows = 1
		for from+a.rows < end && run[end]-run[end-a.rows-1] <= pixelSteps {
			a.rows++
		}
		row := end - a.rows
		a.ptr, a.off, a.val = ptr(run[row:]), ptr(off[run[row]:]), ptr(w.v[int(run[row])*r:])
		a.y = at(y, row*r*4)
		a.scale, a.shift = ptr(scale[row*r:]), ptr(shift[row*r:])
		blockPixels(r, pixels, a)
	}
}

// blockPixels is the kernel for r×1 blocks.
func blockPixels(r, pixels int, a *blockPixelArgs) {
	switch r {
	case 1:
		blockPixels1(pixels, a)
	case 4:
		blockPixels4(pixels, a)
	case 8:
		blockPixels8(pixels, a)
	default:
		blockPixels16(pixels, a)
	}
}
