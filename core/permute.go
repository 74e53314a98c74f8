package core

import (
	"pare/core/event"
	"pare/core/graph"
	"pare/core/prune"
)

// permute puts channels in an order in which 2:4 keeps more, once, before the first
// mask. Optimiser state follows its weights.
func (r *run) permute(step int64) error {
	if !r.r.Prune.Permute || r.loop.Masks != "" {
		return nil
	}
	orders, said, err := prune.Permute(r.model, r.rule())
	if err != nil || len(orders) == 0 {
		return err
	}
	rs := make([]graph.Rewrite, len(orders))
	for i, o := range orders {
		rs[i] = o
		if err := r.emit(&event.Rewrite{Stage: r.loop.Stage, Step: step, Op: graph.Describe(o), Text: "another order of channels: " + said[i].Text()}); err != nil {
			return err
		}
	}
	return r.t.Rewrite(rs, false)
}
