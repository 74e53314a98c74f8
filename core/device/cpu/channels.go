package cpu

import (
	"errors"
	"fmt"

	"pare/core/device"
)

// Kernels that treat channels apart: a tile holds [H·W][C] rows of 16 samples, a flat
// value one float in the place of each.

// gate: y = x·s, s of the pixel's channel.
func gate(e *exec, c *call, _ *local, t0, t1 int) {
	for t := t0; t < t1; t++ {
		x, s, y := e.floats(c.In[0], t), e.floats(c.In[1], t), e.floats(c.Out[0], t)
		for i := 0; i < len(x); i += len(s) {
			for k := 0; k < len(s); k += maxRows * T {
				n := min((len(s)-k)/T, maxRows)
				mulRows(&rowArgs{dst: ptr(y[i+k:]), a: ptr(x[i+k:]), b: ptr(s[k:]), n: n})
			}
		}
	}
}

// gateD: ds = Σ dy·x over the pixels.
func gateD(e *exec, c *call, _ *local, t0, t1 int) {
	for t := t0; t < t1; t++ {
		dy, x, ds := e.floats(c.In[0], t), e.floats(c.In[1], t), e.floats(c.Out[0], t)
		clearAll(ds)
		for i := 0; i < len(x); i += len(ds) {
			a, b := dy[i:i+len(ds)], x[i:i+len(ds)]
			for j := range ds {
				ds[j] += a[j] * b[j]
			}
		}
	}
}

// concat puts channels side by side.
func concat(e *exec, c *call, _ *local, t0, t1 int) {
	v := e.p.Vals[c.Out[0]]
	row := v.C * e.lane()
	for t := t0; t < t1; t++ {
		y, from := e.floats(c.Out[0], t), 0
		for _, in := range c.In {
			x, n := e.floats(in, t), e.p.Vals[in].C*e.lane()
			for i := range v.H * v.W {
				copyAll(y[i*row+from:][:n], x[i*n:])
			}
			from += n
		}
	}
}

// slice: y is the channels of x from S[0] on.
func slice(e *exec, c *call, _ *local, t0, t1 int) {
	v := e.p.Vals[c.Out[0]]
	row, n, from := e.p.Vals[c.In[0]].C*e.lane(), v.C*e.lane(), int(c.S[0])*e.lane()
	for t := t0; t < t1; t++ {
		x, y := e.floats(c.In[0], t), e.floats(c.Out[0], t)
		for i := range v.H * v.W {
			copyAll(y[i*n:][:n], x[i*row+from:])
		}
	}
}

// sliceDX: dy at the channels from S[0] on, zero elsewhere.
func sliceDX(e *exec, c *call, _ *local, t0, t1 int) {
	row, n, from := e.p.Vals[c.Out[0]].C*T, e.p.Vals[c.In[0]].C*T, int(c.S[0])*T
	for t := t0; t < t1; t++ {
		dy, dx := e.floats(c.In[0], t), e.floats(c.Out[0], t)
		clearAll(dx)
		for i := 0; i*n < len(dy); i++ {
			copyAll(dx[i*row+from:], dy[i*n:(i+1)*n])
		}
	}
}

// verifyChannelKernels tests the shapes of the kernels of this file.
func verifyChannelKernels(p *device.Plan, c *device.Call) error {
	x, y := p.Vals[c.In[0]], p.Vals[c.Out[0]]
	switch c.Kernel {
	case device.Gate:
		return errors.Join(verifySame(x, y), verifyVector(p.Vals[c.In[1]], x.C))
	case device.GateD:
		return errors.Join(verifySame(x, p.Vals[c.In[1]]), verifyVector(y, x.C))
	case device.Concat:
		sum := 0
		for _, v := range c.In {
			x := p.Vals[v]
			if sum += x.C; x.H != y.H || x.W != y.W {
				return fmt.Errorf("value %s has %d×%d pixels, %s %d×%d", x.Name, x.H, x.W, y.Name, y.H, y.W)
			}
		}
		if sum != y.C {
			return fmt.Errorf("%d channels side by side for %s of %d", sum, y.Name, y.C)
		}
		return nil
	}
	if c.Kernel == device.SliceDX {
		x, y = y, x
	}
	if from := c.S[0]; !(from >= 0) || from != float32(int(from)) || int(from)+y.C > x.C || x.H != y.H || x.W != y.W {
		return fmt.Errorf("channels from %g on of %s, %d×%d×%d, are not %d×%d×%d", from, x.Name, x.C, x.H, x.W, y.C, y.H, y.W)
	}
	return nil
}

func verifyVector(v device.Val, n int) error {
	if v.C != n || v.H != 1 || v.W != 1 {
		return fmt.Errorf("value %s is %d×%d×%d, need %d factors", v.Name, v.C, v.H, v.W, n)
	}
	return nil
}
