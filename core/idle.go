package core

import (
	"context"
	"math"
	"time"

	"pare/core/energy"
	"pare/core/event"
)

// EnergySpec says how the run's energy is measured.
type EnergySpec struct {
	// Wall is a file that a wall meter writes (see energy.ReadWall): the run's joules
	// are then those of the wall. "" takes the one named by PARE_WALL, if any.
	Wall string `toml:"wall,omitempty"`
	// IdleSeconds is how long the idle power is measured before the baseline; nil is
	// energy.IdleLength, 0 leaves it out.
	IdleSeconds *float64 `toml:"idle_seconds,omitempty"`
}

// idleLength is how long the recipe wants the idle power to be measured.
func (e EnergySpec) idleLength() time.Duration {
	if e.IdleSeconds == nil {
		return energy.IdleLength
	}
	return time.Duration(*e.IdleSeconds * float64(time.Second))
}

// idle measures the power of the idle machine before the baseline begins, while
// nothing of ours computes, and tells it with its date. A resumed run keeps what was
// measured then, unless a person asks for it anew. It is not billed.
func (r *run) idle(ctx context.Context) error {
	d := r.r.Energy.idleLength()
	res := r.cfg.Resume
	asked := res != nil && res.Idle
	known := res != nil && res.Log != nil && res.Log.Idle != nil
	begins := r.loop.Stage == event.Baseline && r.loop.Step == 0
	switch {
	case asked && d == 0:
		d = energy.IdleLength
	case asked:
	case d == 0 || known || !begins:
		return nil
	}
	i := r.meter.Idle(ctx, d)
	if ctx.Err() != nil {
		return nil // the stage sees to that
	}
	e := &event.Idle{Watts: i.Watts, Tier: string(i.Tier), Source: i.Source, Boundary: i.Boundary, Band: i.Band, Seconds: i.Length.Seconds(), Why: i.Note}
	if i.Watts != nil {
		e.At = i.At.UTC().Format(time.RFC3339)
	}
	return r.emit(e)
}

// AboveIdle is in words what of a bill is above the idle power measured before the
// run, "" where that is unknown. It is a second figure beside the total.
func AboveIdle(i *event.Idle, c event.StageCost) string {
	j := i.Above(c)
	if j.UJ == nil {
		return ""
	}
	if j.Band >= 100 || *j.UJ <= 0 {
		off := math.Abs(float64(*j.UJ)) * j.Band / 100
		return "none beyond ±" + energy.FormatJoules(int64(off), 2) + " " + j.Tier
	}
	return energy.Format(Reading(j))
}
