package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// gflops reports multiply-adds of one iteration as GFLOP/s.
func gflops(b *testing.B, macs int) {
	b.ReportMetric(2*float64(macs)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GF/s")
	b.ReportMetric(0, "ns/op")
}

func random(n int) []float32 {
	x := alloc(n)
	for i := range x {
		x[i] = rand.Float32() - 0.5
	}
	return x
}

func BenchmarkPeak(b *testing.B) {
	for b.Loop() {
		fmaPeak(&peakArgs{n: 100})
	}
	gflops(b, 100*96*8)
}

// BenchmarkMul runs each micro-kernel from the first cache level: F over 192
// inputs, X over the 16 outputs of each of 12 panels.
func BenchmarkMul(b *testing.B) {
	x, w, y := random(192*16), random(192*16), random(16*16)
	for mr := maxMR; mr > 0; mr-- {
		b.Run(fmt.Sprintf("F%d", mr), func(b *testing.B) {
			for b.Loop() {
				mulF(mr, &mulArgs{a: ptr(w), b: ptr(x), c: ptr(y), inner: 192, outer: 1})
			}
			gflops(b, mr*16*192)
		})
	}
	for mr := maxMR; mr > 0; mr-- {
		b.Run(fmt.Sprintf("X%d", mr), func(b *testing.B) {
			for b.Loop() {
				mulX(mr, &mulArgs{a: ptr(w), b: ptr(x), c: ptr(y), inner: 16, outer: 12, aOuter: 1024, bOuter: 1024})
			}
			gflops(b, mr*16*192)
		})
	}
}

// layer is a fully connected layer of 16 tiles in the layout of the engine.
type layer struct {
	k, n, tiles             int
	x, w, y, dyT, dx, dw, b []float32
}

func newLayer(k, n, tiles int) *layer {
	return &layer{
		k, n, tiles, random(tiles*k*16 + 1024), random(k * n), random(tiles * n * 16),
		random(tiles * n * 16), random(tiles*k*16 + 1024), random(k * n), random(n),
	}
}

// parts cuts 16 rows of a panel into runs of micro-kernels.
var parts = map[string][]int{"655": {6, 5, 5}, "16": {16}}

func (l *layer) forward(cut []int, kc int) {
	for k := 0; k < l.k; k += kc {
		for t := range l.tiles {
			for p := 0; p < l.n/16; p++ {
				m := 0
				for _, mr := range cut {
					a := mulArgs{
						a: at(ptr(l.w), (p*l.k+k)*64+m*4), b: at(ptr(l.x), (t*l.k+k)*64), c: at(ptr(l.y), (t*l.n+p*16+m)*64),
						inner: min(kc, l.k-k), outer: 1,
					}
					if k > 0 {
						a.acc = 1
					}
					mulF(mr, &a)
					m += mr
				}
			}
		}
	}
}

func (l *layer) backX(pc int) {
	for p := 0; p < l.n/16; p += pc {
		for t := range l.tiles {
			for k := 0; k < l.k; k += maxMR {
				a := mulArgs{
					a: at(ptr(l.w), (p*l.k+k)*64), b: at(ptr(l.y), (t*l.n+p*16)*64), c: at(ptr(l.dx), (t*l.k+k)*64),
					inner: 16, outer: min(pc, l.n/16-p), aOuter: l.k * 64, bOuter: 1024,
				}
				if p > 0 {
					a.acc = 1
				}
				mulX(min(maxMR, l.k-k), &a)
			}
		}
	}
}

func (l *layer) backW(kc int) {
	for k0 := 0; k0 < l.k; k0 += kc {
		for p := 0; p < l.n/16; p++ {
			for k := k0; k < min(l.k, k0+kc); k += maxMR {
				mulX(min(maxMR, l.k-k), &mulArgs{
					a: at(ptr(l.x), k*64), b: at(ptr(l.dyT), p*1024), c: at(ptr(l.dw), (p*l.k+k)*64),
					inner: 16, outer: l.tiles, aOuter: l.k * 64, bOuter: l.n * 64,
				})
			}
		}
	}
}

func BenchmarkLayer(b *testing.B) {
	for _, s := range [][2]int{{784, 320}, {3072, 768}} {
		l := newLayer(s[0], s[1], 16)
		name := fmt.Sprintf("256x%dx%d/", s[0], s[1])
		for cut, mrs := range parts {
			for _, kc := range []int{128, 256, 1 << 20} {
				b.Run(fmt.Sprintf("%sfwd/%s/kc%d", name, cut, kc), func(b *testing.B) {
					for b.Loop() {
						l.forward(mrs, kc)
					}
					gflops(b, 256*s[0]*s[1])
				})
			}
		}
		for _, pc := range []int{4, 8, 16, 1 << 20} {
			b.Run(fmt.Sprintf("%sdx/pc%d", name, pc), func(b *testing.B) {
				for b.Loop() {
					l.backX(pc)
				}
				gflops(b, 256*s[0]*s[1])
			})
		}
		for _, kc := range []int{24, 96, 384} {
			b.Run(fmt.Sprintf("%sdw/kc%d", name, kc), func(b *testing.B) {
				for b.Loop() {
					l.backW(kc)
				}
				gflops(b, 256*s[0]*s[1])
			})
		}
	}
}

// BenchmarkBlock counts the multiply-adds that are really done, on 784 inputs
// and 320 outputs, 16 tiles.
func BenchmarkBlock(b *testing.B) {
	const k, n, tiles = 784, 320, 16
	for _, h := range heights {
		for _, keep := range []float64{0.5, 0.1, 0.05} {
			l := newLayer(k, n, tiles)
			for t := 1; t <= mostTiles(h.r); t *= 2 {
				c := newBlockCase(rand.New(rand.NewPCG(1, 2)), h.r, n/h.r, k, t, keep)
				macs := len(c.off) * h.r * 16 * tiles
				each := func(f func(tiles int, p *blockArgs)) {
					for i := 0; i < tiles; i += t {
						f(t, &blockArgs{
							ptr: ptr(c.ptr), off: ptr(c.off), val: ptr(c.val), rows: c.rows,
							x: at(ptr(l.x), i*k*64), y: at(ptr(l.y), i*n*64), xStride: k * 64, yStride: n * 64,
						})
					}
				}
				b.Run(fmt.Sprintf("%dx1/%g/fwd/tiles%d", h.r, keep, t), func(b *testing.B) {
					for b.Loop() {
						each(h.fwd)
					}
					gflops(b, macs)
				})
				b.Run(fmt.Sprintf("%dx1/%g/dx/tiles%d", h.r, keep, t), func(b *testing.B) {
					for b.Loop() {
						each(h.dx)
						clear(l.x)
					}
					gflops(b, macs)
				})
			}
			c := newBlockCase(rand.New(rand.NewPCG(1, 2)), h.r, n/h.r, k, 1, keep)
			dw := random(len(c.val))
			b.Run(fmt.Sprintf("%dx1/%g/dw", h.r, keep), func(b *testing.B) {
				for b.Loop() {
					for i := range c.rows {
						from, to := int(c.ptr[i]-7), int(c.ptr[i+1]-7)
						h.dw(&blockDWArgs{
							off: at(ptr(c.off), 4*from), dw: at(ptr(dw), 4*h.r*from), n: to - from,
							x: ptr(l.x), dy: at(ptr(l.y), i*64*h.r), tiles: tiles, xStride: k * 64, dyStride: n * 64, tiles2: 1,
						})
					}
				}
				gflops(b, len(c.off)*h.r*16*tiles)
			})
		}
	}
}

// BenchmarkRows reports nanoseconds per float.
func BenchmarkRows(b *testing.B) {
	const n = 512
	x, y, z := random(n*16), random(n*16), random(n*16)
	perFloat := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(n*16), "ns/float")
		b.ReportMetric(0, "ns/op")
	}
	for name, f := range map[string]func(*rowArgs){"biasReLU": biasReLU, "reluGrad": reluGrad, "addRows": addRows} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f(&rowArgs{dst: ptr(z), a: ptr(x), b: ptr(y), n: n})
			}
			perFloat(b)
		})
	}
	b.Run("transposeBlocks", func(b *testing.B) {
		for b.Loop() {
			transposeBlocks(&rowArgs{dst: ptr(z), a: ptr(x), n: n / 16})
		}
		perFloat(b)
	})
	b.Run("rowSums", func(b *testing.B) {
		for b.Loop() {
			rowSums(&sumArgs{dst: ptr(z), a: ptr(x), n: 32, tiles: 16, aStride: 32 * 64})
		}
		perFloat(b)
	})
	b.Run("adamStep", func(b *testing.B) {
		for b.Loop() {
			adamStep(&adamArgs{w: ptr(x), g: ptr(y), m: ptr(z), v: ptr(z), n: n * 16, beta2: 0.9, eps: 1})
		}
		perFloat(b)
	})
}
