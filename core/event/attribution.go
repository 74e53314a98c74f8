package event

// Attribution says by kind of work where the time of a training step goes, dense and
// pared, and divides the joules of the training steps by these shares. Shares are of
// CPU time, summed over workers, in probed steps of both models as they are at the
// end; sparsify's joules are divided by shares between both, by the zeros of each epoch.
type Attribution struct {
	Rows  []ClassShare `json:"rows"`
	Steps int          `json:"steps"` // probed of each model
	Batch int          `json:"batch"`
	// Dense and Now are the joules that are divided: of the training steps of
	// baseline and of sparsify, in whole epochs.
	Dense Joules `json:"dense"`
	Now   Joules `json:"now"`
	// Text says what the joules are: "share of the measured total by probe time", or
	// of the estimated one.
	Text string `json:"text"`
}

// ClassShare is one kind of work.
type ClassShare struct {
	Class       string  `json:"class"`       // plan.Class
	ShareDense  float64 `json:"share_dense"` // 0…1
	ShareNow    float64 `json:"share_now"`
	DenseEnergy Joules  `json:"dense_energy"` // of the baseline's training steps
	NowEnergy   Joules  `json:"now_energy"`   // of sparsify's
}

// Part is the share of an amount of energy, as well known as the whole.
func (j Joules) Part(share float64) Joules {
	if j.UJ != nil {
		uj := int64(float64(*j.UJ)*share + 0.5)
		j.UJ = &uj
	}
	j.Rejected, j.Wraps, j.Resets = 0, 0, 0 // of the whole
	return j
}
