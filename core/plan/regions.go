package plan

import "pare/core/device"

// regions cuts the calls into runs of one scope; between them stand the only
// barriers of a step. Attention looks at other tiles, so it has a region of its
// own. Weight gradients all come last, in one region: their tasks are
// independent of each other. Only the second gradient of a shared weight waits
// for the first, in the next region. Tiles of samples and of tokens are worked on in
// regions of their own.
func regions(vals []device.Val, calls, late []device.Call) []device.Region {
	var r []device.Region
	put := func(c device.Call) {
		s := c.Kernel.Scope()
		sample := s == device.Tile && vals[append(c.In[:len(c.In):len(c.In)], c.Out...)[0]].Sample
		side := c.Kernel == device.Adapt && len(r) > 0 && r[len(r)-1].Calls[0].Kernel == device.Adapt
		if !side && (len(r) == 0 || r[len(r)-1].Scope != s || r[len(r)-1].Sample != sample || s == device.Task) {
			r = append(r, device.Region{Scope: s, Sample: sample})
		}
		last := &r[len(r)-1]
		last.Calls = append(last.Calls, c)
	}
	for _, c := range calls {
		put(c)
	}
	for _, c := range late {
		if c.Kernel.Scope() == device.Serial {
			put(c)
		}
	}
	var turns [][]device.Call // a call is as many turns late as its weight has calls before it
	before := map[int]int{}
	for _, c := range late {
		if c.Kernel.Scope() != device.Task {
			continue
		}
		turn := before[c.W[0]]
		if c.Kernel == device.AdaptA || c.Kernel == device.AdaptB {
			turn = max(turn, before[c.W[1]]) // behind the gradient it is made from
		}
		before[c.W[0]] = turn + 1
		for turn >= len(turns) {
			turns = append(turns, nil)
		}
		turns[turn] = append(turns[turn], c)
	}
	for _, t := range turns {
		r = append(r, device.Region{Scope: device.Task, Calls: t})
	}
	return r
}
