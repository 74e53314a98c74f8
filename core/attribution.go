package core

import (
	"pare/core/energy"
	"pare/core/event"
	"pare/core/plan"
	"pare/core/train"
)

// probedSteps is of how many training steps the calls are timed, after one to warm
// up: shares of a step's time need few.
const probedSteps = 5

// attribute probes training steps of both models and divides the joules of the
// training stages by where their time goes. The time of a call says nothing of its
// power: the joules are the total's, shared out by time, and are said to be that.
func (r *run) attribute(dense, now *train.Trainer) error {
	rows := r.firstBatch()
	e := &event.Attribution{Steps: probedSteps, Batch: len(rows), Dense: r.bill.trained[event.Baseline].Energy, Now: r.bill.trained[event.Sparsify].Energy}
	d, err := r.classShares(dense, rows)
	if err != nil {
		return err
	}
	n, err := r.classShares(now, rows)
	if err != nil {
		return err
	}
	for _, c := range plan.Classes() {
		if d[c] > 0 || n[c] > 0 {
			e.Rows = append(e.Rows, event.ClassShare{
				Class: string(c), ShareDense: d[c], ShareNow: n[c], DenseEnergy: e.Dense.Part(d[c]), NowEnergy: e.Now.Part(n[c]),
			})
		}
	}
	e.Text = sharedOut(e.Dense, e.Now)
	return r.emit(e)
}

// sharedOut says what the joules of an attribution are.
func sharedOut(totals ...event.Joules) string {
	t := energy.TierNone
	for _, j := range totals {
		if j.UJ != nil {
			t = t.Worse(energy.Tier(j.Tier))
		}
	}
	switch {
	case t.Measured():
		return "share of the measured total by probe time"
	case t.Known():
		return "share of the estimated total by probe time"
	}
	return "by probe time; joules are not known"
}

// classShares is the share of each class in the time of a training step.
func (r *run) classShares(t *train.Trainer, rows []int32) (map[plan.Class]float64, error) {
	if _, err := t.Step(r.set.Train, rows, 0, 1); err != nil {
		return nil, err
	}
	calls, err := t.ProbeCalls(r.set.Train, rows, 0, probedSteps)
	if err != nil {
		return nil, err
	}
	sum, i := 0.0, 0
	by := map[plan.Class]float64{}
	for _, g := range t.Plan.Regions {
		for k := range g.Calls {
			by[plan.ClassOf(t.Model, &g.Calls[k])] += calls[i]
			sum += calls[i]
			i++
		}
	}
	for c := range by {
		by[c] /= max(sum, 1)
	}
	return by, nil
}

// firstBatch are the rows of a training step that is timed: the first ones.
func (r *run) firstBatch() []int32 {
	rows := make([]int32, min(r.r.Train.Batch, r.set.Train.N()))
	for i := range rows {
		rows[i] = int32(i)
	}
	return rows
}
