package cpu

// Direct convolution on [H][W][C][T]: for each pixel of the result the products
// run over the part of the window that lies inside, straight from the tile; no
// patches are copied and the border costs no branch inside.
//
// The weight's inputs are ordered ky, kx, ci like the pixels of a tile, so one
// row of a window is one run of (number of kx)·C steps in both.

// conv: y = f(w ⋆ x + b).
func conv(e *exec, c *call, l *local, t0, t1 int) {
	w, g := &e.b.ws[c.W[0]], &c.geo
	switch w.lay {
	case rowMajor:
		groupConv(e, c, w, l, t0, t1)
		return
	case blocks:
		blockConv(e, c, w, l, t0, t1)
		return
	}
	// As many panels as stay in the first level of cache together serve a pixel,
	// before the next pixel is read.
	step := P * max(1, innerPanels/(w.k*P*4))
	for t := t0; t < t1; t++ {
		x, y := e.at(c.In[0], t), e.at(c.Out[0], t)
		for n := 0; n < g.n; n += step {
			for oy := range g.oh {
				ky0, ky1, iy := g.rows().inside(oy)
				for ox := range g.ow {
					kx0, kx1, ix := g.cols().inside(ox)
					a := mulArgs{
						b:     at(x, (iy*g.w+ix)*g.c*rowBytes),
						inner: (kx1 - kx0) * g.c, outer: ky1 - ky0, aOuter: g.KW * g.c * rowBytes, bOuter: g.w * g.c * rowBytes,
					}
					pixel := at(y, (oy*g.ow+ox)*g.n*rowBytes)
					to := min(n+step, g.n)
					for m := n; m < to; m += P {
						from := at(ptr(w.v), (m*w.k+(ky0*g.KW+kx0)*g.c*P)*4)
						q := m
						for _, mr := range cuts[min(P, to-m)] {
							a.a, a.c = at(from, (q-m)*4), at(pixel, q*rowBytes)
							productF(mr, &a)
							q += mr
						}
					}
					finish(e, c, pixel, n, to-n)
				}
			}
		}
	}
}

// innerPanels is the size of panels that stay in the first level of cache beside
// what the products read of x.
const innerPanels = 32 << 10

// convDX: for each pixel of x the sum over the windows it lies in.
func convDX(e *exec, c *call, l *local, t0, t1 int) {
	w, g := &e.b.ws[c.W[0]], &c.geo
	switch w.lay {
	case rowMajor:
		groupConvDX(e, c, w, l, t0, t1)
		return
	case blocks:
		blockConvDX(e, c, w, l, t0, t1)
		return
	}
	for t := t0; t < t1; t++ {
		dy, dx := e.at(c.In[0], t), e.at(c.Out[0], t)
		for iy := range g.h {
			ky := g.rows().over(iy)
			for ix := range g.w {
				kx := g.cols().over(ix)
				pixel := at(dx, (iy*g.w+ix)*g.c*rowBytes)
				if ky.n*kx.n == 0 { // between windows
					clearAll(rowsOf(pixel, g.c))
					continue
				}
				for ci := 0; ci < g.c; {
					mr := run(g.c - ci)
					p := pass{mr: mr, mulArgs: mulArgs{c: at(pixel, ci*rowBytes)}}
					for y := range ky.n {
						p.row(w, g, dy, ci, ky.tap+y*g.SH, ky.out-y, kx)
					}
					ci += mr
				}
			}
		}
	}
}

// pass is the sum of several products in the same rows.
type pass struct {
	mulArgs
	mr int
}

// row adds the taps of one row of the window. Of panels and taps, the longer
// goes into one call.
func (p *pass) row(w *weight, g *geometry, dy pointer, ci, ky, oy int, kx taps) {
	all := (g.n + P - 1) / P
	if kx.n >= all {
		for q := range all {
			p.inner, p.outer = min(P, g.n-q*P), kx.n
			p.aOuter, p.bOuter = g.SW*g.c*rowBytes, -g.n*rowBytes
			p.a = at(ptr(w.v), (q*w.k+(ky*g.KW+kx.tap)*g.c+ci)*rowBytes)
			p.b = at(dy, ((oy*g.ow+kx.out)*g.n+q*P)*rowBytes)
			p.add()
		}
		return
	}
	for i := range kx.n {
		p.inner, p.outer = P, g.n/P
		p.aOuter, p.bOuter = w.k*rowBytes, P*rowBytes
		p.a = at(ptr(w.v), ((ky*g.KW+kx.tap+i*g.SW)*g.c+ci)*rowBytes)
		p.b = at(dy, (oy*g.ow+kx.out-i)*g.n*rowBytes)
		if p.outer > 0 {
			p.add()
		}
		if rest := g.n % P; rest > 0 {
			p.a, p.b = at(p.a, p.outer*p.aOuter), at(p.b, p.outer*p.bOuter)
			p.inner, p.outer = rest, 1
			p.add()
		}
	}
}

func (p *pass) add() {
	productX(p.mr, &p.mulArgs)
	p.acc = 1
}

// cutConvDW cuts the gradient of a convolution: a task is one row of the window
// for one panel, or a part of it when there are few of these.
func cutConvDW(w *weight, g *geometry) cutting {
	runs := (g.KW*g.c + maxMR - 1) / maxMR
	c := cutting{ns: (w.n + P - 1) / P, ks: g.KH}
	for c.ns*c.ks < 16 && c.ks < g.KH*runs {
		c.ks += g.KH
	}
	return c
}

// convDW: dw of some rows of inputs of one panel, over all tiles and pixels.
// Rows are inputs (kx, ci) of one ky; what they read of x lies side by side.
func convDW(e *exec, c *call, l *local, part int) {
	w, g := &e.b.ws[c.W[0]], &c.geo
	switch w.lay {
	case rowMajor:
		groupConvDW(e, c, l, part)
		return
	case blocks:
		blockConvDW(e, c, w, part)
		return
	}
	p, piece := part/c.cut.ks, part%c.cut.ks
	pieces := c.cut.ks / g.KH
	ky, piece := piece/pieces, piece%pieces
	runs := (g.KW*g.c + maxMR - 1) / maxMR
	r0, r1 := piece*runs/pieces*maxMR, min((piece+1)*runs/pieces*maxMR, g.KW*g.c)
	first := (p*w.k + ky*g.KW*g.c + r0) * P
	sum := w.g[first : first+(r1-r0)*P]
	if !e.adds(c) {
		clearAll(sum)
	}
	if g.n <= narrow {
		narrowDW(e, c, l, sum, ky, r0, r1)
		e.settle(c, w, first, first+len(sum))
		return
	}
	all := (g.n + P - 1) / P
	oy0, oy1 := g.rows().outputs(ky)
	for t := range e.tiles {
		for oy := oy0; oy < oy1; oy++ {
			a := dwRow{g: g, step: rowBytes, bStep: all * panelBytes}
			a.x = at(e.at(c.In[0], t), (oy*g.SH-g.PT+ky)*g.w*g.c*rowBytes)
			a.dyT = at(e.at(c.In[2], t), (oy*g.ow*all+p)*panelBytes)
			for r := r0; r < r1; {
				mr := run(r1 - r)
				a.rows(ptr(sum[(r-r0)*P:]), r, mr)
				r += mr
			}
		}
	}
	e.settle(c, w, first, first+len(sum))
}

// narrow is the most filters whose gradient is summed lane by lane: in panels more
// than half of the products would be those of padding.
const narrow = 8

// narrowDW is convDW for few filters: all of them are one block of outputs for
// each input of the row of the window. Like the last row of blocks it may look at
// rows behind dy.
func narrowDW(e *exec, c *call, l *local, dst []float32, ky, r0, r1 int) {
	g := &c.geo
	sums := l.pad[:(r1-r0)*narrow]
	clear(sums)
	oy0, oy1 := g.rows().outputs(ky)
	for t := range e.tiles {
		for oy := oy0; oy < oy1; oy++ {
			a := dwRow{g: g, step: narrow * 4, off: c.off}
			a.x = at(e.at(c.In[0], t), (oy*g.SH-g.PT+ky)*g.w*g.c*rowBytes)
			a.dyT = at(e.at(c.In[1], t), oy*g.ow*g.n*rowBytes)
			a.rows(ptr(sums), r0, r1-r0)
		}
	}
	for i := range r1 - r0 {
		e.put(c, dst[i*P:], sums[i*narrow:][:g.n])
	}
}

// dwRow is one row of dy against the row of x under it.
type dwRow struct {
	g      *geometry
	x, dyT pointer
	step   int // of inputs in dw
	bStep  int
	off    []uint32 // of narrowDW, whose dyT is dy: where the inputs lie
}

// rows adds the products of inputs r to r+mr−1 to dst. They span one kx or a
// few; where all of these lie inside they go together, at the border one by one.
func (a *dwRow) rows(dst pointer, r, mr int) {
	g := a.g
	k0, k1 := r/g.c, (r+mr-1)/g.c
	from, to := g.cols().outputs(k0)
	for k := k0 + 1; k <= k1; k++ {
		f, t := g.cols().outputs(k)
		from, to = max(from, f), min(to, t)
	}
	if from < to {
		a.span(dst, r, mr, from, to)
	}
	if k0 == k1 {
		return
	}
	for k := k0; k <= k1; k++ {
		r0, r1 := max(r, k*g.c), min(r+mr, (k+1)*g.c)
		f, t := g.cols().outputs(k)
		sub := at(dst, (r0-r)*a.step)
		if from >= to {
			a.span(sub, r0, r1-r0, f, t)
			continue
		}
		a.span(sub, r0, r1-r0, f, min(t, from))
		a.span(sub, r0, r1-r0, max(f, to), t)
	}
}

// span adds the products at outputs from to to−1 of the row.
func (a *dwRow) span(dst pointer, r, mr, from, to int) {
	if from >= to {
		return
	}
	g := a.g
	if a.off != nil {
		most := max(1, maxSteps/mr)
		for ; from < to; from += most {
			blockDW8(&blockDWArgs{
				// From the first input on that is inside: a pointer in front of
				// the image would be one the garbage collector must not meet.
				off: ptr(a.off), dw: dst, n: mr, tiles: min(most, to-from), tiles2: 1, acc: 1,
				x: at(a.x, ((from*g.SW-g.PL)*g.c+r)*rowBytes), xStride: g.SW * g.c * rowBytes,
				dy: at(a.dyT, from*g.n*rowBytes), dyStride: g.n * rowBytes,
			})
		}
		return
	}
	m := mulArgs{c: dst, inner: T, outer: to - from, aOuter: g.SW * g.c * rowBytes, bOuter: a.bStep, acc: 1}
	m.a = at(a.x, ((from*g.SW-g.PL)*g.c+r)*rowBytes)
	m.b = at(a.dyT, from*a.bStep)
	productX(mr, &m)
}
