package cpu

import (
	"math"
	"math/rand/v2"
	"testing"

	"pare/core/device"
)

// acts are the functions with their derivatives, by the value that device.Act
// says: y for ReLU and Tanh, x otherwise.
var acts = map[device.Act]struct{ f, grad func(v float64) float64 }{
	device.ReLU: {func(x float64) float64 { return max(x, 0) }, func(y float64) float64 { return step(y > 0) }},
	device.GELU: {func(x float64) float64 { return x * normCDF(x) }, func(x float64) float64 {
		return normCDF(x) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	}},
	device.SiLU: {func(x float64) float64 { return x * sigmoid(x) }, func(x float64) float64 {
		return sigmoid(x) * (1 + x*(1-sigmoid(x)))
	}},
	device.HardSwish: {func(x float64) float64 { return x * min(max(x+3, 0), 6) / 6 }, func(x float64) float64 {
		return step(x > 3) + step(x >= -3 && x <= 3)*(x/3+0.5)
	}},
	device.GELUTanh: {func(x float64) float64 { return x * sigmoid(geluArg(x)) }, func(x float64) float64 {
		s := sigmoid(geluArg(x))
		if s == 0 || s == 1 {
			return s
		}
		return s + x*s*(1-s)*2*math.Sqrt(2/math.Pi)*(1+3*0.044715*x*x)
	}},
	device.Tanh: {math.Tanh, func(y float64) float64 { return 1 - y*y }},
}

func step(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// TestActs: within a few roundings of float64 everywhere, and NaN stays NaN.
func TestActs(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		const n = 16 * 40
		x, y := newGuarded(t, "x", n, 1), newGuarded(t, "y", n, 2)
		for i := range x.x {
			x.x[i] = float32(r.NormFloat64() * math.Exp2(float64(r.IntN(20)-14)))
		}
		copy(x.x, []float32{0, 3, -3, 87, -87, 100, -100, 3.4e38, -3.4e38, nan, 0.625, -0.625, 1e-30, 5, -5})
		dy := newGuarded(t, "dy", n, 3).random(r)
		for act, c := range acts {
			actRows(act, y.x, x.x)
			for i, v := range x.x {
				want := c.f(float64(v))
				// GELU and SiLU are products: where the other factor is tiny, what
				// counts is its rounding near one.
				tol := 3e-7 * math.Max(math.Abs(want), math.Min(math.Abs(float64(v)), 4))
				if d := math.Abs(float64(y.x[i]) - want); !(d <= tol+1e-37) && !(math.IsNaN(want) && y.x[i] != y.x[i]) {
					t.Errorf("%v(%g) = %g, want %g", act, v, y.x[i], want)
				}
			}
			v := x
			if act.FromOutput() {
				v = y
			}
			dx := newGuarded(t, "dx", n, 4)
			actGrad(act, dx.x, dy.x, v.x)
			for i, g := range dy.x {
				want := float64(g) * c.grad(float64(v.x[i]))
				if d := math.Abs(float64(dx.x[i]) - want); !(d <= 2e-6) && v.x[i] == v.x[i] {
					t.Errorf("%v′(%g)·%g = %g, want %g", act, v.x[i], g, dx.x[i], want)
				}
			}
		}
	})
}

func BenchmarkAct(b *testing.B) {
	x, y, z := random(16*512), random(16*512), random(16*512)
	for act := range acts {
		for name, f := range map[string]func(){"": func() { actRows(act, y, x) }, ".dx": func() { actGrad(act, z, y, x) }} {
			b.Run(act.String()+name, func(b *testing.B) {
				for b.Loop() {
					f()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(16*512), "ns/float")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
