package plan

import "pare/core/device"

// Costs counts every call of the plan for a batch of b samples, in the order of
// regions and calls.
func Costs(p *device.Plan, ws []device.Weight, b int) []device.Cost {
	var cs []device.Cost
	for _, r := range p.Regions {
		for i := range r.Calls {
			cs = append(cs, device.CostOf(p, ws, &r.Calls[i], b))
		}
	}
	return cs
}

// Total sums costs.
func Total(cs []device.Cost) device.Cost {
	var t device.Cost
	for _, c := range cs {
		t = t.Add(c)
	}
	return t
}
