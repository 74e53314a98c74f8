package work

import (
	"context"
	"fmt"
	"math"
	"strings"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
	"pare/tui/chart"
	"pare/tui/plain"
	"pare/tui/theme"
)

// maxCompared is how many sessions stand side by side.
const maxCompared = 4

// inks are what the sessions of a comparison are drawn in, beside their own kinds
// of lines.
var inks = [maxCompared]theme.Token{theme.Accuracy, theme.Energy, theme.Floor, theme.Accent}

// compare is the page of sessions side by side.
type compare struct {
	l     []plain.Compared
	c     plain.Comparison
	stage event.Stage
	look  look
	over  []plain.Compared // drawn behind the charts of the run that is followed
}

// comparedMsg are sessions that were read.
type comparedMsg struct {
	l    []plain.Compared
	err  error
	over bool
}

// readCompared reads sessions: to compare, or to lay over the charts of the run.
func (d *desk) readCompared(ids []string, over bool) effect {
	type one = struct {
		id string
		s  *sessions.Session
	}
	var l []one
	for _, id := range ids {
		l = append(l, one{id, d.on(id)})
	}
	return func(context.Context) any {
		m := comparedMsg{over: over}
		for _, x := range l {
			st, err := x.s.State()
			if st == nil || st.Seq == 0 {
				if err == nil {
					err = fmt.Errorf("session %s has not begun: there is nothing to compare", x.id)
				}
				return comparedMsg{err: err}
			}
			r, _ := x.s.RecipeUsed() // without it only the figures are compared
			if r != nil {
				for _, dec := range r.Decisions {
					if dec.Cmd == core.CmdTarget {
						r.Prune.Target = dec.Value
					}
				}
			}
			m.l = append(m.l, plain.Compared{ID: x.id, State: st, Recipe: r, Dead: x.s.Summary().Status == sessions.Dead})
		}
		return m
	}
}

func (d *desk) openCompare() []effect {
	return []effect{d.readCompared(d.shelf.several(), false)}
}

func (d *desk) onCompared(m comparedMsg) {
	switch {
	case m.err != nil:
		d.warn(theme.Bad, m.err.Error())
	case m.over:
		d.compare.over = m.l
		d.page = pageRun
	default:
		d.compare.l, d.compare.c, d.compare.stage, d.compare.look = m.l, plain.Compare(m.l), event.Sparsify, look{}
		if len(m.l[0].State.Curves[event.Sparsify].Acc) == 0 {
			d.compare.stage = event.Baseline
		}
		d.page, d.over = pageCompare, overNone
	}
}

func (d *desk) canOverlay() string {
	switch {
	case d.run == nil:
		return "no run is open to draw it behind: enter opens one"
	case d.canShelf() != "":
		return d.canShelf()
	}
	return ""
}

// overlay lays the marked sessions over the charts of the run, or takes away what
// lies there.
func (d *desk) overlay() []effect {
	return []effect{d.readCompared(d.shelf.targets(), true)}
}

func (d *desk) canClear() string {
	if len(d.compare.over) == 0 {
		return "no other session is drawn here: S, then o"
	}
	return ""
}

// overlays are the curves of other sessions behind a chart.
func (d *desk) overlays(s event.Stage, of func(*event.Curves) []event.Point) []chart.Series {
	var out []chart.Series
	for _, x := range d.compare.over {
		if ps := of(&x.State.Curves[s]); len(ps) > 0 {
			out = append(out, chart.Series{Name: x.ID, Token: theme.Ghost, Points: curve(ps), Overlay: true})
		}
	}
	return out
}

// behind adds to a chart's title whose curves lie behind it, dashed.
func (d *desk) behind(state string) string {
	var ids []string
	for _, x := range d.compare.over {
		ids = append(ids, d.th.G.Ghost+d.th.G.Ghost+" "+x.ID)
	}
	if len(ids) == 0 {
		return state
	}
	return strings.TrimSuffix(strings.Join(ids, " ")+" · "+state, " · ")
}

// compareChart is one quantity of all sessions.
func (d *desk) compareChart(of func(*event.Curves) []event.Point, zero bool) chart.Chart {
	k := &d.compare
	c := chart.Chart{Theme: d.th, Options: chart.Options{Cursor: k.look.cursor, Log: k.look.log, EMA: k.look.ema, Zero: zero && !k.look.log, Empty: "no session has a point here"}}
	if !zero {
		c.Top = 1
	}
	var all []chart.Series
	for i, x := range k.l {
		c.Series = append(c.Series, chart.Series{Name: x.ID, Token: inks[i], Points: curve(of(&x.State.Curves[k.stage]))})
		all = append(all, chart.Series{Points: curve(x.State.Curves[k.stage].Acc)}, chart.Series{Points: curve(x.State.Curves[k.stage].CPU)})
	}
	c.Frame = k.look.win.Frame(chart.Extent(all...))
	return c
}

func accOf(c *event.Curves) []event.Point { return c.Acc }
func cpuOf(c *event.Curves) []event.Point { return c.CPU }
func jouOf(c *event.Curves) []event.Point { return c.Joules }

// comparePane is one of the four panes of the page.
func (d *desk) comparePane(p pane, w, h int) string {
	k := &d.compare
	switch p {
	case paneA:
		return d.compareBox("validation accuracy", "", accOf, false, func(v float64) string { return fmt.Sprintf("%.3f", v) }, w, h)
	case paneB:
		if d.sameTier() {
			return d.compareBox("J per epoch", "tier "+k.l[0].State.Started.Tier, jouOf, true, func(v float64) string { return plain.Num(v) + " J" }, w, h)
		}
		return d.compareBox(plain.Common(k.l).Of("s per epoch"), "", cpuOf, true, func(v float64) string { return plain.Num(v) + " s" }, w, h)
	case paneC:
		return d.compareTable(w, h)
	}
	return d.recipesPane(w, h)
}

// sameTier: joules of one tier on one machine may stand in one chart.
func (d *desk) sameTier() bool {
	l := d.compare.l
	for _, x := range l {
		a, b := &l[0].State.Started, &x.State.Started
		if len(x.State.Curves[d.compare.stage].Joules) == 0 || a.Tier != b.Tier || a.Machine != b.Machine {
			return false
		}
	}
	return true
}

func (d *desk) compareBox(title, right string, of func(*event.Curves) []event.Point, zero bool, show func(float64) string, w, h int) string {
	c := d.compareChart(of, zero)
	ch := h - 2
	var foot []string
	if ch >= 7 {
		foot = append(foot, c.Legend())
	}
	if x := d.compare.look.cursor; x != nil && ch >= 6 {
		var parts []string
		first := math.NaN()
		for i, r := range c.Readout(*x) {
			s := "–"
			if r.OK {
				s = show(r.Y)
				if i == 0 {
					first = r.Y
				} else if !zero && !math.IsNaN(first) {
					s += " (" + points(r.Y-first) + ")"
				} else if zero && first > 0 {
					s += " (" + plain.Change(first, r.Y) + ")"
				}
			}
			parts = append(parts, s)
		}
		foot = append(foot, d.th.Paint(theme.Dim, d.th.Tr(fmt.Sprintf("step %.0f: ", *x)+strings.Join(parts, " · "))))
	}
	body := c.Render(w-2, ch-len(foot))
	for _, f := range foot {
		body += "\n " + d.th.Fit(f, max(w-3, 1))
	}
	if s := c.State(); s != "" {
		right = strings.TrimSuffix(s+" · "+right, " · ")
	}
	return d.th.Box(fmt.Sprintf("%s, %s", title, d.compare.stage), right, body, w, h)
}

// compareTable is the ledgers side by side. What is too wide loses its bands, then
// its last sessions, which is said.
func (d *desk) compareTable(w, h int) string {
	th, c := d.th, d.compare.c
	n := len(c.Sessions)
	cells := [][]string{}
	for _, a := range c.Rows {
		row := append([]string{a.Name}, a.Values...)
		if n == 2 {
			row = append(row, a.Change)
		}
		cells = append(cells, row)
	}
	head := append([]string{""}, c.Sessions...)
	if n == 2 {
		head = append(head, "change")
	}
	var ws []int
	width := func() int {
		ws = make([]int, len(head))
		sum := 1
		for k := range head {
			if k > 0 {
				ws[k] = min(theme.Width(th.Clean(head[k])), 12)
			}
			for _, r := range cells {
				ws[k] = max(ws[k], theme.Width(th.Tr(th.Clean(r[k]))))
			}
			sum += ws[k] + 2
		}
		return sum
	}
	if width() > w-2 {
		for i := range cells {
			for k := 1; k < len(cells[i]); k++ {
				cells[i][k], _, _ = strings.Cut(cells[i][k], " ±")
			}
			cells[i][0] = strings.Replace(cells[i][0], ", validation", ", val", 1)
		}
	}
	drop := 0
	for width() > w-2 && len(head) > 2 {
		last := len(head) - 1
		if n != 2 || head[last] != "change" {
			drop++
		}
		head = head[:last]
		for i := range cells {
			cells[i] = cells[i][:last]
		}
	}
	var lines []string
	line := func(r []string, tok func(k int) theme.Token) {
		s := " " + th.Fit(th.Clean(r[0]), ws[0])
		for k := 1; k < len(r); k++ {
			s += "  " + th.Paint(tok(k), th.FitRight(th.Clean(r[k]), ws[k]))
		}
		lines = append(lines, s)
	}
	line(head, func(k int) theme.Token {
		if k-1 < n {
			return inks[k-1]
		}
		return theme.Dim
	})
	for _, r := range cells {
		line(r, func(int) theme.Token { return theme.Text })
	}
	room := h - 2
	for _, s := range c.Caveats {
		for _, l := range wrap(th.Clean(s), max(w-4, 1)) {
			lines = append(lines, " "+th.Paint(theme.Warn, th.Tr(l)))
		}
	}
	right := ""
	if drop > 0 {
		right = fmt.Sprintf("%d more: wider screen", drop)
	}
	lines = lines[min(d.compare.look.layer, max(len(lines)-room, 0)):]
	return th.Box("ledgers", right, strings.Join(lines, "\n"), w, h)
}

// recipesPane is what differs in the recipes.
func (d *desk) recipesPane(w, h int) string {
	th, c := d.th, d.compare.c
	t := d.text(w - 2)
	if len(c.Recipes) == 0 {
		t.add(theme.Dim, "the recipes are the same")
		return th.Box("recipes", "", t.String(), w, h)
	}
	for _, r := range c.Recipes {
		one := r.Key + "  " + strings.Join(r.Values, " "+th.G.Arrow+" ")
		if theme.Width(th.Tr(th.Clean(one))) <= t.w {
			t.line(theme.Text, th.Clean(one))
			continue
		}
		t.line(theme.Text, th.Clean(r.Key))
		for i, v := range r.Values {
			t.line(theme.Dim, "  "+th.Clean(c.Sessions[i])+"  "+th.Clean(v))
		}
	}
	return th.Box("recipes differ in", fmt.Sprintf("%d keys", len(c.Recipes)), t.String(), w, h)
}

// moveCompared moves the cursor of both charts.
func (d *desk) moveCompared(dir int) {
	k := &d.compare
	c := d.compareChart(accOf, false)
	longest := 0
	for i := range c.Series {
		if len(c.Series[i].Points) > len(c.Series[longest].Points) {
			longest = i
		}
	}
	if x, ok := chart.Move(c.Series[longest], c.Frame, k.look.cursor, dir, d.plotWidth()); ok {
		k.look.cursor = &x
		k.look.win.Show(c.Frame, x)
	}
}

func (d *desk) zoomCompared(by float64) {
	k := &d.compare
	var all []chart.Series
	for _, x := range k.l {
		all = append(all, chart.Series{Points: curve(x.State.Curves[k.stage].Acc)}, chart.Series{Points: curve(x.State.Curves[k.stage].CPU)})
	}
	k.look.win.Zoom(chart.Extent(all...), by, k.look.cursor)
}

func (d *desk) compareStage(s event.Stage) {
	d.compare.stage, d.compare.look.win, d.compare.look.cursor = s, chart.Window{}, nil
}
