package plan

import (
	"slices"

	"pare/core/device"
)

// fuse puts an activation behind the product that makes its input, when nobody
// else reads that input. It runs after autodiff, so a fused kernel can never
// lose a gradient. While training only activations whose derivative comes from
// the output qualify. all and late are the calls of the whole plan.
func fuse(calls, all, late []device.Call, p *device.Plan, training bool) []device.Call {
	reads := map[int]int{}
	for _, l := range [][]device.Call{all, late} {
		for _, c := range l {
			for _, v := range c.In {
				reads[v]++
			}
		}
	}
	reads[p.Output]++
	var out []device.Call
	for _, c := range calls {
		if c.Kernel == device.ActFn && !c.Act.Constants() && len(out) > 0 && (!training || c.Act.FromOutput()) {
			prev := &out[len(out)-1]
			if (prev.Kernel == device.Linear || prev.Kernel == device.Conv) && prev.Act == device.NoAct &&
				prev.Out[0] == c.In[0] && reads[c.In[0]] == 1 {
				prev.Act, prev.Out = c.Act, c.Out
				continue
			}
		}
		out = append(out, c)
	}
	return out
}

// hoist moves the gradient of an activation right behind the call that makes what it
// reads: a device may then do both at once, and the value between is short-lived. Where
// a gated network multiplies an activation by a linear layer's output, that layer's own
// gradient stands between the two.
func hoist(calls []device.Call) []device.Call {
	for i := range calls {
		c := calls[i]
		if c.Kernel != device.ActDX {
			continue
		}
		at := i
		for at > 0 && !writes(&calls[at-1], c.In) && calls[at-1].Kernel.Scope() == c.Kernel.Scope() {
			at--
		}
		if at == i || at == 0 || !writes(&calls[at-1], c.In) {
			continue
		}
		copy(calls[at+1:i+1], calls[at:i])
		calls[at] = c
	}
	return calls
}

// writes reports whether a call makes one of these values.
func writes(c *device.Call, vals []int) bool {
	return slices.ContainsFunc(c.Out, func(v int) bool { return slices.Contains(vals, v) })
}
