package sessions

import (
	"slices"
	"time"

	"pare/core/event"
)

// Bill is the fold of what a run has cost, by stage and by epoch. Its zero value
// is the bill before the first event. What was spent stays billed, whatever the
// run went back to.
type Bill struct {
	Stages [event.Deploy + 1]StageBill
	Epochs []EpochBill // in the order they ended

	by    *event.Started
	train int           // samples of the training split
	from  time.Time     // an epoch that ends now cannot have begun before
	left  time.Time     // when the pause began that goes on; zero: none
	away  time.Duration // pauses since from
}

// StageBill is what a stage has cost so far: the last word of the log, be it of a
// stage that goes on or was cut off.
type StageBill struct {
	event.StageCost
	Begun, Last time.Time      // of the bill; Last is zero before it has any
	By          *event.Started // the process that wrote it, with its meter; nil unknown
	Boundaries  []string       // of all meters that billed it, in order: a resumed run may have another
}

// EpochBill is what the training steps of an epoch cost. A resumed or rolled back
// run may bill the same epoch twice.
type EpochBill struct {
	event.EpochCost
	Begun, Ended time.Time // with the pauses between
	Acc          *float64  // validation accuracy after it, nil when it was not looked at
	Train        int       // samples of the training split, 0 unknown
	By           *event.Started
}

// Apply folds one event, in the order of the log.
func (b *Bill) Apply(e event.Event) {
	switch x := e.Body.(type) {
	case *event.Started:
		b.by = x
		b.mark(e.At)
	case *event.Model:
		b.train = x.Train
	case *event.StageChange:
		if s := b.stage(x.Stage); s != nil && x.State == "started" {
			if s.Begun.IsZero() {
				s.Begun = e.At
			}
			b.mark(e.At)
		}
	case *event.Paused:
		if b.left.IsZero() {
			b.left = e.At
		}
	case *event.Continued:
		if !b.left.IsZero() {
			b.away += e.At.Sub(b.left)
			b.left = time.Time{}
		}
	case *event.StageCost:
		b.cost(*x, e.At)
	case *event.Metric:
		if s := b.stage(x.Stage); s != nil && x.CPUUS > s.CPUUS {
			b.cost(event.StageCost{Stage: x.Stage, CPUUS: x.CPUUS, WallUS: x.WallUS, Energy: x.Energy}, e.At)
		}
	case *event.EpochCost:
		b.epoch(*x, e.At)
	case *event.Eval:
		if n := len(b.Epochs); n > 0 && x.Split == "val" && x.N > 0 {
			if l := &b.Epochs[n-1]; l.Stage == x.Stage && l.Epoch == x.Epoch && l.Step == x.Step && l.Acc == nil {
				acc := x.Acc()
				l.Acc = &acc
			}
		}
	}
}

// stage is the bill of a stage, nil for what is none.
func (b *Bill) stage(s event.Stage) *StageBill {
	if s < event.Baseline || s > event.Deploy {
		return nil
	}
	return &b.Stages[s]
}

func (b *Bill) cost(c event.StageCost, at time.Time) {
	if s := b.stage(c.Stage); s != nil {
		if s.Begun.IsZero() {
			s.Begun = at.Add(-micros(c.WallUS))
		}
		s.StageCost, s.Last, s.By = c, at, b.by
		if b.by != nil && b.by.Boundary != "" && !slices.Contains(s.Boundaries, b.by.Boundary) {
			s.Boundaries = append(s.Boundaries, b.by.Boundary)
		}
	}
}

func (b *Bill) epoch(c event.EpochCost, at time.Time) {
	if b.stage(c.Stage) == nil {
		return
	}
	begun := at.Add(-micros(c.WallUS) - b.away)
	if begun.Before(b.from) { // the clock is read a little after the meter
		begun = b.from
	}
	b.Epochs = append(b.Epochs, EpochBill{EpochCost: c, Begun: begun, Ended: at, Train: b.train, By: b.by})
	b.mark(at)
}

// mark is a moment that no epoch reaches across.
func (b *Bill) mark(at time.Time) { b.from, b.left, b.away = at, time.Time{}, 0 }

func micros(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

// Bill folds what the session's run has cost so far.
func (s *Session) Bill() (*Bill, error) {
	b := new(Bill)
	return b, s.each(b.Apply)
}

// Costs are the stages' bills by stage.
func (b *Bill) Costs() []event.StageCost {
	c := make([]event.StageCost, len(b.Stages))
	for i := range c {
		c[i] = b.Stages[i].StageCost
	}
	return c
}
