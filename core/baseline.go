package core

import (
	"context"
	"fmt"

	"pare/core/event"
	"pare/core/train"
)

// baseline is stage 1: train the dense model (or only evaluate it), so that
// everything later has something to be compared with.
func (r *run) baseline(ctx context.Context) error {
	if err := r.stage(event.Baseline, "started", ""); err != nil {
		return err
	}
	if r.loop.Step == 0 && r.loop.Index == 0 && !r.r.Auto && !r.begun {
		r.begun = true
		if err := r.wait(ctx, event.Baseline, "ready to train the dense model"); err != nil {
			return err
		}
	}
	if err := r.choices(); err != nil {
		return err
	}
	t := r.r.Train
	per := r.perEpoch()
	rate := train.Rate{Kind: t.Schedule, Base: t.LR, Warmup: int64(t.Warmup), Steps: per * int64(t.Epochs)}
	if p := r.r.Prune; p.Schedule == "iterative" && p.RewindStep > 0 && p.RewindStep >= rate.Steps {
		return &fixable{fmt.Errorf("prune.rewind_step = %d, but the baseline has %d steps", p.RewindStep, rate.Steps), "give a smaller step or train longer"}
	}
	if t.Epochs > 0 {
		err := r.train(ctx, course{
			stage: event.Baseline, steps: func() int64 { return rate.Steps }, rate: rate.At,
			before: func(step int64) error {
				if r.r.Prune.Schedule == "iterative" && step == r.r.Prune.RewindStep {
					return r.checkpoint("rewind", -1)
				}
				return nil
			},
		})
		if err != nil {
			return err
		}
	} else {
		r.startEpoch()
		if _, err := r.evaluate(event.Baseline, 0, "val"); err != nil {
			return err
		}
		if r.r.Prune.Schedule == "iterative" && r.r.Prune.RewindStep == 0 {
			if err := r.checkpoint("rewind", -1); err != nil {
				return err
			}
		}
	}
	s, err := r.t.Eval(r.set.Val, nil)
	if err != nil {
		return err
	}
	r.lastAcc = s.Acc()
	r.loop.BaseAcc, r.loop.BaseN = s.Acc(), s.N
	r.setFloor()
	if chance := 1 / float64(len(r.set.Classes)); s.Acc() < 1.5*chance {
		w := &event.Warning{
			Text: fmt.Sprintf("the model is right on %.1f %% of the validation set, near the %.1f %% of guessing", 100*s.Acc(), 100*chance),
			Fix:  "check the preprocessing (data.scale, data.mean, data.std), the order of the classes, or train longer",
		}
		if err := r.emit(w); err != nil {
			return err
		}
	}
	if err := r.lastPoints(); err != nil {
		return err
	}
	if err := r.checkpoint("baseline", s.Acc()); err != nil {
		return err
	}
	lo, hi := train.Wilson(s.Correct, s.N)
	if err := r.billStage(event.Baseline); err != nil {
		return err
	}
	if err := r.stage(event.Baseline, "done", fmt.Sprintf("%.1f %% on validation (95 %%: %.1f–%.1f)", 100*s.Acc(), 100*lo, 100*hi)); err != nil {
		return err
	}
	return r.enter(event.Configure)
}

// setFloor fixes the lowest accepted validation accuracy.
func (r *run) setFloor() {
	if a := r.r.Floor.Accuracy; a > 0 {
		r.loop.Floor = a
		return
	}
	r.loop.Floor = r.loop.BaseAcc - r.r.Floor.Points/100
}

// lastPoints says what the last points of accuracy cost: the share of the
// baseline's training energy spent after validation accuracy first came within
// 1, 2 and 3 points of its best. Where an epoch's joules are unknown the shares
// are of CPU time, which is the same when busy power is constant.
func (r *run) lastPoints() error {
	h := r.loop.History
	if len(h) < 2 {
		return nil
	}
	unit := "joules"
	for _, e := range h {
		if e.UJ == nil || !r.meter.Measured() {
			unit = "CPU time"
		}
	}
	best := 0.0
	upTo := make([]float64, len(h)) // spent up to and including the epoch
	sum := 0.0
	for i, e := range h {
		best = max(best, e.Acc)
		if unit == "joules" {
			sum += float64(*e.UJ)
		} else {
			sum += float64(e.CPUUS)
		}
		upTo[i] = sum
	}
	if sum <= 0 {
		return nil
	}
	lp := &event.LastPoints{}
	for _, pt := range []float64{1, 2, 3} {
		for i, e := range h {
			if e.Acc >= best-pt/100 {
				lp.Points, lp.Share = append(lp.Points, pt), append(lp.Share, 1-upTo[i]/sum)
				break
			}
		}
	}
	lp.Text = fmt.Sprintf("the last 2 points cost %.0f %% of the baseline's %s", 100*lp.Share[1], unit)
	return r.emit(lp)
}
