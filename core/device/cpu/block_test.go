package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// blockCase is a random pattern of blocks over rows of x.
type blockCase struct {
	rows, k int
	ptr     []int32
	off     []uint32
	val     []float32
}

func newBlockCase(r *rand.Rand, rows, k int, keep float64) *blockCase {
	c := &blockCase{rows: rows, k: k, ptr: []int32{7}} // only differences count
	for range rows {
		for j := range k {
			if r.Float64() < keep {
				c.off = append(c.off, uint32(j*rowBytes))
				for range 4 {
					c.val = append(c.val, r.Float32()*2-1)
				}
			}
		}
		c.ptr = append(c.ptr, int32(7+len(c.off)))
	}
	return c
}

func (c *blockCase) args(x, y *guarded, acc int) *blockArgs {
	return &blockArgs{ptr: ptr(c.ptr), off: ptr(c.off), val: ptr(c.val), x: x.p(), y: y.p(), rows: c.rows, acc: acc}
}

// each calls f for every block with its row, number and offset in floats.
func (c *blockCase) each(f func(i, j, off int)) {
	for i := range c.rows {
		for j := c.ptr[i] - 7; j < c.ptr[i+1]-7; j++ {
			f(i, int(j), int(c.off[j]/4))
		}
	}
}

func blockCases(t *testing.T, f func(t *testing.T, r *rand.Rand, c *blockCase, acc int)) {
	eachISA(t, func(t *testing.T) {
		for _, rows := range []int{1, 2, 5} {
			for _, k := range []int{1, 3, 17, 40} {
				for _, keep := range []float64{0, 0.1, 0.5, 1} {
					for acc := range 2 {
						t.Run(fmt.Sprintf("%dx%d/%g/%d", rows, k, keep, acc), func(t *testing.T) {
							r := rand.New(rand.NewPCG(uint64(rows), uint64(k)))
							f(t, r, newBlockCase(r, rows, k, keep), acc)
						})
					}
				}
			}
		}
	})
}

func TestBlockFwd4(t *testing.T) {
	blockCases(t, func(t *testing.T, r *rand.Rand, c *blockCase, acc int) {
		x := newGuarded(t, "x", c.k*16, 1).random(r)
		y := newGuarded(t, "y", c.rows*64, 2).fill(nan)
		want, abs := make([]float64, len(y.x)), make([]float64, len(y.x))
		if acc == 1 {
			y.random(r)
			for i, v := range y.x {
				want[i], abs[i] = float64(v), math.Abs(float64(v))
			}
		}
		c.each(func(i, j, off int) {
			for q := range 64 {
				v := float64(c.val[4*j+q/16]) * float64(x.x[off+q%16])
				want[64*i+q] += v
				abs[64*i+q] += math.Abs(v)
			}
		})
		blockFwd4(c.args(x, y, acc))
		compare(t, y.x, want, abs)
	})
}

func TestBlockDX4(t *testing.T) {
	blockCases(t, func(t *testing.T, r *rand.Rand, c *blockCase, acc int) {
		x := newGuarded(t, "dx", c.k*16, 1).random(r)
		y := newGuarded(t, "dy", c.rows*64, 2).random(r)
		want, abs := make([]float64, len(x.x)), make([]float64, len(x.x))
		for i, v := range x.x {
			want[i], abs[i] = float64(v), math.Abs(float64(v))
		}
		c.each(func(i, j, off int) {
			for q := range 64 {
				v := float64(c.val[4*j+q/16]) * float64(y.x[64*i+q])
				want[off+q%16] += v
				abs[off+q%16] += math.Abs(v)
			}
		})
		blockDX4(c.args(x, y, acc))
		compare(t, x.x, want, abs)
	})
}

func TestBlockDW4(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for n := range 9 {
			for _, tiles := range [][2]int{{1, 1}, {3, 1}, {1, 4}, {5, 3}} {
				for acc := range 2 {
					t.Run(fmt.Sprintf("%d/%dx%d/%d", n, tiles[0], tiles[1], acc), func(t *testing.T) {
						testBlockDW4(t, n, tiles[0], tiles[1], acc)
					})
				}
			}
		}
	})
}

func testBlockDW4(t *testing.T, n, tiles, tiles2, acc int) {
	r := rand.New(rand.NewPCG(uint64(n), uint64(tiles)))
	const k = 11
	xs, ys := k*16+16, 4*16+32
	xs2, ys2 := tiles*xs-16, tiles*ys+16
	x := newGuarded(t, "x", (tiles-1)*xs+(tiles2-1)*xs2+k*16, 1).random(r)
	dy := newGuarded(t, "dy", (tiles-1)*ys+(tiles2-1)*ys2+64, 2).random(r)
	dw := newGuarded(t, "dw", n*4, 3).fill(nan)
	off := make([]uint32, n)
	for j := range off {
		off[j] = uint32(r.IntN(k) * rowBytes)
	}
	if acc == 1 {
		dw.random(r)
	}
	was := dw.copy()
	blockDW4(&blockDWArgs{
		off: ptr(off), dw: dw.p(), x: x.p(), dy: dy.p(), n: n, acc: acc,
		tiles: tiles, xStride: xs * 4, dyStride: ys * 4, tiles2: tiles2, xSkip: (xs2 - tiles*xs) * 4, dySkip: (ys2 - tiles*ys) * 4,
	})
	want, abs := make([]float64, n*4), make([]float64, n*4)
	for q := range want {
		if acc == 1 {
			want[q], abs[q] = float64(was[q]), math.Abs(float64(was[q]))
		}
		for u := range tiles2 {
			for s := range tiles {
				for b := range 16 {
					v := float64(x.x[int(off[q/4]/4)+s*xs+u*xs2+b]) * float64(dy.x[q%4*16+s*ys+u*ys2+b])
					want[q] += v
					abs[q] += math.Abs(v)
				}
			}
		}
	}
	compare(t, dw.x, want, abs)
}

func compare(t *testing.T, got []float32, want, abs []float64) {
	t.Helper()
	for i := range want {
		if !near(got[i], want[i], abs[i]) {
			t.Fatalf("element %d is %g, want %g", i, got[i], want[i])
		}
	}
}
