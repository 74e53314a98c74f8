package core

import (
	"context"
	"strings"
	"testing"

	"pare/core/device/cpu"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/prune"
	"pare/core/tensor"
)

// method is a recipe that takes a way of its own through stage 3.
type method struct {
	name  string
	set   func(r *Recipe)
	zeros float64
}

func methods() []method {
	movement := func(score, schedule, distribution, pattern string) func(*Recipe) {
		return func(r *Recipe) {
			r.Prune.Score, r.Prune.Schedule, r.Prune.Distribution, r.Prune.Pattern = score, schedule, distribution, pattern
		}
	}
	ticket := func(control string) func(*Recipe) {
		return func(r *Recipe) {
			r.Prune.Schedule, r.Prune.Pattern, r.Prune.Levels, r.Prune.RewindStep, r.Prune.Control = "iterative", "element", 2, 3, control
		}
	}
	twoFour := func(pattern string, permute bool) func(*Recipe) {
		return func(r *Recipe) {
			r.Prune.Pattern, r.Prune.Permute, r.Prune.Distribution, r.Prune.Skip = pattern, permute, "layer", []string{"out"}
		}
	}
	return []method{
		{"movement, cubic", movement("movement", "cubic", "global", "element"), 0.5},
		{"movement, linear, blocks", movement("movement", "linear", "layer", "block4x1"), 0.5},
		{"movement, constant", movement("movement", "constant", "layer", "element"), 0.5},
		{"movement, target raised at the end", func(r *Recipe) {
			movement("movement", "cubic", "layer", "element")(r)
			r.Decisions = []Decision{{Stage: int(event.Sparsify), Step: 12, Cmd: CmdTarget, Value: 0.7}}
		}, 0.7},
		{"movement, held by the floor", func(r *Recipe) {
			movement("movement", "linear", "layer", "element")(r)
			r.Prune.Target, r.Floor.Points = 0.95, 1
		}, 0},
		{"soft movement", movement("movement-soft", "cubic", "global", "element"), 0.5},
		{"linear", func(r *Recipe) { r.Prune.Schedule = "linear" }, 0.5},
		{"constant", func(r *Recipe) { r.Prune.Schedule = "constant" }, 0.5},
		{"lottery ticket", ticket(""), 0.5},
		{"random ticket", ticket(randomTicket), 0.5},
		{"random reinit", ticket(randomReinit), 0.5},
		{"2:4", twoFour("2:4", false), 0.5},
		{"2:4, permuted", twoFour("2:4", true), 0.5},
		{"2:4 both ways", twoFour("2:4-both", false), 0.5},
		{"early bird", func(r *Recipe) { r.Prune.Schedule, r.Prune.Distance = earlyBird, 0.9 }, 0.5},
		{"early bird, neurons", func(r *Recipe) { r.Prune.Schedule, r.Prune.Distance, r.Prune.Pattern = earlyBird, 0.9, "neuron" }, 0.5},
	}
}

// TestMethodsResume: every method goes through all stages to its target, and a run that
// was killed anywhere ends in the same weights and masks.
func TestMethodsResume(t *testing.T) {
	for _, m := range methods() {
		t.Run(m.name, func(t *testing.T) {
			r := small()
			r.Train.Epochs, r.Prune.Epochs, r.Train.Optimizer, r.Train.LR, r.Floor.Points = 8, 4, "momentum", 0.05, 100
			m.set(r)
			s := &sameBits(t, m.name, r, 7).State
			if m.zeros == 0 { // the floor stands in the way
				if s.Done == nil || s.Done.Exit != ExitTarget || len(s.Floors) == 0 {
					t.Errorf("done %+v, %d times at the floor", s.Done, len(s.Floors))
				}
				return
			}
			if s.Done == nil || s.Done.Exit != ExitOK && s.Done.Exit != ExitVerdict {
				t.Fatalf("done %+v", s.Done)
			}
			if z := s.Ledger.Now.Zeros; z < m.zeros-0.02 {
				t.Errorf("%.3f zeros, the target is %g", z, m.zeros)
			}
			for i := event.Baseline; i <= event.Deploy; i++ {
				if s.Stages[i].State != "done" {
					t.Errorf("stage %v is %q", i, s.Stages[i].State)
				}
			}
			if len(s.Exports) != 3 {
				t.Errorf("%d exports", len(s.Exports))
			}
		})
	}
}

// watch runs a recipe and calls f for each event.
func watch(t *testing.T, r *Recipe, f func(st *MemStore, b event.Body)) *MemStore {
	t.Helper()
	st := &MemStore{Dir: t.TempDir()}
	st.On = func(e event.Event) { f(st, e.Body) }
	if _, err := Run(context.Background(), Config{Recipe: r, Store: st, Session: "test"}); err != nil {
		t.Fatal(err)
	}
	return st
}

// TestMovementRuns: each mask has exactly k zeros, weights do come back, layers run
// dense while scores are learnt, and are free of that after the last mask.
func TestMovementRuns(t *testing.T) {
	r := small()
	r.Prune.Score, r.Prune.Schedule, r.Prune.Pattern, r.Prune.Distribution, r.Prune.Every, r.Floor.Points = "movement", "constant", "element", "layer", 3, 100
	var masks, learning, after int
	hashes := map[string]bool{}
	var last *event.Plan
	watch(t, r, func(_ *MemStore, b event.Body) {
		switch b := b.(type) {
		case *event.Mask:
			masks++
			hashes[b.Hash] = true
			for _, l := range b.Layers {
				if k := int(float64(l.Of)*0.5 + 0.5); l.Zeros < k-1 || l.Zeros > k {
					t.Errorf("step %d: %s has %d zeros of %d", b.Step, l.Name, l.Zeros, l.Of)
				}
			}
		case *event.Plan:
			if b.Stage != event.Sparsify {
				return
			}
			last = b
			if strings.Contains(b.Layers[0].Why, "score is learnt") {
				if learning++; b.Layers[0].Format != tensor.Dense.String() {
					t.Errorf("step %d: %s while its score is learnt", b.Step, b.Layers[0].Format)
				}
			} else {
				after++
			}
		}
	})
	if masks < 4 || len(hashes) < 3 { // of one size, so another mask is one to which weights came back
		t.Errorf("%d masks, %d of them different", masks, len(hashes))
	}
	if learning == 0 || last == nil || strings.Contains(last.Layers[0].Why, "score is learnt") {
		t.Errorf("%d plans while scores were learnt, %d others, the last one %+v", learning, after, last)
	}
}

// TestEarlyBirdRuns: the dense training ends early and says so, and what all training has
// cost; the rest of the planned epochs follow.
func TestEarlyBirdRuns(t *testing.T) {
	r := small()
	r.Train.Epochs, r.Prune.Epochs, r.Floor.Points = 20, 0, 100
	r.Prune.Schedule, r.Prune.Pattern, r.Prune.Distance = earlyBird, "element", 0.9
	var steps [event.Deploy + 1]int64
	said := 0
	st := watch(t, r, func(_ *MemStore, b event.Body) {
		switch b := b.(type) {
		case *event.EpochCost:
			steps[b.Stage] += b.Steps
		case *event.EarlyBird:
			said++
		}
	})
	e := st.State.EarlyBird
	if e == nil || !e.Settled || e.Epoch != prune.EarlyBirds+1 || e.Planned != 20 || e.Spent == nil || e.Dense == nil || said != prune.EarlyBirds+2 {
		t.Fatalf("%d told, the last %+v", said, e)
	}
	per := steps[event.Baseline] / int64(e.Epoch)
	if steps[event.Baseline]+steps[event.Sparsify] != 20*per {
		t.Errorf("%d and %d steps, %d an epoch", steps[event.Baseline], steps[event.Sparsify], per)
	}
	if e.Spent.CPUUS <= 0 || e.Dense.CPUUS <= 0 || !strings.Contains(st.State.Stages[event.Sparsify].Evidence, "all training steps took") {
		t.Errorf("spent %+v, dense %+v: %s", e.Spent, e.Dense, st.State.Stages[event.Sparsify].Evidence)
	}
}

// TestControls: the mask of a random ticket has the ticket's zeros in each layer and is
// another; that of a random reinit is the same.
func TestControls(t *testing.T) {
	masks := map[string]event.Mask{}
	weights := map[string]string{}
	for _, control := range []string{"", randomTicket, randomReinit} {
		r := small()
		r.Train.Epochs, r.Prune.Epochs, r.Floor.Points = 8, 4, 100
		r.Prune.Schedule, r.Prune.Pattern, r.Prune.Levels, r.Prune.RewindStep, r.Prune.Control = "iterative", "element", 2, 0, control
		st := watch(t, r, func(*MemStore, event.Body) {})
		masks[control], weights[control] = st.State.Mask, st.State.Done.Weights
	}
	a, b, c := masks[""], masks[randomTicket], masks[randomReinit]
	if a.Hash == b.Hash || a.Hash != c.Hash || weights[""] == weights[randomReinit] {
		t.Errorf("ticket %s, random ticket %s, random reinit %s; weights %v", a.Hash, b.Hash, c.Hash, weights)
	}
	for i := range a.Layers {
		if a.Layers[i].Zeros != b.Layers[i].Zeros {
			t.Errorf("%s: %d zeros, the random ticket has %d", a.Layers[i].Name, a.Layers[i].Zeros, b.Layers[i].Zeros)
		}
	}
	if !strings.Contains(b.Rule, "random ticket") || !strings.Contains(c.Rule, "other weights") {
		t.Errorf("rules %q and %q", b.Rule, c.Rule)
	}
}

// TestBlocksDropped: residual blocks of a transformer go whole; files read back, and a run
// that was killed ends in the same model.
func TestBlocksDropped(t *testing.T) {
	r := verse(t)
	r.Prune.Score, r.Prune.Pattern, r.Prune.Distribution, r.Prune.Target, r.Floor.Points = "taylor", "layer", "global", 0.3, 100
	s := &sameBits(t, "layer", r, 3).State
	if s.Ledger == nil || s.Ledger.Now.Zeros < 0.29 || s.Ledger.Now.Params >= s.Ledger.Dense.Params || s.Ledger.Now.FileBytes >= s.Ledger.Dense.FileBytes {
		t.Fatalf("ledger %+v, failures %+v", s.Ledger, s.Failures)
	}
	if len(s.Exports) != 3 {
		t.Errorf("%d exports", len(s.Exports))
	}
	for _, w := range s.Warnings {
		if strings.Contains(w.Text, "lost all its weights") {
			t.Error(w.Text)
		}
	}
}

// TestRefusedBeforeTraining: what does not go together is refused with the reason before
// anything trains.
func TestRefusedBeforeTraining(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(r *Recipe)
		want string
	}{
		{"2:4 above half", func(r *Recipe) { r.Prune.Pattern, r.Prune.Target = "2:4", 0.9 }, "the target is 0.5 (50 %), not 0.9"},
		{"2:4 by erk", func(r *Recipe) { r.Prune.Pattern, r.Prune.Distribution = "2:4", "erk" }, "distribution layer, not erk"},
		{"2:4 by a scan", func(r *Recipe) { r.Prune.Pattern, r.Prune.Distribution, r.Prune.Target = "2:4", "sensitivity", 0.5 }, "nothing to spread"},
		{"movement by a scan", func(r *Recipe) { r.Prune.Score, r.Prune.Distribution = "movement", "sensitivity" }, "a scan prunes without training"},
		{"2:4 both ways on 3 outputs", func(r *Recipe) { r.Prune.Pattern = "2:4-both" }, "layer out has 3 × 32: put it in prune.skip"},
		{"heads on an MLP", func(r *Recipe) { r.Prune.Pattern = "head" }, "no attention, so no heads"},
		{"more than can be cut", func(r *Recipe) { r.Prune.Pattern, r.Prune.Target = "neuron", 0.999 }, "can be cut out"},
		{"LoRA rank above the layer", func(r *Recipe) { r.LowRank = []LowRankSpec{{Method: "lora", Rank: 200}} }, "rank 200"},
		{"rewind without a baseline", func(r *Recipe) {
			r.Prune.Schedule, r.Prune.Pattern, r.Prune.RewindStep, r.Train.Epochs = "iterative", "element", 5, 0
		}, "needs baseline training"},
		{"rewind beyond the baseline", func(r *Recipe) {
			r.Prune.Schedule, r.Prune.Pattern, r.Prune.RewindStep = "iterative", "element", 1<<30
		}, "but the baseline has"},
		{"movement at once", func(r *Recipe) { r.Prune.Score, r.Prune.Schedule = "movement", "oneshot" }, "learnt while training"},
		{"movement of neurons", func(r *Recipe) { r.Prune.Score, r.Prune.Pattern = "movement", "neuron" }, "may give weights back"},
		{"movement with adapters", func(r *Recipe) {
			r.Prune.Score, r.LowRank = "movement", []LowRankSpec{{Method: "lora", Rank: 2}}
		}, "freeze the weights"},
		{"soft movement by layer", func(r *Recipe) { r.Prune.Score, r.Prune.Distribution = "movement-soft", "layer" }, "one threshold over all layers"},
		{"control without a ticket", func(r *Recipe) { r.Prune.Control = randomTicket }, "for lottery tickets"},
		{"early bird of few epochs", func(r *Recipe) { r.Prune.Schedule, r.Train.Epochs = earlyBird, 5 }, "plan more epochs"},
		{"permuted blocks", func(r *Recipe) { r.Prune.Permute = true }, "for 2:4 alone"},
		{"blocks of an MLP", func(r *Recipe) { r.Prune.Pattern, r.Prune.Distribution = "layer", "global" }, "no residual block"},
		{"everything skipped", func(r *Recipe) { r.Prune.Skip = []string{"fc1", "fc2", "out"} }, "nothing is left to prune"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := small()
			c.set(r)
			st := &MemStore{Dir: t.TempDir()}
			_, err := Run(context.Background(), Config{Recipe: r, Store: st, Session: "test"})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if n := len(st.State.Epochs); n > 0 || st.State.Metric.Step > 0 {
				t.Errorf("%d epochs trained before it was refused", n)
			}
		})
	}
}

// TestZerosThatStay: a model that comes with zeros, and recipes that would want them
// back.
func TestZerosThatStay(t *testing.T) {
	m, _, err := zoo.New("mlp", 1, zoo.Input{C: 4, H: 1, W: 1}, 3)
	if err != nil {
		t.Fatal(err)
	}
	set, _, err := prune.Masks(m, prune.Spec{Score: "magnitude", Pattern: "element", Distribution: "layer"}, 0.6)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range set {
		if _, err := graph.Rewrite(s).Apply(m); err != nil {
			t.Fatal(err)
		}
	}
	r := small()
	for _, c := range []struct {
		score  string
		target float64
		want   string
	}{{"magnitude", 0.5, "comes with 60"}, {"movement", 0.8, "may give weights back"}, {"magnitude", 0.8, ""}, {"magnitude", 0, ""}} {
		r.Prune.Score, r.Prune.Target, r.Prune.Pattern = c.score, c.target, "element"
		if err := r.checkMethodOf(m, cpu.Device{}, prune.NewBase(m)); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s to %g: %v, want %q", c.score, c.target, err, c.want)
		}
	}
}
