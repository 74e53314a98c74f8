package work

import (
	"strings"

	"pare/core/event"
	"pare/tui/theme"
)

// Render is the screen: exactly h lines of exactly w cells.
func (d *desk) Render() string {
	if d.w < 1 || d.h < 1 {
		return ""
	}
	if d.reading() && d.page == pageRun && d.over == overNone {
		return d.readingScreen()
	}
	var b strings.Builder
	b.Grow(d.w * d.h * 3)
	for i, r := range d.rows() {
		if i > 0 {
			b.WriteByte('\n')
		}
		if len(r.cells) == 1 {
			b.WriteString(d.draw(r.cells[0].p, r.cells[0].w, r.h))
			continue
		}
		blocks := make([]string, len(r.cells))
		for i, c := range r.cells {
			blocks[i] = d.draw(c.p, c.w, r.h)
		}
		b.WriteString(theme.Beside(blocks...))
	}
	return b.String()
}

// rows is the screen's arrangement now.
func (d *desk) rows() []row {
	switch d.page {
	case pageRun:
	case pageCompare:
		return arrange(d.w, d.h, need{bottom: len(d.compare.c.Rows) + len(d.compare.c.Caveats) + 3, bar: d.barNeed()}, d.compare.look.tab, d.over == overHelp || d.over == overPalette)
	default:
		return arrange(d.w, d.h, need{bar: d.barNeed()}, 0, true)
	}
	return arrange(d.w, d.h, d.need(), d.look.tab, d.over == overHelp || d.over == overRoll || d.over == overHW || d.over == overTeach || d.over == overPalette || d.over == overPoint || d.over == overChange || d.over == overLayer || d.over == overWrong || d.over == overTour)
}

// need is how many lines the panes of the stage ask for.
func (d *desk) need() need {
	n := need{bottom: max(9, len(d.run.st.Dense.Layers)+4) + 2, bar: d.barNeed()}
	if d.run.st.Ledger != nil {
		n.bottom = max(n.bottom, 15)
	}
	switch d.stage() {
	case event.Configure:
		n.bottom = max(len(d.run.st.Dense.Layers)+2, 10)
		n.top = len(d.conf.fields) + 2
		if d.h < 24 { // the form scrolls, what to expect does not
			n.top = min(n.top, 10)
			if d.w < midW && d.look.tab%2 == 0 {
				n.top = 9
			}
		}
		if !d.formOpen() {
			n.top = 11
		}
	case event.Validate:
		n.top = 10
	case event.Deploy:
		n.top = 9
		if d.h < 24 { // the ledger matters more
			n.top = 7
		} else if n.bar > 2 && d.h < 28 {
			n.top = 8
		}
	}
	if n.top > 0 && d.h >= 30 { // room for both
		n.top = max(n.top, 12)
	}
	n.bottom = min(n.bottom, 17)
	return n
}

// kept is a pane as it was drawn last. Most panes stay as they are from one
// metric to the next.
type kept struct {
	rev, w, h int
	text      string
}

// draw is a pane in exactly h lines of exactly w cells. The header, the ledger
// and the bar tell what each metric brings; the others are drawn anew only after
// a change (see changed).
func (d *desk) draw(p pane, w, h int) string {
	if p == paneHead || p == paneC || p == paneBar || p == paneLine {
		return d.paint(p, w, h)
	}
	k := &d.kept[p]
	if k.rev != d.rev || k.w != w || k.h != h {
		*k = kept{d.rev, w, h, d.paint(p, w, h)}
	}
	return k.text
}

func (d *desk) paint(p pane, w, h int) string {
	switch p {
	case paneHead:
		return d.head(w)
	case paneRail:
		return d.rail(w)
	case paneBar:
		return d.bar(w, h)
	case paneFoot:
		return d.foot(w)
	case paneLine:
		return d.oneLine(w)
	case paneOver:
		return d.overPane(w, h)
	case paneA, paneB, paneC, paneD:
		if d.page == pageCompare {
			return d.comparePane(p, w, h)
		}
		return d.stagePane(p, w, h)
	}
	return d.th.Block("", w, h)
}

// stagePane is one of the four panes of the stage that is looked at.
func (d *desk) stagePane(p pane, w, h int) string {
	s := d.stage()
	locked := s > max(d.run.st.Stage, event.Baseline)
	switch {
	case p == paneC && s == event.Configure:
		return d.expectPane(w, h)
	case p == paneC:
		return d.ledgerPane(w, h)
	case p == paneD && s == event.Configure && d.run.st.Scan != nil:
		return d.scanPane(d.run.st.Scan, w, h)
	case p == paneD:
		return d.layersPane(w, h)
	case locked && p == paneA:
		return d.th.Box(s.String(), "", d.lockedBody(s, w-2), w, h)
	case s == event.Configure && p == paneA:
		return d.confPane(w, h)
	case s == event.Configure:
		return d.predictedPane(w, h)
	case s == event.Validate && p == paneA:
		return d.verdictPane(w, h)
	case s == event.Validate:
		return d.classesPane(w, h)
	case s == event.Deploy && p == paneA:
		return d.filesPane(w, h)
	case s == event.Deploy:
		return d.finalPane(w, h)
	case p == paneA:
		return d.accPane(w, h)
	}
	return d.energyPane(w, h)
}
