package cpu

import "unsafe"

// Depthwise convolutions: output c sees input c alone, so nothing is shared
// between outputs, and what a kernel can save is time between products. It walks
// over the channels of a pixel, as they lie in memory, then over pixels of a row.

// depthArgs: y[p][i] = Σ over rows × cols taps of w[i]·x[p][i], for n channels i of
// some pixels p. Everything else is the distance, in bytes, of what comes next.
type depthArgs struct {
	w, x, y        unsafe.Pointer // [n]; [n][16]; [n][16], all of the first tap and pixel
	n, pixels      int
	rows, cols     int // of taps
	wRow, xRow     int // from a row of taps to the next
	wCol, xCol     int
	xPixel, yPixel int
	ahead          int // from the first tap of a row to where the next pixel reads something new

	// Of windowMul: [n][16], or nil; and then 1 for max(·, 0).
	shift unsafe.Pointer
	relu  int
}

// isDepthwise reports whether every group has one input and one output.
func (g *geometry) isDepthwise() bool { return g.Groups == g.c && g.Groups == g.n }

// depthWeights are the taps of w as [KH][KW][C].
func depthWeights(w *weight, g *geometry, l *local) pointer {
	taps := g.KH * g.KW
	dst := l.pad[:taps*g.c]
	for ch := range g.c {
		for i, v := range w.v[ch*taps : (ch+1)*taps] {
			dst[i*g.c+ch] = v
		}
	}
	return ptr(dst)
}

// kinds of rows of depthArgs: 16 samples of a channel, or 16 channels of one sample,
// whose products are summed or of which the largest counts.
type depthKind int

const (
	overSamples depthKind = iota
	overChannels
	largestOf
)

// run does the channels and pixels of a in pieces of at most maxSteps products, pixel
// after pixel.
func (a depthArgs) run(kind depthKind) {
	wide := 4 // bytes of w for a row
	if kind != overSamples {
		wide = rowBytes
	}
	taps := a.rows * a.cols
	most := max(1, maxSteps/taps)
	c := a
	for p := 0; p < a.pixels; p += c.pixels {
		c.pixels = min(a.pixels-p, max(1, most/a.n))
		for i := 0; i < a.n; i += most {
			c.n = min(most, a.n-i)
			c.w, c.x, c.y = at(a.w, i*wide), at(a.x, p*a.xPixel+i*rowBytes), at(a.y, p*a.yPixel+i*rowBytes)
			switch kind { // direct calls: arguments stay on the stack
			case overSamples:
				depthRows(&c)
			case overChannels:
				if a.shift != nil {
					c.shift = at(a.shift, i*rowBytes)
				}
				windowMul(&c)
			default:
				windowMax(&c)
			}
		}
	}
}

// depthConv: y = f(w ⋆ x + b).
func depthConv(e *exec, c *call, w *weight, l *local, t0, t1 int) {
	g := &c.geo
	wt := depthWeights(w, g, l)
	// Outputs whose window lies inside from left to right go together.
	in0, in1 := g.cols().outputs(0)
	from, to := g.cols().outputs(g.KW - 1)
	in0, in1 = max(in0, from), min(in1, to)
	for t := t0; t < t1; t++ {
		x, y := e.at(c.In[0], t), e.at(c.Out[0], t)
		for oy := range g.oh {
			ky0, ky1, iy := g.rows().inside(oy)
			for ox := 0; ox < g.ow; {
				kx0, kx1, ix := g.cols().inside(ox)
				pixels := 1
				if ox >= in0 && ox < in1 {
					pixels = in1 - ox
				}
				depthArgs{
					w: at(wt, (ky0*g.KW+kx0)*g.c*4), x: at(x, (iy*g.w+ix)*g.c*rowBytes), y: at(y, (oy*g.ow+ox)*g.c*rowBytes),
					n: g.c, pixels: pixels, rows: ky1 - ky0, cols: kx1 - kx0,
					wRow: g.KW * g.c * 4, wCol: g.c * 4, xRow: g.w * g.c * rowBytes, xCol: g.c * rowBytes,
					xPixel: g.SW * g.c * rowBytes, yPixel: g.c * rowBytes, ahead: (kx1 - kx0) * g.c * rowBytes,
				}.run(overSamples)
				for range pixels {
					finish(e, c, at(y, (oy*g.ow+ox)*g.c*rowBytes), 0, g.c)
					ox++
				}
			}
		}
	}
}

// depthConvDX: for each pixel of x the sum over the windows it lies in: again
// taps times rows, now of dy.
func depthConvDX(e *exec, c *call, w *weight, l *local, t0, t1 int) {
	g := &c.geo
	wt := depthWeights(w, g, l)
	for t := t0; t < t1; t++ {
		dy, dx := e.at(c.In[0], t), e.at(c.Out[0], t)
		for iy := range g.h {
			ky := g.rows().over(iy)
			for ix := 0; ix < g.w; {
				kx := g.cols().over(ix)
				pixel := at(dx, (iy*g.w+ix)*g.c*rowBytes)
				if ky.n*kx.n == 0 { // between windows
					clear(rowsOf(pixel, g.c))
					ix++
					continue
				}
				// Where the stride is 1 neighbours lie under the same taps, away
				// from the border.
				pixels := 1
				for g.SW == 1 && ix+pixels < g.w {
					if next := g.cols().over(ix + pixels); next.tap != kx.tap || next.n != kx.n {
						break
					}
					pixels++
				}
				depthArgs{
					w: at(wt, (ky.tap*g.KW+kx.tap)*g.c*4), x: at(dy, (ky.out*g.ow+kx.out)*g.c*rowBytes), y: pixel,
					n: g.c, pixels: pixels, rows: ky.n, cols: kx.n,
					wRow: g.SH * g.KW * g.c * 4, wCol: g.SW * g.c * 4, xRow: -g.ow * g.c * rowBytes, xCol: -g.c * rowBytes,
					xPixel: g.c * rowBytes, yPixel: g.c * rowBytes, ahead: g.c * rowBytes,
				}.run(overSamples)
				ix += pixels
			}
		}
	}
}

// depthChannels is the number of channels of a task of depthConvDW.
const depthChannels = 8

// depthSumArgs: dw[tap][i] += Σ dy[p][i]·x[p + tap][i] over the lanes and pixels p,
// for n channels i. Everything else is the distance, in bytes, of what comes next.
type depthSumArgs struct {
	x, dy, dw       unsafe.Pointer // [n][16], [n][16], [n], of the first pixel and tap
	n, pixels       int
	xPixel, dyPixel int
	xTap, dwTap     int
}

// depthTaps is the most taps of a call of depthSums.
const depthTaps = 3

// depthConvDW computes the gradient of the taps of some channels. All taps of a row
// of dy follow each other, so that its rows of x stay in the cache.
func depthConvDW(e *exec, c *call, w *weight, l *local, part int) {
	g := &c.geo
	taps := g.KH * g.KW
	n0, n1 := part*g.c/c.parts, (part+1)*g.c/c.parts
	n := n1 - n0
	sums := l.pad[:taps*n]
	clear(sums)
	for t := range e.tiles {
		x, dy := e.at(c.In[0], t), at(e.at(c.In[1], t), n0*rowBytes)
		for oy := range g.oh {
			ky0, ky1, iy := g.rows().inside(oy)
			for ky := ky0; ky < ky1; ky++ {
				d := depthRow{g: g, n: n, x: at(x, ((iy+ky-ky0)*g.w*g.c+n0)*rowBytes), dy: at(dy, oy*g.ow*g.c*rowBytes), dw: sums[ky*g.KW*n:]}
				for kx := 0; kx < g.KW; kx += depthTaps {
					d.taps(kx, min(kx+depthTaps, g.KW))
				}
			}
		}
	}
	for i := range n {
		for tap := range taps {
			e.put(c, w.g[(n0+i)*taps+tap:], sums[tap*n+i:][:1])
		}
	}
	e.settle(c, w, n0*taps, n1*taps)
}

// depthRow is one row of dy against the row of x under it.
type depthRow struct {
	g     *geometry
	n     int
	x, dy pointer
	dw    []float32 // [KW][n]
}

// taps adds to the gradients of taps k0 to k1−1: together where all of them lie
// inside, at the border one by one.
func (d *depthRow) taps(k0, k1 int) {
	cols := d.g.cols()
	from, to := cols.outputs(k0)
	for k := k0 + 1; k < k1; k++ {
		f, t := cols.outputs(k)
		from, to = max(from, f), min(to, t)
	}
	d.add(k0, k1, from, to)
	if k1 == k0+1 {
		return
	}
	for k := k0; k < k1; k++ {
		f, t := cols.outputs(k)
		if from >= to {
			d.add(k, k+1, f, t)
			continue
		}
		d.add(k, k+1, f, min(t, from))
		d.add(k, k+1, max(f, to), t)
	}
}

// add sums over outputs from to to−1 of the row.
func (d *depthRow) add(k0, k1, from, to int) {
	g := d.g
	for most := max(1, maxRows/d.n); from < to; from += most {
		depthSums(k1-k0, &depthSumArgs{
			x: at(d.x, (from*g.SW-g.PL+k0)*g.c*rowBytes), dy: at(d.dy, from*g.c*rowBytes), dw: ptr(d.dw[k0*d.n:]),
			n: d.n, pixels: min(most, to-from), xPixel: g.SW * g.c * rowBytes, dyPixel: g.c * rowBytes, xTap: g.c * rowBytes, dwTap: d.n * 4,
		})
	}
}
