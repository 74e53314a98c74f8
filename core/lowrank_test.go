package core

import (
	"context"
	"math"
	"strings"
	"testing"

	"pare/core/event"
	"pare/core/graph"
)

// lowRankRecipes go through stage 3 with adapters and factors in all the ways they
// combine with pruning.
func lowRankRecipes() map[string]*Recipe {
	make := func(set func(r *Recipe), steps ...LowRankSpec) *Recipe {
		r := small()
		r.Train.Epochs, r.Prune.Epochs, r.LowRank = 6, 4, steps
		r.Train.Optimizer, r.Train.LR, r.Floor.Points = "adamw", 0.01, 60
		set(r)
		return r
	}
	lora := LowRankSpec{Method: "lora", Rank: 2, Alpha: 4}
	later := LowRankSpec{Method: "rslora", Rank: 2, After: 2, LR: 0.02}
	svd := LowRankSpec{Method: "svd", Energy: 0.9, Layers: []string{"fc2"}, Measured: true, Ranks: map[string]int{"fc2": 3}}
	return map[string]*Recipe{
		"lora": make(func(r *Recipe) {
			r.Prune.Target, r.Prune.Schedule, r.Deploy.Formats = 0, "oneshot", []string{"packed", "peft"}
		}, lora),
		"mask+lora":     make(func(r *Recipe) { r.Prune.Schedule, r.Prune.Pattern = "oneshot", "element" }, lora),
		"cubic+rslora":  make(func(r *Recipe) { r.Prune.Schedule, r.Prune.Pattern = "cubic", "element" }, later),
		"cut+lora":      make(func(r *Recipe) { r.Prune.Schedule, r.Prune.Pattern = "oneshot", "neuron" }, lora),
		"iterative":     make(func(r *Recipe) { r.Prune.Schedule, r.Prune.Levels, r.Prune.Pattern = "iterative", 2, "element" }, later),
		"svd":           make(func(r *Recipe) { r.Prune.Target, r.Prune.Schedule = 0, "oneshot" }, svd),
		"svd+mask+lora": make(func(r *Recipe) { r.Prune.Schedule, r.Prune.Pattern = "cubic", "element" }, svd, later),
		"lora+lora":     make(func(r *Recipe) { r.Prune.Target, r.Prune.Schedule = 0, "oneshot" }, lora, LowRankSpec{Method: "lora", Rank: 1, After: 3, Dropout: 0.1, Train: []string{"fc2"}}),
	}
}

// TestLowRankStages: every combination goes through all stages, ends without adapters
// and frozen weights, keeps its masks, and logs each step as rewrites.
func TestLowRankStages(t *testing.T) {
	for name, r := range lowRankRecipes() {
		t.Run(name, func(t *testing.T) {
			var st MemStore
			code := runAll(t, clone(t, r), nil, &st)
			s := &st.State
			if code != ExitOK && code != ExitVerdict || s.Done == nil {
				t.Fatalf("exit code %d, %+v", code, s.Failures)
			}
			c, err := st.Load("sparse")
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Model.Adapters()) > 0 {
				t.Error("adapters are left")
			}
			for _, p := range c.Model.Params {
				if p.Frozen || p.Role == graph.LoraA || p.Role == graph.LoraB {
					t.Errorf("%s, a %s, frozen: %v", p.Name, p.Role, p.Frozen)
				}
			}
			count := map[string]int{}
			for _, e := range st.Events {
				if w, ok := e.Body.(*event.Rewrite); ok {
					kind, _, _ := strings.Cut(w.Op, "{")
					count[kind]++
				}
			}
			adapters, factors := strings.Contains(name, "lora") || name == "iterative", strings.Contains(name, "svd")
			if (count["graph.AttachLoRA"] > 0) != adapters || count["graph.AttachLoRA"] != count["graph.MergeLoRA"] || (count["graph.Factorise"] == 1) != factors || (count["graph.Freeze"] > 0) != adapters {
				t.Errorf("rewrites %v", count)
			}
			if (s.FineTune != nil) != adapters {
				t.Fatalf("fine-tuning %+v", s.FineTune)
			}
			if f := s.FineTune; f != nil && (f.Adapters.CPUUS <= 0 || f.Full.CPUUS <= 0 || f.Trainable <= 0 || f.Text == "" || math.Abs(f.Saved-1+f.Adapters.CPUUS/f.Full.CPUUS) > 1e-9) {
				t.Errorf("fine-tuning %+v", f)
			}
			if factors && c.Model.Param("fc2.down.weight") < 0 {
				t.Error("fc2 is whole")
			}
			for _, x := range s.Exports {
				if x.Format == "peft" && (x.Bytes == 0 || !(x.MaxDiff < 1e-4) || x.Samples == 0) {
					t.Errorf("%+v", x)
				}
			}
			if len(s.Exports) != len(r.Deploy.Formats) {
				t.Errorf("%d files for %v", len(s.Exports), r.Deploy.Formats)
			}
			if r.Prune.Target > 0 && s.Ledger.Now.Zeros < r.Prune.Target-0.02 {
				t.Errorf("%.3f zeros", s.Ledger.Now.Zeros)
			}
			if len(s.LayerVerdicts.Layers) != len(s.Dense.Layers) {
				t.Errorf("%d layer verdicts for %d layers", len(s.LayerVerdicts.Layers), len(s.Dense.Layers))
			}
		})
	}
}

// TestLowRankResumes: a run killed anywhere ends in the same bits.
func TestLowRankResumes(t *testing.T) {
	for name, r := range lowRankRecipes() {
		var whole MemStore
		runAll(t, clone(t, r), nil, &whole)
		want, n := whole.State.Done.Weights, len(whole.Events)
		for at := n / 5; at < n; at += max(n/9, 1) {
			st := dies(t, Config{Recipe: clone(t, r)}, atEvent(int64(at)))
			wakesAnyhow(t, r, st)
			if got := st.State.Done.Weights; got != want {
				t.Errorf("%s: killed at event %d of %d: final weights %s, want %s", name, at, n, got, want)
			}
		}
	}
}

// TestFactorsAreMeasured: layers that two factors do not make faster stay whole, with
// the figures, and the choice stands in the recipe before it takes effect.
func TestFactorsAreMeasured(t *testing.T) {
	r := lowRankRecipes()["svd"]
	r.LowRank = []LowRankSpec{{Method: "svd", Energy: 1}}
	var st MemStore
	runAll(t, r, nil, &st)
	f := st.State.Factors
	if f == nil || len(f.Layers) == 0 {
		t.Fatalf("no verdicts: %+v", f)
	}
	for _, l := range f.Layers {
		if l.Applied || l.StepUS != 0 || !(float64(l.Rank) >= l.BreakEven) || !strings.Contains(l.Text, "no gain here") {
			t.Errorf("%+v", l)
		}
	}
	c, err := st.Load("sparse")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Model.Layers()) != len(f.Layers) {
		t.Errorf("%d layers, were %d", len(c.Model.Layers()), len(f.Layers))
	}
	for _, d := range st.State.Decisions {
		if again, err := ParseRecipe([]byte(d.Text)); d.By == "pare" && (err != nil || !again.LowRank[0].Measured) {
			t.Errorf("decision %v: %v", d.Text, err)
		}
	}
}

// TestLowRankRefused: what cannot work is refused before anything runs, with the reason.
func TestLowRankRefused(t *testing.T) {
	for want, change := range map[string]func(r *Recipe){
		"choose one of lora":         func(r *Recipe) { r.LowRank[0].Method = "dora" },
		"needs a rank":               func(r *Recipe) { r.LowRank[0].Rank = 0 },
		"either a rank or an energy": func(r *Recipe) { r.LowRank[0] = LowRankSpec{Method: "svd"} },
		"between 0 and 1":            func(r *Recipe) { r.LowRank[0] = LowRankSpec{Method: "svd", Energy: 1.5} },
		"alpha":                      func(r *Recipe) { r.LowRank[0].Alpha = math.NaN() },
		"dropout with a mask":        func(r *Recipe) { r.LowRank[0].Dropout, r.Prune.Target, r.Prune.Pattern = 0.1, 0.5, "element" },
		"nothing would train":        func(r *Recipe) { r.LowRank[0].After = 4 },
		"svd after masks": func(r *Recipe) {
			r.LowRank[0], r.Prune.Target, r.Prune.Pattern = LowRankSpec{Method: "svd", Rank: 2, After: 1}, 0.5, "element"
		},
		"knows no masks":             func(r *Recipe) { r.Deploy.Formats, r.Prune.Target, r.Prune.Pattern = []string{"peft"}, 0.5, "element" },
		"does not end with adapters": func(r *Recipe) { r.Deploy.Formats, r.LowRank = []string{"peft"}, nil },
		"rewind_step":                func(r *Recipe) { r.Prune.Schedule, r.Prune.RewindStep = "iterative", 0 },
		"not between 1 and 3":        func(r *Recipe) { r.LowRank[0].Rank, r.LowRank[0].Layers = 4, []string{"out"} },
		`no layer is named "fc9"`:    func(r *Recipe) { r.LowRank[0].Layers = []string{"fc9"} },
		"train names":                func(r *Recipe) { r.LowRank[0].Train = []string{"head"} },
		"trains in full":             func(r *Recipe) { r.LowRank[0].Layers, r.LowRank[0].Train = []string{"fc2"}, []string{"fc2"} },
	} {
		r := lowRankRecipes()["lora"]
		change(r)
		st := MemStore{Dir: t.TempDir()}
		_, err := Run(context.Background(), Config{Recipe: r, Store: &st, Session: "test"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if st.State.Started.Session != "" {
			t.Errorf("%q was found when the run had begun", want)
		}
	}
}
