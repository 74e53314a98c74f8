package core

import (
	"context"

	"pare/core/event"
)

// trained is the checkpoint after the dense training, before a recipe is set.
const trained = "s2-000000"

// Dense trains the dense model of a recipe for GoOn and ends there. The weights that
// tickets rewind to, the recipe's or the first ones, are kept besides.
func Dense(ctx context.Context, r *Recipe) (*MemStore, error) {
	d, err := copyOf(r)
	if err != nil {
		return nil, err
	}
	d.LowRank, d.Distill = nil, DistillSpec{}
	d.Prune = PruneSpec{Score: "magnitude", Pattern: "element", Distribution: "global", Schedule: "iterative", Levels: 1, Epochs: 1, RewindStep: max(r.Prune.RewindStep, 0)}
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	st := new(MemStore)
	st.On = func(e event.Event) {
		if c, ok := e.Body.(*event.Checkpoint); ok && c.Name == trained {
			enough()
		}
	}
	_, err = Run(ctx, Config{Recipe: d, Store: st, Session: "dense"})
	if _, lost := st.Load(trained); lost == nil {
		return st, nil
	}
	return nil, err
}

// GoOn runs stage 3 of a recipe, and what follows, from the dense model of another run,
// with the outcome of a run that had trained that model itself: several recipes can so
// share one dense training. An early bird cannot, its dense training is part of the method.
// Only its measuring is brief (Config.Brief): accuracies and seconds are what is compared.
func GoOn(ctx context.Context, from, to *MemStore, r *Recipe) error {
	return goOn(ctx, from, to, Config{Recipe: r, Brief: true})
}

// goOn is GoOn, set up otherwise as c is.
func goOn(ctx context.Context, from, to *MemStore, set Config) error {
	r := set.Recipe
	c, err := from.Load(trained)
	if err != nil {
		return err
	}
	n, err := RecipeOf(c)
	if err != nil {
		return err
	}
	n.Prune, n.LowRank, n.Distill = r.Prune, r.LowRank, r.Distill
	made, err := Branch(c, n, 0)
	if err != nil {
		return err
	}
	if _, _, err := to.Save("branch", c); err != nil {
		return err
	}
	for _, name := range []string{"baseline", "rewind"} {
		if x, err := from.Load(name); err == nil {
			if _, _, err := to.Save(name, x); err != nil {
				return err
			}
		}
	}
	for _, b := range made.Said {
		if _, err := to.Emit(b); err != nil {
			return err
		}
	}
	set.Recipe, set.Store, set.Session, set.Resume = n, to, "pared", &Resume{Checkpoint: "branch", Why: "stop"}
	_, err = Run(ctx, set)
	return err
}
