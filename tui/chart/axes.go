package chart

import (
	"math"
	"strconv"
	"strings"

	"pare/tui/theme"
)

// yAxis writes the figures: of every row in a low chart, of every second one
// in a high one.
func (p *plotter) yAxis(figures int) {
	every := 1
	if p.rows > 7 {
		every = 2
	}
	labels := p.scale.labels(figures)
	for row := range p.rows {
		y := p.rows - 1 - row
		mark := p.Theme.G.V
		if row%every == 0 {
			s := labels[row]
			if p.YFormat != nil {
				if s = p.Theme.Clean(p.YFormat(p.scale.value(row), figures)); theme.Width(s) > figures {
					s = ""
				}
			}
			if p.Top != 0 && p.scale.value(row) > p.Top+p.scale.step*1e-6 {
				s = ""
			}
			if s != "" {
				mark = p.Theme.G.YTick
				s = p.minus(s)
				p.grid.text(figures-theme.Width(s), y, s, theme.Dim)
			}
		}
		p.grid.put(p.left-1, y, mark, theme.Border, fixture)
	}
}

// xAxis draws the axis with its ticks and events, and the figures under it.
func (p *plotter) xAxis(figures bool) {
	g := &p.Theme.G
	y := p.rows
	p.grid.put(p.left-1, y, g.Corner, theme.Border, fixture)
	for c := range p.n {
		p.grid.put(p.left+c, y, g.Axis, theme.Border, fixture)
	}
	free := 0 // first column a figure may start at
	marks := ticks(p.f, p.n, p.wholeSteps())
	if p.Frame == (Frame{}) && p.f == (Frame{}).sane() && Extent(p.Series...) == (Frame{}) {
		marks = nil // no data, no steps
	}
	for _, t := range marks {
		c := p.f.Col(t.x, p.n)
		p.grid.put(p.left+c, y, g.Tick, theme.Border, fixture)
		if !figures {
			continue
		}
		s := p.minus(t.label)
		w := theme.Width(s)
		at := min(p.left+c-w/2, p.grid.w-w) // never over the edge
		if at >= free && at >= 0 {
			p.grid.text(at, y+1, s, theme.Dim)
			free = at + w + 1
		}
	}
	for _, e := range p.Events {
		if e.Kind != Bad && finite(e.X) && p.f.Has(e.X) {
			p.grid.put(p.left+p.f.Col(e.X, p.n), y, g.Up, theme.Accent, fixture)
		}
	}
	for _, e := range p.Events {
		if e.Kind == Bad && finite(e.X) && p.f.Has(e.X) {
			p.grid.put(p.left+p.f.Col(e.X, p.n), y, g.Cross, theme.Bad, fixture)
		}
	}
	for i := range p.traces {
		for _, x := range p.traces[i].bad {
			p.grid.put(p.left+p.f.Col(x, p.n), y, g.Cross, theme.Bad, fixture)
		}
	}
}

// cursorLabel writes ▲1500 under column c, over the figures it touches.
func (p *plotter) cursorLabel(c int, s string) {
	s = p.Theme.G.Up + p.minus(s)
	w := theme.Width(s)
	at := p.left + c
	if at+w > p.grid.w { // to the left of the mark instead
		s = s[len(p.Theme.G.Up):] + p.Theme.G.Up
		at -= w - 1
	}
	if at < 0 {
		return
	}
	y := p.rows + 1
	// A figure half covered would read as another one.
	for _, dir := range []int{-1, 1} {
		x := at - 1
		if dir > 0 {
			x = at + w
		}
		for ; x >= 0 && x < p.grid.w && p.grid.at(x, y).s != ""; x += dir {
			*p.grid.at(x, y) = cell{}
		}
	}
	p.grid.text(at, y, s, theme.Cursor)
}

// stepText is a step in full while that is short: 1500, 0.25, 1.235e9.
func stepText(x float64) string {
	if x == math.Trunc(x) && math.Abs(x) < 1e8 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 4, 64)
}

type tick struct {
	x     float64
	label string
}

// wholeSteps says that all steps in sight are whole numbers, so that a tick at
// 1.5 would be a step that does not exist.
func (p *plotter) wholeSteps() bool {
	for i := range p.Series {
		s := &p.Series[i]
		if m := s.Memo; m != nil && len(s.Points) > 0 && m.of.f == p.f && m.of.points == len(s.Points) { // sample came first
			if !m.whole {
				return false
			}
			continue
		}
		if !wholeSteps(s.Points, p.f) {
			return false
		}
	}
	return true
}

func wholeSteps(ps []Point, f Frame) bool {
	for i := range ps {
		if ps[i].X != math.Trunc(ps[i].X) && f.Has(ps[i].X) {
			return false
		}
	}
	return true
}

// ticks are readable steps in the frame, about ten columns apart.
func ticks(f Frame, n int, whole bool) []tick {
	const width = 6
	want := (f.X1/2 - f.X0/2) * 2 / max(float64(n)/10, 1)
	if !finite(want) || want <= 0 {
		return nil
	}
	step := 0.0
	for e := math.Floor(math.Log10(want)); step == 0; e++ {
		for _, m := range []float64{1, 2, 5} {
			if s := m * math.Pow(10, e); s >= want*(1-1e-9) {
				step = s
				break
			}
		}
	}
	if whole {
		step = max(step, 1)
	}
	first := math.Ceil(f.X0/step - 1e-9)
	if math.Abs(first) > 1e15 { // steps closer than the figures can tell
		return nil
	}
	big := max(math.Abs(f.X0), math.Abs(f.X1))
	var out []tick
	for k := first; len(out) < n; k++ {
		x := k * step
		if x > f.X1+step*1e-9 {
			break
		}
		s := number(x, step, big, width)
		if len(s) > width {
			s = ""
		}
		if len(out) > 0 && s == out[len(out)-1].label {
			s = ""
		}
		out = append(out, tick{x, strings.TrimSpace(s)})
	}
	return out
}
