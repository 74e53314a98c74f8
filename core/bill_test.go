package core

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"pare/core/energy"
	"pare/core/event"
)

// TestEpochsCountTheirArithmetic: forward, and both products of the way back but for
// the input's, over all samples; what is skipped is what the formats in force leave
// out.
func TestEpochsCountTheirArithmetic(t *testing.T) {
	r := small()
	r.Train.Batch = 16
	r.Plan.Prices = fixedPrices("made up", 0) // zeros pay from the first on
	var st MemStore
	runAll(t, r, nil, &st)
	d := st.State.Dense
	want := int64(0)
	for i, l := range d.Layers {
		want += 3 * l.MACs
		if i == 0 { // pixels get no gradient
			want -= l.MACs
		}
	}
	want *= int64(d.Train)
	skipped := int64(0)
	for _, e := range st.State.Epochs {
		if e.MACs != want {
			t.Errorf("%s, epoch %d: %d multiply-adds, want %d", e.Stage, e.Epoch, e.MACs, want)
		}
		if e.Skipped < skipped || e.Skipped >= e.MACs { // zeros only grow here
			t.Errorf("%s, epoch %d: %d skipped after %d", e.Stage, e.Epoch, e.Skipped, skipped)
		}
		if e.Stage == event.Baseline && e.Skipped != 0 {
			t.Errorf("epoch %d of the baseline skips %d", e.Epoch, e.Skipped)
		}
		skipped = e.Skipped
	}
	if last := st.State.Epochs[len(st.State.Epochs)-1]; float64(last.Skipped) < 0.3*float64(want) || last.Zeros < 0.49 {
		t.Errorf("half the weights are gone, skipped %d of %d", last.Skipped, want)
	}
	if slices.ContainsFunc(st.State.Plan.Layers, func(l event.RunsAs) bool { return l.Format == "dense" }) {
		t.Logf("some layers ran dense: %+v", st.State.Plan.Layers)
	}
}

// TestStepsOfARollbackAreBilled: the steps that were taken, not the way the counter
// moved.
func TestStepsOfARollbackAreBilled(t *testing.T) {
	r := small()
	r.Train.Batch, r.Train.Epochs, r.Prune.Epochs = 16, 2, 3
	per := int64(7) // 105 samples
	r.Decisions = []Decision{{Stage: int(event.Sparsify), Step: per + 3, Cmd: CmdRollback, Text: "s3-000007"}}
	var st MemStore
	runAll(t, r, nil, &st)
	var e event.EpochCost
	for _, x := range st.State.Epochs {
		if x.Stage == event.Sparsify && x.Epoch == 2 {
			e = x
		}
	}
	if st.State.Resumes != 0 || e.Steps != per+3 || e.Step != 2*per {
		t.Errorf("%+v", e)
	}
}

// TestBillsSayWhatTheyCover: a counter that vanishes leaves joules that say how much
// of the time they cover, in the bills of epochs and stages.
func TestBillsSayWhatTheyCover(t *testing.T) { onItsOwnClock(t, billsSayWhatTheyCover) }

func billsSayWhatTheyCover(t *testing.T, _ *pacer) {
	s := billsOfAVanishing(t)
	if s.Started.Tier != "B" {
		t.Fatalf("tier %q: %s", s.Started.Tier, s.Started.MeterWhy)
	}
	whole := s.Stages[event.Baseline].Cost
	if e := whole.Energy; e.UJ == nil || e.Coverage == nil || *e.Coverage < 0.99 || e.Tier != "B" || e.Source != "rapl" {
		t.Errorf("baseline: %s", energy.Format(Reading(e)))
	} else if w := float64(*e.UJ) / float64(whole.WallUS); w < 39 || w > 41 {
		t.Errorf("%g W, the counter ran at 40", w)
	}
	e := s.Stages[event.Sparsify].Cost.Energy
	if e.UJ == nil || e.Coverage == nil || *e.Coverage > 0.95 || *e.Coverage < 0.3 {
		t.Fatalf("sparsify: %+v", e)
	}
	if got := energy.Format(Reading(e)); !strings.Contains(got, "% covered)") {
		t.Errorf("%q does not say so", got)
	}
	if e := s.Ledger.Now.StepEnergy; e.UJ != nil || e.Coverage != nil {
		t.Errorf("nothing could be measured any more: %+v", e)
	}
}

// billsOfAVanishing are those of a run whose counter goes in the last epoch but one.
func billsOfAVanishing(t *testing.T) *event.State {
	root := fakeRAPL(t, 40)
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 3, 3
	r.Energy.IdleSeconds = new(float64) // 0: not measured
	st := MemStore{Dir: t.TempDir()}
	st.On = func(e event.Event) {
		switch b := e.Body.(type) {
		case *event.EpochCost:
			if b.Stage == event.Sparsify && b.Epoch == 3 {
				vanish(t, root)
			}
		case *event.Eval: // an epoch here takes a millisecond: too short for any counter
			if b.Stage < event.Validate {
				time.Sleep(60 * time.Millisecond)
			}
		}
	}
	runAll(t, r, nil, &st)
	return &st.State
}

// TestBudgetWithACounter: a stage too short for the counter does not hide what the
// others have spent.
func TestBudgetWithACounter(t *testing.T) { onItsOwnClock(t, budgetWithACounter) }

func budgetWithACounter(t *testing.T, _ *pacer) {
	fakeRAPL(t, 40)
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 3, 1000
	r.Energy.IdleSeconds = new(float64) // 0: not measured
	r.Budget.Joules = 20
	st := MemStore{Dir: t.TempDir()}
	st.On = func(e event.Event) {
		if b, ok := e.Body.(*event.Metric); ok && b.Stage != event.Configure {
			time.Sleep(30 * time.Millisecond)
		}
		if b, ok := e.Body.(*event.EpochCost); ok && b.Stage == event.Sparsify {
			time.Sleep(30 * time.Millisecond)
		}
	}
	code, err := Run(context.Background(), Config{Recipe: r, Store: &st, Session: "test"})
	if err != nil || code != ExitBudget || st.State.Stage != event.Sparsify {
		t.Errorf("exit %d in stage %s: %v; %+v", code, st.State.Stage, err, st.State.Budget)
	}
	if c := st.State.Stages[event.Configure].Cost; c.Energy.UJ != nil {
		t.Errorf("configure took %d µs: this test wants it too short", c.WallUS)
	}
}
