package event

// Spent is the bill of the whole run so far, with the stage that goes on.
func (s *State) Spent() (sum StageCost) {
	for i := Baseline; i <= Deploy; i++ {
		c := s.Stages[i].Cost
		if m := s.Metric; m.Stage == i && m.CPUUS > c.CPUUS {
			c = StageCost{CPUUS: m.CPUUS, WallUS: m.WallUS, Energy: m.Energy}
		}
		sum = sum.Plus(c)
	}
	return sum
}
