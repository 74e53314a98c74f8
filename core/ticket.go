package core

import (
	"fmt"

	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/prune"
)

// Controls of a lottery ticket, see prune.Controls.
const (
	randomTicket = "random-ticket"
	randomReinit = "random-reinit"
)

// reinitSeed makes the other weights of a random-reinit: not those of another run's seed.
const reinitSeed = 0x7265696e6974 // "reinit"

// rewind sets the surviving weights back to the kept step of the baseline, or to others
// drawn anew, and starts the optimiser anew (Frankle et al. 2019). Cut channels cannot be
// rewound: recipes that ask for it are refused.
func (r *run) rewind(reinit bool) error {
	from := r.model.Clone()
	if reinit {
		if err := zoo.Init(from, r.r.Seed^reinitSeed); err != nil {
			return fmt.Errorf("random-reinit: %w", err)
		}
	} else {
		c, err := r.cfg.Store.Load("rewind")
		if err != nil {
			return fmt.Errorf("rewind: %w", err)
		}
		from = c.Model
	}
	for i := range r.model.Params {
		p := &r.model.Params[i]
		j := from.Param(p.Name)
		if j < 0 || !from.Params[j].Shape.Equal(p.Shape) {
			return fmt.Errorf("rewind: parameter %s has another shape than at baseline step %d", p.Name, r.r.Prune.RewindStep)
		}
		copy(p.Data, from.Params[j].Data)
		p.Mask.Apply(p.Data)
	}
	r.loop.Index = 0
	return r.t.Push()
}

// scatter makes the mask of a random ticket: as many zeros in each layer, by lot.
func (r *run) scatter(rep prune.Report) ([]graph.Rewrite, prune.Report, error) {
	set, rep, err := prune.Scatter(r.model, r.rule(), rep)
	var rs []graph.Rewrite
	for _, x := range set {
		rs = append(rs, x)
	}
	return rs, rep, err
}
