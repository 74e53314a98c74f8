package plan

import (
	"slices"

	"pare/core/device"
)

// Costs counts every call of the plan for a batch of b samples, in the order of
// regions and calls.
func Costs(p *device.Plan, ws []device.Weight, b int) []device.Cost {
	var cs []device.Cost
	for _, r := range p.Regions {
		for i := range r.Calls {
			c := &r.Calls[i]
			if c.Kernel == device.Transpose && !needed(p, ws, c.Out[0]) {
				cs = append(cs, device.Cost{}) // devices leave it out
				continue
			}
			cs = append(cs, device.CostOf(p, ws, c, b))
		}
	}
	return cs
}

// needed reports whether some dw works from the transposed gradient dyT.
func needed(p *device.Plan, ws []device.Weight, dyT int) bool {
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			if slices.Contains(c.In, dyT) && (len(c.W) == 0 || ws[c.W[0]].NeedsDYT()) {
				return true
			}
		}
	}
	return false
}

// Total sums costs.
func Total(cs []device.Cost) device.Cost {
	var t device.Cost
	for _, c := range cs {
		t = t.Add(c)
	}
	return t
}
