package train

import (
	"errors"

	"pare/core/device"
	"pare/core/graph"
)

// together takes a step with the other ranks: this one's share of the samples, the sums of
// all gradients, and the weights' move, which is the same everywhere. Of batch norm's running
// statistics, which each rank learns from its share, all keep the mean. When one rank fails all
// do, before any weight has moved.
func (t *Trainer) together(s *device.Step) (device.Result, error) {
	r := t.o.Ranks
	first, n := device.Share(s.Count(), r.Rank(), r.World())
	res, err := device.RunShare(t.step, t.Plan, s, first, n)
	said := []float32{float32(res.Loss), float32(res.Correct), 0}
	if err != nil {
		said[2] = 1
	}
	if failed := r.Sum(said); err != nil || failed != nil {
		return device.Result{}, errors.Join(err, failed)
	}
	if said[2] > 0 {
		return device.Result{}, errors.New("another rank failed in this step")
	}
	res.Loss, res.Correct = float64(said[0]), int(said[1])
	for i, w := range t.Weights {
		running := t.Model.Params[i].Role == graph.Running
		if !w.Train && !running {
			continue
		}
		x := make([]float32, w.Shape.Len())
		get, set := t.bank.Grad, t.bank.SetGrad
		if running {
			get, set = t.bank.Get, t.bank.Set
		}
		if running || n > 0 { // no sample, no gradient
			if err := get(i, x); err != nil {
				return device.Result{}, err
			}
		}
		if err := r.Sum(x); err != nil {
			return device.Result{}, err
		}
		for k := range x {
			if running {
				x[k] /= float32(r.World())
			}
		}
		if err := set(i, x); err != nil {
			return device.Result{}, err
		}
	}
	_, err = t.moves.Run(&device.Step{X: []float32{0}, N: 1, Index: s.Index, LR: s.LR})
	return res, err
}
