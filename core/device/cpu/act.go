package cpu

import (
	"math"

	"pare/core/device"
)

// actKernel: y = f(x).
func actKernel(e *exec, c *call, _ *local, t0, t1 int) {
	for t := t0; t < t1; t++ {
		actRows(c.Act, e.floats(c.Out[0], t), e.floats(c.In[0], t))
	}
}

// actRows computes y = f(x), element by element; y may be x, and the length is
// a multiple of 16. Everything but ReLU is worked out in float64.
func actRows(f device.Act, y, x []float32) {
	switch f {
	case device.ReLU:
		for len(x) > 0 {
			n := min(len(x)/T, maxRows)
			reluRows(&rowArgs{dst: ptr(y), a: ptr(x), n: n})
			x, y = x[n*T:], y[n*T:]
		}
	case device.GELU:
		for i, v := range x {
			v := float64(v)
			y[i] = float32(v * normCDF(v))
		}
	case device.SiLU:
		for i, v := range x {
			v := float64(v)
			y[i] = float32(v * sigmoid(v))
		}
	case device.HardSwish:
		for i, v := range x {
			v := float64(v)
			y[i] = float32(v * min(max(v+3, 0), 6) / 6)
		}
	case device.Tanh:
		for i, v := range x {
			y[i] = float32(math.Tanh(float64(v)))
		}
	default:
		copy(y, x)
	}
}

// actDX: dx = dy·f′, with f′ taken from the first input: y or x, see
// device.Act.FromOutput. Where dy is zero dx is zero.
func actDX(e *exec, c *call, _ *local, t0, t1 int) {
	for t := t0; t < t1; t++ {
		actGrad(c.Act, e.floats(c.Out[0], t), e.floats(c.In[1], t), e.floats(c.In[0], t))
	}
}

// actGrad computes dx = dy·f′(v), element by element, the length a multiple of
// 16. At a corner f′ is 0 for ReLU and, as in PyTorch, that of the straight
// middle part for HardSwish.
func actGrad(f device.Act, dx, dy, v []float32) {
	switch f {
	case device.ReLU:
		for len(v) > 0 {
			n := min(len(v)/T, maxRows)
			reluGrad(&rowArgs{dst: ptr(dx), a: ptr(dy), b: ptr(v), n: n})
			dx, dy, v = dx[n*T:], dy[n*T:], v[n*T:]
		}
	case device.GELU:
		for i, x := range v {
			x := float64(x)
			dx[i] = float32(float64(dy[i]) * (normCDF(x) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)))
		}
	case device.SiLU:
		for i, x := range v {
			s := sigmoid(float64(x))
			dx[i] = float32(float64(dy[i]) * s * (1 + float64(x)*(1-s)))
		}
	case device.HardSwish:
		for i, x := range v {
			d := float64(dy[i])
			switch {
			case x < -3:
				d = 0
			case x <= 3:
				d *= float64(x)/3 + 0.5
			}
			dx[i] = float32(d)
		}
	case device.Tanh:
		for i, y := range v {
			dx[i] = float32(float64(dy[i]) * (1 - float64(y)*float64(y)))
		}
	default:
		copy(dx, dy)
	}
}

// normCDF is Φ, the distribution function of the normal distribution. Erfc
// keeps its precision where Φ is small.
func normCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
