package cpu

import (
	"math"
	"unsafe"
)

// Activation functions in plain Go, worked out in float64.

// eachFloat computes dst = f(a, b) over n rows; b is 0 where there is none.
func (p *rowArgs) eachFloat(f func(a, b float64) float64) {
	n := p.n * T
	dst, a := unsafe.Slice((*float32)(p.dst), n), unsafe.Slice((*float32)(p.a), n)
	if p.b == nil {
		for i, x := range a {
			dst[i] = float32(f(float64(x), 0))
		}
		return
	}
	for i, y := range unsafe.Slice((*float32)(p.b), n) {
		dst[i] = float32(f(float64(a[i]), float64(y)))
	}
}

// byRow computes dst = f(a, b) over n rows, where b is one row.
func (p *rowArgs) byRow(f func(a, b float64) float64) {
	b := rowAt(p.b, 0)
	for i := range p.n {
		dst, a := rowAt(p.dst, i), rowAt(p.a, i)
		for j := range dst {
			dst[j] = float32(f(float64(a[j]), float64(b[j])))
		}
	}
}

func expRowsGo(p *rowArgs) { p.byRow(func(a, b float64) float64 { return math.Exp(a - b) }) }

func scaleRowsGo(p *rowArgs) { p.byRow(func(a, b float64) float64 { return a * b }) }

// normCDF is Φ, the distribution function of the normal distribution. Erfc
// keeps its precision where Φ is small.
func normCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func geluRowsGo(p *rowArgs) { p.eachFloat(func(x, _ float64) float64 { return x * normCDF(x) }) }

func geluGradGo(p *rowArgs) {
	p.eachFloat(func(dy, x float64) float64 {
		return dy * (normCDF(x) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi))
	})
}

// geluArg is 2·√(2/π)·(x + 0.044715·x³): (1 + tanh z)/2 is the sigmoid of 2z.
func geluArg(x float64) float64 {
	return 2 * math.Sqrt(2/math.Pi) * (x + 0.044715*x*x*x)
}

func geluTanhRowsGo(p *rowArgs) {
	p.eachFloat(func(x, _ float64) float64 { return x * sigmoid(geluArg(x)) })
}

func geluTanhGradGo(p *rowArgs) {
	p.eachFloat(func(dy, x float64) float64 {
		s := sigmoid(geluArg(x))
		if s == 0 || s == 1 { // x may be anything
			return dy * s
		}
		return dy * (s + x*s*(1-s)*2*math.Sqrt(2/math.Pi)*(1+3*0.044715*x*x))
	})
}

func siluRowsGo(p *rowArgs) { p.eachFloat(func(x, _ float64) float64 { return x * sigmoid(x) }) }

func siluGradGo(p *rowArgs) {
	p.eachFloat(func(dy, x float64) float64 {
		s := sigmoid(x)
		return dy * s * (1 + x*(1-s))
	})
}

func hardSwishRowsGo(p *rowArgs) {
	p.eachFloat(func(x, _ float64) float64 { return x * min(max(x+3, 0), 6) / 6 })
}

func hardSwishGradGo(p *rowArgs) {
	p.eachFloat(func(dy, x float64) float64 {
		switch {
		case x < -3:
			return 0
		case x <= 3:
			return dy * (x/3 + 0.5)
		}
		return dy
	})
}

func tanhRowsGo(p *rowArgs) { p.eachFloat(func(x, _ float64) float64 { return math.Tanh(x) }) }

func tanhGradGo(p *rowArgs) { p.eachFloat(func(dy, y float64) float64 { return dy * (1 - y*y) }) }
