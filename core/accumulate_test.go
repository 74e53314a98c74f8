package core

import (
	"context"
	"math"
	"strings"
	"testing"
)

// accumulated are recipes of all that a step in parts has to go together with: masks that
// run packed, levels with a rewind, cuts, low rank, a teacher, the last batch of an epoch.
func accumulated(t *testing.T) map[string]*Recipe {
	recipes := map[string]*Recipe{}
	for name, set := range map[string]func(r *Recipe){
		"packed": func(r *Recipe) { r.Prune.Schedule, r.Prune.Pattern = "cubic", "block4x1" },
		"iterative": func(r *Recipe) {
			r.Prune.Schedule, r.Prune.Pattern, r.Prune.Levels, r.Prune.RewindStep = "iterative", "element", 2, 3
		},
		"movement": func(r *Recipe) { r.Prune.Schedule, r.Prune.Score = "cubic", "movement" },
		"cut+lora": func(r *Recipe) {
			r.Prune.Schedule, r.Prune.Pattern = "oneshot", "neuron"
			r.LowRank = []LowRankSpec{{Method: "lora", Rank: 2}}
		},
		"teacher": func(r *Recipe) {
			r.Prune.Schedule, r.Prune.Pattern = "oneshot", "element"
			r.Distill = DistillSpec{Alpha: 0.7, Temperature: 3}
		},
	} {
		r := small()
		r.Train.Epochs, r.Prune.Epochs, r.Floor.Points = 4, 3, 60
		set(r)
		recipes[name] = r
	}
	recipes["language model"] = verse(t)
	for _, r := range recipes {
		r.Train.Accumulate = 3
	}
	return recipes
}

// TestAccumulate: a run whose batches go in parts ends in the same bits on any number of
// threads and however it is killed; it learns what one in one go does, and does the same
// work.
func TestAccumulate(t *testing.T) {
	for name, r := range accumulated(t) {
		t.Run(name, func(t *testing.T) {
			var whole, other, plain MemStore
			runAll(t, clone(t, r), nil, &whole)
			want := whole.State.Done.Weights
			more := clone(t, r)
			more.Hardware.Threads = 3
			runAll(t, more, nil, &other)
			if got := other.State.Done.Weights; got != want {
				t.Errorf("3 threads: weights %s, want %s", got, want)
			}
			last := seqOf(&whole, "verdict")
			kills := []int64{last / 4, last / 2, 3 * last / 4}
			if name == "language model" { // its runs are long
				kills = kills[1:2]
			}
			for _, n := range kills {
				if got := killed(t, r, n).State.Done.Weights; got != want {
					t.Errorf("killed at event %d of %d: weights %s, want %s", n, last, got, want)
				}
			}
			once := clone(t, r)
			once.Train.Accumulate = 0
			runAll(t, once, nil, &plain)
			a, b := whole.State.Epochs, plain.State.Epochs
			if len(a) != len(b) || len(a) == 0 {
				t.Fatalf("%d epochs, %d in one go", len(a), len(b))
			}
			if a[0].MACs != b[0].MACs || a[0].Steps != b[0].Steps {
				t.Errorf("the first epoch has %d multiply-adds in %d steps, %d in %d in one go", a[0].MACs, a[0].Steps, b[0].MACs, b[0].Steps)
			}
			// Of all evaluations the second: the first is of an untrained model or of this epoch.
			x, y := whole.State.Evals[1].Loss, plain.State.Evals[1].Loss
			if d := math.Abs(x - y); !(d <= 1e-3*y) {
				t.Errorf("early in the baseline the loss is %v, %v in one go", x, y)
			}
		})
	}
}

// TestRecompute: values that are made again are what they were: a run ends in the bits of
// one that keeps them, with masks, cuts and adapters, in parts and killed in between. What
// is made again is counted.
func TestRecompute(t *testing.T) {
	recipes := map[string]*Recipe{}
	for name, set := range map[string]func(r *Recipe){
		"packed": func(r *Recipe) { r.Prune.Schedule, r.Prune.Pattern, r.Train.Accumulate = "cubic", "block4x1", 2 },
		"cut+lora": func(r *Recipe) {
			r.Prune.Schedule, r.Prune.Pattern, r.Prune.Distribution, r.Prune.Target = "oneshot", "head", "layer", 0.2
			r.LowRank = []LowRankSpec{{Method: "lora", Rank: 2}}
		},
	} {
		r := verse(t)
		r.Train.Epochs, r.Prune.Epochs = 1, 1
		set(r)
		recipes[name] = r
	}
	for name, r := range recipes {
		t.Run(name, func(t *testing.T) {
			var kept, again MemStore
			runAll(t, clone(t, r), nil, &kept)
			r.Train.Recompute = true
			runAll(t, clone(t, r), nil, &again)
			want := kept.State.Done.Weights
			if got := again.State.Done.Weights; got != want {
				t.Errorf("weights %s, want %s", got, want)
			}
			if got := killed(t, r, seqOf(&again, "verdict")/2).State.Done.Weights; got != want {
				t.Errorf("killed: weights %s, want %s", got, want)
			}
			a, b := again.State.Epochs[0], kept.State.Epochs[0]
			if share := float64(a.MACs)/float64(b.MACs) - 1; !(share > 0.1 && share < 1./3) {
				t.Errorf("the baseline takes %.1f %% more multiply-adds", 100*share)
			}
		})
	}
}

// TestRecomputeNeedsBlocks: a model without blocks has nothing to make again.
func TestRecomputeNeedsBlocks(t *testing.T) {
	r := small()
	r.Train.Recompute = true
	var st MemStore
	st.Dir = t.TempDir()
	if _, err := Run(context.Background(), Config{Recipe: r, Store: &st, Session: "test"}); err == nil || !strings.Contains(err.Error(), "train.recompute") {
		t.Error(err)
	}
}
