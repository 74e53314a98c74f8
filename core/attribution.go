package core

import (
	"pare/core/energy"
	"pare/core/event"
	"pare/core/plan"
	"pare/core/train"
)

// probedSteps is of how many training steps the calls are timed, each by itself and
// after one to warm up: shares of a step's time need few.
const probedSteps = 5

// attribute probes training steps of both models and divides the joules of the
// training stages by where their time goes. The time of a call says nothing of its
// power: the joules are the total's, shared out by time, and are said to be that. Those
// of sparsify are shared out by the zeros that each of its epochs had.
func (r *run) attribute(dense, now *train.Trainer) error {
	rows := r.firstBatch()
	e := &event.Attribution{Steps: probedSteps, Batch: len(rows), Dense: r.bill.trained[event.Baseline].Energy, Now: r.bill.trained[event.Sparsify].Energy}
	d, err := r.classTimes(dense, rows)
	if err != nil {
		return err
	}
	n, err := r.classTimes(now, rows)
	if err != nil {
		return err
	}
	sd, sn, during := shares(d), shares(n), shares(r.bill.while(d, n, r.zeros()))
	for _, c := range plan.Classes() {
		if d[c] > 0 || n[c] > 0 {
			e.Rows = append(e.Rows, event.ClassShare{
				Class: string(c), ShareDense: sd[c], ShareNow: sn[c], DenseEnergy: e.Dense.Part(sd[c]), NowEnergy: e.Now.Part(during[c]),
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

// classTimes are the ns of each class in a training step, of each call the lower
// quartile over the steps: where others share the machine, a time slice that they take
// is longer than a whole step of a small model.
func (r *run) classTimes(t *train.Trainer, rows []int32) (map[plan.Class]float64, error) {
	if _, err := t.Step(r.set.Train, rows, 0, 1); err != nil {
		return nil, err
	}
	steps := make([][]float64, probedSteps)
	for i := range steps {
		ns, err := t.ProbeCalls(r.set.Train, rows, 0, 1)
		if err != nil {
			return nil, err
		}
		steps[i] = ns
	}
	calls, i := undisturbed(steps), 0
	by := map[plan.Class]float64{}
	for _, g := range t.Plan.Regions {
		for k := range g.Calls {
			by[plan.ClassOf(t.Model, &g.Calls[k])] += calls[i]
			i++
		}
	}
	return by, nil
}

// shares are times as shares of their sum.
func shares(ns map[plan.Class]float64) map[plan.Class]float64 {
	sum, l := 0.0, map[plan.Class]float64{}
	for _, t := range ns {
		sum += t
	}
	for c, t := range ns {
		l[c] = t / max(sum, 1)
	}
	return l
}

// while are the times of the classes over all steps of sparsify: at first those of the
// dense model, at the end, with that share of zeros, those of the pared one, in between
// on the line through both.
func (b *bill) while(dense, now map[plan.Class]float64, zeros float64) map[plan.Class]float64 {
	if len(b.sparse) == 0 {
		return now
	}
	l := map[plan.Class]float64{}
	for _, e := range b.sparse {
		x := 1.0
		if zeros > 0 {
			x = min(max(e.zeros/zeros, 0), 1)
		}
		for _, c := range plan.Classes() {
			l[c] += float64(e.steps) * (dense[c] + x*(now[c]-dense[c]))
		}
	}
	return l
}

// firstBatch are the rows of a training step that is timed: the first ones.
func (r *run) firstBatch() []int32 {
	rows := make([]int32, min(r.r.Train.Batch, r.set.Train.N()))
	for i := range rows {
		rows[i] = int32(i)
	}
	return rows
}
