package core

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"pare/core/energy"
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
		return &wrongRecipe{&fixable{fmt.Errorf("prune.rewind_step = %d, but the baseline has %d steps", p.RewindStep, rate.Steps), "give a smaller step or train longer"}}
	}
	if t.Epochs > 0 {
		err := r.train(ctx, course{
			stage: event.Baseline, rate: rate.At,
			steps: func() int64 {
				if r.loop.Ended > 0 {
					return r.loop.Ended
				}
				return rate.Steps
			},
			before: func(step int64) error {
				if r.r.Prune.Schedule == "iterative" && step == r.r.Prune.RewindStep {
					return r.checkpoint("rewind", -1)
				}
				return nil
			},
			after: r.watchMask,
		})
		if err != nil {
			return err
		}
	} else {
		r.startEpoch()
		if _, err := r.evaluate(event.Baseline, 0, "val"); err != nil {
			return err
		}
		if err := r.inferCost(event.Baseline, time.Second); err != nil {
			return err
		}
		if r.r.Prune.Schedule == "iterative" && r.r.Prune.RewindStep == 0 {
			if err := r.checkpoint("rewind", -1); err != nil {
				return err
			}
		}
	}
	var said []int32
	if !r.lm() {
		said = make([]int32, len(r.set.Val.Labels))
	}
	s, err := r.t.Eval(r.set.Val, said)
	if err != nil {
		return err
	}
	r.lastAcc = s.Acc()
	r.loop.BaseAcc, r.loop.BaseN = s.Acc(), s.N
	r.setFloor()
	if w := r.nearGuessing(s, said); w != nil {
		if err := r.emit(w); err != nil {
			return err
		}
	}
	if w := r.stillRising(s); w != nil {
		if err := r.emit(w); err != nil {
			return err
		}
	}
	if err := r.lastPoints(true); err != nil {
		return err
	}
	if err := r.stepTimes(); err != nil {
		return err
	}
	if err := r.checkpoint("baseline", s.Acc()); err != nil {
		return err
	}
	lo, hi := s.Interval()
	if err := r.billStage(event.Baseline); err != nil {
		return err
	}
	if err := r.stage(event.Baseline, "done", fmt.Sprintf("%.1f %% on validation (95 %%: %.1f–%.1f)", 100*s.Acc(), 100*lo, 100*hi)); err != nil {
		return err
	}
	return r.enter(event.Configure)
}

// nearGuessing warns of a model that is hardly better than saying anything: any class,
// or always the commonest token. said is what it says of the validation set.
func (r *run) nearGuessing(s train.Score, said []int32) *event.Warning {
	chance, fix := 1.5/float64(max(len(r.set.Classes), 1)), "check the preprocessing (data.scale, data.mean, data.std), the order of the classes, or train longer"
	if t := r.set.Text; t != nil {
		fix = "check the tokenizer and the labels, or train longer"
		if t.LM {
			chance = guess(r.set.Val.Labels, t.Vocab)
		}
	}
	if s.Acc() >= chance {
		return nil
	}
	if !r.lm() {
		chance /= 1.5
	}
	near := "near"
	if _, hi := s.Interval(); hi < chance {
		near = "under"
	}
	if order, acc := inOrder(said, r.set.Val.Labels, r.set.Classes); !r.lm() && acc > 2*chance {
		fix = fmt.Sprintf("its outputs seem to be the classes in another order: with --classes %s (data.classes) it would be right on %.1f %%", order, 100*acc)
	}
	return &event.Warning{Text: fmt.Sprintf("the model is right on %.1f %% of the validation set, %s the %.1f %% of guessing", 100*s.Acc(), near, 100*chance), Fix: fix}
}

// inOrder finds the order of the classes in which what a model says fits the labels best, each
// output taken for the class that it stands for most often, and the share it is then right on.
// No order is found where two outputs stand for the same class, or there are many.
func inOrder(said, label []int32, classes []string) (order string, acc float64) {
	n := len(classes)
	if n > 100 || len(said) != len(label) || len(said) == 0 {
		return "", 0
	}
	times := make([]int, n*n) // [output, class]
	for i, l := range label {
		if l >= 0 && int(l) < n {
			times[int(said[i])*n+int(l)]++
		}
	}
	right, taken, names := 0, make([]bool, n), make([]string, n)
	for o := range n {
		row := times[o*n : (o+1)*n]
		most := slices.Max(row)
		c := slices.Index(row, most)
		if most == 0 || taken[c] || strings.ContainsAny(classes[c], "\", \n") {
			return "", 0
		}
		taken[c], names[o], right = true, classes[c], right+most
	}
	return strings.Join(names, ","), float64(right) / float64(len(label))
}

// stillRising warns of a dense model whose last epoch brought more than the interval of
// its accuracy: stage 3 trains on, and what it gains by that is not the method's. Of a
// single epoch nobody knows.
func (r *run) stillRising(s train.Score) *event.Warning {
	h := r.loop.History
	fix := "train the baseline longer, or compare with a dense model trained as long"
	lo, _ := s.Interval()
	switch n := len(h); {
	case n == 1:
		return &event.Warning{Text: "the baseline is one epoch long: whether the dense model would have risen on is unknown, and what stage 3 gains by training on is not the method's", Fix: fix}
	case n > 1 && h[n-2].Acc < lo:
		return &event.Warning{Text: fmt.Sprintf("the dense model was still rising when the baseline ended: the last epoch brought %s points; what stage 3 gains by training on is not the method's", signed(100*(s.Acc()-h[n-2].Acc), 1)), Fix: fix}
	}
	return nil
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
// baseline's training energy spent after validation accuracy, smoothed to a curve
// that never falls, first came within 1, 2 and 3 points of its end; and what the
// next half point should cost. Where an epoch's joules are unknown or not
// measured the shares are of CPU time, which is the same when busy power is
// constant. While the baseline goes on there is advice besides, and nothing acts on
// it.
func (r *run) lastPoints(done bool) error {
	t, unit := r.trace()
	a, err := energy.LastPoints(t, false, 1, 2, 3)
	if err != nil {
		return nil // fewer than two epochs, or nothing spent
	}
	lp := &event.LastPoints{Live: !done}
	for _, p := range a.Last {
		share := -1.0
		if p.Share != nil {
			share = *p.Share
		}
		lp.Points, lp.Share = append(lp.Points, p.N), append(lp.Share, share)
	}
	lp.Text = fmt.Sprintf("the last 2 points cost %.0f %% of the baseline's %s", 100*lp.Share[1], unit)
	if lp.Share[1] < 0 {
		lp.Text = fmt.Sprintf("the last 2 points: the first epoch was nearer than that to the end, so their share of the baseline's %s is unknown", unit)
	}
	f := energy.NextPoints(t, false, 0.5)
	lp.Text += nextHalf(f)
	if a := f.Advice(); a.Stop && !done {
		lp.Advice = a.Text
	}
	return r.emit(lp)
}

// nextHalf says what half a point more should cost, nothing where no forecast is
// possible.
func nextHalf(f energy.Forecast) string {
	switch {
	case !f.Known():
		return ""
	case f.Lo == nil:
		return "; by its curve half a point more may never come"
	case f.Hi == nil && 100**f.Lo/f.Total < 1:
		return "; the curve cannot tell what half a point more would cost, or whether it comes"
	case f.Hi == nil:
		return fmt.Sprintf("; half a point more should cost at least %.0f %% of the whole again, if it comes", 100**f.Lo/f.Total)
	}
	if 100**f.Lo/f.Total < 1 {
		return fmt.Sprintf("; half a point more should cost up to %.0f %% of the whole again", 100**f.Hi/f.Total)
	}
	return fmt.Sprintf("; half a point more should cost %.0f to %.0f %% of the whole again", 100**f.Lo/f.Total, 100**f.Hi/f.Total)
}

// trace is validation accuracy against what the baseline's training has cost, one
// point an epoch, and the unit of that cost in words.
func (r *run) trace() (t energy.Trace, unit string) {
	h := r.loop.History
	unit = "joules"
	for _, e := range h {
		if e.UJ == nil || !r.meter.Measured() {
			unit = r.timeName()
		}
	}
	sum := 0.0
	for i, e := range h {
		if unit == "joules" {
			sum += float64(*e.UJ) / 1e6
		} else {
			sum += float64(e.CPUUS) / 1e6
		}
		t.Points = append(t.Points, energy.TracePoint{Epoch: float64(i + 1), Acc: 100 * e.Acc, Cost: sum})
	}
	return t, unit
}
