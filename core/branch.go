package core

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"pare/core/event"
)

// Branched is what Branch made of a checkpoint.
type Branched struct {
	Said    []event.Body // for the new run's log, before anything is computed
	Changed []string     // in the recipe, in words
	Floor   float64      // lowest accepted validation accuracy, 0 before the baseline is known
	Target  float64      // share of zeros
	Good    string       // the checkpoint that the floor goes back to, "" for none
}

// Branch prepares a checkpoint for a new run that goes on from it with another
// recipe: it writes the recipe into the checkpoint's loop.
//
// looks is how often the old run has used the test set in all: who branches has seen
// what came of it. What a recipe may change hangs on how far the checkpoint is: nothing that has
// been used already. Model, data and seed stay. While sparsifying the target
// changes as a person's command would change it.
func Branch(c *Checkpoint, n *Recipe, looks int) (*Branched, error) {
	out := new(Branched)
	var l loop
	if err := json.Unmarshal(c.Loop, &l); err != nil {
		return nil, fmt.Errorf("its loop state does not parse: %w", err)
	}
	old, err := RecipeOf(c)
	if err != nil {
		return nil, err
	}
	if err := n.Check(); err != nil {
		return nil, err
	}
	diff := old.Diff(n)
	for _, d := range diff {
		if why := settled(&l, d.Key); why != "" {
			return nil, fmt.Errorf("%s: %s", d.Key, why)
		}
		out.Changed = append(out.Changed, d.String())
	}
	r := &run{r: n, model: c.Model, loop: l}
	if err := r.branchable(n); err != nil {
		return nil, err
	}
	if l.Replayed < len(n.Decisions) { // what an older run's person did later is not this one's
		n.Decisions = n.Decisions[:l.Replayed]
	}
	if t := n.Prune.Target; l.Stage == event.Sparsify && t != old.Prune.Target {
		n.Prune.Target = old.Prune.Target // the schedule so far was made with it
		if l.Settled != nil {
			return nil, fmt.Errorf("prune.target: sparsifying was ended before this checkpoint: branch from an earlier one")
		}
		if z := max(l.Share, r.zeros()); t < math.Floor(1e4*z)/1e4 {
			return nil, fmt.Errorf("prune.target %g is below the %.4g that are zero already, and masks only shrink: branch from an earlier checkpoint", t, z)
		}
		var held *float64
		if r.loop.Frozen {
			z := r.zeros()
			held = &z
		}
		r.loop.Retarget = append(slices.Clone(l.Retarget), retarget{Step: l.Step, Target: t, Held: held})
		r.loop.Frozen = false
		out.Said = append(out.Said, &event.Decision{Stage: l.Stage, Step: l.Step, Cmd: CmdTarget, Value: t, By: "person", Pass: l.Pass})
	}
	b, err := n.Marshal()
	if err != nil {
		return nil, err
	}
	r.loop.Recipe = string(b)
	if n.Budget != old.Budget {
		r.loop.Warned, r.loop.Over, r.loop.Spent = false, false, ""
	}
	r.setFloorIfKnown()
	out.Said = append([]event.Body{&event.Decision{Stage: l.Stage, Step: l.Step, Cmd: CmdConfigure, Text: r.loop.Recipe, By: "person", Pass: l.Pass}}, out.Said...)
	if l.Stage == event.Baseline && l.Step == 0 { // another optimizer has other slots, all of them empty here
		c.State = nil
	}
	r.loop.Looks = max(l.Looks, looks)
	if c.Loop, err = json.Marshal(r.loop); err != nil {
		return nil, err
	}
	out.Floor, out.Target, out.Good = r.loop.Floor, n.Prune.Target, l.Good
	if k := len(r.loop.Retarget); k > 0 {
		out.Target = r.loop.Retarget[k-1].Target
	}
	return out, nil
}

// SetGood replaces the checkpoint that the floor goes back to.
func (c *Checkpoint) SetGood(name string) error {
	var l loop
	if err := json.Unmarshal(c.Loop, &l); err != nil {
		return fmt.Errorf("its loop state does not parse: %w", err)
	}
	l.Good = name
	b, err := json.Marshal(l)
	if err == nil {
		c.Loop = b
	}
	return err
}

// branchable checks the recipe against the model, as configure does.
func (r *run) branchable(n *Recipe) error {
	for _, s := range n.Prune.Skip {
		if err := knownLayer(r.model, s); err != nil {
			return err
		}
	}
	if len(n.Prune.ByHand) > 0 {
		if err := n.rule().Check(r.model); err != nil {
			return err
		}
	}
	if _, err := r.profile(n.Hardware.Profile); err != nil {
		return err
	}
	return n.checkLowRankOf(r.model)
}

// settled says why a key cannot be changed any more at a loop's point, "" if it
// can.
func settled(l *loop, key string) string {
	part, _, _ := strings.Cut(key, ".")
	switch part {
	case "name", "auto", "floor", "budget", "grid", "deploy":
		return ""
	case "hardware":
		if key == "hardware.profile" || key == "hardware.threads" {
			return ""
		}
	case "train":
		if l.Stage == event.Baseline && (l.Step == 0 || key == "train.lr") {
			return ""
		}
		return "the baseline was trained with it: branch from s1-000000, where it is kept, or start a new run"
	case "prune", "lowrank", "distill":
		if l.Stage < event.Sparsify {
			return ""
		}
		if l.Stage == event.Sparsify && (key == "prune.target" || key == "prune.lr" || key == "prune.lr_schedule") {
			return ""
		}
		return "it is settled once sparsifying has begun: branch from baseline or s2-000000"
	}
	return "a branch keeps it: start a new run"
}

// RecipeOf is the recipe in force at a checkpoint.
func RecipeOf(c *Checkpoint) (*Recipe, error) {
	var l loop
	if err := json.Unmarshal(c.Loop, &l); err != nil {
		return nil, fmt.Errorf("its loop state does not parse: %w", err)
	}
	r, err := ParseRecipe([]byte(l.Recipe))
	if err != nil {
		return nil, fmt.Errorf("its recipe: %w", err)
	}
	return r, nil
}
