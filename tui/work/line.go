package work

import (
	"fmt"
	"strings"

	"pare/core/event"
	"pare/tui/chart"
	"pare/tui/plain"
	"pare/tui/theme"
)

// oneLine is the whole run in one line; of several forms the longest that fits.
func (d *desk) oneLine(w int) string {
	th := d.th
	if d.place()&inText != 0 && d.over != overHW {
		return d.inputLine(w)
	}
	switch {
	case d.over == overStop && d.h < 3:
		return d.foot(w)
	case d.over == overRoll:
		return th.Fit(d.rollLine(d.roll, rollForms-1), w)
	case d.over == overPoint && len(d.shelf.points) > 0:
		return th.Fit(th.Paint(theme.Selected, th.Clean(d.shelf.points[len(d.shelf.points)-1-d.shelf.point].Name)), w)
	case d.page == pageShelf && d.over == overDelete && d.h < 3:
		return d.foot(w)
	case d.page == pageShelf:
		x, ok := d.shelf.chosen()
		if !ok {
			return th.Fit("no sessions", w)
		}
		return th.Fit(th.Paint(theme.Selected, th.Clean(x.ID))+" "+x.Status, w)
	case d.page == pageCompare:
		return th.Fit(th.Clean(strings.Join(d.compare.c.Sessions, " / ")), w)
	case d.page == pagePick && d.pick.err != "":
		return th.Fit(th.Clean(d.pick.err), w)
	case d.page == pagePick:
		name := ""
		if p := &d.pick; p.len(p.on) > 0 {
			name, _ = p.line(th, p.on, p.at[p.on])
		}
		return th.Fit([...]string{"model", "data", "session"}[d.pick.on]+" "+th.Paint(theme.Selected, strings.TrimRight(name, " ")), w)
	case d.page == pageSetup && d.setup.err != "":
		return th.Fit(th.Clean(d.setup.err), w)
	case d.page == pageSetup || d.formOpen():
		if f := d.form(); len(f.fields) > 0 {
			x := &f.fields[f.at]
			return th.Fit(x.label+" "+th.Paint(theme.Selected, x.value()), w)
		}
		return th.Fit("pare", w)
	}
	st := &d.run.st
	word, glyph, _ := d.statusText()
	head := fmt.Sprintf("%d %s", max(st.Stage, event.Baseline), max(st.Stage, event.Baseline))
	parts := []string{}
	if word != statusRunning || d.replaying() {
		parts = append(parts, glyph+" "+word)
	}
	if st.Stage >= event.Sparsify {
		parts = append(parts, percent(d.run.zeros())+" zeros")
	}
	if acc, ok := lastAcc(st, st.Stage); ok {
		a := fmt.Sprintf("%.3f", acc)
		if b, ok := st.BaselineAcc(); ok && st.Stage >= event.Sparsify {
			a += " (" + points(acc-b) + ")"
		}
		parts = append(parts, a)
	}
	if e, ok := lastEpoch(st, st.Stage); ok && e.Energy.UJ != nil {
		parts = append(parts, plain.Num(float64(*e.Energy.UJ)/1e6)+" J/epoch "+e.Energy.Tier)
	}
	if eta := d.eta(); eta >= 0 {
		parts = append(parts, "ETA "+chart.Duration(eta))
	}
	sep := " " + th.G.Sep + " "
	for n := len(parts); n > 0; n-- {
		s := head + " " + strings.Join(parts[:n], sep)
		if theme.Width(th.Tr(s)) <= w {
			return th.Fit(s, w)
		}
	}
	short := fmt.Sprintf("%d %s", max(st.Stage, event.Baseline), glyph)
	if st.Stage >= event.Sparsify {
		short += " " + percent(d.run.zeros())
	}
	if d.replaying() {
		short = "replay " + short
	}
	return th.Fit(short, w)
}
