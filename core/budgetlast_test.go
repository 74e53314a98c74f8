package core

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pare/core/event"
)

// later has bills take so much more wall time from where on what was emitted; a budget of
// 1000 s is then spent by the test alone, however slow the machine is.
func later(t *testing.T, st *MemStore, by time.Duration, on func(e event.Event) bool) {
	t.Helper()
	more := time.Duration(0)
	since = func(b time.Time) time.Duration { return time.Since(b) + more }
	t.Cleanup(func() { since = time.Since })
	st.On = func(e event.Event) {
		if on(e) {
			more = by
		}
	}
}

func spentIn(s event.Stage, what string) func(event.Event) bool {
	in := event.Baseline
	return func(e event.Event) bool {
		if b, ok := e.Body.(*event.StageChange); ok && b.State == "started" {
			in = b.Stage
			return in == s && what == "started"
		}
		return in == s && e.Body.Kind() == what
	}
}

func said(st *MemStore, text string) (n int) {
	for _, w := range st.State.Warnings {
		if strings.Contains(w.Text, text) {
			n++
		}
	}
	return n
}

// TestBudgetStopsTheLastStages: a budget that is spent while validating or deploying ends
// the run with a checkpoint; a branch with a larger one ends in the same weights and the same
// verdict. What a look at the test set has said is told, and the look counts.
func TestBudgetStopsTheLastStages(t *testing.T) {
	r := small()
	var whole MemStore
	code := runAll(t, clone(t, r), nil, &whole)
	want := whole.State
	for _, c := range []struct {
		stage event.Stage
		from  string // the event from which on it is spent
		looks int    // of the branch
	}{
		{event.Sparsify, "started", 1}, // behind what is timed of the dense model
		{event.Validate, "started", 1},
		{event.Validate, "eval", 2},
		{event.Deploy, "started", 1},
		{event.Deploy, "export", 1},
	} {
		t.Run(c.stage.String()+"/"+c.from, func(t *testing.T) {
			n := clone(t, r)
			n.Budget.Seconds = 1000
			st := MemStore{}
			later(t, &st, time.Hour, spentIn(c.stage, c.from))
			if code := runAll(t, n, nil, &st); code != ExitBudget || st.State.Stage != c.stage || st.State.Status != event.StatusDone {
				t.Fatalf("exit %d in stage %s: %+v", code, st.State.Stage, st.State.Done)
			}
			s := st.State
			last := s.Checkpoints[len(s.Checkpoints)-1]
			if text := s.Done.Text; !strings.Contains(text, "budget of 1000 s is spent") || !strings.Contains(text, "`pare branch test --at "+last.Name+" --set budget.seconds=MORE`") {
				t.Errorf("says %q, its last checkpoint is %s", text, last.Name)
			}
			if b := s.Budget; b == nil || b.Spent < b.Limit || b.Stage != c.stage {
				t.Errorf("budget %+v", b)
			}
			if got := s.Stages[c.stage].Cost.WallUS; got < time.Hour.Microseconds() {
				t.Errorf("the stage is billed %d µs", got)
			}
			if v := s.Verdict; (v != nil) != (c.stage == event.Deploy || c.looks == 2) {
				t.Errorf("verdict %+v", v)
			} else if v != nil && (v.Verdict != want.Verdict.Verdict || v.Diff != want.Verdict.Diff) {
				t.Errorf("verdict %+v, want %+v", v, want.Verdict)
			} else if c.looks == 2 && !strings.HasSuffix(v.Text, "not compared: the budget is spent") {
				t.Errorf("says %q", v.Text)
			}

			since, st.On = time.Since, nil
			k, err := st.Load(last.Name)
			if err != nil {
				t.Fatal(err)
			}
			more, err := RecipeOf(k)
			if err != nil {
				t.Fatal(err)
			}
			more.Budget.Seconds = 1e6
			if _, err := Branch(k, more, s.Looks); err != nil {
				t.Fatal(err)
			}
			if _, _, err := st.Save("branch", k); err != nil {
				t.Fatal(err)
			}
			log := st.State
			got := runAll(t, more, &Resume{Checkpoint: "branch", Why: "branch", Log: &log}, &st)
			s = st.State
			if got != code || s.Done.Weights != want.Done.Weights || s.Verdict.Verdict != want.Verdict.Verdict || s.Verdict.Diff != want.Verdict.Diff || s.Looks != c.looks {
				t.Errorf("the branch ends with %d, %+v, %+v; want %d, %+v, %+v and %d looks", got, s.Done, s.Verdict, code, want.Done, want.Verdict, c.looks)
			}
			if sum := s.Stages[c.stage].Cost.WallUS; sum < time.Hour.Microseconds() {
				t.Errorf("the branch forgets what was spent: %d µs", sum)
			}
		})
	}
}

// TestBudgetStopsTheLastStagesOnce: a run that dies between what its budget decided and its
// last word says it when it is resumed.
func TestBudgetStopsTheLastStagesOnce(t *testing.T) {
	r := small()
	r.Budget.Seconds = 1000
	for _, kill := range []string{"checkpoint", "budget"} {
		more, spent := time.Duration(0), false
		since = func(b time.Time) time.Duration { return time.Since(b) + more }
		t.Cleanup(func() { since = time.Since })
		k := dies(t, Config{Recipe: clone(t, r)}, func(_ *MemStore, e event.Event) bool {
			if b, ok := e.Body.(*event.StageChange); ok && b.Stage == event.Deploy {
				more = time.Hour
			}
			spent = spent || more > 0 && e.Body.Kind() == "budget"
			return spent && e.Body.Kind() == kill
		})
		if code := wakes(t, r, k); code != ExitBudget || k.State.Done.Exit != ExitBudget {
			t.Errorf("killed at the %s: exit %d, %+v", kill, code, k.State.Done)
		}
	}
}

// TestBudgetWarnsInTheLastStages: at 80 % every run says so in these stages, too; with
// warn and target it goes on to the verdict when all is spent, says so once beside verdict
// and outcome, and keeps its exit code.
func TestBudgetWarnsInTheLastStages(t *testing.T) {
	r := small()
	var whole MemStore
	want := runAll(t, clone(t, r), nil, &whole)
	for _, action := range []string{BudgetStop, BudgetWarn, BudgetTarget} {
		for _, stage := range []event.Stage{event.Validate, event.Deploy} {
			t.Run(action+"/"+stage.String(), func(t *testing.T) {
				r.Budget.Seconds, r.Budget.Action = 1e6, action // what the test itself takes is nothing beside it
				var st MemStore
				later(t, &st, 900_000*time.Second, spentIn(stage, "started"))
				if code := runAll(t, clone(t, r), nil, &st); stage == event.Deploy && (code != want || said(&st, "90 % of the budget is spent") != 1 || !strings.HasSuffix(st.State.Warnings[len(st.State.Warnings)-1].Text, "when it is spent: "+action)) {
					t.Errorf("at 90 %%: exit %d, %+v", code, st.State.Warnings)
				}
				if said(&st, "90 % of the budget is spent") != 1 {
					t.Errorf("at 90 %%: %+v", st.State.Warnings)
				}
				if action == BudgetStop {
					return
				}
				r.Budget.Seconds, st = 1000, MemStore{}
				later(t, &st, time.Hour, spentIn(stage, "started"))
				if code := runAll(t, clone(t, r), nil, &st); code != want || said(&st, "it goes on, as budget.action says") != 1 {
					t.Errorf("exit %d, want %d: %+v", code, want, st.State.Warnings)
				}
				if got := strings.Contains(st.State.Verdict.Text, "over its budget: 3") || stage == event.Deploy; !got {
					t.Errorf("the verdict says %q", st.State.Verdict.Text)
				}
				if text := st.State.Outcome(); !strings.HasSuffix(text, ", over its budget") {
					t.Errorf("outcome %q", text)
				}
				if !slices.ContainsFunc(budgets(&st), func(b event.Budget) bool { return b.Stage == event.Deploy && b.Spent > b.Limit }) {
					t.Errorf("no last word: %+v", budgets(&st))
				}
			})
		}
	}
}
