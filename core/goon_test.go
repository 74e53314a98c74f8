package core

import (
	"context"
	"testing"
)

// TestGoOnIsAWholeRun: what goes on from another run's dense model ends in the weights of
// a run that trained it itself, tickets and a teacher too.
func TestGoOnIsAWholeRun(t *testing.T) {
	dense := small()
	dense.Train.Epochs = 3
	dense.Auto = true
	from, err := Dense(context.Background(), dense)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for name, set := range map[string]func(r *Recipe){
		"magnitude": func(r *Recipe) { r.Prune.RewindStep = -1 },
		"ticket":    func(*Recipe) {},
		"reinit":    func(r *Recipe) { r.Prune.Control = randomReinit },
		"oneshot":   func(r *Recipe) { r.Prune.Schedule, r.Prune.Levels, r.Prune.RewindStep = "oneshot", 0, -1 },
		"distilled": func(r *Recipe) { r.Prune.RewindStep = -1; r.Distill = DistillSpec{Alpha: 0.5} },
	} {
		t.Run(name, func(t *testing.T) {
			r := small()
			r.Train.Epochs = 3
			r.Prune = PruneSpec{Score: "magnitude", Pattern: "element", Distribution: "global", Schedule: "iterative", Target: 0.6, Levels: 2, Epochs: 2, LRSchedule: "cosine", RewindStep: 0}
			set(r)
			var whole MemStore
			part := MemStore{Dir: t.TempDir()}
			runAll(t, r, nil, &whole)
			if err := GoOn(context.Background(), from, &part, r); err != nil {
				t.Fatal(err)
			}
			a, err := whole.Load("sparse")
			if err != nil {
				t.Fatal(err)
			}
			b, err := part.Load("sparse")
			if err != nil {
				t.Fatal(err)
			}
			if a.Model.WeightHash() != b.Model.WeightHash() {
				t.Error("other weights than those of a whole run")
			}
			if other := seen[b.Model.WeightHash()]; other != "" {
				t.Errorf("the weights of %s: the recipe was not followed", other)
			}
			seen[b.Model.WeightHash()] = name
			if x, y := whole.State.Ledger, part.State.Ledger; x.Now.Acc != y.Now.Acc || x.Dense.Acc != y.Dense.Acc || x.Now.Zeros != y.Now.Zeros || y.Now.Zeros < 0.58 {
				t.Errorf("ledgers %+v and %+v", x, y)
			}
		})
	}
}
