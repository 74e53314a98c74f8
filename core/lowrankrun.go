package core

import (
	"fmt"
	"strings"

	"pare/core/device"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/lowrank"
	"pare/core/prune"
)

// lowRank does the steps of low rank that are due before a training step: svd, or
// adapters. What is done already, as a checkpoint may hold, is not done again.
func (r *run) lowRank(step int64, adapters bool) error {
	for i := range r.r.LowRank {
		s := &r.r.LowRank[i]
		if s.adapters() != adapters || step != int64(s.After)*r.perEpoch() {
			continue
		}
		if err := r.mergeAdapters(step); err != nil {
			return err
		}
		var err error
		if adapters {
			err = r.attach(step, *s)
		} else {
			err = r.factorise(step, s)
		}
		if err != nil {
			return fmt.Errorf("lowrank %d (%s): %w", i+1, s.words(), err)
		}
	}
	return nil
}

// prepare does what stage 3 does to the model before a training step.
func (r *run) prepare(step int64) error {
	if err := r.lowRank(step, false); err != nil {
		return err
	}
	if err := r.takeAway(step); err != nil {
		return err
	}
	if err := r.learn(step); err != nil {
		return err
	}
	return r.lowRank(step, true)
}

// lastPrepare is prepare after the last step: all there is without training.
func (r *run) lastPrepare() error {
	if r.sched.Steps() == 0 {
		if err := r.lowRank(0, false); err != nil {
			return err
		}
	}
	return r.takeAway(r.loop.Step)
}

// rateBase is the learning rate of stage 3 at a step: its own, or that of the last
// step of low rank that names one.
func (r *run) rateBase(step int64, lr float64) float64 {
	for _, s := range r.r.LowRank {
		if s.LR > 0 && step >= int64(s.After)*r.perEpoch() {
			lr = s.LR
		}
	}
	return lr
}

// tell logs rewrites.
func (r *run) tell(step int64, rs []graph.Rewrite) error {
	for _, x := range rs {
		if err := r.emit(&event.Rewrite{Stage: r.loop.Stage, Step: step, Op: graph.Describe(x), Text: x.Text()}); err != nil {
			return err
		}
	}
	return nil
}

// rewrite logs rewrites and applies them; the optimiser starts anew.
func (r *run) rewrite(step int64, rs []graph.Rewrite) error {
	if len(rs) == 0 {
		return nil
	}
	if err := r.tell(step, rs); err != nil {
		return err
	}
	if err := r.t.Rewrite(rs, true); err != nil {
		return err
	}
	r.loop.Index = 0
	if err := r.describe(); err != nil {
		return err
	}
	return r.choices()
}

// attach puts adapters on and freezes the rest. A layer that pruning has made smaller
// than the rank goes without, and stays as it is.
func (r *run) attach(step int64, s LowRankSpec) error {
	layers, err := lowrank.Select(r.model, s.Layers, func(l graph.Layer) error {
		err := r.r.takes(r.model, s)(l)
		if w := r.model.Params[l.Param].Shape; err != nil && len(w) == 2 && s.Rank > min(w[0], w[1]) {
			return nil // said below
		}
		return err
	})
	if err != nil {
		return err
	}
	alpha := s.Alpha
	if alpha == 0 {
		alpha = float64(s.Rank)
	}
	var rs []graph.Rewrite
	var small []string
	for _, l := range layers {
		if r.r.takes(r.model, s)(l) != nil {
			small = append(small, l.Name)
			continue
		}
		rs = append(rs, graph.AttachLoRA{Layer: l.Name, Rank: s.Rank, Alpha: alpha, RSLoRA: s.Method == "rslora", Dropout: float32(s.Dropout), Seed: r.r.Seed})
	}
	if len(rs) == 0 {
		return fmt.Errorf("rank %d is above that of every layer it is for", s.Rank)
	}
	if len(small) > 0 && len(s.Layers) > 0 {
		if err := r.refuse("%s: smaller than rank %d, no adapter there", strings.Join(small, ", "), s.Rank); err != nil {
			return err
		}
	}
	if err := r.rewrite(step, append(rs, graph.Freeze{Except: s.Train})); err != nil {
		return err
	}
	masks := r.r.Prune.Target > 0 && !r.rule().Structured()
	for _, a := range r.model.Adapters() {
		masks = masks || a.Masked
	}
	if masks {
		return r.refuse("the adapters of masked layers are inside their weights: they keep the masks and spare optimiser state, but a step needs the weights' gradients as before and takes no less time")
	}
	return nil
}

// mergeAdapters merges what adapters there are and lets everything train again.
func (r *run) mergeAdapters(step int64) error {
	var rs []graph.Rewrite
	for _, a := range r.model.Adapters() {
		rs = append(rs, graph.MergeLoRA{Layer: a.Layer})
	}
	if len(rs) == 0 {
		return nil
	}
	return r.rewrite(step, append(rs, graph.Thaw{}))
}

// endAdapters ends training with adapters: what they saved is measured, then they are
// merged. The masks are those from before, which enter checks.
func (r *run) endAdapters() error {
	if len(r.model.Adapters()) == 0 {
		return nil
	}
	if err := r.fineTuned(); err != nil {
		return err
	}
	if err := r.saveAdapters(); err != nil {
		return err
	}
	return r.mergeAdapters(r.loop.Step)
}

// factorise puts two factors in place of each layer for which that is faster. Which
// layers these are is measured once, and written down before it takes effect.
func (r *run) factorise(step int64, s *LowRankSpec) error {
	if r.loop.Frozen { // the floor has said that nothing more goes
		return nil
	}
	if err := r.t.Pull(); err != nil {
		return err
	}
	if !s.Measured {
		if err := r.chooseRanks(step, s); err != nil {
			return err
		}
	}
	var rs []graph.Rewrite
	for _, l := range r.model.Layers() {
		rank, w := s.Ranks[l.Name], r.model.Params[l.Param]
		if rank == 0 {
			continue
		}
		down, up, err := lowrank.Factors(w.Data, w.Shape[0], w.Shape[1], rank)
		if err != nil {
			return fmt.Errorf("layer %s: %w", l.Name, err)
		}
		rs = append(rs, graph.Factorise{Layer: l.Name, Rank: rank, Down: down, Up: up})
	}
	if len(rs) == 0 {
		return nil
	}
	if err := r.rewrite(step, rs); err != nil {
		return err
	}
	// The factors are layers of their own: what they have is what zeros count from.
	for name := range s.Ranks {
		for _, end := range []string{".down", ".up"} {
			if i := r.model.Param(name + end + ".weight"); i >= 0 {
				r.loop.Base[name+end] = r.model.Params[i].Shape.Len()
			}
		}
	}
	if r.loop.Masks == "" {
		return nil
	}
	rep, err := prune.Survey(r.model, r.rule(), r.loop.Base)
	r.loop.Masks = rep.Hash
	return err
}

// made tells how often a training step makes a layer's output, and a value between factors
// in its place, by the trainer's plan (lowrank.Setup).
func (r *run) made() func(graph.Layer) (output, between int) {
	times := make([]int, len(r.model.Nodes))
	for _, g := range r.t.Plan.Regions {
		for _, c := range g.Calls {
			if c.Kernel == device.Linear {
				times[c.Node]++
			}
		}
	}
	s := r.model.Stretches()
	return func(l graph.Layer) (output, between int) {
		between = 1
		if n := len(s); r.r.Train.Recompute && n > 0 && l.Node >= s[0].From && l.Node < s[n-1].From {
			between = 2
		}
		return times[l.Node], between
	}
}

// chooseRanks times the layers of a step and their factors.
func (r *run) chooseRanks(step int64, s *LowRankSpec) error {
	layers, err := lowrank.Select(r.model, s.Layers, r.r.takes(r.model, *s))
	if err != nil {
		return err
	}
	o, err := r.trainerOptions()
	if err != nil {
		return err
	}
	setup := lowrank.Setup{Batch: o.Part(), Seq: r.model.Input().Seq, Optim: o.Optim, Threads: o.Threads}
	times := r.made()
	e := &event.Factors{Stage: r.loop.Stage, Step: step, Batch: setup.Batch}
	ranks := map[string]int{}
	for _, l := range layers {
		w := r.model.Params[l.Param]
		sigma, err := lowrank.Spectrum(w.Data, w.Shape[0], w.Shape[1])
		if err != nil {
			return fmt.Errorf("layer %s: %w", l.Name, err)
		}
		rank := s.Rank
		if rank == 0 {
			rank = lowrank.RankOf(sigma, s.Energy)
		}
		setup.Made, setup.Between = times(l)
		v, err := lowrank.Probe(r.dev, setup, l.Name, w.Shape[0], w.Shape[1], rank, lowrank.Energy(sigma, rank))
		if err != nil {
			return err
		}
		if v.Faster {
			ranks[l.Name] = rank
		}
		e.Layers = append(e.Layers, event.FactorVerdict{Name: l.Name, Rank: rank, Energy: v.Energy, BreakEven: v.BreakEven, StepUS: v.StepUS, FactorsUS: v.FactorsUS, Applied: v.Faster, Text: v.String()})
	}
	if err := r.emit(e); err != nil {
		return err
	}
	s.Measured, s.Ranks = true, ranks
	b, err := r.r.Marshal()
	if err != nil {
		return err
	}
	r.loop.Recipe = string(b)
	if err := r.emit(&event.Decision{Stage: r.loop.Stage, Step: step, Cmd: CmdConfigure, Text: r.loop.Recipe, By: "pare", Pass: r.loop.Pass}); err != nil {
		return err
	}
	return r.checkpoint(r.stepName(), -1)
}

// counterpart is a layer of the dense model and what stands for it in the pared one:
// indices into its layers, two where it was factorised.
type counterpart struct {
	dense graph.Layer
	now   []int
}

// counterparts pairs the layers by name.
func counterparts(dense, now *graph.Model) []counterpart {
	var l []counterpart
	for _, d := range dense.Layers() {
		c := counterpart{dense: d}
		for i, n := range now.Layers() {
			if n.Name == d.Name || n.Name == d.Name+".down" || n.Name == d.Name+".up" {
				c.now = append(c.now, i)
			}
		}
		if len(c.now) > 0 {
			l = append(l, c)
		}
	}
	return l
}
