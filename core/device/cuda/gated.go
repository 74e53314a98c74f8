package cuda

import (
	"slices"

	"pare/core/device"
)

// gated are the calls of a gated network in training, m = f(g)·u as Llama has it, when
// nobody else reads f(g): it is then made anew where it is needed instead of written and
// read, and both gradients come from one pass.
//
//	ActFn: a = f(g)    Mul: m = a·u
//	Mul: da = dm·u     ActDX: dg = da·f′(g)    Mul: du = dm·a
type gated struct {
	act                *device.Call
	mul, da, dg, du    *device.Call
	g, u, m, dm, to, v int // values; to is dg, v is du
}

// gates finds them in a plan, by each of their calls.
func (b *builder) gates() map[*device.Call]*gated {
	reads := map[int][]*device.Call{}
	var acts []*device.Call
	for ri := range b.x.p.Regions {
		r := &b.x.p.Regions[ri]
		for i := range r.Calls {
			c := &r.Calls[i]
			for _, v := range c.In {
				reads[v] = append(reads[v], c)
			}
			if c.Kernel == device.ActFn && !c.Act.Constants() && !c.Act.FromOutput() {
				acts = append(acts, c)
			}
		}
	}
	found := map[*device.Call]*gated{}
	for _, c := range acts {
		if x := b.gateOf(c, reads); x != nil {
			for _, q := range []*device.Call{x.act, x.mul, x.da, x.dg, x.du} {
				found[q] = x
			}
		}
	}
	// Where values are made again (plan.Options.Recompute) the first ones have no gradients:
	// they are made as those that do.
	for _, c := range acts {
		for _, x := range found {
			if of := reads[c.Out[0]]; found[c] == nil && x.act.Node == c.Node && len(of) == 1 && of[0].Kernel == device.Mul {
				u := of[0].In[0] + of[0].In[1] - c.Out[0] // the other one
				m := of[0].Out[0]
				if apart := func(v int) bool { return !b.share(m, v) || b.val(m).ptr == b.val(v).ptr }; apart(c.In[0]) && apart(u) {
					q := &gated{act: c, mul: of[0], g: c.In[0], u: u, m: m}
					found[q.act], found[q.mul] = q, q
				}
				break
			}
		}
	}
	return found
}

func (b *builder) gateOf(c *device.Call, reads map[int][]*device.Call) *gated {
	a := c.Out[0]
	of := reads[a]
	if len(of) != 2 || of[0].Kernel != device.Mul || of[1].Kernel != device.Mul || a == b.x.p.Output {
		return nil
	}
	other := func(q *device.Call, v int) int {
		if q.In[0] == v {
			return q.In[1]
		}
		return q.In[0]
	}
	x := &gated{act: c, mul: of[0], du: of[1], g: c.In[0], u: other(of[0], a), m: of[0].Out[0], dm: other(of[1], a), v: of[1].Out[0]}
	if x.u == a || x.dm == a || x.dm == x.u {
		return nil
	}
	for _, q := range reads[x.dm] { // da = dm·u
		if q.Kernel == device.Mul && other(q, x.dm) == x.u {
			x.da = q
		}
	}
	if x.da == nil || len(reads[x.da.Out[0]]) != 1 {
		return nil
	}
	x.dg = reads[x.da.Out[0]][0]
	if x.dg.Kernel != device.ActDX || x.dg.Act != c.Act || x.dg.In[0] != x.g || x.dg.In[1] != x.da.Out[0] || !b.together(x.da, x.dg, x.du) {
		return nil
	}
	x.to = x.dg.Out[0]
	for _, o := range []int{x.to, x.v} {
		for _, in := range []int{x.g, x.u, x.dm} {
			if b.share(o, in) && b.val(o).ptr != b.val(in).ptr {
				return nil
			}
		}
	}
	if b.share(x.to, x.v) {
		return nil
	}
	return x
}

// together reports whether calls follow each other in one region, in any order.
func (b *builder) together(calls ...*device.Call) bool {
	for ri := range b.x.p.Regions {
		r := &b.x.p.Regions[ri]
		first, n := -1, 0
		for i := range r.Calls {
			if slices.Contains(calls, &r.Calls[i]) {
				if n++; first < 0 {
					first = i
				}
				if i-first >= len(calls) {
					return false
				}
			}
		}
		if n > 0 {
			return n == len(calls)
		}
	}
	return false
}

// gate appends what a call of a gated network becomes; false if it is of none.
func (b *builder) gate(c *device.Call) (bool, error) {
	if b.gated == nil {
		b.gated = b.gates()
	}
	x := b.gated[c]
	if x == nil {
		return false, nil
	}
	at := func(v int) value { return b.val(v) }
	switch c {
	case x.mul:
		return true, b.each("act_mul", at(x.m).count(), at(x.g).ptr, at(x.u).ptr, at(x.m).ptr, int(x.act.Act))
	case x.da, x.dg, x.du: // the first that comes does all
		b.done[x.da], b.done[x.dg], b.done[x.du] = true, true, true
		return true, b.each("act_mul_dx", at(x.m).count(), at(x.g).ptr, at(x.u).ptr, at(x.dm).ptr, at(x.to).ptr, at(x.v).ptr, int(x.act.Act))
	}
	return true, nil // f(g) alone is not made
}
