package core

import (
	"context"

	"pare/core/event"
	"pare/core/train"
)

// holdFloor goes back to the last good checkpoint when validation accuracy is
// under the floor, and takes no more away from then on. Schedules that need
// training before they can be judged (one shot, a level) are judged at the end
// of it.
func (r *run) holdFloor(epoch int, s train.Score) error {
	p := r.r.Prune
	judged := true
	switch p.Schedule {
	case "oneshot", "earlybird":
		judged = r.loop.Step >= r.sched.Steps()
	case "iterative":
		judged = epoch%max(p.Epochs, 1) == 0
	}
	if !judged || s.Acc() >= r.loop.Floor || r.loop.Frozen {
		return nil
	}
	if r.loop.Good == "" {
		return r.refuse("validation accuracy %.1f %% is under the floor of %.1f %% and no checkpoint of this stage is above it: the baseline stands", 100*s.Acc(), 100*r.loop.Floor)
	}
	back, looks, pass := r.loop.Good, r.loop.Looks, r.loop.Pass
	if err := r.emit(&event.Floor{Step: r.loop.Step, Acc: s.Acc(), Floor: r.loop.Floor, Back: back, Zeros: r.zeros()}); err != nil {
		return err
	}
	if err := r.goBack(back, "floor"); err != nil {
		return err
	}
	r.loop.Frozen, r.loop.Looks, r.loop.Pass = true, looks, pass+1
	r.lastAcc = -1
	r.fell = true
	return nil
}

// askAtFloor holds the run after the floor sent it back, where the recipe asks for
// that and there is a person to ask. What is computed is the same with and without:
// another target or checkpoint is a decision like any other.
func (r *run) askAtFloor(ctx context.Context) error {
	fell := r.fell
	if r.fell = false; !fell || !r.r.Floor.Pause || r.r.Auto || r.loop.Step >= r.sched.Steps() {
		return nil
	}
	return r.pause(ctx, event.WhyFloor)
}

// atFloor reports whether the log ends while the floor's question is open: the run
// was stopped or killed while it stood, or on the way there.
func (res *Resume) atFloor() bool {
	return res != nil && res.Log != nil && res.Log.AtFloor
}
