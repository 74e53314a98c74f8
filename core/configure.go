package core

import (
	"context"
	"fmt"

	"pare/core/event"
)

// configure is stage 2: settle how the model will be pared, and predict what
// that should bring on the chosen hardware.
func (r *run) configure(ctx context.Context) error {
	if err := r.stage(event.Configure, "started", ""); err != nil {
		return err
	}
	if err := r.predict(); err != nil {
		return err
	}
	for {
		if err := r.wait(ctx, event.Configure, "choose method, pattern, target and floor"); err != nil {
			return err
		}
		if ok, err := r.scanForSpread(ctx); err != nil {
			return err
		} else if ok {
			break
		}
	}
	if err := r.spread(); err != nil {
		return err
	}
	if err := r.stage(event.Configure, "done", r.recipeText()+"; "+r.scanText()); err != nil {
		return err
	}
	if err := r.billStage(event.Configure); err != nil {
		return err
	}
	// A fresh optimiser: its moments belong to the dense run.
	r.loop.Index = 0
	if err := r.t.Pull(); err != nil {
		return err
	}
	if err := r.startTrainerIn(event.Sparsify, nil); err != nil {
		return err
	}
	r.loop.Share, r.loop.Masks, r.loop.Retarget, r.loop.Frozen, r.loop.Good, r.loop.Settled, r.loop.Broke = 0, "", nil, false, "", nil, false
	r.loop.Scored = 0
	return r.enter(event.Sparsify)
}

// recipeText is the recipe in one line of words.
func (r *run) recipeText() string {
	p := r.r.Prune
	text := fmt.Sprintf("%s, %s, %s, %s, %.0f %% zeros, floor %s", p.Score, patternWords[p.Pattern], p.Distribution, p.Schedule, 100*p.Target, floorWords(r.loop.Floor))
	if len(p.ByHand) > 0 {
		s := r.r.rule()
		text += ", by hand " + s.HandWords()
	}
	for _, s := range r.r.LowRank {
		text += ", " + s.words()
	}
	if d := r.r.Distill; d.Alpha > 0 {
		text += ", " + d.words()
	}
	return text + r.r.Budget.words(r.rates)
}

// reconfigure replaces the parts of the recipe that may still change.
func (r *run) reconfigure(toml string) error {
	n, err := ParseRecipe([]byte(toml))
	if err != nil {
		return r.refuse("recipe not taken: %v", err)
	}
	for _, s := range n.Prune.Skip {
		if err := knownLayer(r.model, s); err != nil {
			return r.refuse("recipe not taken: %v", err)
		}
	}
	if r.loop.Stage == event.Configure && n.Prune.Schedule == earlyBird && r.r.Prune.Schedule != earlyBird {
		return r.refuse("recipe not taken: prune.schedule = %q ends the baseline early, and that is over: set it before the baseline runs", earlyBird)
	}
	hw := r.hw
	if n.Hardware.Profile != r.r.Hardware.Profile {
		if hw, err = r.profile(n.Hardware.Profile); err != nil {
			return r.refuse("recipe not taken: %v", err)
		}
	}
	if err := n.checkLowRankOf(r.model); err != nil {
		return r.refuse("recipe not taken: %v", err)
	}
	if err := n.checkMethodOf(r.model, r.dev, r.loop.Base); err != nil {
		return r.refuse("recipe not taken: %v", err)
	}
	old, rates := *r.r, r.rates
	r.r.LowRank, r.r.Scan, r.r.Distill = n.LowRank, n.Scan, n.Distill
	r.bird = nil // masks of another rule are nothing to compare with
	r.r.Prune, r.r.Floor, r.r.Budget, r.r.Deploy = n.Prune, n.Floor, n.Budget, n.Deploy
	if r.loop.Stage == event.Baseline {
		if r.loop.Step == 0 {
			r.r.Train = n.Train
			r.fillRecipe()
		} else { // the way out of a divergence
			r.r.Train.LR = n.Train.LR
		}
	}
	// The grid goes with the budget that is of it; what was billed is in joules.
	r.r.Grid = n.Grid
	r.rates, err = r.r.Grid.Resolve()
	if err == nil {
		err = r.checkBudget()
	}
	if err != nil {
		*r.r, r.rates = old, rates
		return r.refuse("recipe not taken: %v", err)
	}
	if r.r.Budget != old.Budget {
		r.loop.Warned, r.loop.Over = false, false
	}
	if r.loop.Stage == event.Configure && n.Prune.Schedule == "iterative" && n.Prune.RewindStep >= 0 {
		if c, err := r.cfg.Store.Load("rewind"); err != nil || c == nil {
			*r.r, r.rates = old, rates
			return r.refuse("recipe not taken: prune.rewind_step = %d needs the weights of that baseline step, which were not kept; set it before the baseline runs, or use −1", n.Prune.RewindStep)
		}
	}
	// Predictions are made for another machine from here; device and meter stay.
	r.hw, r.r.Hardware.Profile = hw, n.Hardware.Profile
	b, err := r.r.Marshal()
	if err != nil {
		return err
	}
	r.loop.Recipe = string(b)
	r.setFloorIfKnown()
	if err := r.emit(&event.Decision{Stage: r.loop.Stage, Step: r.loop.Step, Cmd: CmdConfigure, Text: r.loop.Recipe, By: "person"}); err != nil {
		return err
	}
	if r.loop.Stage == event.Baseline {
		r.anew = r.paused     // the course under way was made with the old recipe
		if r.loop.Step == 0 { // the batch may have changed
			if err := r.t.Pull(); err != nil {
				return err
			}
			if err := r.startTrainer(nil); err != nil {
				return err
			}
			if !r.paused {
				return nil
			}
		}
		return r.checkpoint(r.stepName(), r.lastAcc)
	}
	if err := r.predict(); err != nil {
		return err
	}
	return r.checkpoint(r.stepName(), r.lastAcc)
}

func (r *run) setFloorIfKnown() {
	if r.loop.BaseN > 0 {
		r.setFloor()
	}
}
