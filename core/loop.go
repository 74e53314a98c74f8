package core

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"pare/core/data"
	"pare/core/event"
	"pare/core/train"
)

// course is one training stage: how many steps at which rates, and what happens
// before a step and after an epoch.
type course struct {
	stage  event.Stage
	steps  func() int64 // may grow while the stage runs
	rate   func(step int64) float64
	before func(step int64) error // may rewrite the model
	learn  func(step int64) error // after a step; may be nil
	after  func(epoch int, s train.Score) error
}

// perEpoch is the number of steps of an epoch. The last batch may be smaller; a
// single sample is left out where batch norm could make nothing of it.
func (r *run) perEpoch() int64 {
	n, b := int64(r.set.Train.N()), int64(min(r.r.Train.Batch, r.set.Train.N()))
	if n%b == 1 && b > 1 && train.NormsVectors(r.model) {
		return n / b
	}
	return (n + b - 1) / b
}

// train runs a course from the loop's step to its end. It is the only place
// where the model learns.
func (r *run) train(ctx context.Context, c course) error {
	per := r.perEpoch()
	batch := min(r.r.Train.Batch, r.set.Train.N())
	var order []int32
	set := r.set.Train
	orderOf := -1
	if r.loop.Step == 0 && r.wrote != r.stepName() {
		if err := r.checkpoint(r.stepName(), r.lastAcc); err != nil {
			return err
		}
	}
	r.metric.reset(r)
	r.startEpoch()
	for r.loop.Step < c.steps() {
		if err := r.obey(ctx, c.stage); err != nil {
			return err
		}
		if r.loop.Step >= c.steps() { // the stage was ended here
			break
		}
		step := r.loop.Step
		if c.before != nil {
			if err := c.before(step); err != nil {
				return err
			}
		}
		epoch := int(step / per)
		if epoch != orderOf {
			seed := r.r.Seed ^ uint64(c.stage)<<56
			order, orderOf = data.Order(r.set.Train.N(), seed, epoch), epoch
			set = r.set.Train.Drawn(seed, epoch)
		}
		i := int(step%per) * batch
		rows := order[i:min(i+batch, len(order))]
		lr := c.rate(step)
		r.garbage.Between()
		res, err := r.t.Step(set, rows, lr, r.loop.Index+1)
		if err != nil {
			return err
		}
		if math.IsNaN(res.Loss) || math.IsInf(res.Loss, 0) {
			if err := r.diverged(ctx, res.Loss); err != nil {
				return err
			}
			r.metric.reset(r)
			r.startEpoch()
			continue
		}
		if c.learn != nil {
			if err := c.learn(step); err != nil {
				return err
			}
		}
		r.loop.Step++
		r.loop.Index++
		r.bill.epoch.add(r, len(rows))
		if err := r.metric.add(r, c, res, lr); err != nil {
			return err
		}
		if r.loop.Step%per == 0 {
			if err := r.endEpoch(ctx, c, epoch+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// endEpoch bills the epoch, evaluates on the validation split and leaves a
// checkpoint.
func (r *run) endEpoch(ctx context.Context, c course, epoch int) error {
	if err := r.metric.flush(r, c); err != nil {
		return err
	}
	cost, err := r.billEpoch(c.stage, epoch)
	if err != nil {
		return err
	}
	s, err := r.evaluate(c.stage, epoch, "val")
	if err != nil {
		return err
	}
	if s.Loss-s.Loss != 0 { // the last step spoilt the weights
		if err := r.diverged(ctx, s.Loss); err != nil {
			return err
		}
		r.metric.reset(r)
		r.startEpoch()
		return nil
	}
	if c.stage == event.Baseline {
		r.loop.History = append(r.loop.History, spent{s.Acc(), r.busy(cost.CPUUS, cost.WallUS), cost.Energy.UJ})
		if n := len(r.loop.History); n >= 6 && n%max(1, r.r.Train.Epochs/20) == 0 && r.loop.Step < c.steps() {
			if err := r.lastPoints(false); err != nil {
				return err
			}
		}
	}
	if c.after != nil {
		if err := c.after(epoch, s); err != nil {
			return err
		}
	}
	acc := s.Acc()
	if r.loop.Step != cost.Step { // the floor went back: this accuracy is of weights that are gone
		acc = -1
	}
	// The budget first: what it decides is in the checkpoint, or in the log where the
	// run dies before that is written.
	ended, err := r.budget(cost)
	if err != nil {
		return err
	}
	if !ended {
		if last := c.stage == event.Baseline && r.loop.Step >= c.steps(); acc >= 0 && (last || c.stage == event.Sparsify) {
			if err := r.inferCost(c.stage, time.Duration(cost.WallUS)*time.Microsecond); err != nil {
				return err
			}
		}
		if err := r.checkpoint(r.stepName(), acc); err != nil {
			return err
		}
		if err := r.askAtFloor(ctx); err != nil { // with what the floor did on disk
			return err
		}
	}
	r.fell = false
	r.metric.reset(r)
	r.startEpoch()
	return nil
}

// evaluate runs a split and tells the outcome. The test split is only used by
// validate.
func (r *run) evaluate(stage event.Stage, epoch int, split string) (train.Score, error) {
	set := r.set.Val
	if split == "test" {
		set = r.set.Test
	}
	s, err := r.t.Eval(set, nil)
	if err != nil {
		return s, err
	}
	lo, hi := s.Interval()
	r.lastAcc = s.Acc()
	loss := s.Loss
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		loss = math.MaxFloat32 // JSON has no NaN; the divergence itself is an event of its own
	}
	return s, r.emit(&event.Eval{Stage: stage, Epoch: epoch, Step: r.loop.Step, Split: split, Correct: s.Correct, N: s.N, Loss: loss, Lo: lo, Hi: hi, Zeros: r.zeros(), Perplexity: r.perplexity(s)})
}

// diverged goes back to the last checkpoint when a loss is not finite. A person
// at the screen can then change the recipe; a run without one ends.
func (r *run) diverged(ctx context.Context, loss float64) error {
	step := r.loop.Step
	if r.wrote == "" { // checkpoint writes no weights that are not finite
		return &wrongRecipe{&fixable{fmt.Errorf("the loss is %v at the first step, with the model's own weights", loss), "they hold NaN or infinite values, which no training mends: get the model again"}}
	}
	if err := r.emit(&event.Diverged{Stage: r.loop.Stage, Step: step, Loss: fmt.Sprint(loss), Back: r.wrote}); err != nil {
		return err
	}
	if err := r.goBack(r.wrote, "diverged"); err != nil {
		return err
	}
	if r.r.Auto {
		return &wrongRecipe{&fixable{fmt.Errorf("the loss became %v at step %d of %s; the weights are back at checkpoint %s", loss, step, r.loop.Stage, r.wrote), "lower train.lr (it was " + fmt.Sprint(r.r.Train.LR) + ") and start again"}}
	}
	return r.pause(ctx, event.WhyDiverged)
}

// zeros is the share of zeros among the dense model's prunable weights; cut
// weights count as zeros.
func (r *run) zeros() float64 {
	kept, of := 0, 0
	for _, l := range r.model.Layers() {
		if !r.skipped(l.Name) {
			p := r.model.Params[l.Param]
			kept += p.Shape.Len() - p.Mask.Zeros()
			of += r.loop.Base[l.Name]
		}
	}
	of += r.loop.Base.Dropped(r.model, r.r.Prune.Skip)
	return 1 - float64(kept)/float64(max(of, 1))
}

func (r *run) skipped(layer string) bool {
	for _, s := range r.r.Prune.Skip {
		if s == layer {
			return true
		}
	}
	return false
}

var errRolledBack = errors.New("rolled back to another stage")
