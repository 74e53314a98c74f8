package work

import (
	"fmt"
	"math"
	"sort"
	"strings"

	"pare/core/event"
	"pare/tui/chart"
	"pare/tui/plain"
	"pare/tui/theme"
)

// curve turns points of the fold into those of a chart.
func curve(ps []event.Point) []chart.Point { return plain.ChartPoints(ps) }

// pointAt is the last point at or before a step.
func pointAt(ps []event.Point, step int64) (event.Point, bool) {
	i := sort.Search(len(ps), func(i int) bool { return ps[i].Step > step }) - 1
	if i < 0 {
		return event.Point{}, false
	}
	return ps[i], true
}

func mean(ps []event.Point) (float64, bool) {
	sum := 0.0
	for _, p := range ps {
		sum += p.Y
	}
	return sum / float64(len(ps)), len(ps) > 0
}

// lastAcc is the newest validation accuracy of a stage; of validate and deploy,
// which have none, that of sparsify.
func lastAcc(st *event.State, s event.Stage) (float64, bool) {
	if s > event.Sparsify {
		s = event.Sparsify
	}
	if s < event.Baseline || s == event.Configure {
		s = event.Baseline
	}
	c := st.Curves[s].Acc
	if len(c) == 0 {
		return math.NaN(), false
	}
	return c[len(c)-1].Y, true
}

// lastEpoch is the newest bill of a stage's epochs.
func lastEpoch(st *event.State, s event.Stage) (event.EpochCost, bool) {
	for i := len(st.Epochs) - 1; i >= 0; i-- {
		if st.Epochs[i].Stage == s && stands(st, &st.Epochs[i]) {
			return st.Epochs[i], true
		}
	}
	return event.EpochCost{}, false
}

// stands is false for epochs that a roll-back undid. Their joules stay billed,
// but they say nothing about the run as it is.
func stands(st *event.State, e *event.EpochCost) bool {
	c := st.Curves[e.Stage].CPU
	return len(c) > 0 && e.Step <= c[len(c)-1].Step
}

// shared is the axis of both charts: all data of the stage, and while it runs
// the steps to come.
func (d *desk) shared(s event.Stage) chart.Frame {
	c := &d.run.st.Curves[s]
	ext := chart.Extent(chart.Series{Points: curve(c.Acc)}, chart.Series{Points: curve(c.CPU)})
	return d.look.win.Frame(d.ahead(s, ext))
}

// ahead makes room for the steps to come, unless a part is looked at.
func (d *desk) ahead(s event.Stage, ext chart.Frame) chart.Frame {
	m := d.run.metric
	if d.look.win.Span == 0 && !d.look.win.Locked && m.Stage == s && m.Steps > 0 {
		return ext.Union(chart.Frame{X0: 0, X1: float64(m.Steps)})
	}
	return ext
}

func (d *desk) accChart(s event.Stage) chart.Chart {
	st := &d.run.st
	c := chart.Chart{
		Theme:  d.th,
		Series: []chart.Series{{Name: d.accTitle(), Token: theme.Accuracy, Points: curve(st.Curves[s].Acc)}},
		Events: d.run.marks[s],
		Options: chart.Options{
			Frame: d.shared(s), Cursor: d.look.cursor, Log: d.look.log, EMA: d.look.ema, Top: 1, Empty: d.none(s, "first point: end of epoch 1"),
		},
	}
	c.Series = append(c.Series, d.overlays(s, accOf)...)
	if s == event.Sparsify {
		if b, ok := st.BaselineAcc(); ok {
			c.Lines = append(c.Lines, chart.Line{Kind: chart.Ghost, Y: b, Label: fmt.Sprintf("dense %.3f", b)})
		}
		if f, ok := d.run.floor(); ok {
			c.Lines = append(c.Lines, chart.Line{Kind: chart.Floor, Y: f, Label: minus(fmt.Sprintf("floor %.3f", f))})
		}
	}
	return c
}

// none says why a chart is empty.
func (d *desk) none(s event.Stage, soon string) string {
	word, _ := d.run.status()
	switch {
	case s == event.Baseline && d.run.recipe != nil && d.run.recipe.Train.Epochs == 0:
		return "0 epochs: the model is only evaluated"
	case word == statusWaiting && s == d.run.st.Stage && d.canAct():
		return "press enter to begin"
	case word == statusWaiting && s == d.run.st.Stage:
		return "not begun yet"
	case d.run.over() && !d.replaying():
		return "no point: the run ended before the first"
	}
	return soon
}

// bill is the energy curve of a stage: joules, or seconds where joules are
// not measured.
type bill struct {
	title, right, unit string
	points             []event.Point
	dense              float64 // of the baseline per epoch
	known              bool
}

func (d *desk) bill(s event.Stage) bill {
	st := &d.run.st
	c, base := &st.Curves[s], &st.Curves[event.Baseline]
	if len(c.Joules) == 0 && (len(c.CPU) > 0 || st.Started.Tier == "") {
		b := bill{title: d.clockOf().Of("s per epoch"), right: "J not measured", unit: d.clockOf().Of("s"), points: c.CPU}
		b.dense, b.known = mean(base.CPU)
		return b
	}
	b := bill{title: "J per epoch", unit: "J", points: c.Joules}
	b.right = "tier " + st.Started.Tier
	for i := len(st.Epochs) - 1; i >= 0; i-- { // a window that was not measured has no tier
		if e := &st.Epochs[i]; e.Stage == s && e.Energy.UJ != nil && stands(st, e) {
			b.right = tier(e.Energy)
			break
		}
	}
	b.dense, b.known = mean(base.Joules)
	return b
}

func (d *desk) energyChart(s event.Stage) (chart.Chart, bill) {
	b := d.bill(s)
	c := chart.Chart{
		Theme:  d.th,
		Series: []chart.Series{{Name: b.title, Token: theme.Energy, Points: curve(gapped(b.points, d.run.st.Curves[s].CPU))}},
		Events: d.run.marks[s],
		Options: chart.Options{
			Frame: d.shared(s), Cursor: d.look.cursor, Log: d.look.log, EMA: d.look.ema, Zero: !d.look.log, Empty: d.none(s, "the first epoch is not over"),
		},
	}
	of := jouOf
	if b.unit != "J" {
		of = cpuOf
	}
	c.Series = append(c.Series, d.overlays(s, of)...)
	if s == event.Sparsify && b.known {
		c.Lines = append(c.Lines, chart.Line{Kind: chart.Ghost, Y: b.dense, Label: "dense " + plain.Num(b.dense)})
	}
	return c, b
}

func (d *desk) accPane(w, h int) string {
	if d.look.view == viewTrade {
		return d.tradePane(w, h)
	}
	if d.look.view == viewLoss {
		return d.lossPane(w, h)
	}
	if d.look.perplexity && d.run.st.Model.LM {
		return d.perplexityPane(w, h)
	}
	s := d.stage()
	c := d.accChart(s)
	var say []string // of several ways to say it the first that fits
	if x, ok := d.readAt(s); ok {
		if r := c.Readout(x)[0]; r.OK {
			acc := fmt.Sprintf("%.3f", r.Y)
			val, long := acc, acc
			if b, ok := d.run.st.BaselineAcc(); ok && s == event.Sparsify {
				val += " (" + points(r.Y-b) + ")"
				long = val
			} else if r.Hi > r.Lo {
				long += fmt.Sprintf(" (%.3f to %.3f)", r.Lo, r.Hi)
			}
			zeros := ""
			if z, ok := zerosAt(&d.run.st, int64(x)); ok && s == event.Sparsify {
				zeros = " · " + percent(z) + " zeros"
			}
			mark := d.markAt(c, x, w-2)
			say = []string{d.where(s, x) + long + zeros + mark, d.where(s, x) + val + zeros, short(x) + val + zeros, short(x) + acc + zeros, short(x) + val, val, acc}
			if mark != "" { // what happened there matters more than the zeros
				say[1] = short(x) + val + mark
			}
		}
	}
	return d.chartBox(d.accTitle(), or(d.titled(s, c, ""), d.viewHint(d.accTitle(), w)), c, say, w, h)
}

func (d *desk) energyPane(w, h int) string {
	if d.look.view == viewTrade {
		return d.tradesPane(w, h)
	}
	if d.look.view == viewLoss {
		return d.powerPane(w, h)
	}
	s := d.stage()
	c, b := d.energyChart(s)
	var say []string
	if x, ok := d.readAt(s); ok {
		if val, change, step, ok := d.billAt(s, b, int64(x)); ok {
			if d.look.cursor == nil {
				x = float64(step)
			}
			if t := d.trade(s, b, int64(x)); t != "" {
				change = " (" + t + ")"
			}
			say = []string{d.where(s, x) + val + " per epoch" + change, short(x) + val + "/epoch" + change, short(x) + val + change, val + change, strings.Trim(change, " ()"), val}
		}
	}
	return d.chartBox(b.title, d.titled(s, c, b.right), c, say, w, h)
}

// billAt is the bill of the epoch that ended at a step or before it: its joules,
// "–" when they were not measured, and its CPU seconds against dense.
func (d *desk) billAt(s event.Stage, b bill, step int64) (val, change string, at int64, ok bool) {
	cpu, ok := pointAt(d.run.st.Curves[s].CPU, step)
	if !ok {
		return "", "", 0, false
	}
	val = "– " + b.unit
	if p, ok := pointAt(b.points, step); ok && p.Step == cpu.Step {
		val = plain.Num(p.Y) + " " + b.unit
	}
	if dense, ok := mean(d.run.st.Curves[event.Baseline].CPU); ok && s == event.Sparsify {
		change = " (" + plain.Change(dense, cpu.Y) + " " + d.clockOf().Of("s") + ")"
	}
	return val, change, cpu.Step, true
}

// chartBox frames a chart with the readout under it, if there is room.
func (d *desk) chartBox(title, right string, c chart.Chart, say []string, w, h int) string {
	ch := h - 2
	if ch >= 5 {
		ch--
	}
	body := c.Render(w-2, ch)
	if ch < h-2 {
		body += "\n " + d.th.Paint(theme.Dim, d.fitting(say, w-3))
	}
	return d.th.Box(title, right, body, w, h)
}

// readAt is the step that is read: the cursor's, else the newest point's.
func (d *desk) readAt(s event.Stage) (float64, bool) {
	if d.look.cursor != nil {
		return *d.look.cursor, true
	}
	c := &d.run.st.Curves[s]
	if n := len(c.Acc); n > 0 {
		return float64(c.Acc[n-1].Step), true
	}
	if n := len(c.CPU); n > 0 {
		return float64(c.CPU[n-1].Step), true
	}
	return 0, false
}

// where says which step is read. The newest is that of the last evaluation, not
// where the run is now: it goes by its epoch.
func (d *desk) where(s event.Stage, x float64) string {
	if d.look.cursor != nil {
		return fmt.Sprintf("at step %.0f: ", x)
	}
	st := &d.run.st
	for i := len(st.Epochs) - 1; i >= 0; i-- {
		if e := &st.Epochs[i]; e.Stage == s && e.Step == int64(x) {
			return fmt.Sprintf("epoch %d, step %.0f: ", e.Epoch, x)
		}
	}
	return short(x)
}

// zerosAt is the share of zeros that was judged at a step of sparsify, else that
// of the last metric before it.
func zerosAt(st *event.State, step int64) (float64, bool) {
	for i := len(st.Evals) - 1; i >= 0; i-- {
		if e := &st.Evals[i]; e.Stage == event.Sparsify && e.Split == "val" && e.Step == step {
			return e.Zeros, true
		}
	}
	z, ok := pointAt(st.Curves[event.Sparsify].Zeros, step)
	return z.Y, ok
}

func short(x float64) string { return fmt.Sprintf("step %.0f: ", x) }

// fitting is the first of several texts that fits w cells, else the last.
func (d *desk) fitting(say []string, w int) string {
	for i, s := range say {
		if s = d.th.Tr(s); theme.Width(s) <= w || i == len(say)-1 {
			return s
		}
	}
	return ""
}

// markAt is the event in the cursor's column in words.
func (d *desk) markAt(c chart.Chart, x float64, w int) string {
	if d.look.cursor == nil {
		return ""
	}
	e, ok := c.EventNear(x, w)
	if !ok {
		return ""
	}
	glyph := d.th.G.Up
	if e.Kind == chart.Bad {
		glyph = d.th.G.Cross
	}
	return " · " + glyph + " " + d.th.Clean(e.Label)
}

// canCurve says why the keys of the charts over the steps do nothing.
func (d *desk) canCurve() string {
	if d.onTrades() {
		return "all points are in sight here: v shows the curves over the steps"
	}
	return d.canView()
}

// canCursor says why there is no point to go to.
func (d *desk) canCursor() string {
	if d.onTrades() {
		return d.canTradeMove()
	}
	return d.canCurve()
}

// canView says why there are no charts to choose from.
func (d *desk) canView() string {
	s := d.stage()
	if s != event.Baseline && s != event.Sparsify {
		return "this stage has no curve: look at 1 or 3"
	}
	if len(d.run.st.Curves[s].Acc) == 0 && len(d.run.st.Curves[s].CPU) == 0 {
		return "there is no point to look at yet"
	}
	return ""
}

func (d *desk) canReset() string {
	if w := d.canCurve(); w != "" {
		return w
	}
	if d.look.win == (chart.Window{}) && d.look.cursor == nil {
		return "everything is shown already"
	}
	return ""
}

// plotWidth is how many columns the charts on the screen have.
func (d *desk) plotWidth() int {
	rows := d.rows()
	w, _, ok := find(rows, paneA)
	if !ok {
		if w, _, ok = find(rows, paneB); !ok {
			w = d.w
		}
	}
	return chart.PlotWidth(max(w-2, 1))
}

// extent is where the data of a stage lie.
func (d *desk) extent(s event.Stage) chart.Frame {
	c := &d.run.st.Curves[s]
	return chart.Extent(chart.Series{Points: curve(c.Acc)}, chart.Series{Points: curve(c.CPU)})
}

func (d *desk) moveCursor(dir int) {
	if d.onTrades() {
		d.moveTrade(dir)
		return
	}
	s := d.stage()
	pts := d.run.st.Curves[s].Acc
	if len(pts) == 0 {
		pts = d.run.st.Curves[s].CPU
	}
	frame := d.shared(s)
	if x, ok := chart.Move(chart.Series{Points: curve(pts)}, frame, d.look.cursor, dir, d.plotWidth()); ok {
		d.look.cursor = &x
		d.look.win.Show(d.ahead(s, d.extent(s)), x)
	}
}

func (d *desk) zoom(factor float64) {
	s := d.stage()
	d.look.win.Zoom(d.ahead(s, d.extent(s)), factor, d.look.cursor)
}
