package chart

import (
	"strings"
	"unicode/utf8"

	"pare/tui/theme"
)

// cell is one character cell. The empty string is a blank.
type cell struct {
	s   string
	tok theme.Token
	by  ink
}

// ink is what a cell was drawn by, so that later strokes know what they may
// cover.
type ink uint8

const (
	blank ink = iota
	rule      // a ghost or floor line
	band      // the raw range behind a line
	curve
	fixture // axes, figures, cursor, labels
)

// grid is a picture of w×h cells.
type grid struct {
	th    *theme.Theme
	w, h  int
	cells []cell
}

func newGrid(th *theme.Theme, w, h int) *grid {
	return &grid{th: th, w: w, h: h, cells: make([]cell, w*h)}
}

// at is the cell in column x and line y from the top; both must be inside.
func (g *grid) at(x, y int) *cell { return &g.cells[y*g.w+x] }

// put draws one cell, if it is inside.
func (g *grid) put(x, y int, s string, tok theme.Token, by ink) { //nolint:unparam // said at the call
	if x >= 0 && x < g.w && y >= 0 && y < g.h {
		*g.at(x, y) = cell{s, tok, by}
	}
}

// text writes one-cell characters from column x on; what is outside is cut.
// Wider characters are replaced, for a cell holds one.
func (g *grid) text(x, y int, s string, tok theme.Token) {
	for len(s) > 0 {
		_, n := utf8.DecodeRuneInString(s)
		ch := s[:n]
		switch theme.Width(ch) {
		case 1:
		case 0:
			s = s[n:]
			continue
		default:
			ch = "?"
		}
		g.put(x, y, ch, tok, fixture)
		x++
		s = s[n:]
	}
}

// String joins the cells to h lines of w cells, one colour change per run.
func (g *grid) String() string {
	var b strings.Builder
	b.Grow(len(g.cells)*3 + g.h*16)
	for y := range g.h {
		if y > 0 {
			b.WriteByte('\n')
		}
		cur, end := theme.Text, ""
		for x := range g.w {
			c := g.at(x, y)
			s, tok := c.s, c.tok
			if s == "" {
				s, tok = " ", theme.Text
			}
			if tok != cur {
				b.WriteString(end)
				var open string
				open, end = g.th.SGR(tok)
				b.WriteString(open)
				cur = tok
			}
			b.WriteString(s)
		}
		b.WriteString(end)
	}
	return b.String()
}
