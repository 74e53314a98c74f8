package core

import (
	"fmt"

	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/plan"
	"pare/core/train"
)

// checkPartsOf says before a run begins what train.accumulate and train.recompute cannot do
// with its model and so many training samples.
func (r *Recipe) checkPartsOf(m *graph.Model, pre zoo.Preset, samples int) error {
	t := r.Train
	if t.Batch == 0 {
		t.Batch = pre.Batch
	}
	if t.Accumulate > t.Batch {
		return fmt.Errorf("train.accumulate = %d: a batch of %s has %d samples, it runs in that many parts at most", t.Accumulate, m.Name, t.Batch)
	}
	if batch := min(t.Batch, samples); t.Accumulate > 1 && train.NormsVectors(m) {
		part := train.Options{Batch: batch, Micros: t.Accumulate}.Part()
		if single(batch, part) || single(samples%batch, part) {
			// Parts of up to three are of two at least, whatever the batch.
			way := "leave it out"
			if most := (batch - 1) / 2; most > 1 {
				way = fmt.Sprintf("give up to %d", most)
			}
			return fmt.Errorf("train.accumulate = %d: a part would be a single sample, and batch norm over vectors needs more than one: %s", t.Accumulate, way)
		}
	}
	if t.Recompute && !plan.Recomputable(m) {
		return fmt.Errorf("train.recompute = true: %s has no row of blocks (layers of a transformer, residual blocks) whose values could be made again; leave it out, or run batches in parts: train.accumulate", m.Name)
	}
	return nil
}

// single reports whether n samples, in parts of up to most, leave one alone; steps have
// one sample only where batches do, see perEpoch.
func single(n, most int) bool {
	return n > 1 && n/((n+most-1)/most) == 1
}
