package cpu

import (
	"slices"

	"pare/core/device"
)

// fuse is the call that does what a and the next one, b, do: one pass over values
// that come from the outer caches in place of two. ok is false if there is none.
//
//	y = norm(x), z = relu(y)               z alone, if nobody else reads y and z does not
//	                                       lie across x
//	y = a + b, z = relu(y)                 likewise
//	y = w ⋆ x, z = norm(y) or relu(y)      z alone, if values are flat and nobody else reads y: the
//	                                       norm's weights follow those of the convolution. If z
//	                                       lies across x, that works on a copy, see prepareOne
//	dy = relu.dx(y, dz), Σ of norm.dstats  dy made on the way
func (e *exec) fuse(a, b *device.Call) (c *device.Call, ok bool) {
	both := *b
	both.Act = device.ReLU
	alone := func() bool { return b.In[0] == a.Out[0] && e.readers(a.Out[0]) == 1 }
	switch {
	case e.flat && a.Kernel == device.Conv && a.Act == device.NoAct && (b.Kernel == device.NormInfer && len(a.W) < 4 || b.Kernel == device.ActFn && b.Act == device.ReLU):
		if !alone() {
			return nil, false
		}
		both = *a
		if both.Out, both.Act = b.Out, b.Act; b.Kernel == device.NormInfer {
			both.W, both.S = slices.Concat(a.W, b.W), b.S
		}
	case b.Kernel == device.ActFn && b.Act == device.ReLU && a.Act == device.NoAct && slices.Contains([]device.Kernel{device.NormApply, device.NormInfer, device.Add}, a.Kernel):
		across := e.crosses
		if e.flat && a.Kernel == device.NormInfer { // its rows reach into the next pixel
			across = e.overlap
		}
		if !alone() || slices.ContainsFunc(a.In, func(v int) bool { return across(v, b.Out[0]) }) {
			return nil, false
		}
		both = *a
		both.Act, both.Out = device.ReLU, b.Out
	case a.Kernel == device.ActDX && a.Act == device.ReLU && b.Kernel == device.NormDStats:
		if b.In[1] != a.Out[0] || b.In[0] == a.Out[0] {
			return nil, false
		}
		both.In = []int{b.In[0], b.In[1], a.In[0], a.In[1]}
	default:
		return nil, false
	}
	return &both, true
}

// crosses reports whether values v and u share memory, but begin at different places.
// The plan only keeps what a reads apart from what it writes, not from what b does.
func (e *exec) crosses(v, u int) bool {
	x, y := e.p.Vals[v], e.p.Vals[u]
	return x.Off != y.Off && x.Off < y.Off+y.Size(T, P) && y.Off < x.Off+x.Size(T, P)
}

// readers is how often value v is read, by calls and by the caller.
func (e *exec) readers(v int) int {
	n := 0
	for _, r := range e.p.Regions {
		for _, c := range r.Calls {
			for _, in := range c.In {
				if in == v {
					n++
				}
			}
		}
	}
	for _, kept := range []int{e.p.Output, e.p.InGrad} {
		if kept == v {
			n++
		}
	}
	return n
}
