package event

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// fold applies bodies in order.
func fold(bodies ...Body) *State {
	s := new(State)
	for i, b := range bodies {
		s.Apply(Event{Seq: int64(i + 1), At: time.Unix(int64(i), 0), Body: b})
	}
	return s
}

func uj(x int64) Joules { return Joules{UJ: &x, Tier: "B", Band: 10} }

func curves(s *State) (all []*[]Point) {
	for i := range s.Curves {
		c := &s.Curves[i]
		all = append(all, &c.Acc, &c.Loss, &c.Joules, &c.CPU, &c.Zeros)
	}
	return all
}

func sameCurves(a, b *State) bool {
	x, y := curves(a), curves(b)
	for i := range x {
		if !slices.Equal(*x[i], *y[i]) {
			return false
		}
	}
	return true
}

// TestCurvesAreFunctions: whatever a run says, and however often it goes back,
// every curve stays strictly rising in its step.
func TestCurvesAreFunctions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s State
		for i := range rapid.IntRange(1, 60).Draw(t, "n") {
			b := drawBody(t)
			// Small steps and real stages, so that they meet.
			if v := reflect.ValueOf(b).Elem(); v.Kind() == reflect.Struct {
				if f := v.FieldByName("Step"); f.IsValid() {
					f.SetInt(rapid.Int64Range(0, 20).Draw(t, "step"))
				}
				if f := v.FieldByName("Stage"); f.IsValid() {
					f.SetInt(rapid.Int64Range(0, 6).Draw(t, "stage"))
				}
			}
			s.Apply(Event{Seq: int64(i + 1), Body: b})
			for k, c := range curves(&s) {
				for j := 1; j < len(*c); j++ {
					if (*c)[j].Step <= (*c)[j-1].Step {
						t.Fatalf("after %s curve %d: %v", b.Kind(), k, *c)
					}
				}
			}
			if r, ok := b.(*Resumed); ok {
				for st := max(r.Stage, Baseline); st <= Deploy; st++ {
					c := s.Curves[st]
					for _, p := range [][]Point{c.Acc, c.Loss, c.Joules, c.CPU, c.Zeros} {
						if n := len(p); n > 0 && (st > r.Stage || p[n-1].Step > r.Step) {
							t.Fatalf("resumed at stage %d step %d, but stage %d has a point at %d", r.Stage, r.Step, st, p[n-1].Step)
						}
					}
				}
				if s.Done != nil || r.Stage < Deploy && (s.Verdict != nil || s.Ledger != nil) || len(s.Exports) > 0 || s.Status != StatusRunning {
					t.Fatalf("resumed, but still ended: %+v", s)
				}
			}
		}
	})
}

// TestResumed: points after the checkpoint go, those before stay, and what the
// lost steps cost stays billed.
func TestResumed(t *testing.T) {
	before := []Body{
		&Started{Model: "m"},
		&StageChange{Stage: Baseline, State: "started"},
		&Metric{Stage: Baseline, Step: 1, Loss: 3}, &Eval{Stage: Baseline, Step: 1, Split: "val", Correct: 5, N: 10},
		&EpochCost{Stage: Baseline, Step: 1, Epoch: 1, CPUUS: 2e6, Energy: uj(4e6)},
		&Checkpoint{Name: "c", Stage: Baseline, Step: 1},
	}
	lost := []Body{
		&Metric{Stage: Baseline, Step: 2, Loss: 2}, &Eval{Stage: Baseline, Step: 2, Split: "val", Correct: 6, N: 10},
		&EpochCost{Stage: Baseline, Step: 2, Epoch: 2, CPUUS: 2e6, Energy: uj(5e6)},
		&StageCost{Stage: Baseline, CPUUS: 4e6, Energy: uj(9e6)},
		&StageChange{Stage: Baseline, State: "done"}, &StageChange{Stage: Configure, State: "started"},
		&Eval{Stage: Configure, Step: 0, Split: "val", Correct: 6, N: 10},
	}
	s := fold(append(append(append([]Body{}, before...), lost...), &Resumed{Checkpoint: "c", Seq: 6, Stage: Baseline, Step: 1, Why: "crash"})...)
	want := fold(before...)
	if !sameCurves(s, want) {
		t.Errorf("curves\n got %+v\nwant %+v", s.Curves, want.Curves)
	}
	if !reflect.DeepEqual(s.Evals, want.Evals) {
		t.Errorf("evals %+v", s.Evals)
	}
	if c := s.Stages[Baseline].Cost; c.Energy.UJ == nil || *c.Energy.UJ != 9e6 || c.CPUUS != 4e6 {
		t.Errorf("the lost epoch's bill is gone: %+v", c)
	}
	if len(s.Epochs) != 2 {
		t.Errorf("the lost epoch's own bill is gone: %+v", s.Epochs)
	}
	if s.Stage != Baseline || s.Stages[Baseline].State != "started" || s.Stages[Configure].State != "" || s.Status != StatusRunning || s.Resumes != 1 {
		t.Errorf("stage %v, %+v, %v, %d resumes", s.Stage, s.Stages, s.Status, s.Resumes)
	}
	// The same steps again give the same curves as never having crashed.
	all := append(append([]Body{}, before...), lost...)
	again := append(append([]Body{}, all...), &Resumed{Checkpoint: "c", Seq: 6, Stage: Baseline, Step: 1, Why: "crash"})
	again = append(again, lost...)
	if a, b := fold(again...), fold(all...); !sameCurves(a, b) || !reflect.DeepEqual(a.Evals, b.Evals) {
		t.Errorf("\n got %+v\nwant %+v", a.Curves, b.Curves)
	}
}

// TestStatus walks a run's life.
func TestStatus(t *testing.T) {
	s := new(State)
	for i, x := range []struct {
		b    Body
		want Status
		why  string
	}{
		{&Started{}, StatusRunning, ""},
		{&StageChange{Stage: Baseline, State: "started"}, StatusRunning, ""},
		{&Paused{Why: "person"}, StatusPaused, "person"},
		{&Metric{Stage: Baseline}, StatusPaused, "person"},
		{&Continued{}, StatusRunning, ""},
		{&StageChange{Stage: Baseline, State: "done", Evidence: "88 %"}, StatusRunning, ""},
		{&StageChange{Stage: Configure, State: "waiting", Evidence: "choose"}, StatusWaiting, "choose"},
		{&Diverged{Loss: "NaN"}, StatusWaiting, "choose"},
		{&Failure{Text: "no data"}, StatusFailed, "no data"},
		{&Resumed{Stage: Baseline, Why: "stop"}, StatusRunning, ""},
		{&Done{Text: "PASS"}, StatusDone, "PASS"},
	} {
		s.Apply(Event{Seq: int64(i + 1), Body: x.b})
		if s.Status != x.want || s.Why != x.why {
			t.Errorf("after %s: %q %q, want %q %q", x.b.Kind(), s.Status, s.Why, x.want, x.why)
		}
	}
	if s.Resumes != 0 {
		t.Errorf("%d resumes; only a crash counts", s.Resumes)
	}
}

// TestReplacedRows: one row per checkpoint name and export format, the newest;
// a dropped checkpoint is gone.
func TestReplacedRows(t *testing.T) {
	s := fold(
		&Checkpoint{Name: "a", Step: 1}, &Checkpoint{Name: "b", Step: 2}, &Checkpoint{Name: "a", Step: 3}, &Dropped{Name: "b"}, &Dropped{Name: "never"},
		&Export{Format: "onnx", Bytes: 1}, &Export{Format: "packed", Bytes: 2}, &Export{Format: "onnx", Bytes: 3},
		&Ledger{Predicted: true, Batch: 1}, &Ledger{Batch: 2}, &Verdict{Looks: 2},
		&Model{Name: "m", Params: 10}, &Model{Name: "m", Params: 5},
	)
	if len(s.Checkpoints) != 1 || s.Checkpoints[0].Step != 3 {
		t.Errorf("checkpoints %+v", s.Checkpoints)
	}
	if len(s.Exports) != 2 || s.Exports[0].Bytes != 3 || s.Exports[1].Bytes != 2 {
		t.Errorf("exports %+v", s.Exports)
	}
	if s.Predicted.Batch != 1 || s.Ledger.Batch != 2 || s.Looks != 2 {
		t.Errorf("ledgers %+v %+v, looks %d", s.Predicted, s.Ledger, s.Looks)
	}
	if s.Dense.Params != 10 || s.Model.Params != 5 {
		t.Errorf("dense %d, now %d", s.Dense.Params, s.Model.Params)
	}
}

// TestBaselineAcc: the last validation accuracy of stage 1; the test split does
// not count.
func TestBaselineAcc(t *testing.T) {
	if _, ok := new(State).BaselineAcc(); ok {
		t.Error("known before anything ran")
	}
	s := fold(
		&Eval{Stage: Baseline, Step: 1, Split: "val", Correct: 1, N: 4}, &Eval{Stage: Baseline, Step: 2, Split: "val", Correct: 3, N: 4},
		&Eval{Stage: Baseline, Step: 3, Split: "test", Correct: 4, N: 4}, &Eval{Stage: Sparsify, Step: 4, Split: "val", Correct: 0, N: 4},
	)
	if a, ok := s.BaselineAcc(); !ok || a != 0.75 {
		t.Errorf("%v %v, want 0.75", a, ok)
	}
	if (Eval{}).Acc() != 0 {
		t.Error("an empty split has accuracy 0")
	}
}

// TestJoulesBand: a measured epoch becomes a point in J with its band.
func TestJoulesBand(t *testing.T) {
	s := fold(&EpochCost{Stage: Sparsify, Step: 7, Energy: uj(2e6)})
	if got, want := s.Curves[Sparsify].Joules, []Point{{7, 2, 1.8, 2.2}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
