package plan

import "pare/core/device"

// fuse puts an activation behind the product that makes its input, when nobody
// else reads that input. It runs after autodiff, so a fused kernel can never
// lose a gradient. While training only activations whose derivative comes from
// the output qualify.
func fuse(calls, late []device.Call, p *device.Plan, training bool) []device.Call {
	reads := map[int]int{}
	for _, l := range [][]device.Call{calls, late} {
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
