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
//	y = w·x, z = y + a                     z alone, if nobody else reads y and z does not lie across x or a
//	dx = wᵀ·dy, a += dx                    a, where it was; dx only where the sum is made in several passes
//	y = w·x, z = s·y; dx = wᵀ·dy, …        z alone, likewise
//
// None of this changes a bit.
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
	case e.bare(a) && b.Kernel == device.Add && a.Kernel == device.Linear:
		i := slices.Index(b.In, a.Out[0])
		if i < 0 || b.Act != device.NoAct || e.readers(a.Out[0]) != 1 || e.shares(a.In[0], b.Out[0]) || e.crosses(b.In[1-i], b.Out[0]) {
			return nil, false
		}
		both = *a
		both.In, both.Out = []int{a.In[0], b.In[1-i]}, []int{b.Out[0], a.Out[0]}
	case e.bare(a) && b.Kernel == device.Accum && a.Kernel == device.LinearDX:
		if !alone() || e.shares(a.In[0], b.Out[0]) {
			return nil, false
		}
		both = *a
		both.In, both.Out = []int{a.In[0], b.Out[0]}, []int{b.Out[0], a.Out[0]}
	case e.bare(a) && b.Kernel == device.Scale && b.S[0] != 0:
		if !alone() || a.Kernel == device.Linear && len(a.W) > 1 || e.shares(a.In[0], b.Out[0]) {
			return nil, false
		}
		both = *a
		both.Out, both.S = b.Out, b.S
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

// bare reports whether a call is a product of tiles with a dense matrix and nothing more.
// Flat products and those of one sample have kernels of their own.
func (e *exec) bare(c *device.Call) bool {
	switch c.Kernel {
	case device.Linear, device.LinearDX:
		on := e.callOn(c)
		return !on.flat && !on.single() && e.b.ws[c.W[0]].lay == panels && c.Act == device.NoAct && len(c.In) == 1 && c.S[0] == 0
	}
	return false
}

// crosses reports whether values v and u share memory, but begin at different places.
// The plan only keeps what a reads apart from what it writes, not from what b does.
func (e *exec) crosses(v, u int) bool { return e.p.Vals[v].Off != e.p.Vals[u].Off && e.shares(v, u) }

// shares reports whether values v and u share memory.
func (e *exec) shares(v, u int) bool {
	x, y := e.p.Vals[v], e.p.Vals[u]
	return x.Off < y.Off+y.Size(T, P) && y.Off < x.Off+x.Size(T, P)
}

// single reports whether the plan takes one sample of a vector at a time.
func (e *exec) single() bool { return e.p.Batch == 1 && e.per == 0 && e.p.Samples == 0 }

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
