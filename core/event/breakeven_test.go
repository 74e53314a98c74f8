package event

import "testing"

// TestBreakEven: after so many inferences, or never; nothing is said where something was not
// measured.
func TestBreakEven(t *testing.T) {
	j := func(uj int64, tier string) Joules { return Joules{UJ: &uj, Tier: tier} }
	for name, c := range map[string]struct {
		cost, dense, now Joules
		band             float64
		n                float64
		tier             string
		never            bool
	}{
		"saves":              {j(6e6, "B"), j(300, "B"), j(100, "B"), 3, 3e4, "B", false},
		"by the worst tier":  {j(6e6, "B"), j(300, "E"), j(100, "E"), 3, 3e4, "E", false},
		"within the scatter": {j(6e6, "B"), j(300, "B"), j(290, "B"), 3, 0, "", true},
		"costs more":         {j(6e6, "B"), j(300, "B"), j(310, "B"), 3, 0, "", true},
		"no cost known":      {Joules{}, j(300, "B"), j(100, "B"), 3, 0, "", false},
		"not measured":       {j(6e6, "B"), j(300, "B"), Joules{}, 3, 0, "", false},
	} {
		s := State{Ledger: &Ledger{Dense: Side{InferEnergy: c.dense, InferBand: c.band}, Now: Side{InferEnergy: c.now, InferBand: c.band}}}
		st := s.Stages[Sparsify]
		st.Cost.Energy = c.cost
		s.Stages[Sparsify] = st
		n, tier, ok := s.BreakEven()
		if n != c.n || ok != (c.n > 0) || ok && tier != c.tier || s.NeverEven() != c.never {
			t.Errorf("%s: %g %q %v, never %v", name, n, tier, ok, s.NeverEven())
		}
	}
	if s := new(State); s.NeverEven() {
		t.Error("without a ledger")
	}
}
