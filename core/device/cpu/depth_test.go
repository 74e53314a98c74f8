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
