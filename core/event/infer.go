package event

// Infer is what single inferences take with the weights of a checkpoint: measured at
// the end of an epoch on validation samples, one after the other. Sums are over N of
// them. They are for comparing checkpoints of one run; the verdict's figures come from
// alternations (Ledger).
type Infer struct {
	Stage  Stage   `json:"stage"`
	Step   int64   `json:"step"` // as in the checkpoint
	N      int     `json:"n"`
	CPUUS  int64   `json:"cpu_us"`
	WallUS int64   `json:"wall_us"`
	Band   float64 `json:"band"`   // ± % of the CPU time of one, on a card of the clock's, 95 % of its windows; 0: unknown
	Energy Joules  `json:"energy"` // of all N
	Zeros  float64 `json:"zeros"`
}

// infer keeps one measurement for each step of a stage.
func (s *State) infer(b *Infer) {
	for i := range s.Infers {
		if s.Infers[i].Stage == b.Stage && s.Infers[i].Step == b.Step {
			s.Infers = append(s.Infers[:i:i], s.Infers[i+1:]...)
			break
		}
	}
	s.Infers = append(s.Infers, *b)
}

// InferOf is what an inference took with the weights of a checkpoint, and whether it
// was measured.
func (s *State) InferOf(c *Checkpoint) (Infer, bool) {
	for i := len(s.Infers) - 1; i >= 0; i-- {
		if x := &s.Infers[i]; x.Stage == c.Stage && x.Step == c.Step && x.N > 0 {
			return *x, true
		}
	}
	return Infer{}, false
}
