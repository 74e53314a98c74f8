package event

import "math"

// BreakEven is after how many single inferences the joules of sparsifying are back,
// and the worst tier of the joules it rests on. Not ok where something was not
// measured, or where the saving is not larger than the scatter of the alternations.
func (s *State) BreakEven() (inferences float64, tier string, ok bool) {
	l := s.Ledger
	if l == nil {
		return 0, "", false
	}
	cost, a, b := s.Stages[Sparsify].Cost.Energy, l.Dense.InferEnergy, l.Now.InferEnergy
	if cost.UJ == nil || a.UJ == nil || b.UJ == nil || *cost.UJ <= 0 || *b.UJ <= 0 || *a.UJ <= *b.UJ {
		return 0, "", false
	}
	saved := float64(*a.UJ - *b.UJ)
	if 100*saved < math.Hypot(l.Dense.InferBand*float64(*a.UJ), l.Now.InferBand*float64(*b.UJ)) {
		return 0, "", false
	}
	return float64(*cost.UJ) / saved, max(cost.Tier, a.Tier, b.Tier), true // E comes after A
}
