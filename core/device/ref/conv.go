package ref

import (
	"iter"

	"pare/core/device"
)

// A convolution is a list of triples (out, in, j), one for each multiplication:
// output element out takes input element in times weight element j. The three
// kernels read the same list in three ways.
//
//	y[out] += w[j]·x[in]    dx[in] += w[j]·dy[out]    dw[j] += dy[out]·x[in]

// conv: y = f(w ⋆ x + b).
func conv(e *exec, c *device.Call, i int) {
	x, y, w := e.val(c.In[0], i), e.val(c.Out[0], i), e.weight(c.W[0])
	sum := e.bias(c, y)
	triples(w, c.Win, x, y, func(out, in, j int) {
		if w.stored(j) {
			sum[out] += float64(w.v[j]) * float64(x.x[in])
		}
	})
	for j, s := range sum {
		y.x[j] = float32(actFn(c.Act, c.S, s))
	}
}

// convDX is conv's transpose.
func convDX(e *exec, c *device.Call, i int) {
	dy, dx, w := e.val(c.In[0], i), e.val(c.Out[0], i), e.weight(c.W[0])
	sum := make([]float64, len(dx.x))
	triples(w, c.Win, dx, dy, func(out, in, j int) {
		if w.stored(j) {
			sum[in] += float64(w.v[j]) * float64(dy.x[out])
		}
	})
	round(dx.x, sum)
}

// convDW sums over samples and pixels.
func convDW(e *exec, c *device.Call) {
	w := e.weight(c.W[0])
	sum := make([]float64, len(w.v))
	for i := range e.n {
		x, dy := e.val(c.In[0], i), e.val(c.In[1], i)
		triples(w, c.Win, x, dy, func(out, in, j int) {
			sum[j] += float64(dy.x[out]) * float64(x.x[in])
		})
	}
	e.grad(c, w, sum)
}

// triples calls f for every multiplication of the convolution w[N][Cg][KH][KW]
// from x[H][W][C] to y[OH][OW][N]. Output n belongs to group n/(N/groups) and
// sees the Cg = C/groups input channels of that group.
func triples(w *weight, g *device.Window, x, y act, f func(out, in, j int)) {
	nn, cg, taps := w.Shape[0], w.Shape[1], g.KH*g.KW
	for oy := range y.H {
		for ox := range y.W {
			for tap, pixel := range inside(g, x.Val, oy, ox) {
				for n := range nn {
					group := n / (nn / g.Groups)
					out, in, j := (oy*y.W+ox)*nn+n, pixel*x.C+group*cg, n*cg*taps+tap
					for ci := range cg {
						f(out, in+ci, j+ci*taps)
					}
				}
			}
		}
	}
}

// inside walks over the window behind output pixel (oy, ox), row by row, and
// yields what lies inside the input x: the place in the window, ky·KW + kx, and
// the input pixel, iy·W + ix. The rest is padding.
func inside(g *device.Window, x device.Val, oy, ox int) iter.Seq2[int, int] {
	return func(yield func(tap, pixel int) bool) {
		for ky := range g.KH {
			for kx := range g.KW {
				iy, ix := oy*g.SH-g.PT+ky, ox*g.SW-g.PL+kx
				if iy < 0 || iy >= x.H || ix < 0 || ix >= x.W {
					continue
				}
				if !yield(ky*g.KW+kx, iy*x.W+ix) {
					return
				}
			}
		}
	}
}
