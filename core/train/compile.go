package train

import (
	"fmt"

	"pare/core/device"
	"pare/core/plan"
)

// compile prepares the plans of evaluations, of one inference and of a training step.
func (t *Trainer) compile() error {
	m := t.Model
	pe, err := plan.Build(m, t.dev, plan.Options{Mode: plan.Eval, Batch: t.evalBatch()})
	if err != nil {
		return err
	}
	if t.eval, err = t.dev.Compile(pe, t.bank, t.o.Threads); err != nil {
		return fmt.Errorf("evaluations: %w", err)
	}
	if t.OnePlan, err = plan.Build(m, t.dev, plan.Options{Mode: plan.Infer, Batch: 1}); err != nil {
		return err
	}
	if t.infer, err = t.dev.Compile(t.OnePlan, t.bank, 1); err != nil {
		return fmt.Errorf("single inferences: %w", err)
	}
	o := plan.Options{Mode: plan.Train, Batch: t.o.Batch, Micros: t.o.Micros, Recompute: t.o.Recompute, Optim: t.o.Optim, Seed: t.o.Seed, Distil: t.o.Distil, Ranked: t.o.Ranks != nil}
	if o.Ranked {
		pm, err := plan.Moves(m, t.dev, o)
		if err != nil {
			return err
		}
		if t.moves, err = t.dev.Compile(pm, t.bank, t.o.Threads); err != nil {
			return fmt.Errorf("the optimiser's step: %w", err)
		}
		o.Batch = (o.Batch + t.o.Ranks.World() - 1) / t.o.Ranks.World()
	}
	if t.Plan, err = plan.Build(m, t.dev, o); err != nil {
		return err
	}
	t.cost = map[int]device.Cost{}
	// The last, so that the batch that it is said to have room for is what is left.
	if t.step, err = t.dev.Compile(t.Plan, t.bank, t.o.Threads); err != nil {
		return fmt.Errorf("training: %w", err)
	}
	return nil
}

// closePlans frees the plans, and keeps the weights.
func (t *Trainer) closePlans() {
	for _, e := range []device.Exec{t.step, t.moves, t.eval, t.infer} {
		if e != nil {
			e.Close() //nolint:errcheck // nothing left to do with it
		}
	}
	t.step, t.moves, t.eval, t.infer = nil, nil, nil, nil
}
