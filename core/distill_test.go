package core

import (
	"strings"
	"testing"

	"pare/core/event"
)

// TestDistill: with masks, cuts, adapters and levels the student learns from the
// baseline; the teacher's work is billed, and a killed run ends in the same bits.
func TestDistill(t *testing.T) {
	recipes := map[string]*Recipe{}
	for name, set := range map[string]func(r *Recipe){
		"cubic":     func(r *Recipe) { r.Prune.Schedule, r.Prune.Pattern = "cubic", "element" },
		"iterative": func(r *Recipe) { r.Prune.Schedule, r.Prune.Pattern, r.Prune.Levels = "iterative", "block4x1", 2 },
		"cut+lora": func(r *Recipe) {
			r.Prune.Schedule, r.Prune.Pattern = "oneshot", "neuron"
			r.LowRank = []LowRankSpec{{Method: "lora", Rank: 2}}
		},
		"svd": func(r *Recipe) {
			r.Prune.Target, r.Prune.Schedule = 0, "oneshot"
			r.LowRank = []LowRankSpec{{Method: "svd", Energy: 0.9, Layers: []string{"fc2"}, Measured: true, Ranks: map[string]int{"fc2": 3}}}
		},
	} {
		r := small()
		r.Train.Epochs, r.Prune.Epochs, r.Floor.Points = 6, 4, 60
		set(r)
		recipes[name] = r
	}
	text := verse(t)
	text.Prune.Pattern, text.Prune.Distribution = "width", "layer"
	recipes["language model"] = text
	for name, r := range recipes {
		t.Run(name, func(t *testing.T) {
			var plain, whole MemStore
			runAll(t, clone(t, r), nil, &plain)
			r.Distill = DistillSpec{Alpha: 0.7, Temperature: 3}
			runAll(t, clone(t, r), nil, &whole)
			want := whole.State.Done.Weights
			if want == plain.State.Done.Weights {
				t.Fatal("the teacher changed nothing")
			}
			macs := func(st *MemStore, s event.Stage) (n, steps int64) {
				for _, e := range st.State.Epochs {
					if e.Stage == s {
						n, steps = n+e.MACs, steps+e.Steps
					}
				}
				return n, steps
			}
			a, _ := macs(&plain, event.Baseline)
			if b, _ := macs(&whole, event.Baseline); a != b {
				t.Errorf("the baseline has %d multiply-adds with a teacher later and %d without", b, a)
			}
			a, steps := macs(&plain, event.Sparsify)
			if b, n := macs(&whole, event.Sparsify); n != steps || b <= a {
				t.Errorf("stage 3 counts %d multiply-adds in %d steps with a teacher, %d in %d without", b, n, a, steps)
			}
			if e := whole.State.Stages[event.Configure].Evidence; !strings.Contains(e, "distilled from the baseline (α 0.7, T 3)") {
				t.Errorf("evidence: %s", e)
			}
			first := int64(0) // event of stage 3
			for _, e := range whole.Events {
				if c, ok := e.Body.(*event.StageChange); ok && c.Stage == event.Sparsify && c.State == "started" {
					first = e.Seq
				}
			}
			last := seqOf(&whole, "verdict")
			for _, n := range []int64{first + 1, first + (last-first)/2, first + 3*(last-first)/4} {
				if got := killed(t, r, n).State.Done.Weights; got != want {
					t.Errorf("killed at event %d: weights %s, want %s", n, got, want)
				}
			}
		})
	}
}

// TestDistillRefused: what cannot work is refused before anything runs.
func TestDistillRefused(t *testing.T) {
	for text, change := range map[string]func(r *Recipe){
		"distill.alpha = 1.5":           func(r *Recipe) { r.Distill.Alpha = 1.5 },
		"distill.temperature = -1":      func(r *Recipe) { r.Distill = DistillSpec{0.5, -1} },
		"without distill.alpha":         func(r *Recipe) { r.Distill.Temperature = 2 },
		"nothing is trained in stage 3": func(r *Recipe) { r.Distill.Alpha, r.Prune.Epochs = 0.5, 0 },
	} {
		r := small()
		change(r)
		if err := r.Check(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
