package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

func TestRows(t *testing.T) {
	relu := func(v float32) float32 {
		if v < 0 {
			return 0
		}
		return v
	}
	for _, k := range []struct {
		name string
		run  func(*rowArgs)
		bias bool // b is one float per row
		f    func(a, b float32) float32
	}{
		{"biasAdd", biasAdd, true, func(a, b float32) float32 { return a + b }},
		{"biasReLU", biasReLU, true, func(a, b float32) float32 { return relu(a + b) }},
		{"reluRows", reluRows, false, func(a, _ float32) float32 { return relu(a) }},
		{"reluGrad", reluGrad, false, func(a, b float32) float32 {
			if b > 0 {
				return a
			}
			return 0
		}},
		{"addRows", addRows, false, func(a, b float32) float32 { return a + b }},
		{"addReLU", addReLU, false, func(a, b float32) float32 { return relu(a + b) }},
		{"largerRows", largerRows, false, func(a, b float32) float32 { return float32(math.Max(float64(a), float64(b))) }},
		{"andRows", andRows, false, func(a, b float32) float32 {
			return math.Float32frombits(math.Float32bits(a) & math.Float32bits(b))
		}},
	} {
		t.Run(k.name, func(t *testing.T) {
			eachISA(t, func(t *testing.T) {
				for _, n := range []int{1, 2, 3, 8, 33} {
					for _, inPlace := range []bool{false, true} {
						r := rand.New(rand.NewPCG(uint64(n), 1))
						a := newGuarded(t, "a", n*16, 1).random(r)
						b := newGuarded(t, "b", n*16, 2).random(r)
						dst := newGuarded(t, "dst", n*16, 3).fill(nan)
						a.x[3], a.x[5], b.x[7] = nan, float32(math.Inf(-1)), 0
						was := a.copy()
						if inPlace {
							dst = a
						}
						k.run(&rowArgs{dst: dst.p(), a: a.p(), b: b.p(), n: n})
						for i, v := range dst.x {
							j := i
							if k.bias {
								j = i / 16
							}
							want := k.f(was[i], b.x[j])
							if v != want && (v == v || want == want) {
								t.Fatalf("n %d: element %d is %g, want %g", n, i, v, want)
							}
						}
					}
				}
			})
		})
	}
}

func TestMaxGrad(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 7} {
			r := rand.New(rand.NewPCG(5, 6))
			x := newGuarded(t, "x", n*16, 1).random(r)
			top := newGuarded(t, "top", n*16, 2)
			rest := newGuarded(t, "rest", n*16, 3).random(r)
			dx := newGuarded(t, "dx", n*16, 4).random(r)
			for i, v := range x.x {
				top.x[i] = v + float32(i%2) // every second one is the maximum
			}
			x.x[3], top.x[5], top.x[7], x.x[7] = nan, nan, nan, nan
			wasRest, wasDX := rest.copy(), dx.copy()
			maxGrad(&maxArgs{dx: dx.p(), x: x.p(), top: top.p(), rest: rest.p(), n: n})
			for i := range dx.x {
				wantDX, wantRest := wasDX[i], wasRest[i]
				if i%2 == 0 || i == 3 || i == 5 || i == 7 {
					wantDX, wantRest = wantDX+wantRest, 0
				}
				if dx.x[i] != wantDX || rest.x[i] != wantRest {
					t.Fatalf("n %d: element %d: dx %g and rest %g, want %g and %g", n, i, dx.x[i], rest.x[i], wantDX, wantRest)
				}
			}
		}
	})
}

func TestAffineRows(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 7} {
			r := rand.New(rand.NewPCG(3, 4))
			a := newGuarded(t, "a", n*16, 1).random(r)
			s := newGuarded(t, "scale", n, 2).random(r)
			h := newGuarded(t, "shift", n, 3).random(r)
			dst := newGuarded(t, "dst", n*16, 4).fill(nan)
			affineRows(&affineArgs{dst: dst.p(), a: a.p(), scale: s.p(), shift: h.p(), n: n})
			for i, v := range dst.x {
				want := float64(a.x[i])*float64(s.x[i/16]) + float64(h.x[i/16])
				if !near(v, want, 2) {
					t.Fatalf("element %d is %g, want %g", i, v, want)
				}
			}
		}
	})
}

func TestRowSumsAndDots(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 3, 4, 5, 8, 11} {
			for _, tiles := range []int{1, 2, 5} {
				for acc := range 2 {
					r := rand.New(rand.NewPCG(uint64(n), uint64(tiles)))
					as, bs := n*16+16, n*16+32
					a := newGuarded(t, "a", (tiles-1)*as+n*16, 1).random(r)
					b := newGuarded(t, "b", (tiles-1)*bs+n*16, 2).random(r)
					for _, dots := range []bool{false, true} {
						dst := newGuarded(t, "dst", n, 3).fill(nan)
						if acc == 1 {
							dst.random(r)
						}
						was := dst.copy()
						run := rowSums
						if dots {
							run = rowDots
						}
						run(&sumArgs{dst: dst.p(), a: a.p(), b: b.p(), n: n, tiles: tiles, aStride: as * 4, bStride: bs * 4, acc: acc})
						for i, v := range dst.x {
							want, abs := 0.0, 1.0
							if acc == 1 {
								want = float64(was[i])
							}
							for s := range tiles {
								for j := range 16 {
									x := float64(a.x[s*as+i*16+j])
									if dots {
										x *= float64(b.x[s*bs+i*16+j])
									}
									want += x
									abs += math.Abs(x)
								}
							}
							if !near(v, want, abs) {
								t.Fatalf("n %d tiles %d acc %d dots %t: sum %d is %g, want %g", n, tiles, acc, dots, i, v, want)
							}
						}
					}
				}
			}
		}
	})
}

func TestTransposeBlocks(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 3} {
			a := newGuarded(t, "a", n*256, 1).random(rand.New(rand.NewPCG(1, 2)))
			dst := newGuarded(t, "dst", n*256, 2).fill(nan)
			transposeBlocks(&rowArgs{dst: dst.p(), a: a.p(), n: n})
			for i, v := range dst.x {
				if want := a.x[i&^255|i%16<<4|i/16%16]; v != want {
					t.Fatalf("element %d is %g, want %g", i, v, want)
				}
			}
		}
	})
}

func TestGatherRows(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, n := range []int{4, 8, 12, 36} {
			for _, stride := range []int{16, 48} {
				var rows [T]unsafe.Pointer
				var src [T]*guarded
				r := rand.New(rand.NewPCG(5, 6))
				for b := range rows {
					src[b] = newGuarded(t, fmt.Sprint("row ", b), n, b).random(r)
					rows[b] = src[b].p()
				}
				dst := newGuarded(t, "dst", (n-1)*stride+16, 3).fill(nan)
				gatherRows(&gatherArgs{rows: &rows, dst: dst.p(), n: n, stride: stride * 4})
				for i, v := range dst.x {
					switch f, b := i/stride, i%stride; {
					case b >= 16 && v == v:
						t.Fatalf("n %d: wrote between rows at %d", n, i)
					case b < 16 && v != src[b].x[f]:
						t.Fatalf("n %d: sample %d feature %d is %g, want %g", n, b, f, v, src[b].x[f])
					}
				}
			}
		}
	})
}

func TestPackRows(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, n := range []int{1, 2, 17} {
			for lines := 1; lines <= 4; lines++ {
				stride := 16*lines + 5
				src := newGuarded(t, "src", (n-1)*stride+16*lines, 1).random(r)
				dst := newGuarded(t, "dst", n*lines*16, 2).fill(nan)
				packRows(&packArgs{src: src.p(), dst: dst.p(), n: n, lines: lines, srcStride: 4 * stride, dstStride: rowBytes, lineStride: n * rowBytes})
				for i, v := range dst.x {
					line, row := i/16/n, i/16%n
					if want := src.x[row*stride+16*line+i%16]; v != want {
						t.Fatalf("%d rows of %d lines: row %d, line %d, element %d is %g, want %g", n, lines, row, line, i%16, v, want)
					}
				}
			}
		}
	})
}
