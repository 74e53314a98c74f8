package sessions

import (
	"slices"
	"strings"

	"pare/core/energy"
	"pare/core/event"
)

// EnergyLog is the run's bill as the windows of an energy log, in the order they
// ended: one for each epoch of a training stage, and one for each stage with what
// lies outside of them. They do not overlap in joules: their sum is the bill. An
// epoch too short for its counter has no joules of its own; they are in its
// stage's line. What the session does not know (the grid, its price, the PUE) is
// nil.
func (s *Session) EnergyLog() ([]energy.LogLine, error) {
	b, err := s.Bill()
	if err != nil {
		return nil, err
	}
	batch := 0
	if r, err := s.Recipe(); err == nil { // without it only the samples are not known
		batch = r.Train.Batch
	}
	return b.lines(batch), nil
}

func (b *Bill) lines(batch int) []energy.LogLine {
	var out []energy.LogLine
	rest := b.Stages
	for i := range b.Epochs {
		e := &b.Epochs[i]
		n := e.Epoch
		l := energy.LogLine{Stage: e.Stage.String(), T0: e.Begun, T1: e.Ended, WallUS: e.WallUS, CPUUS: e.CPUUS, Acc: e.Acc, Samples: e.samples(batch)}
		if n > 0 {
			l.Epoch = &n
		}
		if e.MACs > 0 {
			l.MACs, l.Skipped = &e.MACs, &e.Skipped
		}
		spent(&l, e.Energy, e.By)
		out = append(out, l)
		r := &rest[e.Stage]
		r.Energy = less(r.Energy, e.Energy, r.WallUS, e.WallUS)
		r.WallUS, r.CPUUS = max(r.WallUS-e.WallUS, 0), max(r.CPUUS-e.CPUUS, 0)
	}
	for _, r := range rest {
		if r.Last.IsZero() {
			continue
		}
		l := energy.LogLine{Stage: r.Stage.String(), T0: r.Begun, T1: r.Last, WallUS: r.WallUS, CPUUS: r.CPUUS}
		spent(&l, r.Energy, r.By)
		if len(r.Boundaries) > 1 { // a resumed run had another meter: neither is all of it
			l.Boundary, l.Component, l.Scope = strings.Join(r.Boundaries, then), "", ""
		}
		out = append(out, l)
	}
	slices.SortStableFunc(out, func(a, b energy.LogLine) int { return a.T1.Compare(b.T1) })
	return out
}

// spent fills in the joules and how they are known.
func spent(l *energy.LogLine, j event.Joules, by *event.Started) {
	if by != nil {
		l.Tool, l.Boundary = "pare "+by.Pare, by.Boundary
		l.Component, l.Scope = energy.Component(by.Boundary), energy.Scope(by.Boundary)
	}
	l.Source = j.Source
	if c := j.Coverage; c != nil {
		l.Coverage, l.Rejected, l.Wraps, l.Resets = c, &j.Rejected, &j.Wraps, &j.Resets
	}
	if tier := energy.Tier(j.Tier); j.UJ != nil && tier.Known() {
		l.UJ, l.Tier, l.Band = j.UJ, &tier, &j.Band
	}
}

// less takes an epoch's part out of a stage's joules. Unknown stays unknown;
// joules of an epoch that are not known stay in the stage's. The edges of a
// counter's windows blur both, so their joules' uncertainties add up; a model is
// wrong by the same share everywhere.
func less(all, part event.Joules, allUS, partUS int64) event.Joules {
	out := all
	if c, p := all.Coverage, part.Coverage; c != nil && p != nil {
		left := *c*float64(allUS) - *p*float64(partUS)
		share := *c // nothing is left to be covered
		if us := float64(allUS - partUS); us > 0 {
			share = min(max(left/us, 0), 1)
		}
		out.Coverage = &share
		out.Rejected, out.Wraps, out.Resets = max(all.Rejected-part.Rejected, 0), max(all.Wraps-part.Wraps, 0), max(all.Resets-part.Resets, 0)
	} else {
		out.Coverage = nil
	}
	if all.UJ == nil || part.UJ == nil {
		return out
	}
	left := max(*all.UJ-*part.UJ, 0) // an epoch is billed a moment after its stage
	out.UJ = &left
	if energy.Tier(all.Tier).Measured() && left > 0 {
		out.Band = (all.Band*float64(*all.UJ) + part.Band*float64(*part.UJ)) / float64(left)
	}
	return out
}

// samples is how many samples the epoch's steps went through: whole batches but
// for the last of an epoch. Nil when the recipe's batch does not explain the steps.
func (e *EpochBill) samples(batch int) *int64 {
	n, b := int64(e.Train), int64(min(batch, e.Train))
	if b < 1 || e.Epoch < 1 || e.Steps < 1 || e.Step%int64(e.Epoch) != 0 {
		return nil
	}
	per := e.Step / int64(e.Epoch) // steps an epoch: the bill comes at its end
	last := n - (per-1)*b
	if n%b == 1 && per == n/b { // a last batch of one, left out
		last = b
	}
	if last < 1 || last > b || e.Steps > per {
		return nil
	}
	all := (e.Steps-1)*b + last
	return &all
}
