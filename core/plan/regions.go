package plan

import "pare/core/device"

// regions cuts the calls into runs of one scope; between them stand the only
// barriers of a step. Weight gradients all come last, in one region: their
// tasks are independent of each other.
func regions(calls, late []device.Call) []device.Region {
	var r []device.Region
	put := func(c device.Call) {
		s := c.Kernel.Scope()
		if len(r) == 0 || r[len(r)-1].Scope != s {
			r = append(r, device.Region{Scope: s})
		}
		last := &r[len(r)-1]
		last.Calls = append(last.Calls, c)
	}
	for _, c := range calls {
		put(c)
	}
	for _, s := range []device.Scope{device.Serial, device.Task} {
		for _, c := range late {
			if c.Kernel.Scope() == s {
				put(c)
			}
		}
	}
	return r
}
