package cpu

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestDown tests the reductions down the rows of a tile against float64.
func TestDown(t *testing.T) {
	for _, k := range []struct {
		name string
		run  func(*rowArgs)
		f    func(sum, a, b float64) float64
		from float64
	}{
		{"downSums", downSums, func(s, a, _ float64) float64 { return s + a }, 0},
		{"downSquares", downSquares, func(s, a, b float64) float64 { return s + (a-b)*(a-b) }, 0},
		{"downMax", downMax, func(s, a, _ float64) float64 { return math.Max(s, a) }, math.Inf(-1)},
	} {
		t.Run(k.name, func(t *testing.T) {
			eachISA(t, func(t *testing.T) {
				for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 31, 64} {
					r := rand.New(rand.NewPCG(uint64(n), 1))
					a, b := newGuarded(t, "a", n*16, 1).random(r), newGuarded(t, "b", 16, 2).random(r)
					dst := newGuarded(t, "dst", 16, 3).fill(nan)
					k.run(&rowArgs{dst: dst.p(), a: a.p(), b: b.p(), n: n})
					for lane, v := range dst.x {
						want, abs := k.from, 1.0
						for i := range n {
							x := float64(a.x[i*16+lane])
							want, abs = k.f(want, x, float64(b.x[lane])), abs+2*math.Abs(x)
						}
						if !near(v, want, abs) {
							t.Fatalf("n %d: lane %d is %g, want %g", n, lane, v, want)
						}
					}
				}
			})
		})
	}
}

// TestDownMaxNaN: NaN is left out, and nothing is −∞.
func TestDownMaxNaN(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		a := newGuarded(t, "a", 5*16, 1).fill(-2)
		for _, i := range []int{0, 19, 38, 3, 4, 20, 36, 52, 68} {
			a.x[i] = nan
		}
		dst := newGuarded(t, "dst", 16, 3).fill(nan)
		downMax(&rowArgs{dst: dst.p(), a: a.p(), n: 5})
		for lane, v := range dst.x {
			want := float32(-2)
			if lane == 4 {
				want = float32(math.Inf(-1))
			}
			if v != want {
				t.Fatalf("lane %d is %g, want %g", lane, v, want)
			}
		}
	})
}

// TestNormRows tests the element-wise kernels of layer norm and attention.
func TestNormRows(t *testing.T) {
	for _, k := range []struct {
		name string
		run  func(*normArgs)
		f    func(a, b, gamma, mean, mean2, rstd float64) float64
	}{
		{"gateRows", gateRows, func(a, b, _, mean, _, _ float64) float64 { return a * (b - mean) }},
		{"hatRows", hatRows, func(a, _, _, mean, _, rstd float64) float64 { return (a - mean) * rstd }},
		{"normGrad", normGrad, func(a, b, gamma, mean, mean2, rstd float64) float64 {
			return rstd * (gamma*a - mean - b*mean2)
		}},
		{"mulRows", func(p *normArgs) { mulRows(&rowArgs{dst: p.dst, a: p.a, b: p.b, n: p.n}) }, func(a, b, _, _, _, _ float64) float64 { return a * b }},
	} {
		t.Run(k.name, func(t *testing.T) {
			eachISA(t, func(t *testing.T) {
				for _, n := range []int{1, 2, 3, 9} {
					for _, inPlace := range []bool{false, true} {
						r := rand.New(rand.NewPCG(uint64(n), 2))
						a, b := newGuarded(t, "a", n*16, 1).random(r), newGuarded(t, "b", n*16, 2).random(r)
						gamma, mean, rstd := newGuarded(t, "gamma", n, 3).random(r), newGuarded(t, "mean", 32, 4).random(r), newGuarded(t, "rstd", 16, 5).random(r)
						dst, was := newGuarded(t, "dst", n*16, 6).fill(nan), a.copy()
						if inPlace {
							dst = a
						}
						k.run(&normArgs{dst: dst.p(), a: a.p(), b: b.p(), gamma: gamma.p(), mean: mean.p(), rstd: rstd.p(), n: n})
						for i, v := range dst.x {
							want := k.f(float64(was[i]), float64(b.x[i]), float64(gamma.x[i/16]), float64(mean.x[i%16]), float64(mean.x[16+i%16]), float64(rstd.x[i%16]))
							if !near(v, want, 4) {
								t.Fatalf("n %d: element %d is %g, want %g", n, i, v, want)
							}
						}
					}
				}
			})
		})
	}
}

func TestNormSums(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 3, 9} {
			r := rand.New(rand.NewPCG(uint64(n), 3))
			a, b, gamma := newGuarded(t, "a", n*16, 1).random(r), newGuarded(t, "b", n*16, 2).random(r), newGuarded(t, "gamma", n, 3).random(r)
			dst := newGuarded(t, "dst", 32, 6).fill(nan)
			normSums(&normArgs{dst: dst.p(), a: a.p(), b: b.p(), gamma: gamma.p(), n: n})
			for lane := range 16 {
				s, sb := 0.0, 0.0
				for i := range n {
					g := float64(gamma.x[i]) * float64(a.x[i*16+lane])
					s, sb = s+g, sb+g*float64(b.x[i*16+lane])
				}
				if !near(dst.x[lane], s, float64(n)) || !near(dst.x[16+lane], sb, float64(n)) {
					t.Fatalf("n %d: lane %d is %g and %g, want %g and %g", n, lane, dst.x[lane], dst.x[16+lane], s, sb)
				}
			}
		}
	})
}

func TestTurnRows(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 5} {
			r := rand.New(rand.NewPCG(uint64(n), 4))
			a, b := newGuarded(t, "a", n*16, 1).random(r), newGuarded(t, "b", n*16, 2).random(r)
			cos, sin := newGuarded(t, "cos", n*16, 3).random(r), newGuarded(t, "sin", n*16, 4).random(r)
			wasA, wasB := a.copy(), b.copy()
			turnRows(&turnArgs{dst: a.p(), dst2: b.p(), a: a.p(), b: b.p(), cos: cos.p(), sin: sin.p(), n: n})
			for i := range a.x {
				u, v, c, s := float64(wasA[i]), float64(wasB[i]), float64(cos.x[i]), float64(sin.x[i])
				if !near(a.x[i], u*c-v*s, 2) || !near(b.x[i], v*c+u*s, 2) {
					t.Fatalf("n %d: element %d is %g and %g, want %g and %g", n, i, a.x[i], b.x[i], u*c-v*s, v*c+u*s)
				}
			}
		}
	})
}
