package sessions

import (
	"maps"
	"testing"

	"pare/core"
	"pare/core/event"
)

// TestBranchTakesChoices: a branch knows all that devices chose for the old run, also after the
// checkpoint it goes on from: what it computes alike is computed by the same algorithms.
func TestBranchTakesChoices(t *testing.T) {
	r := core.DefaultRecipe()
	r.Auto = true
	r.Model.Name, r.Data.Name = "mlp", "iris"
	r.Train.Epochs, r.Prune.Epochs, r.Prune.Target, r.Floor.Points = 2, 2, 0.5, 100
	r.Deploy.Formats = nil
	s, err := Create(t.TempDir(), r)
	if err != nil {
		t.Fatal(err)
	}
	st, err := openStore(s)
	if err != nil {
		t.Fatal(err)
	}
	emit := func(on string, choices map[string]string) {
		t.Helper()
		if _, err := st.Emit(&event.Chosen{Stage: event.Baseline, On: on, Choices: choices}); err != nil {
			t.Fatal(err)
		}
	}
	emit("card", map[string]string{"early": "1"})
	if _, err := core.Run(t.Context(), core.Config{Recipe: r, Store: st, Session: s.ID}); err != nil {
		t.Fatal(err)
	}
	emit("card", map[string]string{"late": "2"})
	emit("another card", map[string]string{"late": "3"})
	if err := st.close(); err != nil {
		t.Fatal(err)
	}
	b, err := s.Branch("", func(r *core.Recipe) error { return r.Set("prune.target=0.6") })
	if err != nil {
		t.Fatal(err)
	}
	var said []*event.Chosen
	if err := b.each(func(e event.Event) {
		if c, ok := e.Body.(*event.Chosen); ok {
			said = append(said, c)
		}
	}); err != nil {
		t.Fatal(err)
	}
	got := mustState(t, b).Chosen
	want := map[string]map[string]string{"card": {"early": "1", "late": "2"}, "another card": {"late": "3"}}
	if !maps.EqualFunc(got, want, maps.Equal) || len(said) != 3 {
		t.Errorf("%v in %d events, want %v, what was chosen before said once", got, len(said), want)
	}
}
