package train

import (
	"errors"

	"pare/core/data"
	"pare/core/device"
	"pare/core/graph"
)

// together takes a step with the other ranks: this one's share of the samples, the sums of
// all gradients, and the weights' move, which is the same everywhere. Of batch norm's running
// statistics, which each rank learns from its share, all keep the mean. A rank that fails meets
// the others in every sum all the same, so that none waits for it; the last one tells all, and no
// weight moves, but for running statistics.
func (t *Trainer) together(set *data.Set, rows []int32, lr float64, index int64) (res device.Result, err error) {
	r := t.o.Ranks
	first, n := device.Share(len(rows), r.Rank(), r.World())
	s, err := t.read(set, rows, first, n)
	if err == nil {
		res, err = device.RunShare(t.step, t.Plan, s, first, n)
	}
	for i, w := range t.Weights {
		running := t.Model.Params[i].Role == graph.Running
		if !w.Train && !running {
			continue
		}
		get, put := t.bank.Grad, t.bank.SetGrad
		if running {
			get, put = t.bank.Get, t.bank.Set
		}
		x := t.summed(w.Shape.Len())
		if err == nil && (running || n > 0) { // no sample, no gradient
			err = get(i, x)
		}
		if gone := r.Sum(x); gone != nil {
			return device.Result{}, errors.Join(err, gone)
		}
		if running {
			for k := range x {
				x[k] /= float32(r.World())
			}
		}
		if err == nil {
			err = put(i, x)
		}
	}
	said := []float32{float32(res.Loss), float32(res.Correct), 0}
	if err != nil {
		said[2] = 1
	}
	if gone := r.Sum(said); err != nil || gone != nil {
		return device.Result{}, errors.Join(err, gone)
	}
	if said[2] > 0 {
		return device.Result{}, errors.New("another rank failed in this step")
	}
	res.Loss, res.Correct = float64(said[0]), int(said[1])
	_, err = t.moves.Run(&device.Step{X: []float32{0}, N: 1, Index: index, LR: float32(lr)})
	return res, err
}

// summed are n zeros, the same memory every time.
func (t *Trainer) summed(n int) []float32 {
	if len(t.sums) < n {
		t.sums = make([]float32, n)
	}
	x := t.sums[:n]
	clear(x)
	return x
}
