package cuda

import (
	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

// A call may do the work of the one behind it when what lies between the two is read by
// nobody else: that value is then neither written nor read. The plan keeps both calls;
// the second one has no launch.

// behind is the call that follows the one at hand in its region, if it is of kernel k
// and reads v as its input i, and nothing stands in the way of doing both at once: what
// it writes must not lie where the first call's inputs are.
func (b *builder) behind(c *device.Call, k device.Kernel, i, v int) *device.Call {
	next := b.place + 1
	if next == len(b.region.Calls) {
		return nil
	}
	n := &b.region.Calls[next]
	if n.Kernel != k || i >= len(n.In) || n.In[i] != v {
		return nil
	}
	for _, o := range n.Out {
		for _, in := range c.In {
			if b.share(o, in) {
				return nil
			}
		}
	}
	return n
}

// share reports whether two values lie in the same memory.
func (b *builder) share(u, v int) bool {
	x, y := b.val(u), b.val(v)
	bytes := func(v value) cu.Ptr { return cu.Ptr(v.rows * v.ld * v.elem.Bytes()) }
	return x.ptr < y.ptr+bytes(y) && y.ptr < x.ptr+bytes(x)
}

// once reports whether value v is read by one call alone, and by nobody outside.
func (b *builder) once(v int) bool {
	p, n := b.x.p, 0
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			for _, i := range c.In {
				if i == v {
					n++
				}
			}
		}
	}
	return n == 1 && v != p.Output && v != p.InGrad
}

// geluAlign is what cuBLASLt's epilogues with GELU want rows to be a multiple of.
const geluAlign = 8

// geluBehind is the GELU behind a Linear that its product can make on the way out; x, its
// input, is written as well, for the gradient.
func (b *builder) geluBehind(c *device.Call) *device.Call {
	if b.x.dev.precision != BF16 || c.Act != device.NoAct || len(c.W) < 2 || b.weight(c.W[0]).N()%geluAlign != 0 {
		return nil
	}
	if n := b.behind(c, device.ActFn, 0, c.Out[0]); n != nil && n.Act == device.GELUTanh {
		return n
	}
	return nil
}

// geluDXBehind is the gradient of a GELU behind a LinearDX that its product can make on
// the way out.
func (b *builder) geluDXBehind(c *device.Call) *device.Call {
	if b.x.dev.precision != BF16 || b.weight(c.W[0]).K()%geluAlign != 0 {
		return nil
	}
	if n := b.behind(c, device.ActDX, 1, c.Out[0]); n != nil && n.Act == device.GELUTanh && b.once(c.Out[0]) && !b.share(n.Out[0], n.In[0]) {
		return n
	}
	return nil
}

// accumBehind is the addition of value v, made by the call at hand, to another one.
func (b *builder) accumBehind(c *device.Call, v int) *device.Call {
	if n := b.behind(c, device.Accum, 0, v); n != nil && b.once(v) {
		return n
	}
	return nil
}

// addBehind is the addition of another value, z, to what the Linear at hand makes: a
// residual, or the output of the layer that an adapter stands beside. The product begins
// with z then, so that its own output is neither written nor read.
func (b *builder) addBehind(c *device.Call) (add *device.Call, z int) {
	if c.Act != device.NoAct {
		return nil, 0
	}
	for i := range 2 {
		n := b.behind(c, device.Add, i, c.Out[0])
		if n != nil && n.In[1-i] != c.Out[0] && b.once(c.Out[0]) {
			return n, n.In[1-i]
		}
	}
	return nil, 0
}

// scaleBehind is the Scale of what a product makes, whose factor the product can take: of
// an adapter. A bias would not be scaled.
func (b *builder) scaleBehind(c *device.Call) *device.Call {
	if c.Act != device.NoAct || c.Kernel == device.Linear && len(c.W) > 1 {
		return nil
	}
	if n := b.behind(c, device.Scale, 0, c.Out[0]); n != nil && b.once(c.Out[0]) {
		return n
	}
	return nil
}
