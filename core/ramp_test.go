package core

import (
	"testing"

	"pare/core/event"
)

// TestRamp: prune.ramp says when the target is reached; without it three quarters of the
// stage pass.
func TestRamp(t *testing.T) {
	for _, c := range []struct {
		schedule string
		ramp     float64
		first    float64 // share of the stage at which all is gone
	}{{"cubic", 0, 0.75}, {"cubic", 0.3, 0.3}, {"linear", 0.5, 0.5}, {"cubic", 1, 1}, {"cubic", 1e-9, 1e-9}} {
		r := small()
		r.Prune.Schedule, r.Prune.Ramp, r.Floor.Points = c.schedule, c.ramp, 100
		st := MemStore{Dir: t.TempDir()}
		if code := runAll(t, r, nil, &st); code != 0 {
			t.Fatalf("%+v: exit %d", c, code)
		}
		var last *event.Mask
		steps := int64(0)
		for _, e := range st.Events {
			switch e := e.Body.(type) {
			case *event.Mask:
				last = e
			case *event.EpochCost:
				if e.Stage == event.Sparsify {
					steps = e.Step
				}
			}
		}
		want := int64(c.first*float64(steps) + 0.5)
		if last == nil || last.Target != r.Prune.Target || last.Step != max(want, 1) {
			t.Errorf("%+v: the last mask is %+v; want all of the target at step %d of %d", c, last, want, steps)
		}
	}
}
