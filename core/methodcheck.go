package core

import (
	"errors"
	"fmt"
	"slices"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/prune"
)

// checkMethod refuses parts of a method that do not go together with any model.
func (r *Recipe) checkMethod() error {
	p, spec := r.Prune, r.rule()
	if p.Target == 0 {
		if len(p.ByHand) > 0 {
			return errors.New("prune.by_hand with prune.target = 0: nothing is pruned: give the share of all weights as target")
		}
		return nil // nothing is pruned
	}
	if err := spec.CheckTarget(p.Target); err != nil {
		return fmt.Errorf("prune.target with prune.pattern: %w", err)
	}
	adapters := false
	for _, s := range r.LowRank {
		adapters = adapters || s.adapters()
		if len(p.ByHand) > 0 && !s.adapters() {
			return errors.New("prune.by_hand with lowrank svd: the factors are other layers: leave one of the two out")
		}
		if spec.CheckTarget(0.9) != nil && !s.adapters() && (s.Rank == 0 || s.Rank%4 != 0) {
			return fmt.Errorf("lowrank: svd with prune.pattern = %q: the factors' ranks must be multiples of 4: give such a rank", p.Pattern)
		}
	}
	switch rewinds := p.Schedule == "iterative" && p.RewindStep >= 0; {
	case spec.Learns() && (p.Schedule == "oneshot" || p.Schedule == "iterative" || p.Schedule == earlyBird):
		return fmt.Errorf("prune.score = %q with prune.schedule = %q: the score is learnt while training, before the first mask: use cubic, linear or constant", p.Score, p.Schedule)
	case spec.Learns() && p.Epochs == 0:
		return fmt.Errorf("prune.score = %q with prune.epochs = 0: the score is learnt while training", p.Score)
	case p.Distribution == "sensitivity" && spec.Learns():
		return fmt.Errorf("prune.distribution = \"sensitivity\" with prune.score = %q: a scan prunes without training, and the score is learnt while training: choose another", p.Score)
	case p.Distribution == "sensitivity" && spec.CheckTarget(0.9) != nil:
		return fmt.Errorf("prune.distribution = \"sensitivity\" with prune.pattern = %q: every layer loses half, there is nothing to spread: choose layer", p.Pattern)
	case spec.Learns() && adapters:
		return fmt.Errorf("prune.score = %q with adapters: they freeze the weights whose movement it is", p.Score)
	case p.Penalty < 0 || p.Penalty > 0 && p.Score != "movement-soft":
		return fmt.Errorf("prune.penalty = %g: give a number above 0, with prune.score = \"movement-soft\"", p.Penalty)
	case p.Permute && p.Pattern != "2:4":
		return fmt.Errorf("prune.permute with prune.pattern = %q: an order of channels is sought for 2:4 alone", p.Pattern)
	case p.Permute && (spec.Learns() || rewinds):
		return errors.New("prune.permute with movement scores or prune.rewind_step: what they go back to has the channels in their old order")
	case p.Control != "" && !rewinds:
		return fmt.Errorf("prune.control = %q is for lottery tickets: it needs prune.schedule = \"iterative\" and prune.rewind_step from 0", p.Control)
	case p.Distance != 0 && p.Schedule != earlyBird || !(p.Distance >= 0 && p.Distance <= 1):
		return fmt.Errorf("prune.distance = %g: give a share between 0 and 1, with prune.schedule = %q", p.Distance, earlyBird)
	case p.Schedule == earlyBird && p.Pattern == "layer":
		return fmt.Errorf("prune.schedule = %q with prune.pattern = layer: whole blocks are too few to tell whether they have settled", earlyBird)
	case p.Schedule == earlyBird && r.Train.Epochs <= prune.EarlyBirds+1:
		return fmt.Errorf("prune.schedule = %q with train.epochs = %d: a mask is compared with those of %d epochs before, so it cannot settle before the end: plan more epochs", earlyBird, r.Train.Epochs, prune.EarlyBirds)
	}
	return nil
}

// checkMethodOf refuses what does not go with the model, before any training.
func (r *Recipe) checkMethodOf(m *graph.Model, dev device.Device, base prune.Base) error {
	p, spec := r.Prune, r.ruleOn(dev, base)
	if p.Target == 0 {
		return nil
	}
	if err := spec.Check(m); err != nil {
		return err
	}
	zeros, of := 0, 0
	for _, l := range m.Layers() {
		if q := m.Params[l.Param]; !slices.Contains(p.Skip, l.Name) {
			zeros, of = zeros+q.Mask.Zeros(), of+q.Shape.Len()
		}
	}
	switch z := float64(zeros) / float64(max(of, 1)); {
	case of == 0:
		return errors.New("prune.skip names every layer: nothing is left to prune")
	case z > p.Target && zeros > int(p.Target*float64(of)+0.5):
		return fmt.Errorf("prune.target = %g, but the model comes with %.1f %% zeros, and they stay: give at least %.3f, or 0 to prune nothing", p.Target, 100*z, z)
	case spec.Learns() && zeros > 0:
		return fmt.Errorf("prune.score = %q may give weights back, and the %.1f %% zeros that the model comes with stay: choose another score", p.Score, 100*z)
	}
	if p.Control == randomReinit {
		if err := zoo.Init(m.Clone(), r.Seed); err != nil {
			return fmt.Errorf("prune.control = %q: %w", p.Control, err)
		}
	}
	if !spec.Structured() {
		return nil
	}
	for _, s := range r.LowRank {
		if !s.adapters() {
			return nil // layers have other names by then
		}
	}
	// Whether so much can be cut out does not depend on which channels go, or where from.
	spec.Score, spec.Distribution = "random", "global"
	_, _, err := prune.Step(m, spec, p.Target, prune.NewBase(m))
	return err
}
