package core

import (
	"fmt"
	"slices"
	"strings"

	"pare/core/graph"
	"pare/core/lowrank"
)

// LowRankSpec is one step of low rank in stage 3; a recipe may have several, in order.
//
// lora and rslora freeze the model, put adapters on the layers and train these alone
// to the end of the stage, or to the next such step, where they are merged; masks stay.
// With a target of zeros they recover what pruning costs. svd puts two factors in
// place of each layer for which that is measured to be faster; they train like any
// layer. At the same step svd comes before pruning, and adapters after it.
type LowRankSpec struct {
	Method  string   `toml:"method"`            // lora | rslora | svd
	Layers  []string `toml:"layers,omitempty"`  // names, or what stands behind their last dots; none: all linear layers
	Rank    int      `toml:"rank,omitempty"`    // svd: or by energy
	Energy  float64  `toml:"energy,omitempty"`  // svd: share of Σσ² that is kept, 0…1
	Alpha   float64  `toml:"alpha,omitempty"`   // adapters: 0 = the rank (scale 1 with lora)
	Dropout float64  `toml:"dropout,omitempty"` // adapters: of their inputs
	Train   []string `toml:"train,omitempty"`   // adapters: layers and norms that train in full beside them
	LR      float64  `toml:"lr,omitempty"`      // from here on; 0 = the stage's
	After   int      `toml:"after,omitempty"`   // epochs of stage 3 before it
	// Measured and Ranks are what timing chose (svd): filled in before the factors take
	// effect, so that a resumed run and a saved recipe choose the same.
	Measured bool           `toml:"measured,omitempty"`
	Ranks    map[string]int `toml:"ranks,omitempty"`
}

// adapters reports whether the step trains adapters.
func (s LowRankSpec) adapters() bool { return s.Method == "lora" || s.Method == "rslora" }

// words is the step in a few words.
func (s LowRankSpec) words() string {
	where := "all linear layers"
	if len(s.Layers) > 0 {
		where = strings.Join(s.Layers, ", ")
	}
	size := fmt.Sprintf("rank %d", s.Rank)
	if s.Rank == 0 {
		size = fmt.Sprintf("%.4g %% of the energy", 100*s.Energy)
	}
	text := fmt.Sprintf("%s of %s on %s", map[string]string{"lora": "LoRA", "rslora": "rsLoRA", "svd": "SVD"}[s.Method], size, where)
	if s.After > 0 {
		text += " after " + several(s.After, "epoch")
	}
	return text
}

// checkLowRank refuses steps that cannot work with any model.
func (r *Recipe) checkLowRank() error {
	p, before := r.Prune, 0
	epochs := p.Epochs
	if p.Schedule == "iterative" {
		epochs *= max(p.Levels, 1)
	}
	for i, s := range r.LowRank {
		at := fmt.Sprintf("lowrank %d", i+1)
		switch {
		case !s.adapters() && s.Method != "svd":
			return fmt.Errorf("%s: method = %q: choose one of lora, rslora, svd", at, s.Method)
		case s.Rank < 0 || s.Rank > 1<<20:
			return fmt.Errorf("%s: rank = %d: give at least 1", at, s.Rank)
		case s.adapters() && s.Rank == 0:
			return fmt.Errorf("%s: %s needs a rank (8 is usual)", at, s.Method)
		case s.adapters() && s.Energy != 0:
			return fmt.Errorf("%s: energy is for svd, an adapter has a rank", at)
		case s.Method == "svd" && (s.Rank == 0) == (s.Energy == 0):
			return fmt.Errorf("%s: svd needs either a rank or an energy (0.9 keeps 90 %% of Σσ²)", at)
		case !(s.Energy >= 0 && s.Energy <= 1):
			return fmt.Errorf("%s: energy = %g: give a share between 0 and 1", at, s.Energy)
		case !(s.Alpha >= 0 && s.Alpha <= 1e6):
			return fmt.Errorf("%s: alpha = %g: give a number from 0 to a million", at, s.Alpha)
		case !(s.Dropout >= 0 && s.Dropout < 1):
			return fmt.Errorf("%s: dropout = %g: must be at least 0 and below 1", at, s.Dropout)
		case !(s.LR >= 0 && s.LR <= 100):
			return fmt.Errorf("%s: lr = %g: give a rate between 0 and 100", at, s.LR)
		case s.Method == "svd" && (s.Alpha != 0 || s.Dropout != 0 || len(s.Train) > 0):
			return fmt.Errorf("%s: alpha, dropout and train are for adapters, not for svd", at)
		case s.adapters() && s.Dropout > 0 && p.Target > 0 && p.Pattern != "neuron":
			return fmt.Errorf("%s: dropout with a mask: the adapter of a masked layer is inside its weight; use dropout = 0", at)
		case s.Method == "svd" && s.After > 0 && p.Target > 0 && p.Pattern != "neuron":
			return fmt.Errorf("%s: svd after masks, which two factors cannot keep: use after = 0, before the first of them", at)
		case s.After < before:
			return fmt.Errorf("%s: after = %d is before the step above it", at, s.After)
		case s.After > 0 && s.After >= epochs || s.adapters() && epochs == 0:
			return fmt.Errorf("%s: after = %d, but stage 3 has %s: nothing would train after it", at, s.After, several(epochs, "epoch"))
		case p.Schedule == "iterative" && p.RewindStep >= 0:
			return fmt.Errorf("%s: prune.rewind_step sets weights back that this step changes: use −1", at)
		case s.Method == "svd" && i > 0 && r.LowRank[i-1].After == s.After && r.LowRank[i-1].adapters():
			return fmt.Errorf("%s: at the same epoch svd stands before adapters", at)
		case s.adapters() && i > 0 && r.LowRank[i-1].After == s.After && r.LowRank[i-1].adapters():
			return fmt.Errorf("%s: two steps with adapters at the same epoch: give one of them a later one", at)
		}
		before = s.After
	}
	return nil
}

// checkLowRankOf refuses steps that do not fit the model, before any training.
func (r *Recipe) checkLowRankOf(m *graph.Model) error {
	for i, s := range r.LowRank {
		if s.Measured {
			continue
		}
		if i > 0 && slices.ContainsFunc(r.LowRank[:i], func(b LowRankSpec) bool { return b.Method == "svd" }) && len(s.Layers) > 0 {
			continue // the layers may have other names by then
		}
		if _, err := lowrank.Select(m, s.Layers, r.takes(m, s)); err != nil {
			return fmt.Errorf("lowrank %d (%s): %w", i+1, s.words(), err)
		}
		for _, name := range s.Train {
			if !slices.ContainsFunc(m.Params, func(p graph.Param) bool { return strings.HasPrefix(p.Name, name+".") }) {
				return fmt.Errorf("lowrank %d: train names %q; no parameter of %s begins so", i+1, name, m.Name)
			}
		}
	}
	return nil
}

// takes tells why a layer is not for a step.
func (r *Recipe) takes(m *graph.Model, s LowRankSpec) func(graph.Layer) error {
	return func(l graph.Layer) error {
		switch {
		case s.adapters() && slices.Contains(s.Train, l.Name):
			return fmt.Errorf("layer %s trains in full", l.Name)
		case s.adapters():
			return m.Adaptable(l, s.Rank)
		case slices.Contains(r.Prune.Skip, l.Name):
			return fmt.Errorf("layer %s is in prune.skip: it stays as it is", l.Name)
		}
		if w := m.Params[l.Param].Shape; s.Rank > min(w[0], w[1:].Len()) {
			return fmt.Errorf("layer %s is %v: rank %d is above its own of %d", l.Name, w, s.Rank, min(w[0], w[1:].Len()))
		}
		return m.Factorable(l)
	}
}
