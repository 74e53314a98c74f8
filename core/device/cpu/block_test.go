package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// heights are those of the blocks there are kernels for, with the kernels.
var heights = []struct {
	r       int
	fwd, dx func(tiles int, p *blockArgs)
	dw      func(p *blockDWArgs)
}{{1, blockFwd1, blockDX1, blockDW1}, {4, blockFwd4, blockDX4, blockDW4}, {8, blockFwd8, blockDX8, blockDW8}, {16, blockFwd16, blockDX16, blockDW16}}

// blockCase is a random pattern of r×1 blocks over rows of x, for a few tiles.
type blockCase struct {
	r, rows, k, tiles int
	ptr               []int32
	off               []uint32
	val               []float32
}

func newBlockCase(rnd *rand.Rand, r, rows, k, tiles int, keep float64) *blockCase {
	c := &blockCase{r: r, rows: rows, k: k, tiles: tiles, ptr: []int32{7}} // only differences count
	for range rows {
		for j := range k {
			if rnd.Float64() < keep {
				c.off = append(c.off, uint32(j*rowBytes))
				for range r {
					c.val = append(c.val, rnd.Float32()*2-1)
				}
			}
		}
		c.ptr = append(c.ptr, int32(7+len(c.off)))
	}
	return c
}

// strides of x and y in floats: tiles lie some way apart.
func (c *blockCase) strides() (x, y int) { return c.k*16 + 16, c.rows*c.r*16 + 48 }

// buffers for x and y of all tiles.
func (c *blockCase) buffers(t *testing.T) (x, y *guarded) {
	xs, ys := c.strides()
	return newGuarded(t, "x", (c.tiles-1)*xs+c.k*16, 1), newGuarded(t, "y", (c.tiles-1)*ys+c.rows*c.r*16, 2)
}

func (c *blockCase) args(x, y *guarded, acc int) *blockArgs {
	xs, ys := c.strides()
	return &blockArgs{
		ptr: ptr(c.ptr), off: ptr(c.off), val: ptr(c.val), x: x.p(), y: y.p(), rows: c.rows, acc: acc,
		xStride: xs * 4, yStride: ys * 4, ahead: acc, yAhead: ys * 4, xAhead: rowBytes, xLines: c.k % 4,
	}
}

// each calls f for every product: a value, and where its x and y lie.
func (c *blockCase) each(f func(v float64, x, y int)) {
	xs, ys := c.strides()
	for t := range c.tiles {
		for i := range c.rows {
			for j := int(c.ptr[i] - 7); j < int(c.ptr[i+1]-7); j++ {
				for q := range c.r * 16 {
					f(float64(c.val[c.r*j+q/16]), t*xs+int(c.off[j]/4)+q%16, t*ys+i*c.r*16+q)
				}
			}
		}
	}
}

func blockCases(t *testing.T, f func(t *testing.T, rnd *rand.Rand, c *blockCase, kernel, acc int)) {
	eachISA(t, func(t *testing.T) {
		for h, b := range heights {
			for tiles := 1; tiles <= mostTiles(b.r); tiles++ {
				for _, rows := range []int{1, 2, 5} {
					for _, k := range []int{1, 3, 17, 40} {
						for _, keep := range []float64{0, 0.1, 0.5, 1} {
							for acc := range 2 {
								t.Run(fmt.Sprintf("%dx1/%d/%dx%d/%g/%d", b.r, tiles, rows, k, keep, acc), func(t *testing.T) {
									rnd := rand.New(rand.NewPCG(uint64(rows), uint64(k)))
									f(t, rnd, newBlockCase(rnd, b.r, rows, k, tiles, keep), h, acc)
								})
							}
						}
					}
				}
			}
		}
	})
}

func TestBlockFwd(t *testing.T) {
	blockCases(t, func(t *testing.T, rnd *rand.Rand, c *blockCase, h, acc int) {
		x, y := c.buffers(t)
		x.random(rnd)
		if y.fill(nan); acc == 1 {
			y.random(rnd)
		}
		was := y.copy()
		heights[h].fwd(c.tiles, c.args(x, y, acc))
		want, abs := start(was, acc)
		c.each(func(v float64, i, j int) { add1(want, abs, j, v*float64(x.x[i])) })
		c.compare(t, y.x, was, want, abs)
	})
}

func TestBlockOne(t *testing.T) {
	blockCases(t, func(t *testing.T, rnd *rand.Rand, c *blockCase, h, acc int) {
		if c.tiles > 1 {
			t.Skip("for one sample")
		}
		x := newGuarded(t, "x", c.k, 1).random(rnd)
		y := newGuarded(t, "y", c.rows*c.r, 2).fill(nan)
		if acc == 1 {
			y.random(rnd)
		}
		want, abs := start(y.x, acc)
		for i := range c.rows {
			for j := int(c.ptr[i] - 7); j < int(c.ptr[i+1]-7); j++ {
				for q := range c.r {
					add1(want, abs, i*c.r+q, float64(c.val[c.r*j+q])*float64(x.x[c.off[j]/rowBytes]))
				}
			}
		}
		a := c.args(x, y, acc)
		[]func(*blockArgs){blockOne1, blockOne4, blockOne8, blockOne16}[h](a)
		compare(t, y.x, want, abs)
	})
}

func TestBlockDX(t *testing.T) {
	blockCases(t, func(t *testing.T, rnd *rand.Rand, c *blockCase, h, acc int) {
		x, y := c.buffers(t)
		x.random(rnd)
		y.random(rnd)
		want, abs := start(x.x, 1)
		c.each(func(v float64, i, j int) { add1(want, abs, i, v*float64(y.x[j])) })
		heights[h].dx(c.tiles, c.args(x, y, acc))
		compare(t, x.x, want, abs)
	})
}

// compare is compare for y: what lies between its tiles must not change.
func (c *blockCase) compare(t *testing.T, got, was []float32, want, abs []float64) {
	t.Helper()
	_, ys := c.strides()
	for i := range got {
		if i%ys < c.rows*c.r*16 {
			continue
		}
		if math.Float32bits(got[i]) != math.Float32bits(was[i]) {
			t.Fatalf("float %d, between two tiles, was written", i)
		}
		got[i], want[i] = 0, 0
	}
	compare(t, got, want, abs)
}

// start is what a sum that goes on from was, if acc is 1, begins with.
func start(was []float32, acc int) (want, abs []float64) {
	want, abs = make([]float64, len(was)), make([]float64, len(was))
	for i, v := range was {
		if acc == 1 {
			want[i], abs[i] = float64(v), math.Abs(float64(v))
		}
	}
	return want, abs
}

func add1(want, abs []float64, i int, v float64) {
	want[i] += v
	abs[i] += math.Abs(v)
}

func TestBlockDW(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for h, b := range heights {
			for n := range 20 {
				for _, tiles := range [][2]int{{1, 1}, {3, 1}, {1, 4}, {5, 3}} {
					for acc := range 2 {
						for ahead := range 2 {
							t.Run(fmt.Sprintf("%dx1/%d/%dx%d/%d/%d", b.r, n, tiles[0], tiles[1], acc, ahead), func(t *testing.T) {
								testBlockDW(t, h, n, tiles[0], tiles[1], acc, ahead)
							})
						}
					}
				}
			}
		}
	})
}

func testBlockDW(t *testing.T, h, n, tiles, tiles2, acc, ahead int) {
	rnd, r := rand.New(rand.NewPCG(uint64(n), uint64(tiles))), heights[h].r
	const k = 11
	xs, ys := k*16+16, r*16+32
	xs2, ys2 := tiles*xs-16, tiles*ys+16
	x := newGuarded(t, "x", (tiles-1)*xs+(tiles2-1)*xs2+k*16, 1).random(rnd)
	dy := newGuarded(t, "dy", (tiles-1)*ys+(tiles2-1)*ys2+r*16, 2).random(rnd)
	dw := newGuarded(t, "dw", n*r, 3).fill(nan)
	off := make([]uint32, n)
	for j := range off {
		off[j] = uint32(rnd.IntN(k) * rowBytes)
	}
	if acc == 1 {
		dw.random(rnd)
	}
	want, abs := start(dw.x, acc)
	heights[h].dw(&blockDWArgs{
		off: ptr(off), dw: dw.p(), x: x.p(), dy: dy.p(), n: n, acc: acc,
		tiles: tiles, xStride: xs * 4, dyStride: ys * 4, tiles2: tiles2, xSkip: (xs2 - tiles*xs) * 4, dySkip: (ys2 - tiles*ys) * 4,
		dyAhead: ahead * r * rowBytes,
	})
	for q := range want {
		for u := range tiles2 {
			for s := range tiles {
				for b := range 16 {
					add1(want, abs, q, float64(x.x[int(off[q/r]/4)+s*xs+u*xs2+b])*float64(dy.x[q%r*16+s*ys+u*ys2+b]))
				}
			}
		}
	}
	compare(t, dw.x, want, abs)
}

func TestSingleDW(t *testing.T) {
	blockCases(t, func(t *testing.T, rnd *rand.Rand, c *blockCase, h, acc int) {
		if c.r > 1 {
			t.Skip("TestBlockDW")
		}
		x, y := c.buffers(t)
		x.random(rnd)
		y.random(rnd)
		dw := newGuarded(t, "dw", len(c.val), 3).fill(nan)
		if acc == 1 {
			dw.random(rnd)
		}
		want, abs := start(dw.x, acc)
		xs, ys := c.strides()
		for s := range c.tiles {
			for i := range c.rows {
				for j := int(c.ptr[i] - 7); j < int(c.ptr[i+1]-7); j++ {
					for q := range c.r * 16 {
						add1(want, abs, j*c.r+q/16, float64(x.x[s*xs+int(c.off[j]/4)+q%16])*float64(y.x[s*ys+i*c.r*16+q]))
					}
				}
			}
		}
		off := append(append([]uint32(nil), c.off...), make([]uint32, spareOffs)...)
		singleDW(c.tiles, &singleDWArgs{
			ptr: ptr(c.ptr), off: ptr(off), dw: dw.p(), x: x.p(), dy: y.p(), rows: c.rows, acc: acc, xStride: xs * 4, dyStride: ys * 4,
		})
		compare(t, dw.x, want, abs)
	})
}

func compare(t *testing.T, got []float32, want, abs []float64) {
	t.Helper()
	for i := range want {
		if !near(got[i], want[i], abs[i]) {
			t.Fatalf("element %d is %g, want %g", i, got[i], want[i])
		}
	}
}
