package ref

import (
	"errors"
	"fmt"

	"pare/core/device"
)

// gate: y = x·s, s of the pixel's channel.
func gate(e *exec, c *device.Call, i int) {
	x, s, y := e.val(c.In[0], i), e.val(c.In[1], i), e.val(c.Out[0], i)
	for j, v := range x.x {
		y.x[j] = v * s.x[j%x.C]
	}
}

// gateD: ds = Σ dy·x over the pixels.
func gateD(e *exec, c *device.Call, i int) {
	dy, x, ds := e.val(c.In[0], i), e.val(c.In[1], i), e.val(c.Out[0], i)
	sum := make([]float64, x.C)
	for j, v := range x.x {
		sum[j%x.C] += float64(v) * float64(dy.x[j])
	}
	round(ds.x, sum)
}

// concat puts channels side by side.
func concat(e *exec, c *device.Call, i int) {
	y, from := e.val(c.Out[0], i), 0
	for _, v := range c.In {
		x := e.val(v, i)
		each(x, func(py, px, ch int) { y.x[y.at(py, px, from+ch)] = x.x[x.at(py, px, ch)] })
		from += x.C
	}
}

// slice: y is the channels of x from S[0] on.
func slice(e *exec, c *device.Call, i int) {
	x, y := e.val(c.In[0], i), e.val(c.Out[0], i)
	each(y, func(py, px, ch int) { y.x[y.at(py, px, ch)] = x.x[x.at(py, px, int(c.S[0])+ch)] })
}

// sliceDX: dy at the channels from S[0] on, zero elsewhere.
func sliceDX(e *exec, c *device.Call, i int) {
	dy, dx := e.val(c.In[0], i), e.val(c.Out[0], i)
	clear(dx.x)
	each(dy, func(py, px, ch int) { dx.x[dx.at(py, px, int(c.S[0])+ch)] = dy.x[dy.at(py, px, ch)] })
}

// channelShape tests the shapes of the kernels of this file.
func channelShape(p *device.Plan, c *device.Call) error {
	x, y := p.Vals[c.In[0]], p.Vals[c.Out[0]]
	switch c.Kernel {
	case device.Gate:
		s := p.Vals[c.In[1]]
		return errors.Join(same(x, y), statShape(p, c.In[1:], s.C), channels(s, x.C))
	case device.GateD:
		return errors.Join(same(x, p.Vals[c.In[1]]), statShape(p, c.Out, x.C))
	case device.Concat:
		sum := 0
		for _, v := range c.In {
			x := p.Vals[v]
			if sum += x.C; x.H != y.H || x.W != y.W {
				return fmt.Errorf("value %s has %d×%d pixels, %s %d×%d", x.Name, x.H, x.W, y.Name, y.H, y.W)
			}
		}
		return channels(y, sum)
	}
	if c.Kernel == device.SliceDX {
		x, y = y, x
	}
	if from := c.S[0]; !(from >= 0) || from != float32(int(from)) || int(from)+y.C > x.C || x.H != y.H || x.W != y.W {
		return fmt.Errorf("channels from %g on of %s, %d×%d×%d, are not %d×%d×%d", from, x.Name, x.C, x.H, x.W, y.C, y.H, y.W)
	}
	return nil
}

func channels(v device.Val, c int) error {
	if v.C != c {
		return fmt.Errorf("value %s has %d channels, need %d", v.Name, v.C, c)
	}
	return nil
}
