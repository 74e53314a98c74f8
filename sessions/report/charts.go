package report

import (
	"fmt"
	"math"
	"strings"

	"pare/core"
	"pare/core/energy"
	"pare/core/event"
)

// charts are the two curves of sparsify on one axis of steps, those of the
// baseline beside them, and the numbers behind all of them.
type charts struct {
	Main, Base []chart
	Empty      string // why Main is empty
	Last       string // what the last points cost
	Rows       []epochRow
	Clock      string // unit of the times in Rows
}

// epochRow is one epoch in the table behind the charts.
type epochRow struct{ Stage, Epoch, Step, Acc, Zeros, CPU, Energy string }

// most points of a curve that are drawn.
const drawn = 400

func newCharts(st *event.State, r *core.Recipe) charts {
	var v charts
	b, s := &st.Curves[event.Baseline], &st.Curves[event.Sparsify]
	if st.LastPoints != nil {
		v.Last = upper(short(strings.TrimSuffix(st.LastPoints.Text, ".")))
	}
	if len(b.CPU) > 0 {
		f := newFrame(st, event.Baseline)
		v.Base = append(scores(st, r, event.Baseline, f), bills(st, event.Baseline, f))
	}
	switch {
	case len(s.Acc) > 0 || len(s.CPU) > 0:
		f := newFrame(st, event.Sparsify)
		v.Main = append(scores(st, r, event.Sparsify, f), bills(st, event.Sparsify, f))
	case st.Stages[event.Sparsify].State == "":
		v.Empty = "Nothing to draw yet: stage 3, sparsify, has not begun."
	default:
		v.Empty = "Nothing to draw yet: the first epoch of stage 3, sparsify, is not over."
	}
	v.Rows, v.Clock = epochRows(st), st.Started.Clock().Unit
	return v
}

// scores are the curves of how good the model is: accuracy, and of a language model
// its perplexity.
func scores(st *event.State, r *core.Recipe, s event.Stage, f frame) []chart {
	cs := []chart{accuracy(st, r, s, f)}
	if pts := thin(st.Curves[s].Perplexity, drawn); len(pts) > 0 {
		cs = append(cs, perplexity(st, s, f, pts))
	}
	return cs
}

// perplexity is that of the validation set, less being better.
func perplexity(st *event.State, s event.Stage, f frame, pts []event.Point) chart {
	c := chart{Kind: "acc", Title: "Perplexity, validation", Sub: "less is better"}
	var ss []sample
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, p := range pts {
		ss = append(ss, sample{x: float64(p.Step), y: p.Y, lo: p.Y, hi: p.Y, text: fmt.Sprintf("step %s: perplexity %s", count(p.Step), event.Num(p.Y, 4))})
		lo, hi = min(lo, p.Y), max(hi, p.Y)
	}
	base := st.Curves[event.Baseline].Perplexity
	ghost := s == event.Sparsify && len(base) > 0
	if ghost {
		lo, hi = min(lo, base[len(base)-1].Y), max(hi, base[len(base)-1].Y)
	}
	if hi-lo < 0.01*hi {
		lo, hi = 0.99*lo, 1.01*hi
	}
	by := step(hi-lo, 4)
	y := scale{lo, hi}.widen(by)
	for _, v := range y.marks(by) {
		c.Y = append(c.Y, mark{coordinate(100 - y.at(v)), fmt.Sprintf("%.*f", digits(by), v)})
	}
	c.build(f, y, ss)
	c.dots(f, y, ss)
	c.Alt = fmt.Sprintf("Perplexity on the validation set in stage %s over steps. It ends at %s.", s, event.Num(pts[len(pts)-1].Y, 4))
	if ghost {
		d := base[len(base)-1].Y
		c.rule("dense", "dense "+event.Num(d, 4), y, d, false)
	}
	return c
}

// accuracy is the validation accuracy of a stage; of sparsify with what it is
// held against.
func accuracy(st *event.State, r *core.Recipe, s event.Stage, f frame) chart {
	cur := &st.Curves[s]
	c := chart{Kind: "acc", Title: "Validation accuracy", Sub: "with its 95 % interval"}
	if st.Model.LM {
		c.Title, c.Sub = "Next-token accuracy, validation", "with the 95 % interval of its sequences"
	}
	pts := thin(cur.Acc, drawn)
	var ss []sample
	lo, hi := math.Inf(1), math.Inf(-1)
	see := func(v float64) { lo, hi = min(lo, v), max(hi, v) }
	for _, p := range pts {
		text := fmt.Sprintf("step %s: %s", count(p.Step), interval(p.Y, p.Lo, p.Hi))
		if z, ok := before(cur.Zeros, p.Step); ok && s == event.Sparsify {
			text += fmt.Sprintf(", %s zeros", percent(z))
		}
		ss = append(ss, sample{x: float64(p.Step), y: p.Y, lo: p.Lo, hi: p.Hi, text: text})
		see(p.Lo)
		see(p.Hi)
	}
	dense, haveDense := st.BaselineAcc()
	floor, haveFloor := floorOf(st, r)
	if s == event.Sparsify {
		if haveDense {
			see(dense)
		}
		if haveFloor {
			see(floor)
		}
	}
	if lo > hi {
		lo, hi = 0, 1
	}
	if hi-lo < 0.01 {
		lo, hi = lo-0.005, hi+0.005
	}
	by := step(hi-lo, 4)
	y := scale{lo, hi}.widen(by)
	y.lo, y.hi = max(y.lo, 0), min(max(y.hi, by), 1)
	for _, v := range y.marks(by) {
		c.Y = append(c.Y, mark{coordinate(100 - y.at(v)), fmt.Sprintf("%.*f %%", max(digits(by)-2, 0), 100*v)})
	}
	c.build(f, y, ss)
	c.dots(f, y, ss)
	c.Alt = fmt.Sprintf("Validation accuracy of stage %s over steps.", s)
	if n := len(cur.Acc); n > 0 {
		c.Alt += fmt.Sprintf(" It ends at %s.", percent(cur.Acc[n-1].Y))
	}
	if s != event.Sparsify {
		return c
	}
	c.zeros(f, thin(cur.Zeros, drawn))
	if haveDense {
		c.rule("dense", "dense "+percent(dense), y, dense, haveFloor && floor > dense)
	}
	if haveFloor {
		c.rule("floor", "floor "+percent(floor), y, floor, !haveDense || floor <= dense)
	}
	for _, x := range st.Floors {
		if float64(x.Step) <= f.x.hi {
			c.Flags = append(c.Flags, mark{coordinate(f.x.at(float64(x.Step))), fmt.Sprintf("step %s: under the floor with %s", count(x.Step), percent(x.Acc))})
		}
	}
	return c
}

// floorOf is the lowest accepted validation accuracy: as it was applied, else as
// the recipe sets it.
func floorOf(st *event.State, r *core.Recipe) (float64, bool) {
	if n := len(st.Floors); n > 0 {
		return st.Floors[n-1].Floor, true
	}
	if r == nil {
		return 0, false
	}
	if r.Floor.Accuracy > 0 {
		return r.Floor.Accuracy, true
	}
	b, ok := st.BaselineAcc()
	return b - r.Floor.Points/100, ok
}

// before is the newest value at or before a step.
func before(pts []event.Point, at int64) (float64, bool) {
	for i := len(pts) - 1; i >= 0; i-- {
		if pts[i].Step <= at {
			return pts[i].Y, true
		}
	}
	return 0, false
}

// epochs are the bills that the curves of a stage still show: of epochs that
// were run twice the later one.
func epochs(st *event.State, s event.Stage) []event.EpochCost {
	byStep := map[int64]event.EpochCost{}
	for _, e := range st.Epochs {
		if e.Stage == s {
			byStep[e.Step] = e
		}
	}
	var out []event.EpochCost
	for _, p := range st.Curves[s].CPU {
		if e, ok := byStep[p.Step]; ok {
			out = append(out, e)
		}
	}
	return out
}

// bills is the energy per epoch of a stage in J, or CPU seconds per epoch where
// no joules are known in this stage or the baseline's.
func bills(st *event.State, s event.Stage, f frame) chart {
	es := epochs(st, s)
	full, missing := int64(0), 0
	tiers, worst, band := map[energy.Tier]bool{}, energy.TierNone, 0.0
	for _, e := range es {
		full = max(full, e.Steps)
		if !known(e.Energy) {
			missing++
			continue
		}
		t := energy.Tier(e.Energy.Tier)
		tiers[t], worst, band = true, worst.Worse(t), max(band, e.Energy.Band)
	}
	inJ := missing < len(es)
	clock := st.Started.Clock()
	c := chart{Kind: "energy", Title: clock.Unit + " seconds per epoch", Sub: "J not measured"}
	value := func(e event.EpochCost) (y, half float64, ok bool) {
		if !inJ {
			return float64(st.BusyUS(&e)), 0, true
		}
		if !known(e.Energy) {
			return 0, 0, false
		}
		y = float64(*e.Energy.UJ)
		return y, y * e.Energy.Band / 100, true
	}
	var ss []sample
	top, gap := 0.0, false
	for _, e := range es {
		y, half, ok := value(e)
		if !ok {
			gap = true
			continue
		}
		p := sample{x: float64(e.Step), y: y, lo: max(y-half, 0), hi: y + half, gap: gap, part: e.Steps < full}
		p.text = fmt.Sprintf("epoch %d, step %s: %s %s, %s", e.Epoch, count(e.Step), seconds(float64(st.BusyUS(&e))), clock.Unit, joules(e.Energy))
		if p.part {
			p.text += fmt.Sprintf(" (part of an epoch: %s of %s steps)", count(e.Steps), count(full))
		}
		gap = false
		ss = append(ss, p)
		top = max(top, p.hi)
	}
	dense, haveDense := denseBill(st, inJ)
	if s == event.Sparsify && haveDense {
		top = max(top, dense)
	}
	unit := unitOf(top, inJ)
	by := step(top/unit.of, 4) * unit.of
	y := scale{0, max(top, unit.of*1e-9)}.widen(by)
	for _, v := range y.marks(by) {
		c.Y = append(c.Y, mark{coordinate(100 - y.at(v)), fmt.Sprintf("%.*f", digits(by/unit.of), v/unit.of)})
	}
	if inJ {
		c.Title = "Energy per epoch, " + unit.name
		c.Sub = "tier " + string(worst) + ", " + worst.Meaning()
		if band > 0 {
			c.Sub += fmt.Sprintf(" ±%.0f %%", band)
		}
		if len(tiers) > 1 {
			c.Note = "Epochs are known by more than one tier; the worst is named."
		}
		if missing > 0 {
			c.Note += fmt.Sprintf(" %s not measured.", plural(missing, "epoch"))
		}
	} else if unit.name != "s" {
		c.Title = clock.Unit + " time per epoch, " + unit.name
	}
	c.build(f, y, ss)
	if len(ss) <= drawn {
		c.dots(f, y, ss)
	}
	for _, p := range ss {
		if p.part {
			c.Note += " A hollow point is a part of an epoch."
			break
		}
	}
	if s == event.Sparsify && haveDense {
		c.rule("dense", "dense "+billText(st, dense, inJ), y, dense, false)
	}
	c.Alt = fmt.Sprintf("%s of stage %s over steps.", c.Title, s)
	if n := len(es); n > 0 {
		c.Alt += fmt.Sprintf(" The last epoch took %s of %s; its energy: %s.", seconds(float64(st.BusyUS(&es[n-1]))), clock.Name, joules(es[n-1].Energy))
	}
	return c
}

// denseBill is what an epoch of the dense training cost on average, in µJ or
// CPU µs.
func denseBill(st *event.State, inJ bool) (float64, bool) {
	sum, n := 0.0, 0
	for _, e := range epochs(st, event.Baseline) {
		switch {
		case !inJ:
			sum += float64(st.BusyUS(&e))
		case !known(e.Energy):
			continue
		default:
			sum += float64(*e.Energy.UJ)
		}
		n++
	}
	return sum / float64(max(n, 1)), n > 0
}

// billText writes the dense level with unit and, for joules, tier.
func billText(st *event.State, v float64, inJ bool) string {
	if !inJ {
		return seconds(v)
	}
	j := event.Joules{}
	for _, e := range epochs(st, event.Baseline) {
		if known(e.Energy) {
			j.Tier = string(energy.Tier(j.Tier).Worse(energy.Tier(e.Energy.Tier)))
			j.Band = max(j.Band, e.Energy.Band)
		}
	}
	uj := int64(math.Round(v))
	j.UJ = &uj
	return joules(j)
}

type unit struct {
	of   float64 // in µJ or µs
	name string
}

// unitOf is the unit that leaves one to three digits before the point.
func unitOf(top float64, inJ bool) unit {
	units := []unit{{1, "µs"}, {1e3, "ms"}, {1e6, "s"}}
	if inJ {
		units = []unit{{1, "µJ"}, {1e3, "mJ"}, {1e6, "J"}, {1e9, "kJ"}, {1e12, "MJ"}}
	}
	u := units[0]
	for _, x := range units {
		if top >= x.of {
			u = x
		}
	}
	return u
}

// epochRows are the numbers behind the charts.
func epochRows(st *event.State) []epochRow {
	var out []epochRow
	for _, s := range []event.Stage{event.Baseline, event.Sparsify} {
		acc := map[int64]event.Point{}
		for _, p := range st.Curves[s].Acc {
			acc[p.Step] = p
		}
		for _, e := range epochs(st, s) {
			r := epochRow{Stage: s.String(), Epoch: fmt.Sprint(e.Epoch), Step: count(e.Step), Acc: none, Zeros: percent(e.Zeros), CPU: seconds(float64(st.BusyUS(&e))), Energy: joules(e.Energy)}
			if p, ok := acc[e.Step]; ok {
				r.Acc = interval(p.Y, p.Lo, p.Hi)
			}
			out = append(out, r)
		}
	}
	if len(out) > 2*drawn {
		out = append(out[:drawn:drawn], out[len(out)-drawn:]...)
	}
	return out
}
