package cpu

import "unsafe"

type pointer = unsafe.Pointer

// Grouped convolutions: output n sees the Cg = C/groups inputs of its group.
// Little is shared, so each row of the window is one short product; depth.go is for
// groups of one. The weight is row-major, w[N][Cg][KH][KW].

// each group of a convolution has inputs and outputs.
func (g *geometry) inputs() int  { return g.c / g.Groups }
func (g *geometry) outputs() int { return g.n / g.Groups }

func groupConv(e *exec, c *call, w *weight, l *local, t0, t1 int) {
	g := &c.geo
	if g.isDepthwise() {
		depthConv(e, c, w, l, t0, t1)
		return
	}
	cg, ng := g.inputs(), g.outputs()
	for t := t0; t < t1; t++ {
		x, y := e.at(c.In[0], t), e.at(c.Out[0], t)
		for oy := range g.oh {
			ky0, ky1, iy := g.rows().inside(oy)
			for ox := range g.ow {
				kx0, kx1, ix := g.cols().inside(ox)
				pixel := at(y, (oy*g.ow+ox)*g.n*rowBytes)
				for n := range g.n {
					a := mulArgs{c: at(pixel, n*rowBytes), inner: 1, outer: kx1 - kx0, aOuter: 4, bOuter: g.c * rowBytes}
					for i := range cg {
						ci := n/ng*cg + i
						for ky := ky0; ky < ky1; ky++ {
							a.a = at(ptr(w.v), (((n*cg+i)*g.KH+ky)*g.KW+kx0)*4)
							a.b = at(x, (((iy+ky-ky0)*g.w+ix)*g.c+ci)*rowBytes)
							mulF(1, &a)
							a.acc = 1
						}
					}
				}
				finish(e, c, pixel, 0, g.n)
			}
		}
	}
}

func groupConvDX(e *exec, c *call, w *weight, l *local, t0, t1 int) {
	g := &c.geo
	if g.isDepthwise() {
		depthConvDX(e, c, w, l, t0, t1)
		return
	}
	cg, ng := g.inputs(), g.outputs()
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
				for ci := range g.c {
					a := mulArgs{c: at(pixel, ci*rowBytes), inner: 1, outer: kx.n, aOuter: 4 * g.SW, bOuter: -g.n * rowBytes}
					for n := ci / cg * ng; n < (ci/cg+1)*ng; n++ {
						for y := range ky.n {
							a.a = at(ptr(w.v), (((n*cg+ci%cg)*g.KH+ky.tap+y*g.SH)*g.KW+kx.tap)*4)
							a.b = at(dy, (((ky.out-y)*g.ow+kx.out)*g.n+n)*rowBytes)
							mulF(1, &a)
							a.acc = 1
						}
					}
				}
			}
		}
	}
}

// groupConvDW computes the gradient of the filters of some outputs: every
// element is a sum of products of rows.
func groupConvDW(e *exec, c *call, l *local, part int) {
	w, g := &e.b.ws[c.W[0]], &c.geo
	if g.isDepthwise() {
		depthConvDW(e, c, w, l, part)
		return
	}
	cg, ng := g.inputs(), g.outputs()
	n0, n1 := part*g.n/c.parts, (part+1)*g.n/c.parts
	size := cg * g.KH * g.KW
	if !e.adds(c) {
		clearAll(w.g[n0*size : n1*size])
	}
	for t := range e.tiles {
		x, dy := e.at(c.In[0], t), e.at(c.In[1], t)
		for n := n0; n < n1; n++ {
			for i := range cg {
				ci := n/ng*cg + i
				for ky := range g.KH {
					oy0, oy1 := g.rows().outputs(ky)
					for kx := range g.KW {
						ox0, ox1 := g.cols().outputs(kx)
						if ox0 >= ox1 {
							continue
						}
						s := sumArgs{dst: ptr(w.g[n*size+(i*g.KH+ky)*g.KW+kx:]), n: 1, tiles: ox1 - ox0, aStride: g.SW * g.c * rowBytes, bStride: g.n * rowBytes, acc: 1}
						for oy := oy0; oy < oy1; oy++ {
							iy, ix := oy*g.SH-g.PT+ky, ox0*g.SW-g.PL+kx
							s.a = at(x, ((iy*g.w+ix)*g.c+ci)*rowBytes)
							s.b = at(dy, ((oy*g.ow+ox0)*g.n+n)*rowBytes)
							rowDots(&s)
						}
					}
				}
			}
		}
	}
	e.settle(c, w, n0*size, n1*size)
}

// rowsOf is n rows of a tile.
func rowsOf(p pointer, n int) []float32 { return unsafe.Slice((*float32)(p), n*T) }
