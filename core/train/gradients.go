package train

import (
	"fmt"

	"pare/core/data"
	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
)

// Gradients sums ∂L/∂w, and |∂L/∂w|, over batches of set, at the weights as they are:
// by parameter, row-major, nil for those that are not prunable or not trained. L is the
// mean loss of a batch. Masked places hold zeros. Nothing moves, running statistics
// neither.
func (t *Trainer) Gradients(set *data.Set, batches [][]int32) (sum, abs [][]float32, err error) {
	most := 0
	for _, b := range batches {
		most = max(most, len(b))
	}
	p, err := plan.Build(t.Model, t.dev, plan.Options{Mode: plan.Grads, Batch: most, Micros: t.micros(most), Recompute: t.o.Recompute, Optim: t.o.Optim, Seed: t.o.Seed})
	if err != nil {
		return nil, nil, err
	}
	ex, err := t.dev.Compile(p, t.bank, t.o.Threads)
	if err != nil {
		return nil, nil, err
	}
	defer ex.Close() //nolint:errcheck // nothing left to do with it
	sum, abs = make([][]float32, len(t.Weights)), make([][]float32, len(t.Weights))
	var g []float32
	for k, rows := range batches {
		b := &t.batch
		if err := b.Read(set, rows); err != nil {
			return nil, nil, err
		}
		r, err := device.RunParts(ex, p, &device.Step{X: b.X, Labels: b.Labels, Rows: b.Rows, Index: int64(k) + 1})
		if err != nil {
			return nil, nil, err
		}
		if r.Loss-r.Loss != 0 {
			return nil, nil, fmt.Errorf("the loss of batch %d is %g", k, r.Loss)
		}
		for i, w := range t.Weights {
			if !w.Train || t.Model.Params[i].Role != graph.Weight {
				continue
			}
			n := w.Shape.Len()
			if sum[i] == nil {
				sum[i], abs[i] = make([]float32, n), make([]float32, n)
			}
			if len(g) < n {
				g = make([]float32, n)
			}
			if err := t.bank.Grad(i, g[:n]); err != nil {
				return nil, nil, err
			}
			for j, v := range g[:n] {
				sum[i][j] += v
				abs[i][j] += max(v, -v)
			}
		}
	}
	return sum, abs, nil
}
