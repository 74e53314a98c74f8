package core

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pare/core/event"
	"pare/core/plan"
)

// checkAttribution: shares of both sides add up to one, and the joules to the total
// that is shared out.
func checkAttribution(t *testing.T, a *event.Attribution) {
	t.Helper()
	if a == nil || len(a.Rows) == 0 {
		t.Fatalf("%+v", a)
	}
	var d, n float64
	var dj, nj int64
	for _, r := range a.Rows {
		d, n = d+r.ShareDense, n+r.ShareNow
		if !slices.Contains(plan.Classes(), plan.Class(r.Class)) || r.ShareDense < 0 || r.ShareNow < 0 {
			t.Errorf("%+v", r)
		}
		if (r.NowEnergy.UJ == nil) != (a.Now.UJ == nil) || (r.DenseEnergy.UJ == nil) != (a.Dense.UJ == nil) || r.NowEnergy.Tier != a.Now.Tier {
			t.Fatalf("%+v of %+v", r, a)
		}
		if a.Now.UJ != nil && a.Dense.UJ != nil {
			dj, nj = dj+*r.DenseEnergy.UJ, nj+*r.NowEnergy.UJ
		}
	}
	if math.Abs(d-1) > 1e-9 || math.Abs(n-1) > 1e-9 {
		t.Errorf("shares add up to %g and %g", d, n)
	}
	if a.Now.UJ != nil && a.Dense.UJ != nil {
		if k := int64(len(a.Rows)); max(dj-*a.Dense.UJ, *a.Dense.UJ-dj) > k || max(nj-*a.Now.UJ, *a.Now.UJ-nj) > k {
			t.Errorf("joules add up to %d and %d of %d and %d µJ", dj, nj, *a.Dense.UJ, *a.Now.UJ)
		}
	}
}

// trainedIn is what the log says that the epochs of a stage have cost.
func trainedIn(st *MemStore, s event.Stage) (c event.StageCost) {
	for _, e := range st.Events {
		if b, ok := e.Body.(*event.EpochCost); ok && b.Stage == s {
			c = c.Plus(event.StageCost{CPUUS: b.CPUUS, WallUS: b.WallUS, Energy: b.Energy})
		}
	}
	return c
}

// TestAttribution: without a counter the words are "estimated"; what is shared out
// are the training steps of both stages, those before a crash included.
func TestAttribution(t *testing.T) { onItsOwnClock(t, attribution) }

func attribution(t *testing.T, _ *pacer) {
	t.Setenv("PARE_ENERGY", "profile")
	r := small()
	st := dies(t, Config{Recipe: clone(t, r)}, func(_ *MemStore, e event.Event) bool {
		b, ok := e.Body.(*event.Checkpoint)
		return ok && b.Stage == event.Sparsify && b.Epoch == 7
	})
	wakes(t, r, st)
	a := st.State.Attribution
	checkAttribution(t, a)
	if a.Text != "share of the estimated total by probe time" || a.Steps != probedSteps || a.Batch != st.State.Ledger.Batch {
		t.Errorf("%+v", a)
	}
	for s, got := range map[event.Stage]event.Joules{event.Baseline: a.Dense, event.Sparsify: a.Now} {
		if want := trainedIn(st, s).Energy; got.UJ == nil || *got.UJ != *want.UJ || got.Tier != "E" {
			t.Errorf("%v: shared out %+v, the epochs cost %+v", s, got, want)
		}
	}
	if c := a.Rows[0]; c.Class != "linear" || c.ShareDense < 0.2 {
		t.Errorf("an MLP's first class: %+v", c)
	}
}

// TestAttributionByACounter: the words are "measured", the tier is the counter's.
func TestAttributionByACounter(t *testing.T) { onItsOwnClock(t, attributionByACounter) }

func attributionByACounter(t *testing.T, _ *pacer) {
	fakeRAPL(t, 40)
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 2, 2
	r.Energy.IdleSeconds = new(float64)
	st := MemStore{Dir: t.TempDir(), On: func(e event.Event) {
		if b, ok := e.Body.(*event.Metric); ok && b.Stage < event.Validate {
			time.Sleep(60 * time.Millisecond) // an epoch here takes a millisecond: too short for any counter
		}
	}}
	runAll(t, r, nil, &st)
	a := st.State.Attribution
	checkAttribution(t, a)
	if a.Text != "share of the measured total by probe time" || a.Now.Tier != "B" || a.Now.Source != "rapl" {
		t.Errorf("%+v", a)
	}
}

func TestSharedOut(t *testing.T) {
	uj := int64(1)
	j := func(tier string) event.Joules { return event.Joules{UJ: &uj, Tier: tier} }
	for _, c := range []struct {
		a, b event.Joules
		want string
	}{
		{j("A"), j("C"), "measured"}, {j("B"), j("D"), "estimated"}, {j("E"), j("E"), "estimated"}, {event.Joules{}, j("B"), "measured"}, {event.Joules{}, event.Joules{}, "not known"},
	} {
		got := sharedOut(c.a, c.b)
		if !strings.Contains(got, c.want) || strings.Contains(got, "measured") != (c.want == "measured") {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
