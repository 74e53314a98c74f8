package plain

import (
	"slices"
	"strings"
	"testing"

	"pare/core"
	"pare/core/event"
)

// TestCompareNamesInferences: an inference is called what the sessions' own ledgers call it;
// one of other length is another quantity.
func TestCompareNamesInferences(t *testing.T) {
	of := func(tokens int, tier string) Compared {
		uj := int64(4000)
		s := event.Side{StepCPUUS: 2000, InferUS: 500, InferEnergy: event.Joules{UJ: &uj, Tier: tier, Band: 40}}
		return Compared{ID: "s", State: &event.State{Ledger: &event.Ledger{Tokens: tokens, Dense: s, Now: s}}}
	}
	for _, c := range []struct {
		l           []Compared
		ms, joules  string
		caveat, own bool
	}{
		{[]Compared{of(0, "B"), of(0, "B")}, "ms per inference", "J per inference", false, true},
		{[]Compared{of(0, "E"), of(0, "E")}, "wall ms per inference", "J per inference", false, true},
		{[]Compared{of(128, "E"), {ID: "new", State: new(event.State)}, of(128, "E")}, "wall ms per 128 tokens", "J per 128 tokens", false, true},
		{[]Compared{of(0, "E"), of(0, "B")}, "ms per inference", "J per inference", false, false},
		{[]Compared{of(64, "B"), of(128, "B")}, "ms per inference", "J per inference", true, false},
	} {
		got := Compare(c.l)
		var names []string
		for _, r := range got.Rows {
			names = append(names, r.Name)
		}
		if !slices.Contains(names, c.ms) || !slices.Contains(names, c.joules) {
			t.Errorf("%q, want %q and %q", names, c.ms, c.joules)
		}
		if said := slices.ContainsFunc(got.Caveats, func(s string) bool { return strings.HasPrefix(s, "inferences of other lengths") }); said != c.caveat {
			t.Errorf("%s: caveats %q", c.ms, got.Caveats)
		}
		if same := slices.ContainsFunc(Rows(c.l[0].State.Ledger), func(r Row) bool { return r.Name == c.ms }); same != c.own {
			t.Errorf("%s: the ledger says so: %v", c.ms, same)
		}
	}
}

// TestCompareKeepsTheChange: what must not be compared has no change beside it, all else has.
func TestCompareKeepsTheChange(t *testing.T) {
	of := func(edit func(*event.State)) Compared {
		uj := int64(4000)
		s := event.Side{Acc: 0.9, StepCPUUS: 2000, StepEnergy: event.Joules{UJ: &uj, Tier: "B"}, InferUS: 500, InferEnergy: event.Joules{UJ: &uj, Tier: "B"}}
		st := &event.State{Started: event.Started{Tier: "B", Machine: "m", DataHash: "d", Threads: 1}, Ledger: &event.Ledger{Tokens: 64, Dense: s, Now: s}}
		edit(st)
		return Compared{ID: "s", State: st}
	}
	step := (&event.Started{}).Clock().Of("ms per step")
	for name, c := range map[string]struct {
		edit func(*event.State)
		gone []string
	}{
		"nothing":   {func(*event.State) {}, nil},
		"data":      {func(s *event.State) { s.Started.DataHash = "other" }, []string{"accuracy, pared, test"}},
		"tier":      {func(s *event.State) { s.Started.Tier = "E" }, []string{"J per step", "J per 64 tokens"}},
		"threads":   {func(s *event.State) { s.Started.Threads = 2 }, []string{step, "ms per 64 tokens"}},
		"machine":   {func(s *event.State) { s.Started.Machine = "other" }, []string{step, "ms per 64 tokens", "J per step", "J per 64 tokens"}},
		"inference": {func(s *event.State) { s.Ledger.Tokens = 128 }, []string{"ms per inference", "J per inference"}},
	} {
		got := Compare([]Compared{of(func(*event.State) {}), of(c.edit)})
		var gone []string
		for _, r := range got.Rows {
			if r.Change == "" && !slices.Contains([]string{"outcome", "accuracy, dense, validation"}, r.Name) {
				gone = append(gone, r.Name)
			}
		}
		slices.Sort(gone)
		slices.Sort(c.gone)
		if !slices.Equal(gone, c.gone) {
			t.Errorf("%s: without a change: %q, want %q", name, gone, c.gone)
		}
	}
}

// TestCompareTellsOfAMissedTarget: a verdict is about accuracy; that the zeros fell short
// stands beside it.
func TestCompareTellsOfAMissedTarget(t *testing.T) {
	for want, bodies := range map[string][]event.Body{
		"PASS, target missed":    {&event.Verdict{Verdict: "PASS"}, &event.Done{Exit: core.ExitTarget}},
		"target missed, stage 3": {&event.StageChange{Stage: event.Sparsify, State: "started"}, &event.Done{Exit: core.ExitTarget}},
		"PASS":                   {&event.Verdict{Verdict: "PASS"}, &event.Done{}},
	} {
		var st event.State
		for i, b := range append([]event.Body{&event.Started{Format: event.Version}}, bodies...) {
			st.Apply(event.Event{Seq: int64(i + 1), Body: b})
		}
		if r := Compare([]Compared{{ID: "a", State: &st}}).Rows[0]; r.Name != "outcome" || r.Values[0] != want {
			t.Errorf("%+v, want %q", r, want)
		}
	}
}

// TestCompareTellsOfASpentBudget: a run that its budget ended is not done; one that went on,
// or was ended after its verdict, says so beside it.
func TestCompareTellsOfASpentBudget(t *testing.T) {
	pass := &event.Verdict{Verdict: "PASS"}
	for want, after := range map[string][]event.Body{
		"budget spent, stage 1": {&event.Done{Exit: core.ExitBudget}},
		"PASS, budget spent":    {pass, &event.Done{Exit: core.ExitBudget}},
		"PASS, over budget":     {pass, &event.Budget{Limit: 5, Spent: 6}, &event.Done{}},
		"PASS":                  {pass, &event.Budget{Limit: 5, Spent: 5}, &event.Done{}},
	} {
		var st event.State
		for i, b := range append([]event.Body{&event.Started{Format: event.Version}, &event.StageChange{Stage: event.Baseline, State: "started"}}, after...) {
			st.Apply(event.Event{Seq: int64(i + 1), Body: b})
		}
		if r := Compare([]Compared{{ID: "a", State: &st}}).Rows[0]; r.Name != "outcome" || r.Values[0] != want {
			t.Errorf("%+v, want %q", r, want)
		}
	}
}

// TestCompareTheDead: a run whose process is gone does not run, whatever its log said last.
func TestCompareTheDead(t *testing.T) {
	for dead, want := range map[bool]string{false: "running, stage 1", true: "dead, stage 1"} {
		x := Compared{ID: "a", State: &event.State{Status: event.StatusRunning, Stage: event.Baseline}, Dead: dead}
		if got := Compare([]Compared{x, x}).Rows[0]; got.Name != "outcome" || got.Values[0] != want {
			t.Errorf("%+v, want %q", got, want)
		}
	}
}
