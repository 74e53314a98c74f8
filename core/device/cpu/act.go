package cpu

import "pare/core/device"

// actKernel: y = f(x).
func actKernel(e *exec, c *call, _ *local, t0, t1 int) {
	for t := t0; t < t1; t++ {
		if y, x := e.floats(c.Out[0], t), e.floats(c.In[0], t); c.Act.Constants() {
			actOf(c.Act, c.S, y, x)
		} else {
			actRows(c.Act, y, x)
		}
	}
}

// maxActRows bounds one call: an exponential takes some 20 cycles for 8 floats.
const maxActRows = maxRows / 4

// actRows computes y = f(x), element by element; y may be x, and the length is
// a multiple of 16.
func actRows(f device.Act, y, x []float32) {
	for len(x) > 0 {
		n := min(len(x)/T, maxActRows)
		a := rowArgs{dst: ptr(y), a: ptr(x), n: n}
		switch f { // direct calls: arguments stay on the stack
		case device.ReLU:
			reluRows(&a)
		case device.GELU:
			geluRows(&a)
		case device.GELUTanh:
			geluTanhRows(&a)
		case device.SiLU:
			siluRows(&a)
		case device.HardSwish:
			hardSwishRows(&a)
		case device.Tanh:
			tanhRows(&a)
		case device.Sigmoid:
			sigmoidRows(y[:n*T], x[:n*T])
		default:
			copy(y, x[:n*T])
		}
		x, y = x[n*T:], y[n*T:]
	}
}

// actDX: dx = dy·f′, with f′ taken from the first input: y or x, see
// device.Act.FromOutput. Where dy is zero dx is zero.
func actDX(e *exec, c *call, _ *local, t0, t1 int) {
	for t := t0; t < t1; t++ {
		if dx, dy, v := e.floats(c.Out[0], t), e.floats(c.In[1], t), e.floats(c.In[0], t); c.Act.Constants() {
			actGradOf(c.Act, c.S, dx, dy, v)
		} else {
			actGrad(c.Act, dx, dy, v)
		}
	}
}

// actGrad computes dx = dy·f′(v), element by element, the length a multiple of
// 16. At a corner f′ is 0 for ReLU and, as in PyTorch, that of the straight
// middle part for HardSwish.
func actGrad(f device.Act, dx, dy, v []float32) {
	for len(v) > 0 {
		n := min(len(v)/T, maxActRows)
		a := rowArgs{dst: ptr(dx), a: ptr(dy), b: ptr(v), n: n}
		switch f {
		case device.ReLU:
			reluGrad(&a)
		case device.GELU:
			geluGrad(&a)
		case device.GELUTanh:
			geluTanhGrad(&a)
		case device.SiLU:
			siluGrad(&a)
		case device.HardSwish:
			hardSwishGrad(&a)
		case device.Tanh:
			tanhGrad(&a)
		case device.Sigmoid:
			sigmoidGrad(dx[:n*T], dy[:n*T], v[:n*T])
		default:
			copy(dx, dy[:n*T])
		}
		dx, dy, v = dx[n*T:], dy[n*T:], v[n*T:]
	}
}
