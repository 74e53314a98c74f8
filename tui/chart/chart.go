package chart

import (
	"math"
	"strconv"
	"strings"

	"pare/tui/theme"
)

// Series is a curve. The first series of a chart is the one it is about: it is
// drawn over the others and alone in a sparkline.
type Series struct {
	Name     string
	Points   []Point
	Token    theme.Token
	Overlay  bool  // of another run: dashed, never smoothed
	Interval bool  // the dashed uprights span Lo..Hi of the points too
	Memo     *Memo // of a series with very many points; may be nil
}

// LineKind says what a horizontal line is.
type LineKind uint8

// Kinds of lines: Ghost is the dense baseline (╌), Floor what must not be
// crossed (·).
const (
	Ghost LineKind = iota
	Floor
)

// Line is a horizontal line with its label, drawn as it is given, figure
// included: "baseline 0.887".
type Line struct {
	Kind  LineKind
	Y     float64
	Label string
}

// EventKind says how an event looks on the axis.
type EventKind uint8

// Kinds of events: Mark ▲ is a decision or a mask change, Bad ✗ what went
// wrong. Points that are not finite add a Bad by themselves.
const (
	Mark EventKind = iota
	Bad
)

// Event is something that happened at a step.
type Event struct {
	X     float64
	Kind  EventKind
	Label string // for EventNear; the chart itself shows the mark only
}

// Options are what the person chose, and what the app knows of the axis. Linked
// charts get the same Frame and the same Cursor.
type Options struct {
	Frame  Frame    // zero: all there is
	Cursor *float64 // step under the cursor, nil for none
	Log    bool     // logarithmic y axis
	EMA    float64  // weight of the past in [0, 1); 0 draws what was measured
	Zero   bool     // y starts at 0 at the latest: amounts, such as joules
	Top    float64  // greatest value that makes sense, as 1 for a share; figures above stay blank
	Empty  string   // what to say without a point; "no data yet"

	YFormat func(v float64, width int) string // figures of the y axis; nil is the built-in
}

// State says in words what Options do to the curve, for the title:
// "ema 0.6 · log".
func (o Options) State() string {
	var s []string
	if e := o.ema(); e > 0 {
		s = append(s, "ema "+strconv.FormatFloat(e, 'g', 3, 64))
	}
	if o.Log {
		s = append(s, "log")
	}
	return strings.Join(s, " · ")
}

func (o Options) ema() float64 {
	if !(o.EMA > 0) {
		return 0
	}
	return min(o.EMA, 0.9999)
}

// Chart is one chart. It holds what to draw and no state of its own.
type Chart struct {
	Theme  *theme.Theme
	Series []Series
	Lines  []Line
	Events []Event
	Options
}

// Below these a chart is a sparkline.
const (
	minW = 20
	minH = 4
)

// gutter is how many cells the figures take, and with the axis.
func gutter(w int) (figures, all int) {
	switch {
	case w >= 40:
		return 6, 8
	case w >= 28:
		return 6, 7
	}
	return 5, 6
}

// PlotWidth is how many columns of a chart w cells wide are plot: the n of
// Frame.Col, Frame.X and Move.
func PlotWidth(w int) int {
	if w < minW {
		return max(w, 1)
	}
	_, g := gutter(w)
	return w - g
}

// PlotLeft is the first of these columns.
func PlotLeft(w int) int {
	if w < minW {
		return 0
	}
	_, g := gutter(w)
	return g
}

// frame is the window to draw, and the extent of the data when it has none.
func (c *Chart) frame() Frame {
	f := c.Frame
	if f == (Frame{}) {
		f = Extent(c.Series...)
	}
	return f.sane()
}

// Render draws the chart in exactly h lines of exactly w cells; below one cell
// the result is empty.
func (c Chart) Render(w, h int) string {
	if w < 1 || h < 1 {
		return ""
	}
	if c.Theme == nil {
		c.Theme = theme.New(theme.Mono, true, false)
	}
	if w < minW || h < minH {
		return c.Theme.Block(c.sparkline(w), w, h)
	}
	return c.plot(w, h).String()
}

// plot draws into a grid of w×h cells, both large enough for axes.
func (c *Chart) plot(w, h int) *grid {
	g := newGrid(c.Theme, w, h)
	figures, left := gutter(w)
	rows := h - 2
	if h == minH {
		rows = h - 1 // no room for figures under the axis
	}
	p := &plotter{Chart: c, grid: g, left: left, n: w - left, rows: rows, f: c.frame(), axis: axisY{c.Log}}
	p.sample()
	p.scale = p.fit()
	p.yAxis(figures)
	p.xAxis(h > minH)
	p.lines()
	for i := len(c.Series) - 1; i >= 0; i-- {
		p.series(i)
	}
	p.cursor(h > minH)
	p.lineLabels()
	p.message()
	return g
}

// fit chooses the scale from all that will be drawn.
func (p *plotter) fit() scale {
	lo, hi := math.Inf(1), math.Inf(-1)
	for i := range p.traces {
		l, h := p.traces[i].bounds()
		lo, hi = min(lo, l), max(hi, h)
	}
	for _, l := range p.Lines {
		if y := p.axis.to(l.Y); finite(y) {
			lo, hi = min(lo, y), max(hi, y)
		}
	}
	if p.Zero && !p.Log && lo <= hi {
		lo, hi = min(lo, 0), max(hi, 0)
	}
	return newScale(lo, hi, p.rows, p.Log)
}

// sparkline is the chart in one line: the first series and its last value.
func (c *Chart) sparkline(w int) string {
	if len(c.Series) == 0 {
		return c.Theme.Paint(theme.Dim, c.empty())
	}
	n, label := w, ""
	if w >= 12 {
		n = w - 7
	}
	s := &c.Series[0]
	t := sample(s, c.frame(), n, axisY{c.Log}, c.smoothing(s))
	if !t.any {
		return c.Theme.Paint(theme.Dim, c.empty())
	}
	if n < w && finite(t.last) {
		last := t.last
		if c.Log {
			last = math.Pow(10, last)
		}
		// Three figures tell a tenth of a point of accuracy.
		step := math.Pow(10, math.Floor(math.Log10(max(math.Abs(last), 1e-99)))-2)
		label = " " + c.minus(number(math.Round(last/step)*step, step, math.Abs(last), 6))
	}
	return c.Theme.Paint(s.Token, t.spark(c.Theme, n)) + label
}

// spark is one cell of eight heights per column, of the value furthest from
// the line.
func (t *trace) spark(th *theme.Theme, n int) string {
	lo, hi := t.bounds()
	var b strings.Builder
	for _, c := range t.cols[:n] {
		v := c.line
		if c.n > 0 {
			if v = c.max; c.line-c.min > c.max-c.line {
				v = c.min
			}
		}
		b.WriteString(level(th, v, lo, hi))
	}
	return b.String()
}

// smoothing is the EMA weight for a series.
func (c *Chart) smoothing(s *Series) float64 {
	if s.Overlay {
		return 0
	}
	return c.ema()
}

// empty is the reason why there is no curve.
func (c *Chart) empty() string {
	some := false
	for i := range c.Series {
		for _, p := range c.Series[i].Points {
			some = true
			if y := (axisY{c.Log}).to(p.Y); finite(y) && finite(p.X) {
				return "no points in this window"
			}
		}
	}
	switch {
	case some && c.Log:
		return "no values above 0"
	case some:
		return "no finite values"
	case c.Empty != "":
		return c.Theme.Clean(c.Empty)
	}
	return "no data yet"
}

func (c *Chart) minus(s string) string {
	return strings.Replace(s, "-", c.Theme.G.Minus, 1)
}

// Legend names the series with a piece of their line, in one line.
func (c Chart) Legend() string {
	if c.Theme == nil {
		c.Theme = theme.New(theme.Mono, true, false)
	}
	var parts []string
	for i := range c.Series {
		s := &c.Series[i]
		parts = append(parts, c.Theme.Paint(s.Token, strings.Repeat(c.lineSet(i).H, 2))+" "+c.Theme.Clean(s.Name))
	}
	return strings.Join(parts, "  ")
}

// lineSet is what series i is drawn with: without colour, too, curves differ.
func (c *Chart) lineSet(i int) *theme.LineSet {
	if c.Series[i].Overlay {
		return &c.Theme.G.Dashed
	}
	k := 0
	for j := range i {
		if !c.Series[j].Overlay {
			k++
		}
	}
	return &c.Theme.G.Lines[k%len(c.Theme.G.Lines)]
}
