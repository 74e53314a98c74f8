package work

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"pare/core/event"
	"pare/sessions"
	"pare/tui/chart"
	"pare/tui/plain"
	"pare/tui/theme"
)

// The view of checkpoints by what an inference costs and what it is right about.

// tradeOff is one point of the view.
type tradeOff struct {
	name     string // of its checkpoint, "" when its file is not kept
	stage    event.Stage
	step     int64
	acc      float64
	lo, hi   float64 // 95 % of the accuracy
	zeros    float64
	cost     float64 // in the unit of the view
	band     float64 // ± %
	kind     chart.SpotKind
	inferred event.Infer
}

// tradeOffs are all epochs whose inferences were timed, the cheapest first, and the
// unit of their cost. Joules are the axis where each was measured by a counter; an
// estimate follows the time and says nothing more.
func (d *desk) tradeOffs() (out []tradeOff, unit, why string) {
	st := &d.run.st
	unit = "J"
	us := d.clockOf().Of("µs")
	for i := range st.Infers {
		x := &st.Infers[i]
		if x.N < 1 || !judged(st, x) {
			continue
		}
		switch {
		case x.Energy.UJ == nil:
			unit, why = us, "J: the meter's windows are longer than this, or it has none"
		case !measured(x.Energy) && unit == "J":
			unit, why = us, "J by tier "+x.Energy.Tier+" would follow "+d.clockOf().Name
		}
	}
	for i := range st.Infers {
		x := &st.Infers[i]
		if x.N < 1 || !judged(st, x) {
			continue
		}
		e, _ := evalAt(st, x.Stage, x.Step)
		t := tradeOff{stage: x.Stage, step: x.Step, acc: e.Acc(), lo: e.Lo, hi: e.Hi, zeros: x.Zeros, band: x.Band, inferred: *x}
		t.cost = float64(st.Started.Busy(x.CPUUS, x.WallUS)) / float64(x.N)
		if unit == "J" {
			t.cost = float64(*x.Energy.UJ) / 1e6 / float64(x.N)
		}
		for k := range st.Checkpoints {
			if c := &st.Checkpoints[k]; c.Stage == x.Stage && c.Step == x.Step {
				t.name = c.Name // the latest of a step: "sparse" after s3-002000
			}
		}
		out = append(out, t)
	}
	slices.SortStableFunc(out, func(a, b tradeOff) int {
		switch {
		case a.cost < b.cost:
			return -1
		case a.cost > b.cost:
			return 1
		}
		return 0
	})
	floor, known := d.run.floor()
	best := math.Inf(-1)
	for i := range out { // from the cheapest: on the front is what is better than all cheaper ones
		t := &out[i]
		switch {
		case t.stage == event.Baseline:
			t.kind = chart.SpotDense
		case known && t.acc < floor:
			t.kind = chart.SpotBad
		case t.acc > best:
			t.kind = chart.SpotFront
		}
		if t.kind == chart.SpotFront {
			best = t.acc
		}
	}
	return out, unit, why
}

// evalAt is the judgement of a step on the validation set.
func evalAt(st *event.State, s event.Stage, step int64) (event.Eval, bool) {
	for i := len(st.Evals) - 1; i >= 0; i-- {
		if e := &st.Evals[i]; e.Stage == s && e.Step == step && e.Split == "val" && e.N > 0 {
			return *e, true
		}
	}
	return event.Eval{}, false
}

func judged(st *event.State, x *event.Infer) bool {
	_, ok := evalAt(st, x.Stage, x.Step)
	return ok
}

// chosenTrade is the point under the cursor: the newest until one is chosen.
func (d *desk) chosenTrade(l []tradeOff) int {
	newest := -1
	for i := range l {
		if p := d.look.point; p.on && l[i].stage == p.stage && l[i].step == p.step {
			return i
		}
		if newest < 0 || l[i].stage > l[newest].stage || l[i].stage == l[newest].stage && l[i].step > l[newest].step {
			newest = i
		}
	}
	return newest
}

// point is a point of the view that was chosen.
type point struct {
	on    bool
	stage event.Stage
	step  int64
}

// moveTrade goes to the next dearer point, or cheaper.
func (d *desk) moveTrade(dir int) {
	l, _, _ := d.tradeOffs()
	if i := d.chosenTrade(l); i >= 0 {
		i = min(max(i+dir, 0), len(l)-1)
		d.look.point = point{true, l[i].stage, l[i].step}
	}
}

// onTrades says whether the view is on the screen.
func (d *desk) onTrades() bool {
	if d.run == nil || d.page != pageRun || d.look.view != viewTrade {
		return false
	}
	s := d.stage()
	return s == event.Baseline || s == event.Sparsify
}

// tradeCheckpoint is the checkpoint under the cursor of the view, "" when there is none.
func (d *desk) tradeCheckpoint() string {
	if !d.onTrades() {
		return ""
	}
	l, _, _ := d.tradeOffs()
	if i := d.chosenTrade(l); i >= 0 {
		return l[i].name
	}
	return ""
}

// tradePane is the scatter.
func (d *desk) tradePane(w, h int) string {
	l, unit, why := d.tradeOffs()
	at := d.chosenTrade(l)
	c := chart.Scatter{Theme: d.th, Top: 1, At: at, Empty: d.noTrades()}
	scale, axis := axisUnit(l, unit)
	for _, t := range l {
		c.Spots = append(c.Spots, chart.Spot{X: t.cost * scale, Y: t.acc, Kind: t.kind})
	}
	if f, ok := d.run.floor(); ok && len(l) > 0 {
		c.Lines = append(c.Lines, chart.Line{Kind: chart.Floor, Y: f, Label: minus(fmt.Sprintf("floor %.3f", f))})
	}
	ch := h - 2
	if ch >= 5 {
		ch--
	}
	body := c.Render(w-2, ch)
	if ch < h-2 {
		say := ""
		if at >= 0 {
			say = d.fitting(d.tradeSays(l, at, unit), w-3)
		}
		body += "\n " + d.th.Paint(theme.Dim, say)
	}
	right := "tier " + d.tradeTier(l)
	if unit != "J" {
		right = why
	}
	if len(l) == 0 {
		right = ""
	}
	title := "accuracy against " + axis + " per inference"
	if theme.Width(title)+theme.Width(right)+8 > w {
		title = "accuracy, " + axis + " an inference"
	}
	return d.th.Box(title, right, body, w, h)
}

// axisUnit is the unit that the axis has figures of a good length in, and what a cost
// is multiplied by for it.
func axisUnit(l []tradeOff, unit string) (scale float64, name string) {
	most := 0.0
	for i := range l {
		most = max(most, l[i].cost)
	}
	switch {
	case unit == "J" && most < 2e-3:
		return 1e6, "µJ"
	case unit == "J" && most < 2:
		return 1e3, "mJ"
	case unit != "J" && most >= 2e6:
		return 1e-6, strings.TrimSuffix(unit, "µs") + "s"
	case unit != "J" && most >= 2e3:
		return 1e-3, strings.TrimSuffix(unit, "µs") + "ms"
	}
	return 1, unit
}

// tradeTier is how the joules of the points are known, the worst of them.
func (d *desk) tradeTier(l []tradeOff) string {
	worst := ""
	for i := range l {
		worst = max(worst, l[i].inferred.Energy.Tier)
	}
	return worst
}

// noTrades says why there is no point.
func (d *desk) noTrades() string {
	switch {
	case len(d.run.st.Evals) > 0 && d.run.st.Stage > event.Baseline && len(d.run.st.Infers) == 0:
		return "inferences were not timed in this run"
	case d.run.over() && !d.replaying():
		return "no point: the run ended before the first"
	}
	return "first point: end of the baseline"
}

// tradeSays are ways to say what a point is, the longest first.
func (d *desk) tradeSays(l []tradeOff, i int, unit string) []string {
	t := l[i]
	name := t.name
	if name == "" {
		name = fmt.Sprintf("step %d, not kept", t.step)
	}
	short := fmt.Sprintf("%s: %.3f for %s", name, t.acc, t.costText(unit))
	if t.kind == chart.SpotDense {
		return []string{short + ", dense", short}
	}
	k := slices.IndexFunc(l, func(x tradeOff) bool { return x.kind == chart.SpotDense })
	if k < 0 {
		return []string{short}
	}
	change := fmt.Sprintf("%s %s for %s", plain.Change(l[k].cost, t.cost), strings.TrimSuffix(unit, " µs"), points(t.acc-l[k].acc))
	if beyond := max(l[k].band, t.band); math.Abs(t.cost/l[k].cost-1)*100 <= beyond {
		change = fmt.Sprintf("no difference beyond ±%.0f %% for %s", math.Ceil(beyond), points(t.acc-l[k].acc))
	}
	return []string{short + " · " + change, name + ": " + change, change}
}

// costText is what an inference of the point takes, with its unit.
func (t *tradeOff) costText(unit string) string {
	if unit == "J" {
		return plain.Joules(t.inferred.Energy.Part(1 / float64(t.inferred.N)))
	}
	scale, name := axisUnit([]tradeOff{*t}, unit)
	return plain.Num(t.cost*scale) + " " + name
}

// tradesPane lists the points, the one under the cursor in sight.
func (d *desk) tradesPane(w, h int) string {
	th := d.th
	l, unit, _ := d.tradeOffs()
	at := d.chosenTrade(l)
	room := max(h-2, 1)
	say := "accuracy on validation with its 95 % interval; ± is that of the mean inference over five windows"
	if !d.replaying() && d.bound() == "" {
		say += ". r rolls back to the point, b branches from it"
	}
	notes := wrap(say, max(w-4, 1))
	if room < len(l)+len(notes)+1 {
		notes = nil
	}
	from := min(max(at-room/2, 0), max(len(l)-room, 0))
	form := 0
	for form < 2 && slices.ContainsFunc(l, func(t tradeOff) bool { return theme.Width(th.Tr(d.tradeLine(t, unit, form))) > w-6 }) {
		form++
	}
	var b strings.Builder
	for i := from; i < min(from+room, len(l)); i++ {
		s, mark := d.tradeLine(l[i], unit, form), " "
		if i == at {
			mark, s = th.Paint(theme.Accent, ">"), th.Paint(theme.Selected, th.Tr(s))
		}
		b.WriteString(" " + mark + " " + s + "\n")
	}
	if len(l) == 0 {
		b.WriteString(th.Paint(theme.Dim, " "+d.noTrades()))
	} else if len(notes) > 0 {
		b.WriteString("\n")
		for _, n := range notes {
			b.WriteString(" " + th.Paint(theme.Dim, th.Tr(n)) + "\n")
		}
	}
	s := chart.Scatter{Theme: th}
	for _, t := range l {
		s.Spots = append(s.Spots, chart.Spot{X: t.cost, Y: t.acc, Kind: t.kind})
	}
	legend := ansi.Strip(s.Legend()) // titles have a colour of their own
	if theme.Width(legend)+20 > w {
		legend = ""
	}
	return th.Box("checkpoints", legend, strings.TrimSuffix(b.String(), "\n"), w, h)
}

// tradeLine is a point as a line of the list; a higher form takes less room.
func (d *desk) tradeLine(t tradeOff, unit string, form int) string {
	th := d.th
	glyph := [...]string{th.G.Pending, th.G.Cross, th.G.Running, th.G.Lines[1].Spot}[t.kind]
	name := t.name
	if name == "" {
		name = fmt.Sprintf("(s%d-%06d)", t.stage, t.step)
	}
	name = th.Fit(th.Clean(name), 11)
	c := t.costText(unit)
	switch form {
	case 0:
		return fmt.Sprintf("%s %s %.3f (%.3f to %.3f)  %7s zeros  %11s ±%.0f %%", glyph, name, t.acc, t.lo, t.hi, percent(t.zeros), c, math.Ceil(t.band))
	case 1:
		return fmt.Sprintf("%s %s %.3f  %7s  %11s ±%.0f %%", glyph, name, t.acc, percent(t.zeros), c, math.Ceil(t.band))
	}
	return fmt.Sprintf("%s %s %.3f %s", glyph, name, t.acc, c)
}

func (d *desk) canTradeMove() string {
	if l, _, _ := d.tradeOffs(); len(l) == 0 {
		return "there is no point to look at yet"
	}
	return ""
}

// Branching from a point.

func (d *desk) canBranchHere() string {
	switch {
	case d.bound() != "":
		return d.bound()
	case d.busy != "":
		return d.busy
	case len(d.run.st.Checkpoints) == 0:
		return "there is no checkpoint yet"
	case d.onTrades() && d.tradeCheckpoint() == "":
		return "the file of this point is not kept: choose another"
	}
	return ""
}

// branchHere lists the checkpoints of this run to branch from, the one under the cursor
// marked.
func (d *desk) branchHere() []effect { return d.branchAt(d.tradeCheckpoint()) }

// branchMarked is branchHere from the list of checkpoints to roll back to.
func (d *desk) branchMarked() []effect {
	want := d.rollOn.Name
	d.closeOver()
	return d.branchAt(want)
}

func (d *desk) branchAt(want string) []effect {
	s := d.on(d.run.src.ID())
	return []effect{func(context.Context) any {
		l, err := s.Points()
		return herePointsMsg{pointsMsg{s.ID, l, err}, want}
	}}
}

// herePointsMsg are the checkpoints of the run on the screen.
type herePointsMsg struct {
	pointsMsg
	want string
}

func (d *desk) onHerePoints(m herePointsMsg) {
	if d.page != pageRun || d.over != overNone || d.run == nil || d.run.src.ID() != m.id {
		return
	}
	switch {
	case m.err != nil:
		d.warn(theme.Bad, m.err.Error())
	case len(m.l) == 0:
		d.warn(theme.Warn, "there is no checkpoint to branch from")
	default:
		d.over, d.shelf.at, d.shelf.points, d.shelf.point = overPoint, m.id, m.l, 0
		if i := slices.IndexFunc(m.l, func(p sessions.Point) bool { return p.Name == m.want }); i >= 0 {
			d.shelf.point = len(m.l) - 1 - i
		}
	}
}
