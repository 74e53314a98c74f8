package theme

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Head is a word in the top border, over a column of the body.
type Head struct {
	At   int // cells from the first one inside the border
	Text string
}

// BoxOptions say what a box shows. Title and Right stand in the top border at
// the left and the right.
type BoxOptions struct {
	Title, Right string
	Heads        []Head
	Body         string // lines; colours allowed, everything else is stripped

	TitleToken  Token // Title when zero
	RightToken  Token // Dim when zero
	BorderToken Token // Border when zero; a box with the focus has Accent
}

// Box frames body in w×h cells: exactly h lines of exactly w cells each, for
// any text. Below 2×2 there is no border.
func (t *Theme) Box(title, right, body string, w, h int) string {
	return t.BoxWith(BoxOptions{Title: title, Right: right, Body: body}, w, h)
}

// BoxWith is Box with everything that can be said.
func (t *Theme) BoxWith(o BoxOptions, w, h int) string {
	if w < 1 || h < 1 {
		return ""
	}
	if w < 2 || h < 2 {
		return t.Block(o.Body, w, h)
	}
	o.TitleToken = or(o.TitleToken, Title)
	o.RightToken = or(o.RightToken, Dim)
	o.BorderToken = or(o.BorderToken, Border)
	side := t.Paint(o.BorderToken, t.G.V)

	var b strings.Builder
	b.Grow((w + 16) * h * 2)
	b.WriteString(t.topBorder(o, w-2))
	rest := o.Body
	for range h - 2 {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		b.WriteByte('\n')
		b.WriteString(side)
		b.WriteString(t.Fit(line, w-2))
		b.WriteString(side)
	}
	b.WriteByte('\n')
	b.WriteString(t.Paint(o.BorderToken, t.G.BL+strings.Repeat(t.G.H, w-2)+t.G.BR))
	return b.String()
}

// topBorder is "╭ title ──── right ╮" with n cells between the corners. When
// both do not fit, the title gives way down to ten cells, then the right one.
func (t *Theme) topBorder(o BoxOptions, n int) string {
	title, right := t.Clean(o.Title), t.Clean(o.Right)
	tw, rw := ansi.StringWidth(title), ansi.StringWidth(right)
	// Each text costs a space on either side, and a dash stands between.
	room := n - 2
	if right != "" {
		room -= 3
	}
	if tw+rw > room && right != "" {
		tw = min(tw, max(room-rw, 10))
		if rw = room - tw; rw < 3 {
			right, rw = "", 0
			room += 3
			tw = ansi.StringWidth(title)
		}
	}
	if tw = min(tw, room); tw < 1 {
		title, tw = "", 0
	}
	var b strings.Builder
	at := 0 // cells written
	line := func(to int) {
		if to > at {
			b.WriteString(t.Paint(o.BorderToken, strings.Repeat(t.G.H, to-at)))
			at = to
		}
	}
	text := func(tok Token, s string, w int) {
		b.WriteString(" " + t.Paint(tok, t.Fit(s, w)) + " ")
		at += w + 2
	}
	b.WriteString(t.Paint(o.BorderToken, t.G.TL))
	if title != "" {
		text(o.TitleToken, title, tw)
	}
	end := n
	if right != "" {
		end -= rw + 2
	}
	for _, h := range o.Heads {
		s := t.Clean(h.Text)
		if w := ansi.StringWidth(s); w > 0 && h.At-1 > at && h.At+w+1 < end {
			line(h.At - 1)
			text(o.RightToken, s, w)
		}
	}
	line(end)
	if right != "" {
		text(o.RightToken, right, rw)
	}
	b.WriteString(t.Paint(o.BorderToken, t.G.TR))
	return b.String()
}

// Block cuts or fills text to exactly h lines of exactly w cells.
func (t *Theme) Block(text string, w, h int) string {
	if w < 1 || h < 1 {
		return ""
	}
	var b strings.Builder
	for i := range h {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(t.Fit(line, w))
	}
	return b.String()
}

// Beside puts blocks of equal height next to each other. Missing lines are
// left out, so blocks from Box or Block should be made equally high.
func Beside(blocks ...string) string {
	rows := make([][]string, len(blocks))
	h := 0
	for i, b := range blocks {
		if b != "" {
			rows[i] = strings.Split(b, "\n")
			h = max(h, len(rows[i]))
		}
	}
	var out strings.Builder
	for y := range h {
		if y > 0 {
			out.WriteByte('\n')
		}
		for _, r := range rows {
			if y < len(r) {
				out.WriteString(r[y])
			}
		}
	}
	return out.String()
}

func or(t, otherwise Token) Token {
	if t == Text {
		return otherwise
	}
	return t
}
