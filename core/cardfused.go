package core

import (
	"slices"

	"pare/core/device"
	"pare/hwprofiles"
)

// What a card does in one launch counts as one: the value between two calls is neither written
// nor read where the first call does the work of the second (core/device/cuda, fuse.go, linear.go,
// norm.go and gated.go; its conditions on memory are taken to hold). The plan keeps both, and a
// step with adapters has four such pairs for each of them:
//
//	y = x·wᵀ + b; z = y + a        the product begins with a
//	y = x·wᵀ; z = s·y              and is scaled; so is dx
//	dx = dy·w; a += dx             and added; so is dx of a norm
//	y = x·wᵀ + b; z = gelu(y)      in bf16, both are written
//	dy = dz·w; dx = gelu.dx(x, dy) in bf16
//	dw = dyᵀ·x; db = Σ dy          dy is read once
//	m = f(g)·u and its gradients   f(g) is made anew where it is needed
type fused struct {
	p      *device.Plan
	costs  []hwprofiles.Cost // of all calls, in the order of regions and calls
	calls  []*device.Call
	region []int
	reads  map[int][]int // of each value: the calls that read it
	batch  int
	elem   int64
	half   bool // bf16
	onto   bool // gradients are added to those of the part before
}

// fuseCosts makes the costs of p's calls those of a card's launches; of calls without one they
// are empty.
func fuseCosts(p *device.Plan, costs []hwprofiles.Cost, batch int, precision string, m device.Micro) {
	f := fused{p: p, costs: costs, reads: map[int][]int{}, batch: batch, elem: 4, onto: m.Onto}
	if precision == "bf16" {
		f.elem, f.half = 2, true
	}
	for ri := range p.Regions {
		for i := range p.Regions[ri].Calls {
			c := &p.Regions[ri].Calls[i]
			for _, v := range c.In {
				f.reads[v] = append(f.reads[v], len(f.calls))
			}
			f.calls, f.region = append(f.calls, c), append(f.region, ri)
		}
	}
	for i := range f.calls {
		f.behind(i)
		f.bias(i)
		f.gate(i)
	}
}

// bytes is the size of value v.
func (f *fused) bytes(v int) int64 {
	x := f.p.Vals[v]
	return int64(x.C) * int64(x.H) * int64(x.W) * int64(f.batch) * int64(f.p.Per(v)) * f.elem
}

// once reports whether value v is read by one call alone, and by nobody outside.
func (f *fused) once(v int) bool {
	return len(f.reads[v]) == 1 && v != f.p.Output && v != f.p.InGrad
}

// merge makes call j a part of call i, which does not write what lies between them.
func (f *fused) merge(i, j int, between ...int) {
	a, b := &f.costs[i], f.costs[j]
	a.Read, a.Written = a.Read+b.Read, a.Written+b.Written
	for _, v := range between {
		a.Read, a.Written = a.Read-f.bytes(v), a.Written-f.bytes(v)
	}
	f.costs[j] = hwprofiles.Cost{}
}

// behind merges call i with the one that follows it. A card's plan has no Transpose.
func (f *fused) behind(i int) {
	j := i + 1
	for j < len(f.calls) && f.calls[j].Kernel == device.Transpose {
		j++
	}
	if j == len(f.calls) || f.region[i] != f.region[j] {
		return
	}
	c, n := f.calls[i], f.calls[j]
	if len(c.Out) == 0 || c.Act != device.NoAct || f.costs[i] == (hwprofiles.Cost{}) {
		return
	}
	v := c.Out[0]
	reads := func(k device.Kernel, in int) bool { return n.Kernel == k && n.In[in] == v }
	wide := f.half && f.p.Vals[v].C%8 == 0
	switch c.Kernel {
	case device.Linear:
		switch {
		case wide && len(c.W) > 1 && reads(device.ActFn, 0) && n.Act == device.GELUTanh:
			f.costs[j].Read -= f.bytes(v)
			f.merge(i, j)
		case n.Kernel == device.Add && slices.Contains(n.In, v) && f.once(v),
			len(c.W) == 1 && reads(device.Scale, 0) && f.once(v):
			f.merge(i, j, v)
		}
	case device.LinearDX:
		switch {
		case wide && reads(device.ActDX, 1) && n.Act == device.GELUTanh && f.once(v),
			reads(device.Scale, 0) && f.once(v):
			f.merge(i, j, v)
		case reads(device.Accum, 0) && f.once(v):
			f.accum(i, j, v)
		}
	case device.LayerNormDX, device.RMSNormDX:
		if reads(device.Accum, 0) && f.once(v) {
			f.accum(i, j, v)
		}
	}
}

// accum merges call i with the addition of what it makes, v, to another value, which is read.
func (f *fused) accum(i, j, v int) {
	f.merge(i, j, v)
	f.costs[i].Read += f.bytes(v)
}

// bias leaves the reading of dy to a LinearDW that makes db along.
func (f *fused) bias(i int) {
	c := f.calls[i]
	if c.Kernel != device.LinearDW || c.Accum || f.onto {
		return
	}
	for _, j := range f.reads[c.In[1]] {
		if b := f.calls[j]; b.Kernel == device.BiasD && b.Node == c.Node && !b.Accum && f.costs[j].Read > 0 {
			f.costs[j].Read -= f.bytes(c.In[1])
		}
	}
}

// gate merges the calls of a gated network in training, whose activation is call i.
func (f *fused) gate(i int) {
	c := f.calls[i]
	if c.Kernel != device.ActFn || c.Act.Constants() || c.Act.FromOutput() || f.costs[i] == (hwprofiles.Cost{}) {
		return
	}
	a := c.Out[0]
	of := f.reads[a]
	if len(of) != 2 || f.calls[of[0]].Kernel != device.Mul || f.calls[of[1]].Kernel != device.Mul || a == f.p.Output {
		return
	}
	mul, du := of[0], of[1]
	u, dm := other(f.calls[mul], a), other(f.calls[du], a)
	for _, da := range f.reads[dm] { // da = dm·u
		if f.calls[da].Kernel != device.Mul || other(f.calls[da], dm) != u {
			continue
		}
		v := f.calls[da].Out[0]
		if l := f.reads[v]; len(l) == 1 && f.calls[l[0]].Kernel == device.ActDX && f.calls[l[0]].In[0] == c.In[0] {
			f.merge(mul, i, a)
			f.merge(da, l[0], v)
			f.costs[da].Written += f.bytes(f.calls[du].Out[0])
			f.costs[du] = hwprofiles.Cost{}
		}
		return
	}
}

// other is the value that a Mul reads beside v.
func other(c *device.Call, v int) int {
	if c.In[0] == v {
		return c.In[1]
	}
	return c.In[0]
}
