package cpu

import "math"

// poison fills all memory that calls hand on with NaN.
func (e *exec) poison() {
	nan := float32(math.NaN())
	fill := func(x []float32) {
		for i := range x {
			x[i] = nan
		}
	}
	for x := e; x != nil; x = x.samples {
		fill(x.arena)
	}
	_ = e.eachGap(func(_, _ int, gap []float32) error {
		for i := range gap {
			gap[i] = guardWord
		}
		return nil
	})
	for _, l := range e.locals {
		fill(l.buf)
		fill(l.pad)
		fill(l.one)
		fill(l.attn)
		fill(l.adapt)
	}
	for _, s := range e.stats {
		s.each(fill)
	}
	for _, r := range e.regions {
		for _, c := range r.calls {
			fill(c.half)
		}
	}
}
