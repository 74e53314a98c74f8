package core

import (
	"context"
	"testing"

	"pare/core/event"
)

// small is a recipe that goes through all stages in about a second.
func small() *Recipe {
	r := DefaultRecipe()
	r.Auto = true
	r.Model.Name, r.Data.Name = "mlp", "iris"
	r.Train.Epochs, r.Prune.Epochs, r.Prune.Target = 20, 20, 0.5
	r.Floor.Points = 30
	return r
}

// runAll runs a recipe in memory and returns its store and exit code.
func runAll(t *testing.T, r *Recipe, res *Resume, st *MemStore) int {
	t.Helper()
	if st.Dir == "" {
		st.Dir = t.TempDir()
	}
	code, err := Run(context.Background(), Config{Recipe: r, Store: st, Session: "test", Resume: res})
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestFiveStages(t *testing.T) {
	for _, sched := range []string{"oneshot", "cubic", "iterative"} {
		for _, pattern := range []string{"element", "block4x1", "neuron"} {
			t.Run(sched+"/"+pattern, func(t *testing.T) {
				r := small()
				r.Prune.Schedule, r.Prune.Pattern, r.Prune.Levels = sched, pattern, 2
				var st MemStore
				code := runAll(t, r, nil, &st)
				s := &st.State
				if s.Done == nil || s.Done.Exit != code {
					t.Fatalf("exit %d, done %+v", code, s.Done)
				}
				for i := event.Baseline; i <= event.Deploy; i++ {
					if s.Stages[i].State != "done" {
						t.Errorf("stage %v is %q", i, s.Stages[i].State)
					}
				}
				if code != ExitOK && code != ExitVerdict {
					t.Errorf("exit code %d: %s", code, s.Done.Text)
				}
				if s.Ledger == nil || s.Ledger.Now.Zeros < 0.49 || s.Ledger.Now.FileBytes >= s.Ledger.Dense.FileBytes {
					t.Errorf("ledger %+v", s.Ledger)
				}
				if len(s.Exports) != 3 {
					t.Errorf("%d exports", len(s.Exports))
				}
				if s.Ledger != nil && s.Ledger.Dense.StepCPUUS <= 0 {
					t.Error("a training step took no CPU time")
				}
			})
		}
	}
}

// TestResumeEndsInTheSameBits stops runs at many places, resumes them from the
// last checkpoint and compares the final weights with those of a run that never
// stopped.
func TestResumeEndsInTheSameBits(t *testing.T) {
	for _, sched := range []string{"cubic", "iterative"} {
		r := small()
		r.Prune.Schedule, r.Prune.Levels, r.Train.Optimizer = sched, 2, "momentum"
		r.Train.LR = 0.05
		if sched == "iterative" {
			r.Prune.RewindStep = 5
		}
		r.Train.Epochs, r.Prune.Epochs = 6, 4
		sameBits(t, sched, r, 12)
	}
}

// sameBits stops a run at about n places, resumes it from the last checkpoint and
// compares the final weights and masks with those of the run that never stopped.
func sameBits(t *testing.T, name string, r *Recipe, n int) *MemStore {
	t.Helper()
	var whole MemStore
	runAll(t, clone(t, r), nil, &whole)
	want, masks := whole.State.Done.Weights, whole.State.Mask
	events := len(whole.Events)
	for at := 3; at < events; at += max(events/n, 1) {
		st := dies(t, Config{Recipe: clone(t, r)}, atEvent(int64(at)))
		wakesAnyhow(t, r, st)
		if got := st.State.Done.Weights; got != want {
			t.Errorf("%s: killed at event %d of %d: final weights %s, want %s", name, at, events, got, want)
		}
		if got := st.State.Mask; got.Hash != masks.Hash {
			t.Errorf("%s: killed at event %d of %d: masks %+v, want %+v", name, at, events, got, masks)
		}
	}
	return &whole
}

// clone copies a recipe through its file form.
func clone(t *testing.T, r *Recipe) *Recipe {
	t.Helper()
	b, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseRecipe(b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
