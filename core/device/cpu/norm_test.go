package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// normCases calls f for ragged numbers of channels and pixels, with a distance of
// pixels that leaves a gap.
func normCases(t *testing.T, f func(t *testing.T, r *rand.Rand, n, pixels, stride int)) {
	eachISA(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 16, 29} {
			for _, pixels := range []int{1, 2, 5, 16} {
				for _, gap := range []int{0, 16} {
					t.Run(fmt.Sprintf("%dx%d+%d", n, pixels, gap), func(t *testing.T) {
						f(t, rand.New(rand.NewPCG(uint64(n), uint64(pixels))), n, pixels, n*16+gap)
					})
				}
			}
		}
	})
}

// TestMoments: the mean is a thousand times the deviation.
func TestMoments(t *testing.T) {
	normCases(t, func(t *testing.T, r *rand.Rand, n, pixels, stride int) {
		for _, valid := range []int{1, 7, 16} {
			a := newGuarded(t, "a", (pixels-1)*stride+n*16, 1).random(r)
			for i := range a.x {
				a.x[i] += 1000
			}
			var lanes row
			copy(lanes[:valid], allLanes[:])
			out := [3]*guarded{}
			for i, name := range []string{"mean", "sum", "square"} {
				out[i] = newGuarded(t, name, n, 2+i).fill(nan)
			}
			count := float64(valid * pixels)
			moments(&momentArgs{
				a: a.p(), lanes: ptr(lanes[:]), mean: out[0].p(), sum: out[1].p(), square: out[2].p(),
				n: n, pixels: pixels, stride: stride * 4, scale: float32(1 / count),
			})
			for i := range n {
				mean := 0.0
				each := func(f func(v float64)) {
					for p := range pixels {
						for j := range valid {
							f(float64(a.x[p*stride+i*16+j]))
						}
					}
				}
				each(func(v float64) { mean += v / count })
				m, sum, square := float64(out[0].x[i]), 0.0, 0.0
				each(func(v float64) { sum, square = sum+(v-m), square+(v-m)*(v-m) })
				if !near(out[0].x[i], mean, 1000) || !near(out[1].x[i], sum, count) || !near(out[2].x[i], square, count) {
					t.Fatalf("valid %d channel %d: %g %g %g, want %g %g %g", valid, i, m, out[1].x[i], out[2].x[i], mean, sum, square)
				}
			}
		}
	})
}

func TestGradSums(t *testing.T) {
	normCases(t, func(t *testing.T, r *rand.Rand, n, pixels, stride int) {
		for _, relu := range []bool{false, true} {
			size := (pixels-1)*stride + n*16
			x, dy := newGuarded(t, "x", size, 1).random(r), newGuarded(t, "dy", size, 2).random(r)
			y, dz := newGuarded(t, "y", size, 3).random(r), newGuarded(t, "dz", size, 4).random(r)
			mean := newGuarded(t, "mean", n, 5).random(r)
			sum, dot := newGuarded(t, "sum", n*16, 6).random(r), newGuarded(t, "dot", n*16, 7).random(r)
			was := dy.copy()
			a := gradArgs{x: x.p(), dy: dy.p(), mean: mean.p(), sum: sum.p(), dot: dot.p(), n: n, pixels: pixels, stride: stride * 4}
			run := gradSums
			if relu {
				a.y, a.dz, run = y.p(), dz.p(), gradSumsReLU
			}
			sums, dots := sum.copy(), dot.copy()
			run(&a)
			ws, wd := make([]float64, n*16), make([]float64, n*16)
			for i := range ws {
				ws[i], wd[i] = float64(sums[i]), float64(dots[i])
			}
			for i, v := range dy.x {
				ch := i % stride / 16
				want := was[i]
				if relu && ch < n {
					want = 0
					if y.x[i] > 0 {
						want = dz.x[i]
					}
				}
				if v != want {
					t.Fatalf("relu %t: dy[%d] is %g, want %g", relu, i, v, want)
				}
				if ch < n {
					ws[i%stride] += float64(v)
					wd[i%stride] += float64(v) * (float64(x.x[i]) - float64(mean.x[ch]))
				}
			}
			for i := range ws {
				if scale := float64(pixels); !near(sum.x[i], ws[i], scale) || !near(dot.x[i], wd[i], scale) {
					t.Fatalf("relu %t: lane %d: %g and %g, want %g and %g", relu, i, sum.x[i], dot.x[i], ws[i], wd[i])
				}
			}
		}
	})
}

func TestChannelMaps(t *testing.T) {
	for _, k := range []struct {
		name      string
		run       func(*channelArgs)
		two, relu bool
	}{{"affineAll", affineAll, false, false}, {"affineReLU", affineReLU, false, true}, {"affineTwo", affineTwo, true, false}} {
		t.Run(k.name, func(t *testing.T) {
			normCases(t, func(t *testing.T, r *rand.Rand, n, pixels, stride int) {
				for _, inPlace := range []bool{false, true} {
					size := (pixels-1)*stride + n*16
					a, b := newGuarded(t, "a", size, 1).random(r), newGuarded(t, "b", size, 2).random(r)
					scale, factor, shift := newGuarded(t, "scale", n, 3).random(r), newGuarded(t, "factor", n, 4).random(r), newGuarded(t, "shift", n, 5).random(r)
					dst := newGuarded(t, "dst", size, 6).fill(nan)
					a.x[3] = nan
					was := a.copy()
					if inPlace {
						dst = a
					}
					before := dst.copy()
					args := channelArgs{dst: dst.p(), a: a.p(), scale: scale.p(), shift: shift.p(), n: n, pixels: pixels, stride: stride * 4}
					if k.two {
						args.b, args.factor = b.p(), factor.p()
					}
					k.run(&args)
					for i, v := range dst.x {
						ch := i % stride / 16
						if ch >= n {
							if math.Float32bits(v) != math.Float32bits(before[i]) {
								t.Fatalf("float %d, between two pixels, was written", i)
							}
							continue
						}
						want := float64(was[i])*float64(scale.x[ch]) + float64(shift.x[ch])
						if k.two {
							want += float64(b.x[i]) * float64(factor.x[ch])
						}
						if k.relu && want < 0 {
							want = 0
						}
						if !near(v, want, 3) && (v == v || want == want) {
							t.Fatalf("element %d is %g, want %g", i, v, want)
						}
					}
				}
			})
		})
	}
}
