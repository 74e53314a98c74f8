package event

import "math"

// BreakEven is after how many single inferences the joules of sparsifying are back,
// and the worst tier of the joules it rests on. Not ok where something was not
// measured, or where the saving is not larger than the scatter of the alternations.
func (s *State) BreakEven() (inferences float64, tier string, ok bool) {
	n, tier, known := s.breakEven()
	return n, tier, known && n > 0
}

// NeverEven reports that the joules of sparsifying do not come back: they and those of an
// inference are known, and an inference saves none beyond the scatter of the alternations.
func (s *State) NeverEven() bool {
	n, _, known := s.breakEven()
	return known && n == 0
}

// breakEven is BreakEven with 0 inferences where nothing is saved; known is false where
// something was not measured.
func (s *State) breakEven() (inferences float64, tier string, known bool) {
	l := s.Ledger
	if l == nil {
		return 0, "", false
	}
	cost, a, b := s.Stages[Sparsify].Cost.Energy, l.Dense.InferEnergy, l.Now.InferEnergy
	if cost.UJ == nil || a.UJ == nil || b.UJ == nil || *cost.UJ <= 0 || *b.UJ <= 0 {
		return 0, "", false
	}
	tier = max(cost.Tier, a.Tier, b.Tier) // E comes after A
	saved := float64(*a.UJ - *b.UJ)
	if saved <= 0 || 100*saved < math.Hypot(l.Dense.InferBand*float64(*a.UJ), l.Now.InferBand*float64(*b.UJ)) {
		return 0, tier, true
	}
	return float64(*cost.UJ) / saved, tier, true
}
