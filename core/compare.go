package core

import (
	"fmt"
	"math"
	"time"

	"pare/core/energy"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/train"
)

// window is how long one side is measured in one alternation: long against the
// clock's and the scheduler's grain, short against a person's patience.
var window = 120 * time.Millisecond

// Of a counter that ticks slowly a window is longer: what it ticks in at both ends is then
// at most the share sharp of the joules, or as near as patience allows.
const (
	sharp    = 0.1
	patience = 2 * time.Second
)

// cost of one unit of work (a training step, an inference).
type cost struct {
	cpuUS, wallUS float64
	joules        event.Joules
}

// turns are what is done in alternation: training steps on rows, and inferences. The
// rate is zero: the arithmetic of a step without moving the weights.
func (r *run) turns() (rows []int32, step, infer func(t *train.Trainer) func(i int) error) {
	rows = r.firstBatch()
	out := make([]float32, r.model.Values[r.model.Output].Len())
	step = func(t *train.Trainer) func(int) error {
		return func(i int) error {
			_, err := t.Step(r.set.Train, rows, 0, int64(i+1))
			return err
		}
	}
	infer = func(t *train.Trainer) func(int) error {
		return func(i int) error { return t.Infer(r.set.Val, i%r.set.Val.N(), out) }
	}
	return rows, step, infer
}

// compare measures dense and pared in alternation, so that a drift of the
// machine hits both, and makes the ledger. Both trainers work on copies of
// their weights' banks: the steps taken here teach nothing that is kept.
func (r *run) compare(dense, now *train.Trainer, sd, sn train.Score) (*event.Ledger, error) {
	rows, step, infer := r.turns()
	name, kind := hardware(r.dev)
	l := &event.Ledger{Hardware: name, HWKind: kind, Rounds: alternations, Batch: len(rows), Tokens: r.model.Input().Seq}
	l.Dense, l.Now = r.side(dense.Model, sd, dense.Resident()), r.side(r.model, sn, now.Resident())
	l.Dense.Zeros, l.Now.Zeros = zerosOf(dense.Model), r.zeros()
	steps, s1, err := r.alternate(step(dense), step(now))
	if err != nil {
		return nil, err
	}
	infers, s2, err := r.alternate(infer(dense), infer(now))
	if err != nil {
		return nil, err
	}
	l.Note = stood{s1.again + s2.again, s1.kept + s2.kept}.String()
	for i, s := range []*event.Side{&l.Dense, &l.Now} {
		cpu, half := train.Mean(column(steps[i], func(c cost) float64 { return c.cpuUS }))
		s.StepCPUUS, s.StepBand = cpu, percent(half, cpu)
		s.StepEnergy = meanJoules(steps[i])
		us, half := train.Mean(column(infers[i], func(c cost) float64 { return c.wallUS }))
		s.InferUS, s.InferBand = us, percent(half, us)
		s.InferEnergy = meanJoules(infers[i])
	}
	if l.Dense.FileBytes, err = r.packedBytes(dense.Model); err != nil {
		return nil, err
	}
	if l.Now.FileBytes, err = r.packedBytes(r.model); err != nil {
		return nil, err
	}
	return l, nil
}

// copyTrainer puts a copy of the pared model on the device.
func (r *run) copyTrainer() (*train.Trainer, error) {
	if err := r.t.Pull(); err != nil {
		return nil, err
	}
	o, err := r.trainerOptions()
	if err != nil {
		return nil, err
	}
	return train.New(r.model.Clone(), r.dev, o, nil)
}

func (r *run) side(m *graph.Model, s train.Score, resident int64) event.Side {
	lo, hi := s.Interval()
	all, _ := m.NumParams()
	for _, p := range m.Params {
		all -= int64(p.Mask.Zeros())
	}
	return event.Side{Acc: s.Acc(), Lo: lo, Hi: hi, Params: all, Resident: resident, Perplexity: r.perplexity(s)}
}

// alternate measures a and b in turn after one window each to warm up. A window
// repeats the work until it has lasted long enough.
func (r *run) alternate(a, b func(int) error) (out [2][]cost, still stood, err error) {
	window := window
	if !r.cfg.Brief { // a counter's window is uncertain by what it ticks in at both ends
		window = max(window, 2*r.meter.Shortest(), min(r.meter.Window(sharp), patience))
	}
	told := r.progress("dense and pared in turn", alternations+1)
	most := [2]int{}
	for i := -1; i < alternations; i++ {
		if err := told.at(i + 1); err != nil {
			return out, still, err
		}
		if r.loop.Stage == event.Validate {
			if err := r.spends(); err != nil {
				return out, still, err
			}
		}
		for side, fn := range []func(int) error{a, b} {
			var c cost
			for again := true; again; {
				var n int
				var longest time.Duration
				if c, n, longest, err = r.turn(fn, window); err != nil {
					return out, still, err
				}
				most[side] = max(most[side], n)
				stopped := i >= 0 && longest > max(window, standstill)/2 && most[side] >= goIn
				if again = stopped && still.again < alternations; again {
					still.again++
				} else if stopped {
					still.kept++
				}
			}
			if i >= 0 {
				out[side] = append(out[side], c)
			}
		}
	}
	return out, still, nil
}

// A unit of work that takes more than half of the window, and of this, where several go into
// one, tells that the process stood still: it was stopped, or its machine was. As goIn units
// take no longer than the window, it took four times the mean of those at least. Such a window
// is measured again, alternations of them at most.
const (
	standstill = 100 * time.Millisecond
	goIn       = 8
)

// stood counts the windows in which the process stood still: those that were measured again,
// and those that count nevertheless, since too many were.
type stood struct{ again, kept int }

// String is for the ledger's reader; "" of none.
func (s stood) String() string {
	if s.again == 0 {
		return ""
	}
	windows := "windows"
	if s.again == 1 {
		windows = "window"
	}
	text := fmt.Sprintf("in %d %s the process stood still: measured again", s.again, windows)
	if s.kept > 0 {
		text += fmt.Sprintf("; in %d more it did, whose times count", s.kept)
	}
	return text
}

// turn repeats a unit of work for a window: what one takes, how many there were, and the
// longest of them.
func (r *run) turn(fn func(int) error, window time.Duration) (c cost, n int, longest time.Duration, err error) {
	from, begin := r.meter.Edge(), time.Now()
	last := begin
	for ; n == 0 || last.Sub(begin) < window; n++ {
		if err := fn(n); err != nil {
			return c, n, 0, err
		}
		now := time.Now()
		longest, last = max(longest, now.Sub(last)), now
	}
	to := r.meter.Edge()
	c = cost{cpuUS: float64(r.busyUS(from, to)) / float64(n), wallUS: float64(last.Sub(begin).Microseconds()) / float64(n)}
	c.joules = joules(r.meter.Between(from, to))
	if u := c.joules.UJ; u != nil {
		per := int64(math.Round(float64(*u) / float64(n)))
		c.joules.UJ = &per
	}
	return c, n, longest, nil
}

func column(cs []cost, f func(cost) float64) []float64 {
	x := make([]float64, len(cs))
	for i, c := range cs {
		x[i] = f(c)
	}
	return x
}

func percent(half, of float64) float64 {
	if of == 0 || math.IsInf(half, 0) {
		return 0
	}
	return 100 * half / of
}

// meanJoules averages readings; nil as soon as one is missing. All windows are of
// the same length, so their coverage is averaged alike.
func meanJoules(cs []cost) event.Joules {
	var sum event.StageCost
	for _, c := range cs {
		if c.joules.UJ == nil {
			j := cs[0].joules
			j.UJ, j.Coverage = nil, nil
			return j
		}
		sum = sum.Plus(event.StageCost{WallUS: 1, Energy: c.joules})
	}
	*sum.Energy.UJ /= int64(len(cs))
	return sum.Energy
}

// joules turns a meter's reading into the event's form.
func joules(x energy.Reading) event.Joules {
	j := event.Joules{UJ: x.UJ, Tier: string(x.Tier), Source: x.Source, Band: x.Band}
	if x.UJ != nil {
		j.Coverage, j.Rejected, j.Wraps, j.Resets = &x.Coverage, x.Rejected, x.Wraps, x.Resets
	}
	return j
}

// Reading is an amount from a log as a reading again, for energy.Format. Logs of
// older programs do not hold the coverage: it is then taken as whole.
func Reading(j event.Joules) energy.Reading {
	r := energy.Reading{UJ: j.UJ, Tier: energy.Tier(j.Tier), Source: j.Source, Band: j.Band, Coverage: 1, Rejected: j.Rejected, Wraps: j.Wraps, Resets: j.Resets}
	if j.Coverage != nil {
		r.Coverage = *j.Coverage
	}
	return r
}

// savings is the sentence about the step's cost. The word "measured" stands
// only where the joules of both sides are of tiers A to C.
func savings(l *event.Ledger) string {
	d, n := l.Dense.StepCPUUS, l.Now.StepCPUUS
	if d <= 0 || n <= 0 {
		return ""
	}
	change := 100 * (n/d - 1)
	band := event.Scatter(d, l.Dense.StepBand, n, l.Now.StepBand)
	s := fmt.Sprintf("%s per step %s %% (%d alternations, ±%.0f %%)", busyTime(l.HWKind), signed(change, 0), l.Rounds, math.Ceil(band))
	none := change >= -band
	if none {
		s += ": no saving shown"
	}
	du, nu := l.Dense.StepEnergy.UJ, l.Now.StepEnergy.UJ
	if du == nil || nu == nil || *du == 0 {
		return s + " · J not measured"
	}
	td, tn := energy.Tier(l.Dense.StepEnergy.Tier), energy.Tier(l.Now.StepEnergy.Tier)
	jc := signed(100*(float64(*nu)/float64(*du)-1), 0)
	jband := event.Scatter(float64(*du), l.Dense.StepEnergy.Band, float64(*nu), l.Now.StepEnergy.Band)
	switch {
	case td.Measured() && tn.Measured() && math.Abs(float64(*nu)/float64(*du)-1)*100 <= jband:
		return s + fmt.Sprintf(" · J per step %s %%: no difference beyond the meter's ±%.0f %%, tier %s", jc, math.Ceil(jband), td.Worse(tn))
	case td.Measured() && tn.Measured():
		return s + fmt.Sprintf(" · J per step %s %% (±%.0f %%), measured, tier %s", jc, math.Ceil(jband), td.Worse(tn))
	case td == energy.TierE && tn == energy.TierE && none:
		return s + ", nor in J by tier E, which follow " + busyTime(l.HWKind)
	case td == energy.TierE && tn == energy.TierE: // not by the joules of small steps, which are whole µJ
		return s + fmt.Sprintf(" · J %s %% by tier E: busy power taken as constant, so it equals the saving in %s", signed(change, 0), busyTime(l.HWKind))
	case td == energy.TierD && tn == energy.TierD:
		return s + fmt.Sprintf(" · J %s %% by tier D: estimated by this machine's load curve, ±%.0f %%", jc, math.Ceil(l.Now.StepEnergy.Band))
	}
	return s + fmt.Sprintf(" · J cannot be compared: dense by tier %s, now by tier %s", td, tn)
}

// finite keeps a loss fit for JSON.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return math.MaxFloat32
	}
	return x
}
