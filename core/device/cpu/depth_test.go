package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func TestDepthRows(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 3, 4, 5, 8, 9, 13, 21} {
			for _, taps := range [][2]int{{1, 1}, {1, 3}, {2, 1}, {3, 2}, {5, 5}} {
				for _, pixels := range []int{1, 2, 3} {
					for _, back := range []bool{false, true} {
						t.Run(fmt.Sprintf("%d/%dx%d/%d/%t", n, taps[0], taps[1], pixels, back), func(t *testing.T) {
							testDepthRows(t, n, taps[0], taps[1], pixels, back)
						})
					}
				}
			}
		}
	})
}

// testDepthRows: back walks over x from its end, as dx does.
func testDepthRows(t *testing.T, n, rows, cols, pixels int, back bool) {
	r := rand.New(rand.NewPCG(uint64(n), uint64(rows)))
	width := cols + pixels
	w := newGuarded(t, "w", rows*cols*n, 1).random(r)
	x := newGuarded(t, "x", rows*width*n*16, 2).random(r)
	y := newGuarded(t, "y", pixels*(n*16+16), 3).fill(nan)
	a := depthArgs{
		w: w.p(), x: x.p(), y: y.p(), n: n, pixels: pixels, rows: rows, cols: cols,
		wRow: cols * n * 4, wCol: n * 4, xRow: width * n * 64, xCol: n * 64, xPixel: n * 64, yPixel: n*64 + 64,
	}
	first := 0
	if back {
		first = ((rows-1)*width + cols - 1) * n * 16
		a.x, a.xRow, a.xCol = at(a.x, first*4), -a.xRow, -a.xCol
	}
	depthRows(&a)
	for p := range pixels {
		for i := range n * 16 {
			s, abs := 0.0, 0.0
			for ky := range rows {
				for kx := range cols {
					v := float64(w.x[(ky*cols+kx)*n+i/16]) * float64(x.x[first+(p*a.xPixel+ky*a.xRow+kx*a.xCol)/4+i])
					s, abs = s+v, abs+math.Abs(v)
				}
			}
			if got := y.x[p*(n*16+16)+i]; !near(got, s, abs) {
				t.Fatalf("pixel %d float %d is %g, want %g", p, i, got, s)
			}
		}
		for i := range 16 {
			if v := y.x[p*(n*16+16)+n*16+i]; v == v {
				t.Fatalf("wrote between pixels: %g", v)
			}
		}
	}
}

func TestDepthSums(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 3, 4, 5, 8, 9, 13, 21} {
			for taps := 1; taps <= depthTaps; taps++ {
				for _, pixels := range []int{1, 2, 7} {
					r := rand.New(rand.NewPCG(uint64(n), uint64(taps)))
					xs, ys, gap := 2*(n+1)*16, n*16+16, n+3
					x := newGuarded(t, "x", (pixels-1)*xs+(taps-1)*(n+1)*16+n*16, 1).random(r)
					dy := newGuarded(t, "dy", (pixels-1)*ys+n*16, 2).random(r)
					dw := newGuarded(t, "dw", (taps-1)*gap+n, 3).random(r)
					was := dw.copy()
					depthSums(taps, &depthSumArgs{x: x.p(), dy: dy.p(), dw: dw.p(), n: n, pixels: pixels, xPixel: xs * 4, dyPixel: ys * 4, xTap: (n + 1) * 64, dwTap: gap * 4})
					for i, v := range dw.x {
						tap, ch := i/gap, i%gap
						want, abs := float64(was[i]), math.Abs(float64(was[i]))
						for p := 0; ch < n && p < pixels; p++ {
							for j := range 16 {
								d := float64(dy.x[p*ys+ch*16+j]) * float64(x.x[p*xs+tap*(n+1)*16+ch*16+j])
								want, abs = want+d, abs+math.Abs(d)
							}
						}
						if !near(v, want, abs) {
							t.Fatalf("%d channels, %d taps, %d pixels: sum %d is %g, want %g", n, taps, pixels, i, v, want)
						}
					}
				}
			}
		}
	})
}
