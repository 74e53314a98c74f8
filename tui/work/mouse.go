package work

import (
	"math"

	"pare/core/event"
	"pare/tui/chart"
)

// The mouse is off until m asks for it, and does nothing that keys do not: the
// terminal's own selection of text works as long as it is off.

// paneAt is the pane at a cell of the screen, its width and the column inside it.
func (d *desk) paneAt(x, y int) (p pane, w, px int) {
	for _, r := range d.rows() {
		if y < r.h {
			for _, c := range r.cells {
				if x < c.w {
					return c.p, c.w, x
				}
				x -= c.w
			}
			break
		}
		y -= r.h
	}
	return paneNone, 0, 0
}

// click puts the cursor of the charts on the sample nearest to the pointer.
func (d *desk) click(x, y int) {
	if d.page != pageRun || d.over != overNone || d.run == nil {
		return
	}
	p, w, px := d.paneAt(x, y)
	s := d.stage()
	if p != paneA && p != paneB || s != event.Baseline && s != event.Sparsify || d.canCurve() != "" {
		return
	}
	d.touch()
	col, n := px-1-chart.PlotLeft(w-2), chart.PlotWidth(w-2)
	step := d.shared(s).X(min(max(col, 0), n-1), n)
	ps := d.run.st.Curves[s].Acc
	if len(ps) == 0 {
		ps = d.run.st.Curves[s].CPU
	}
	best, far := 0.0, math.Inf(1)
	for _, q := range ps {
		if f := math.Abs(float64(q.Step) - step); f < far {
			best, far = float64(q.Step), f
		}
	}
	d.look.cursor = &best
}

// wheel scrolls lists, and zooms the charts about the cursor.
func (d *desk) wheel(up bool, x, y int) []effect {
	k := "down"
	if up {
		k = "up"
	}
	if d.page == pageRun && d.over == overNone && d.run != nil {
		p, _, _ := d.paneAt(x, y)
		s := d.stage()
		switch {
		case (p == paneA || p == paneB) && (s == event.Baseline || s == event.Sparsify):
			if d.canCurve() != "" {
				return nil
			}
			d.touch()
			if up {
				d.zoom(0.5)
			} else {
				d.zoom(2)
			}
			return nil
		case p != paneD && !d.formOpen():
			return nil
		}
	}
	return d.press(k, "")
}

func (d *desk) toggleMouse() {
	d.mouse = !d.mouse
	if d.mouse {
		d.say(0, "the mouse is on: click puts the cursor, the wheel zooms and scrolls; m turns it off")
	} else {
		d.say(0, "the mouse is off: the terminal selects text again")
	}
}

func mouseText(d *desk) string {
	if d.mouse {
		return "mouse off"
	}
	return "mouse on"
}
