package ref

import (
	"math"

	"pare/core/device"
)

// actKernel: y = f(x).
func actKernel(e *exec, c *device.Call, i int) {
	x, y := e.val(c.In[0], i), e.val(c.Out[0], i)
	for j, v := range x.x {
		y.x[j] = float32(actFn(c.Act, c.S, float64(v)))
	}
}

// actDX: dx = dy·f′, with f′ taken from the first input: y or x, see
// device.Act.FromOutput.
func actDX(e *exec, c *device.Call, i int) {
	from, dy, dx := e.val(c.In[0], i), e.val(c.In[1], i), e.val(c.Out[0], i)
	for j, d := range dy.x {
		dx.x[j] = float32(float64(d) * actD(c.Act, c.S, float64(from.x[j])))
	}
}

// actFn is f(x) with constants s. A NaN stays a NaN.
func actFn(f device.Act, s [2]float32, x float64) float64 {
	a, b := float64(s[0]), float64(s[1])
	switch f {
	case device.ReLU:
		if x < 0 {
			return 0
		}
	case device.GELU:
		return x * normCDF(x)
	case device.SiLU:
		return x * sigmoid(x)
	case device.HardSwish:
		return x * clamp6(x+3) / 6
	case device.Tanh:
		return math.Tanh(x)
	case device.GELUTanh:
		return x * sigmoid(geluArg*(x+0.044715*x*x*x))
	case device.Sigmoid:
		return sigmoid(x)
	case device.HardSigmoid:
		return math.Min(math.Max(a*x+b, 0), 1)
	case device.LeakyReLU:
		if x < 0 {
			return a * x
		}
	case device.ELU:
		if x < 0 {
			return a * math.Expm1(x)
		}
	case device.Clip:
		return math.Min(math.Max(x, a), b)
	case device.Affine:
		return a*x + b
	}
	return x
}

// actD is f′, as a function of y = f(x) where device.Act.FromOutput says so and of x
// otherwise. At a corner it is ReLU′(0) = 0 and, as in PyTorch, the straight middle
// part of HardSwish.
func actD(f device.Act, c [2]float32, v float64) float64 {
	a := float64(c[0])
	switch f {
	case device.ReLU:
		if !(v > 0) {
			return 0
		}
	case device.GELU:
		return normCDF(v) + v*math.Exp(-v*v/2)/math.Sqrt(2*math.Pi)
	case device.SiLU:
		s := sigmoid(v)
		return s * (1 + v*(1-s))
	case device.HardSwish:
		switch {
		case v < -3:
			return 0
		case v <= 3:
			return v/3 + 0.5
		}
	case device.Tanh:
		return 1 - v*v
	case device.GELUTanh:
		s := sigmoid(geluArg * (v + 0.044715*v*v*v))
		if s == 0 || s == 1 { // v may be anything
			return s
		}
		return s + v*s*(1-s)*geluArg*(1+3*0.044715*v*v)
	case device.Sigmoid:
		return v * (1 - v)
	case device.HardSigmoid:
		if v > 0 && v < 1 {
			return a
		}
		return 0
	case device.LeakyReLU:
		if !(v > 0) {
			return a
		}
	case device.ELU:
		if !(v > 0) {
			return a * math.Exp(v)
		}
	case device.Clip:
		if !(float32(v) > c[0] && float32(v) < c[1]) {
			return 0
		}
	case device.Affine:
		return a
	}
	return 1
}

// normCDF is Φ, the distribution function of the normal distribution. Erfc
// keeps its precision where Φ is small.
func normCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

// geluArg is 2·√(2/π): (1 + tanh z)/2 is the sigmoid of 2z.
var geluArg = 2 * math.Sqrt(2/math.Pi)

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func clamp6(x float64) float64 { return math.Min(math.Max(x, 0), 6) }

// softmax over the C values of one sample.
func softmax(e *exec, c *device.Call, i int) {
	x, y := e.val(c.In[0], i), e.val(c.Out[0], i)
	p, _ := probs(x.x)
	round(y.x, p)
}

// probs is the softmax of x, and log Σ exp x. The maximum is taken out first,
// so nothing overflows.
func probs(x []float32) (p []float64, logSum float64) {
	top := math.Inf(-1)
	for _, v := range x {
		top = math.Max(top, float64(v))
	}
	p, sum := make([]float64, len(x)), 0.0
	for j, v := range x {
		p[j] = math.Exp(float64(v) - top)
		sum += p[j]
	}
	for j := range p {
		p[j] /= sum
	}
	return p, top + math.Log(sum)
}

// dropout: y = x·keep/(1−p). DropoutDX is the same with dy for x: the mask is
// drawn again.
func dropout(e *exec, c *device.Call, i int) {
	x, y := e.val(c.In[0], i), e.val(c.Out[0], i)
	stream := device.DropoutStream(e.p.Seed, c.Key, e.s.Index)
	limit, scale := device.DropoutLimit(c.S[0]), 1/(1-float64(c.S[0]))
	for j, v := range x.x {
		y.x[j] = 0
		if device.DropoutAt(stream, e.s.Micro.First*e.per+i, j) >= limit {
			y.x[j] = float32(float64(v) * scale)
		}
	}
}
