package device

// Ranks are the processes that train one model together, each on a card of its own: all have
// the same weights, each takes its share of a step's samples, and before the weights move
// the gradients of all become their sum. How numbers get from one to another (NCCL, MPI) is
// behind it.
type Ranks interface {
	Rank() int  // 0 to World − 1
	World() int // how many there are
	// Sum makes x the sum of what every rank has in it, added up in the order of the ranks, so
	// that all have the same bits. All ranks call it for the same things in the same order; an
	// error of one is one of all.
	Sum(x []float32) error
}

// Share is what one of `world` ranks takes of n samples of a step: so many from the first on.
func Share(n, rank, world int) (first, count int) {
	first = rank * n / world
	return first, (rank+1)*n/world - first
}

// RunShare runs `count` samples of step s from the first on, in parts where there are more than
// one run takes; p must leave the optimiser's step to another plan. Loss and gradients are the
// samples' share of the mean over all rows of the step: those of all ranks add up to the step's.
// Without samples nothing runs, and the bank's gradients are those of before.
func RunShare(e Exec, p *Plan, s *Step, first, count int) (Result, error) {
	rows, err := p.rows(s, s.Count())
	if err != nil {
		return Result{}, err
	}
	return p.runParts(e, s, first, count, rows)
}
