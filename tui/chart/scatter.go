package chart

import (
	"math"

	"pare/tui/theme"
)

// SpotKind says what a spot of a scatter is.
type SpotKind uint8

// Kinds of spots, the later drawn over the earlier where they share a cell.
const (
	SpotBeaten SpotKind = iota // another one is better in both ways
	SpotBad                    // under the floor
	SpotFront                  // none is better in both ways
	SpotDense                  // what all are compared with
)

// Spot is a point of a scatter.
type Spot struct {
	X, Y float64
	Kind SpotKind
}

// Scatter shows spots by two figures: a cost along, which starts at 0, and what it
// buys upwards. Every spot with finite figures is in sight: neither axis clips.
type Scatter struct {
	Theme *theme.Theme
	Spots []Spot
	Lines []Line
	Top   float64 // see Options.Top
	At    int     // spot under the cursor, drawn over all others; −1 for none
	Empty string  // what to say without a spot
}

// glyph is how a kind of spot looks; without colour, too, they differ.
func (s *Scatter) glyph(k SpotKind) (string, theme.Token) {
	g := &s.Theme.G
	switch k {
	case SpotBad:
		return g.Cross, theme.Bad
	case SpotFront:
		return g.Running, theme.Accuracy
	case SpotDense:
		if s.Theme.ASCII {
			return "D", theme.Ghost
		}
		return g.Lines[1].Spot, theme.Ghost
	}
	return g.Pending, theme.Dim
}

// Legend names the kinds of spots there are, in one line.
func (s Scatter) Legend() string {
	if s.Theme == nil {
		s.Theme = theme.New(theme.Mono, true, false)
	}
	out := ""
	for k, name := range []string{"beaten in both", "under the floor", "front", "dense"} {
		for _, p := range s.Spots {
			if p.Kind == SpotKind(k) && finite(p.X) && finite(p.Y) {
				glyph, tok := s.glyph(p.Kind)
				if out != "" {
					out += "  "
				}
				out += s.Theme.Paint(tok, glyph) + " " + name
				break
			}
		}
	}
	return out
}

// Render draws the scatter in exactly h lines of exactly w cells; below one cell the
// result is empty, below the size of a chart it is a line of words.
func (s Scatter) Render(w, h int) string {
	if w < 1 || h < 1 {
		return ""
	}
	if s.Theme == nil {
		s.Theme = theme.New(theme.Mono, true, false)
	}
	if w < minW || h < minH {
		return s.Theme.Block(s.Theme.Paint(theme.Dim, s.small()), w, h)
	}
	c := Chart{Theme: s.Theme, Lines: s.Lines, Series: []Series{{}}, Options: Options{Top: s.Top, Empty: s.Empty}}
	for _, p := range s.Spots {
		if finite(p.X) && finite(p.Y) {
			c.Series[0].Points = append(c.Series[0].Points, Point{X: p.X, Y: p.Y, Lo: p.Y, Hi: p.Y})
		}
	}
	if f := Extent(c.Series...); len(c.Series[0].Points) > 0 {
		c.Frame = Frame{min(f.X0, 0), max(f.X1, 0)}
		if room := (c.Frame.X1 - c.Frame.X0) / 24; finite(c.Frame.X1 + room) {
			c.Frame.X1 += room
		}
	}
	return s.draw(&c, w, h).String()
}

// draw puts axes, lines and spots into a grid.
func (s *Scatter) draw(c *Chart, w, h int) *grid {
	g := newGrid(c.Theme, w, h)
	figures, left := gutter(w)
	rows := h - 2
	if h == minH {
		rows = h - 1
	}
	p := &plotter{Chart: c, grid: g, left: left, n: w - left, rows: rows, f: c.frame()}
	p.sample()
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, q := range c.Series[0].Points {
		y := min(max(q.Y, -1e300), 1e300)
		lo, hi = min(lo, y), max(hi, y)
	}
	for _, l := range c.Lines {
		if finite(l.Y) {
			y := p.axis.to(l.Y)
			lo, hi = min(lo, y), max(hi, y)
		}
	}
	p.scale = newScale(lo, hi, rows, false)
	p.yAxis(figures)
	p.xAxis(h > minH)
	p.lines()
	for k := SpotBeaten; k <= SpotDense; k++ {
		for _, q := range s.Spots {
			if q.Kind == k {
				s.put(p, q, false)
			}
		}
	}
	p.lineLabels()
	if s.At >= 0 && s.At < len(s.Spots) {
		s.put(p, s.Spots[s.At], true)
	}
	p.message()
	return g
}

// put draws one spot; the one under the cursor in the colours of what is selected.
func (s *Scatter) put(p *plotter, q Spot, on bool) {
	if !finite(q.X) || !finite(q.Y) {
		return
	}
	glyph, tok := s.glyph(q.Kind)
	if on {
		tok = theme.Selected
	}
	*p.cell(p.f.Col(q.X, p.n), p.scale.row(p.axis.to(q.Y))) = cell{glyph, tok, fixture}
}

// small says in words what there is no room to draw.
func (s *Scatter) small() string {
	if s.At >= 0 && s.At < len(s.Spots) {
		q := s.Spots[s.At]
		return stepText(q.Y) + " for " + stepText(q.X)
	}
	if len(s.Spots) == 0 && s.Empty != "" {
		return s.Theme.Clean(s.Empty)
	}
	return stepText(float64(len(s.Spots))) + " points"
}
