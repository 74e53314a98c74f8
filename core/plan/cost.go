package plan

import (
	"slices"

	"pare/core/device"
)

// Costs counts every call of the plan for a batch of b samples, in the order of
// regions and calls: in all the runs that so many samples take.
func Costs(p *device.Plan, ws []device.Weight, b int) []device.Cost {
	var all []device.Cost
	parts := p.Parts(b)
	for i, n := range parts {
		cs := costs(p, ws, n, device.Micro{Onto: i > 0, Hold: i < len(parts)-1})
		if all == nil {
			all = cs
			continue
		}
		for k, c := range cs {
			all[k] = all[k].Add(c)
		}
	}
	return all
}

// costs counts every call of one run.
func costs(p *device.Plan, ws []device.Weight, b int, m device.Micro) []device.Cost {
	var cs []device.Cost
	for _, r := range p.Regions {
		for i := range r.Calls {
			c := &r.Calls[i]
			if c.Kernel == device.Transpose && !needed(p, ws, c.Out[0]) {
				cs = append(cs, device.Cost{}) // devices leave it out
				continue
			}
			cs = append(cs, device.CostIn(p, ws, c, b, m))
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
