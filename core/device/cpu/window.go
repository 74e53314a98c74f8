package cpu

// Pools work on all channels of a pixel at once: C rows that lie side by side.

// maxPool: the largest value of each window; padding takes no part, and a NaN
// wins, so that it stays visible.
func maxPool(e *exec, c *call, _ *local, t0, t1 int) {
	g := &c.geo
	for t := t0; t < t1; t++ {
		x, y := e.floats(c.In[0], t), e.floats(c.Out[0], t)
		for i := range g.oh * g.ow {
			v := g.view(i)
			dst := g.pixel(y, i)
			g.largest(dst, x, v)
		}
	}
}

// largest writes the maximum of each channel over a window to dst.
func (g *geometry) largest(dst, x []float32, v view) {
	copyAll(dst, g.pixel(x, v.at(0)))
	for k := 1; k < v.n; k++ {
		a := g.pixel(x, v.at(k))
		for i := 0; i < g.c; i += maxRows {
			largerRows(&rowArgs{dst: ptr(dst[i*T:]), a: ptr(dst[i*T:]), b: ptr(a[i*T:]), n: min(g.c-i, maxRows)})
		}
	}
}

// maxPoolDX: each dy goes to the first maximum of its window.
func maxPoolDX(e *exec, c *call, l *local, t0, t1 int) {
	g := &c.geo
	for t := t0; t < t1; t++ {
		x, dy, dx := e.floats(c.In[0], t), e.floats(c.In[1], t), e.floats(c.Out[0], t)
		clearAll(dx)
		top, rest := l.buf[:g.c*T], l.buf[g.c*T:2*g.c*T]
		for i := range g.oh * g.ow {
			v := g.view(i)
			g.largest(top, x, v)
			copyAll(rest, g.pixel(dy, i))
			for k := range v.n {
				a, d := g.pixel(x, v.at(k)), g.pixel(dx, v.at(k))
				for i := 0; i < g.c; i += maxRows / 2 { // five streams
					maxGrad(&maxArgs{dx: ptr(d[i*T:]), x: ptr(a[i*T:]), top: ptr(top[i*T:]), rest: ptr(rest[i*T:]), n: min(g.c-i, maxRows/2)})
				}
			}
		}
	}
}

// avgPool: the mean of each window. Rows of the window are summed one by one, so
// that the error of a mean over a whole image grows with its height and width,
// not with their product.
func avgPool(e *exec, c *call, l *local, t0, t1 int) {
	g := &c.geo
	rows, scale, shift := l.normBuf(g.c)
	clear(shift)
	for t := t0; t < t1; t++ {
		x, y := e.floats(c.In[0], t), e.floats(c.Out[0], t)
		for i := range g.oh * g.ow {
			v := g.view(i)
			dst := g.pixel(y, i)
			g.sum(dst, x, v, 0)
			for k := v.w; k < v.n; k += v.w {
				g.sum(rows, x, v, k)
				addAll(dst, dst, rows)
			}
			v.share(scale)
			affine(dst, dst, scale, shift)
		}
	}
}

// sum writes the sum over the row of a window that starts at place k to dst.
func (g *geometry) sum(dst, x []float32, v view, k int) {
	copyAll(dst, g.pixel(x, v.at(k)))
	for i := 1; i < v.w; i++ {
		addAll(dst, dst, g.pixel(x, v.at(k+i)))
	}
}

// avgPoolDX: each dy is spread evenly over its window.
func avgPoolDX(e *exec, c *call, l *local, t0, t1 int) {
	g := &c.geo
	rows, scale, shift := l.normBuf(g.c)
	clear(shift)
	for t := t0; t < t1; t++ {
		dy, dx := e.floats(c.In[0], t), e.floats(c.Out[0], t)
		clearAll(dx)
		for i := range g.oh * g.ow {
			v := g.view(i)
			v.share(scale)
			affine(rows, g.pixel(dy, i), scale, shift)
			for k := range v.n {
				addAll(g.pixel(dx, v.at(k)), g.pixel(dx, v.at(k)), rows)
			}
		}
	}
}

// pixel is pixel i of a tile of x or y, all its channels.
func (g *geometry) pixel(x []float32, i int) []float32 { return x[i*g.c*T:][:g.c*T] }

// view is the part of a window that lies inside x.
type view struct {
	first, w, stride int // pixel, pixels in a row, pixels of a row of x
	n                int // pixels
	div              int // of a mean
}

// view describes the window behind output pixel i.
func (g *geometry) view(i int) view {
	ky0, ky1, iy := g.rows().inside(i / g.ow)
	kx0, kx1, ix := g.cols().inside(i % g.ow)
	v := view{first: iy*g.w + ix, w: kx1 - kx0, stride: g.w, n: (ky1 - ky0) * (kx1 - kx0)}
	v.div = v.n
	if g.CountPad {
		v.div = g.KH * g.KW
	}
	return v
}

// at is the pixel of x under place k, row by row.
func (v view) at(k int) int { return v.first + k/v.w*v.stride + k%v.w }

// share fills scale with what one pixel has in the mean.
func (v view) share(scale []float32) {
	s := float32(1 / float64(v.div))
	for i := range scale {
		scale[i] = s
	}
}
