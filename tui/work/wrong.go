package work

import (
	"fmt"
	"strings"

	"pare/core/event"
	"pare/tui/chart"
	"pare/tui/theme"
)

// What the pared model gets wrong, to look at; of a language model what it says.

func (d *desk) canWrong() string {
	st := &d.run.st
	switch {
	case st.Samples != nil && len(st.Samples.List)+len(st.Samples.Said) > 0:
		return ""
	case st.Samples != nil:
		return "nothing is wrong in the test set"
	case st.Verdict != nil:
		return "this run kept no samples of its test set"
	}
	return "there is nothing to see before the test set has been looked at, in stage 4"
}

func wrongText(d *desk) string {
	if st := &d.run.st; st.Model.LM {
		return "what it says"
	}
	return "wrong ones"
}

func (d *desk) openWrong() { d.over, d.scroll = overWrong, 0 }

// wrongPane shows the samples, as many as fit; the rest by scrolling.
func (d *desk) wrongPane(w, h int) string {
	s := d.run.st.Samples
	if s == nil {
		return d.th.Box("test set", "", "", w, h)
	}
	title, right := "wrong in the test set", fmt.Sprintf("%d wrong; of these dense is right on %d", s.Wrong, s.Lost)
	if n := len(right) + len(title) + 8; n > w {
		right = fmt.Sprintf("%d wrong", s.Wrong)
	}
	var lines []string
	switch {
	case len(s.Said) > 0:
		title, right = "what it says", "the likeliest token, again and again"
		lines = d.saidLines(s.Said, max(w-4, 1))
	case s.Rows > 0 && s.Cols > 0 && s.Rows <= 1024 && s.Cols <= 1024:
		lines = d.tiles(s, w-2, h-2)
	default:
		lines = d.wrongTexts(s.List, max(w-4, 1))
	}
	room := max(h-2, 1)
	d.scroll = min(d.scroll, max(len(lines)-room, 0))
	body := strings.Join(lines[d.scroll:min(d.scroll+room, len(lines))], "\n")
	return d.th.BoxWith(theme.BoxOptions{Title: title, Right: right, Body: body, BorderToken: theme.Accent}, w, h)
}

// tiles are the pictures side by side with what they are and what was said, lines of w
// cells; two rows of pictures stand in h lines, or one where they would be too small.
func (d *desk) tiles(s *event.Samples, w, h int) []string {
	th := d.th
	high := (h-2)/2 - 3
	if high < 8 { // one row of larger ones
		high = min(max(h-3, 4), 12)
	}
	high = min(high, (s.Rows+1)/2)
	pw, ph := chart.PictureSize(s.Rows, s.Cols, max(w-2, 1), max(high, 1))
	tile := max(pw, 22)
	n := max((w-1)/(tile+2), 1)
	var lines []string
	for from := 0; from < len(s.List); from += n {
		rows := make([]strings.Builder, ph+2)
		for _, x := range s.List[from:min(from+n, len(s.List))] {
			at := func(r, c int) float64 {
				if i := r*s.Cols + c; i < len(x.Grey) {
					return float64(x.Grey[i]) / 255
				}
				return 0
			}
			for i, l := range strings.Split(chart.Picture(th, s.Rows, s.Cols, at, pw, ph), "\n") {
				rows[i].WriteString(" " + l + strings.Repeat(" ", tile-pw+1))
			}
			is, said, tok := d.whatIs(&x)
			rows[ph].WriteString(" " + th.Fit(is, tile) + " ")
			rows[ph+1].WriteString(" " + th.Paint(tok, th.Fit(said, tile)) + " ")
		}
		for i := range rows {
			lines = append(lines, rows[i].String())
		}
		lines = append(lines, "")
	}
	return lines
}

// whatIs is what a sample is and what was said of it, in two lines.
func (d *desk) whatIs(x *event.Sample) (is, said string, tok theme.Token) {
	th := d.th
	is = th.Clean(x.Label) + ", not " + th.Clean(x.Now)
	if x.Dense == x.Label {
		return is, "dense is right " + th.G.Check, theme.Warn
	}
	if x.Dense == x.Now {
		return is, "dense too", theme.Dim
	}
	return is, "dense: " + th.Clean(x.Dense), theme.Dim
}

// wrongTexts are samples that are no pictures.
func (d *desk) wrongTexts(l []event.Sample, w int) []string {
	th := d.th
	var out []string
	for i := range l {
		is, said, tok := d.whatIs(&l[i])
		out = append(out, " "+th.Paint(theme.Title, th.Tr(is))+"  "+th.Paint(tok, th.Tr(said)))
		for _, x := range few(th, wrap(th.Clean(l[i].Text), w), 4, w) {
			out = append(out, " "+th.Tr(x))
		}
		out = append(out, "")
	}
	return out
}

// saidLines are the beginnings with what follows.
func (d *desk) saidLines(l []event.Said, w int) []string {
	th := d.th
	var out []string
	add := func(tok theme.Token, name, text string) {
		if strings.TrimSpace(text) == "" {
			text = "(blanks only)"
		}
		for i, x := range wrap(th.Clean(text), max(w-10, 1)) {
			if i > 0 {
				name = ""
			}
			out = append(out, " "+th.Paint(theme.Dim, th.Fit(name, 9))+" "+th.Paint(tok, th.Tr(x)))
		}
	}
	for _, s := range l {
		add(theme.Title, "given", s.Given)
		add(theme.Dim, "the text", s.Truth)
		add(theme.Ghost, "dense", s.Dense)
		add(theme.Text, "pared", s.Now)
		out = append(out, "")
	}
	return out
}
