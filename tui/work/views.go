package work

import (
	"fmt"
	"math"
	"sort"
	"strconv"

	"pare/core/event"
	"pare/tui/chart"
	"pare/tui/plain"
	"pare/tui/theme"
)

// What the two charts show, by pairs.
const (
	viewBill  = iota // accuracy and energy
	viewLoss         // training loss and power
	viewTrade        // checkpoints: accuracy against what an inference costs
	viewCount
)

func viewText(d *desk) string {
	return [...]string{"loss, power", "checkpoints", "accuracy, energy"}[d.look.view%viewCount]
}

// viewHint names the key of the other charts, where it does something and has room beside
// the title.
func (d *desk) viewHint(title string, w int) string {
	hint := "v " + viewText(d)
	if d.canView() != "" || theme.Width(d.th.Tr(title))+theme.Width(hint)+7 > w {
		return ""
	}
	return hint
}

// gapped is an energy curve with a gap at every epoch whose joules were not
// measured: a line across it would claim them.
func gapped(joules, cpu []event.Point) []event.Point {
	if len(joules) == 0 || len(joules) == len(cpu) {
		return joules
	}
	var out []event.Point
	i := 0
	for _, c := range cpu {
		for i < len(joules) && joules[i].Step < c.Step {
			out = append(out, joules[i])
			i++
		}
		if i < len(joules) && joules[i].Step == c.Step {
			continue
		}
		out = append(out, event.Point{Step: c.Step, Y: math.NaN(), Lo: math.NaN(), Hi: math.NaN()})
	}
	return append(out, joules[i:]...)
}

// windowText says what part of the run the charts show: "×8, held".
func (d *desk) windowText(s event.Stage) string {
	w := d.look.win
	if w.Span <= 0 {
		return ""
	}
	ext := d.ahead(s, d.extent(s))
	f := w.Frame(ext)
	if f == ext || f.X1 <= f.X0 {
		return ""
	}
	t := "×" + strconv.FormatFloat((ext.X1-ext.X0)/(f.X1-f.X0), 'g', 3, 64)
	if w.Follows() {
		return t + " follows"
	}
	return t + " held"
}

// titled is what stands at the right of a chart's title: the window, and what
// smoothing and axis do to the curve.
func (d *desk) titled(s event.Stage, c chart.Chart, more string) string {
	out := ""
	for _, t := range []string{d.behind(""), d.windowText(s), c.State(), more} {
		switch {
		case t == "":
		case out == "":
			out = t
		default:
			out += " · " + t
		}
	}
	return out
}

func (d *desk) canPan() string {
	if w := d.canCurve(); w != "" {
		return w
	}
	if d.windowText(d.stage()) == "" {
		return "all of it is in sight: zoom in first"
	}
	return ""
}

func (d *desk) canFollow() string {
	if w := d.canCurve(); w != "" {
		return w
	}
	if d.look.win.Follows() {
		return "the newest point is followed already"
	}
	return ""
}

func (d *desk) pan(share float64) {
	s := d.stage()
	d.look.win.Pan(d.ahead(s, d.extent(s)), share)
	d.look.cursor = nil
}

func (d *desk) followOn() { d.look.win.Locked, d.look.cursor = false, nil }

// trade is what the joules of an epoch were saved for: "−38 % J for −0.4 pt". Where
// joules are an estimate they are as good as seconds, and those are named.
func (d *desk) trade(s event.Stage, b bill, step int64) string {
	if s != event.Sparsify {
		return ""
	}
	base, ok := d.run.st.BaselineAcc()
	acc, has := pointAt(d.run.st.Curves[s].Acc, step)
	cpu, spent := pointAt(d.run.st.Curves[s].CPU, step)
	dense, known := mean(d.run.st.Curves[event.Baseline].CPU)
	if !ok || !has || !spent || !known {
		return ""
	}
	saved := plain.Change(dense, cpu.Y) + " " + d.clockOf().Of("s")
	if j, ok := pointAt(b.points, step); ok && b.unit == "J" && b.known && j.Step == cpu.Step && measured(d.epochAt(s, cpu.Step).Energy) {
		saved = plain.Change(b.dense, j.Y) + " J"
	}
	return saved + " for " + points(acc.Y-base)
}

// measured: tiers A to C.
func measured(j event.Joules) bool {
	return j.UJ != nil && (j.Tier == "A" || j.Tier == "B" || j.Tier == "C")
}

// epochAt is the bill of the epoch that ended at a step.
func (d *desk) epochAt(s event.Stage, step int64) event.EpochCost {
	st := &d.run.st
	for i := len(st.Epochs) - 1; i >= 0; i-- {
		if e := &st.Epochs[i]; e.Stage == s && e.Step == step {
			return *e
		}
	}
	return event.EpochCost{}
}

// grown are the points of a curve that only grows, made ready for a chart as they come: the
// loss of a long run has a million, and a key that moves the cursor waits for them.
type grown struct {
	points []chart.Point
	memo   chart.Memo
}

// series is all of ps, whose beginning is what it was; see watch.fold for what shortens it.
func (g *grown) series(name string, ps []event.Point) chart.Series {
	n := min(len(g.points), len(ps))
	for n > 0 && (g.points[n-1].X != float64(ps[n-1].Step) || g.points[n-1].Y != ps[n-1].Y) { // done again
		n--
	}
	if n < len(g.points) {
		g.memo = chart.Memo{}
	}
	g.points = append(g.points[:n], curve(ps[n:])...)
	return chart.Series{Name: name, Token: theme.Accuracy, Points: g.points, Memo: &g.memo}
}

// lossPane is the loss of the training batches: every metric, spikes included.
func (d *desk) lossPane(w, h int) string {
	s := d.stage()
	c := chart.Chart{
		Theme:  d.th,
		Series: []chart.Series{d.run.losses[s].series("training loss", d.run.st.Curves[s].Loss)},
		Events: d.run.marks[s],
		Options: chart.Options{
			Frame: d.shared(s), Cursor: d.look.cursor, Log: d.look.log, EMA: d.look.ema, Empty: d.none(s, "no step yet"),
		},
	}
	c.Series = append(c.Series, d.overlays(s, func(k *event.Curves) []event.Point { return k.Loss })...)
	var say []string
	ps := d.run.st.Curves[s].Loss
	x, at := d.cursorOr(ps)
	if p, ok := pointAt(ps, x); ok {
		val := event.Num(p.Y, 4)
		say = []string{at + val + d.markAt(c, float64(x), w-2), at + val, val}
	}
	return d.chartBox("training loss", or(d.titled(s, c, ""), d.viewHint("training loss", w)), c, say, w, h)
}

// cursorOr is the step that is read, and in words: the cursor's, else the last
// point's.
func (d *desk) cursorOr(ps []event.Point) (int64, string) {
	if d.look.cursor != nil {
		return int64(*d.look.cursor), fmt.Sprintf("at step %.0f: ", *d.look.cursor)
	}
	if len(ps) == 0 {
		return 0, ""
	}
	x := ps[len(ps)-1].Step
	return x, short(float64(x))
}

// watts are the mean power of the epochs of a stage, where joules are known.
func (d *desk) watts(s event.Stage) []event.Point {
	st := &d.run.st
	var out []event.Point
	for i := range st.Epochs {
		e := &st.Epochs[i]
		if e.Stage != s || !stands(st, e) || e.WallUS <= 0 {
			continue
		}
		y := math.NaN()
		if e.Energy.UJ != nil {
			y = float64(*e.Energy.UJ) / float64(e.WallUS)
		}
		for len(out) > 0 && out[len(out)-1].Step >= e.Step { // done again after a roll-back
			out = out[:len(out)-1]
		}
		out = append(out, event.Point{Step: e.Step, Y: y, Lo: y, Hi: y})
	}
	if !sort.SliceIsSorted(out, func(i, j int) bool { return out[i].Step < out[j].Step }) {
		return nil
	}
	for _, p := range out {
		if p.Y-p.Y == 0 {
			return out
		}
	}
	return nil
}

// powerPane is the mean power of each epoch.
func (d *desk) powerPane(w, h int) string {
	s := d.stage()
	ps := d.watts(s)
	b := d.bill(s)
	c := chart.Chart{
		Theme:  d.th,
		Series: []chart.Series{{Name: "power", Token: theme.Energy, Points: curve(ps)}},
		Events: d.run.marks[s],
		Options: chart.Options{
			Frame: d.shared(s), Cursor: d.look.cursor, Log: d.look.log, EMA: d.look.ema, Zero: !d.look.log, Empty: d.none(s, "power is not measured, or no epoch is over"),
		},
	}
	if y, ok := mean(finite(d.watts(event.Baseline))); ok && s == event.Sparsify {
		c.Lines = append(c.Lines, chart.Line{Kind: chart.Ghost, Y: y, Label: "dense " + plain.Num(y)})
	}
	var say []string
	x, at := d.cursorOr(ps)
	if p, ok := pointAt(ps, x); ok {
		val := "– W"
		if p.Y-p.Y == 0 {
			val = plain.Num(p.Y) + " W"
		}
		say = []string{at + val + ", mean of the epoch", at + val, val}
	}
	return d.chartBox("power, W", d.titled(s, c, b.right), c, say, w, h)
}

// finite leaves gaps out.
func finite(ps []event.Point) []event.Point {
	var out []event.Point
	for _, p := range ps {
		if p.Y-p.Y == 0 {
			out = append(out, p)
		}
	}
	return out
}
