package core

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"pare/core/data"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/prune"
	"pare/core/train"
)

// sparsify is stage 3: train on while the schedule takes weights away, within
// the floor.
func (r *run) sparsify(ctx context.Context) error {
	if err := r.stage(event.Sparsify, "started", ""); err != nil {
		return err
	}
	if r.loop.Step == 0 && r.r.Budget.action() != BudgetTarget { // an epoch at least, of which to take the zeros
		if err := r.spends(); err != nil {
			return err
		}
	}
	if err := r.choices(); err != nil {
		return err
	}
	if err := r.makeSchedule(); err != nil {
		return err
	}
	if r.loop.BaseAcc < r.loop.Floor {
		text := fmt.Sprintf("the dense model's %.1f %% on validation are under the floor of %.1f %% already: nothing can be taken away; lower the floor or train longer", 100*r.loop.BaseAcc, 100*r.loop.Floor)
		if err := r.emit(&event.Done{Exit: ExitTarget, Text: text, Weights: r.model.WeightHash()}); err != nil {
			return err
		}
		return outcome{ExitTarget, text}
	}
	p := r.r.Prune
	if z := r.zeros(); r.loop.Step == 0 && z > 0 && z >= p.Target {
		if err := r.refuse("the model has %.1f %% zeros already, the target is %.1f %%: nothing is taken away", 100*z, 100*p.Target); err != nil {
			return err
		}
	}
	lr := p.LR
	if lr == 0 {
		lr = r.r.Train.LR / 2 // gentler than from scratch: the weights are good already
		if p.Schedule == earlyBird || p.Schedule == "iterative" && p.RewindStep >= 0 {
			lr = r.r.Train.LR // the dense training is not over, or begins again
		}
	}
	rate := train.Rate{Kind: p.LRSchedule, Base: lr}
	if err := r.askAtFloor(ctx); err != nil { // it died before the person could answer
		return err
	}
	err := r.train(ctx, course{
		stage: event.Sparsify,
		steps: func() int64 { return r.sched.Steps() },
		rate: func(step int64) float64 {
			// Iterative pruning trains every level with the whole schedule.
			rate.Base = r.rateBase(step, lr)
			if rate.Steps = r.sched.Steps(); p.Schedule == "iterative" {
				rate.Steps = r.perEpoch() * int64(p.Epochs)
				step %= rate.Steps
			}
			return rate.At(step)
		},
		before: r.prepare,
		learn:  r.moveScores,
		after:  r.holdFloor,
	})
	if err != nil {
		return err
	}
	if err := r.lastPrepare(); err != nil {
		return err
	}
	if err := r.endAdapters(); err != nil {
		return err
	}
	if r.loop.Step == 0 {
		if _, err := r.evaluate(event.Sparsify, 0, "val"); err != nil {
			return err
		}
		if err := r.inferCost(event.Sparsify, time.Second); err != nil {
			return err
		}
	}
	s, err := r.t.Eval(r.set.Val, nil)
	if err != nil {
		return err
	}
	if good := r.loop.Good; s.Acc() < r.loop.Floor && good != "" { // one shot without training may be under its own first checkpoint
		if err := r.emit(&event.Floor{Step: r.loop.Step, Acc: s.Acc(), Floor: r.loop.Floor, Back: good, Zeros: r.zeros()}); err != nil {
			return err
		}
		pass := r.loop.Pass
		if err := r.goBack(good, "floor"); err != nil {
			return err
		}
		r.loop.Pass = pass + 1
		r.loop.Frozen, r.loop.Step = true, r.sched.Steps() // the stage is over: a resume must not train on
		if err := r.saveAdapters(); err != nil {
			return err
		}
		if err := r.mergeAdapters(r.loop.Step); err != nil {
			return err
		}
		if s, err = r.t.Eval(r.set.Val, nil); err != nil {
			return err
		}
	}
	r.lastAcc = s.Acc()
	if err := r.checkpoint("sparse", s.Acc()); err != nil {
		return err
	}
	if err := r.billStage(event.Sparsify); err != nil {
		return err
	}
	early, err := r.earlyBirdDone()
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%.1f %% zeros, %.1f %% on validation", 100*r.zeros(), 100*s.Acc())
	text += early
	if r.loop.Frozen && r.zeros() < r.target()-1e-3 {
		text += fmt.Sprintf("; stopped short of %.1f %% zeros by the floor of %.1f %%", 100*r.target(), 100*r.loop.Floor)
	}
	if r.cutShort() {
		text += "; " + r.endedEarly() + fmt.Sprintf(" short of the target of %.1f %%", 100*r.asked())
	}
	if err := r.stage(event.Sparsify, "done", text); err != nil {
		return err
	}
	return r.enter(event.Validate)
}

// target is the share of zeros in force: what was asked for, or what was reached when
// sparsifying was ended early.
func (r *run) target() float64 {
	if r.loop.Settled != nil {
		return *r.loop.Settled
	}
	return r.asked()
}

// asked is the share of zeros asked for: the recipe's, or a person's last word.
func (r *run) asked() float64 {
	if n := len(r.loop.Retarget); n > 0 {
		return r.loop.Retarget[n-1].Target
	}
	return r.r.Prune.Target
}

// makeSchedule builds the schedule from the recipe and the changes of target so
// far. It is a function of these and the step alone, so a resumed run takes the
// same weights away.
func (r *run) makeSchedule() error {
	p := r.r.Prune
	spec := prune.ScheduleSpec{
		Kind: p.Schedule, Target: p.Target, Steps: r.sparseSteps(), Every: int64(p.Every),
		Levels: p.Levels, Rewind: p.RewindStep >= 0,
	}
	if p.Ramp > 0 && spec.Steps > 0 {
		spec.End = max(1, int64(math.Round(p.Ramp*float64(spec.Steps))))
	}
	if p.Schedule == "constant" && r.rule().Learns() { // there is nothing to rank before a few steps
		spec.Begin = min(max(1, spec.Every, spec.Steps*3/80), spec.Steps)
	}
	s, err := spec.New()
	if err != nil {
		return err
	}
	for _, t := range r.loop.Retarget {
		if s, err = s.Retarget(t.Step, t.Target, t.Held); err != nil {
			return err
		}
	}
	r.sched = s
	return nil
}

// rule is the recipe's pruning rule without its schedule.
func (r *run) rule() prune.Spec {
	s := r.r.ruleOn(r.dev, r.loop.Base)
	s.Sensitivity = r.curves()
	return s
}

func (r *Recipe) rule() prune.Spec {
	p := r.Prune
	s := prune.Spec{Score: p.Score, Pattern: p.Pattern, Distribution: p.Distribution, Skip: p.Skip, Seed: r.Seed, RoundTo: p.RoundTo}
	if len(p.ByHand) > 0 {
		s.ByHand, s.Target = p.ByHand, p.Target
	}
	return s
}

// checkMasks proves that the masks are the ones that were made last and that
// every removed weight is zero: after loading, at the end of the stage and in
// files read back. Momentum, weight decay, merges and exports have all been seen
// to revive weights elsewhere.
func (r *run) checkMasks(m *graph.Model) error {
	if r.loop.Masks == "" {
		return nil
	}
	if err := prune.Holds(m); err != nil {
		return err
	}
	rep, err := prune.Survey(m, r.rule(), r.loop.Base)
	if err != nil {
		return err
	}
	if rep.Hash != r.loop.Masks {
		return fmt.Errorf("the masks changed: hash %s, they were made with %s", rep.Hash, r.loop.Masks)
	}
	return nil
}

// takeAway prunes when the schedule says so.
func (r *run) takeAway(step int64) error {
	if r.loop.Frozen || r.loop.Settled != nil {
		return nil
	}
	at := r.sched.At(step)
	spec := r.rule()
	if !at.Changed && !at.Rewind && !(at.Remake && spec.Learns()) {
		return nil
	}
	share, rewind := at.Share, at.Rewind
	if err := r.t.Pull(); err != nil {
		return err
	}
	p := r.r.Prune
	if err := r.permute(step); err != nil {
		return err
	}
	switch {
	case spec.Learns():
		spec.Evidence = r.scores()
	case spec.Needs():
		var err error
		if spec.Evidence, err = r.evidence(step); err != nil {
			return err
		}
	}
	rs, rep, err := prune.Step(r.model, spec, share, r.loop.Base)
	if err != nil {
		return err
	}
	last := at.Rewind && r.sched.Next(step) < 0
	if last && p.Control == randomTicket {
		if rs, rep, err = r.scatter(rep); err != nil {
			return err
		}
	}
	rule := rep.Rule + ", " + p.Schedule
	if last && p.Control == randomReinit {
		rule += ", then other weights to start from"
	}
	if err := r.tell(step, rs); err != nil {
		return err
	}
	r.loop.Share, r.loop.Masks = share, rep.Hash
	before := r.model.StructHash()
	if err := r.t.Rewrite(rs, rewind); err != nil {
		return err
	}
	if rewind {
		if err := r.rewind(last && p.Control == randomReinit); err != nil {
			return err
		}
	}
	if spec.Learns() {
		if err := r.revive(); err != nil {
			return err
		}
	}
	e := &event.Mask{Stage: event.Sparsify, Step: step, Rule: rule, Target: share, Zeros: rep.Zeros, Of: rep.Of, Hash: rep.Hash}
	for _, l := range rep.Layers {
		e.Layers = append(e.Layers, event.LayerMask{Name: l.Name, Zeros: l.Zeros, Of: l.Of, Hash: l.Hash})
	}
	if err := r.emit(e); err != nil {
		return err
	}
	if gone := rep.Empty(); len(gone) > 0 && !slices.Equal(gone, r.empty) {
		if err := r.refuse("%s has lost all its weights: its outputs are constant and it can learn no more; skip it, or spread the zeros by layer", strings.Join(gone, ", ")); err != nil {
			return err
		}
		r.empty = gone
	}
	if r.model.StructHash() != before {
		if err := r.describe(); err != nil {
			return err
		}
	}
	return r.choices()
}

// evidenceBatches is over how many batches gradients are summed for a score: one, as
// in SNIP's paper, makes masks that hang on the draw.
const evidenceBatches = 8

// evidence are the gradients that a score asks for, on batches that the seed and the
// step draw from the training set.
func (r *run) evidence(step int64) (*prune.Evidence, error) {
	n := r.set.Train.N()
	batch := min(r.r.Train.Batch, n)
	order := data.Order(n, r.r.Seed^0x65766964656e6365, int(step)) // "evidence"
	var batches [][]int32
	for at := 0; at < len(order) && len(batches) < evidenceBatches; at += batch {
		if n-at == 1 && at > 0 && train.NormsVectors(r.model) { // steps leave it out, too: perEpoch
			break
		}
		batches = append(batches, order[at:min(at+batch, n)])
	}
	sum, abs, err := r.t.Gradients(r.set.Train, batches)
	if err != nil {
		return nil, fmt.Errorf("gradients for score %s: %w", r.r.Prune.Score, err)
	}
	return &prune.Evidence{Sum: sum, Abs: abs}, nil
}
