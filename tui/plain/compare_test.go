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

// TestCompareTellsOfASpentBudget: a run that its budget ended is not done.
func TestCompareTellsOfASpentBudget(t *testing.T) {
	var st event.State
	for i, b := range []event.Body{&event.Started{Format: event.Version}, &event.StageChange{Stage: event.Baseline, State: "started"}, &event.Done{Exit: core.ExitBudget}} {
		st.Apply(event.Event{Seq: int64(i + 1), Body: b})
	}
	if r := Compare([]Compared{{ID: "a", State: &st}}).Rows[0]; r.Name != "outcome" || r.Values[0] != "budget spent, stage 1" {
		t.Errorf("%+v", r)
	}
}
