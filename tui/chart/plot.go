package chart

import (
	"strings"
	"unicode/utf8"

	"pare/tui/theme"

	"github.com/guptarohit/asciigraph"
)

// plotter draws a chart into a grid. Plot columns are 0..n−1 from the gutter
// on, plot rows 0..rows−1 from the bottom.
type plotter struct {
	*Chart
	grid  *grid
	left  int // first plot column
	n     int
	rows  int
	f     Frame
	axis  axisY
	scale scale

	traces []trace // one per series
}

func (p *plotter) sample() {
	p.traces = make([]trace, len(p.Series))
	for i := range p.Series {
		s := &p.Series[i]
		p.traces[i] = sample(s, p.f, p.n, p.axis, p.smoothing(s))
	}
}

// cell is the grid cell of a plot column and row.
func (p *plotter) cell(c, row int) *cell { return p.grid.at(p.left+c, p.rows-1-row) }

// lines draws ghost and floor. Where they share a row they take turns.
func (p *plotter) lines() {
	for _, l := range p.Lines {
		y := p.axis.to(l.Y)
		if !finite(y) {
			continue
		}
		glyph, tok := p.Theme.G.Ghost, theme.Ghost
		if l.Kind == Floor {
			glyph, tok = p.Theme.G.Dot, theme.Floor
		}
		row := p.scale.row(y)
		for c := range p.n {
			cl := p.cell(c, row)
			if cl.by == rule && c%2 == 1 {
				continue
			}
			*cl = cell{glyph, tok, rule}
		}
	}
}

// series draws the raw range, then the line.
func (p *plotter) series(i int) {
	s, t := &p.Series[i], &p.traces[i]
	if !t.any {
		return
	}
	set := p.lineSet(i)
	for c, col := range t.cols {
		if col.n == 0 {
			continue
		}
		for r := p.scale.row(col.min); r <= p.scale.row(col.max); r++ {
			*p.cell(c, r) = cell{p.Theme.G.Range, s.Token, band}
		}
	}
	p.trace(t, set, s.Token)
}

// trace lets asciigraph draw the line of t and copies it into the grid.
//
// asciigraph (v0.10.0) panics on empty or infinite input, draws column j as the
// way from value j to value j+1, and scales by itself. So it gets finite row
// numbers or NaN, the first value twice, and bounds that make its scale one row
// per unit; its gutter is one axis character wide and dropped.
func (p *plotter) trace(t *trace, set *theme.LineSet, tok theme.Token) {
	rows := make([]float64, p.n+1)
	drawn := false
	for c := range t.cols {
		v := t.cols[c].line
		rows[c+1] = v // NaN stays NaN
		if !finite(v) {
			continue
		}
		rows[c+1] = float64(p.scale.row(v))
		if p.alone(t, c) { // a cap at either side would hide where it is
			*p.cell(c, p.scale.row(v)) = cell{set.Spot, tok, curve}
		} else {
			drawn = true
		}
	}
	rows[0] = rows[1]
	if !drawn {
		return
	}
	picture := asciigraph.Plot(rows,
		asciigraph.Offset(1), asciigraph.Height(p.rows-1),
		asciigraph.LowerBound(0), asciigraph.UpperBound(float64(p.rows-1)),
		asciigraph.YAxisValueFormatter(func(float64) string { return "" }),
		asciigraph.SeriesChars(asciigraph.CharSet{
			Horizontal: set.H, VerticalLine: set.V,
			ArcDownRight: set.DownRight, ArcDownLeft: set.DownLeft, ArcUpRight: set.UpRight, ArcUpLeft: set.UpLeft,
			StartCap: set.StartCap, EndCap: set.EndCap,
		}))
	for row := p.rows - 1; row >= 0; row-- {
		var line string
		line, picture, _ = strings.Cut(picture, "\n")
		for c := -1; len(line) > 0 && c < p.n; c++ {
			_, k := utf8.DecodeRuneInString(line)
			ch := line[:k]
			line = line[k:]
			if c < 0 || ch == " " || !finite(t.cols[c].line) || p.alone(t, c) {
				continue // the axis; a blank; a cap that reaches into the gap
			}
			*p.cell(c, row) = cell{ch, tok, curve}
		}
	}
}

// alone says that column c of a line has no neighbour to be joined to.
func (p *plotter) alone(t *trace, c int) bool {
	return (c == 0 || !finite(t.cols[c-1].line)) && (c == p.n-1 || !finite(t.cols[c+1].line))
}

// cursor draws the column under the cursor, a spot where curves cross it, and
// its step under the axis.
func (p *plotter) cursor(label bool) {
	if p.Cursor == nil || !p.f.Has(*p.Cursor) {
		return
	}
	c := p.f.Col(*p.Cursor, p.n)
	g := &p.Theme.G
	for row := range p.rows {
		if cl := p.cell(c, row); cl.by != curve {
			*cl = cell{g.Cursor, theme.Cursor, fixture}
		}
	}
	for i := len(p.traces) - 1; i >= 0; i-- {
		if v := p.traces[i].cols[c].line; finite(v) {
			*p.cell(c, p.scale.row(v)) = cell{p.lineSet(i).Spot, p.Series[i].Token, curve}
		}
	}
	p.grid.put(p.left+c, p.rows, g.Cursor, theme.Cursor, fixture)
	if label {
		p.cursorLabel(c, stepText(*p.Cursor))
	}
}

// lineLabels writes the labels of ghost and floor where no curve passes: in the
// line itself as far right as possible, else just above or below it.
func (p *plotter) lineLabels() {
	for _, l := range p.Lines {
		y := p.axis.to(l.Y)
		text := p.Theme.Clean(l.Label)
		w := theme.Width(text)
		if !finite(y) || w == 0 || w+4 > p.n {
			continue
		}
		tok := theme.Ghost
		if l.Kind == Floor {
			tok = theme.Floor
		}
		row := p.scale.row(y)
		for _, r := range []int{row, row + 1, row - 1} {
			if r < 0 || r >= p.rows || r != row && p.rows < 5 {
				continue // in a low chart a row is too much to be beside
			}
			least := blank // beside the line only on blank ground
			if r == row {
				least = rule
			}
			if c, ok := p.gap(r, w, least); ok {
				y := p.rows - 1 - r
				p.grid.text(p.left+c, y, " "+text+" ", tok)
				break
			}
		}
	}
}

// gap finds the rightmost w+2 columns of a row, the last of which may be the
// edge, that hold no more than ink most.
func (p *plotter) gap(row, w int, most ink) (int, bool) {
	run := 1 // the space after the label may fall outside
	for c := p.n - 1; c >= 0; c-- {
		if p.cell(c, row).by > most {
			run = 0
			continue
		}
		if run++; run == w+2 {
			return c, true
		}
	}
	return 0, false
}

// message says in the middle why there is no curve.
func (p *plotter) message() {
	for i := range p.traces {
		if p.traces[i].any {
			return
		}
	}
	text := " " + p.empty() + " "
	w := theme.Width(text)
	if w > p.n {
		text, w = text[1:len(text)-1], w-2
	}
	p.grid.text(p.left+max((p.n-w)/2, 0), p.rows/2, text, theme.Dim)
}
