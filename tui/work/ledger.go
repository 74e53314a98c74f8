package work

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"pare/core/event"
	"pare/core/prune"
	"pare/tui/plain"
	"pare/tui/theme"
)

// liveRows are the ledger while the run goes on: dense from the baseline's
// epochs, now from the newest.
func (d *desk) liveRows() []plain.Row {
	st := &d.run.st
	pared := st.Stage >= event.Sparsify
	row := func(name, dense, now, change string) plain.Row { //nolint:unparam // the row of a ledger
		if !pared {
			now, change = "", ""
		}
		return plain.Row{Name: name, Dense: dense, Now: now, Change: change}
	}
	dash := "–"

	acc := row("accuracy", dash, dash, "")
	if b, ok := st.BaselineAcc(); ok {
		acc.Dense = percent(b)
		if a, ok := lastAcc(st, event.Sparsify); ok && pared {
			acc.Now, acc.Change = percent(a), points(a-b)
		}
	}
	zeros := row("zeros", percent(0), percent(d.run.zeros()), "")
	if t, ok := d.run.target(); ok && pared {
		zeros.Change = fmt.Sprintf("of %.4g %%", 100*t)
		if d.past() != "" {
			zeros.Change += " (whole channels)"
		}
	}
	params := row("params", dash, dash, "")
	if n := st.Dense.Params; n > 0 {
		kept := min(st.Model.Params, n-int64(d.run.now.mask.Zeros))
		params.Dense = plain.Count(n)
		if pared {
			params.Now, params.Change = plain.Count(kept), plain.Change(float64(n), float64(kept))
		}
	}
	cpu, jou := row(d.clockOf().Of("ms per step"), dash, dash, ""), row("J per step", dash, dash, "")
	dc, dj, okc, okj := perStep(st, event.Baseline)
	if okc {
		cpu.Dense = plain.Num(dc / 1000)
	}
	if okj {
		jou.Dense = plain.Joules(dj)
	}
	if pared {
		nc, nj, ok1, ok2 := perStep(st, event.Sparsify)
		if ok1 {
			cpu.Now = plain.Num(nc / 1000)
			if okc {
				cpu.Change = plain.Change(dc, nc)
			}
		}
		if ok2 {
			jou.Now = plain.Joules(nj)
			if okj {
				jou.Change = plain.Change(float64(*dj.UJ), float64(*nj.UJ))
			}
		}
	}
	return append([]plain.Row{acc, zeros, params, cpu, jou}, d.spentRows()...)
}

// perStep is what a training step cost: of the baseline on average, of sparsify
// in its newest epoch.
func perStep(st *event.State, s event.Stage) (cpuUS float64, j event.Joules, okCPU, okJ bool) {
	var cpu, uj, steps, jsteps int64
	for i := len(st.Epochs) - 1; i >= 0; i-- {
		e := &st.Epochs[i]
		if e.Stage != s || e.Steps <= 0 || !stands(st, e) {
			continue
		}
		cpu, steps = cpu+st.BusyUS(e), steps+e.Steps
		if e.Energy.UJ != nil {
			if jsteps == 0 {
				j = e.Energy
			}
			uj, jsteps = uj+*e.Energy.UJ, jsteps+e.Steps
		}
		if s != event.Baseline {
			break
		}
	}
	if jsteps > 0 {
		n := int64(math.Round(float64(uj) / float64(jsteps)))
		j.UJ = &n
	}
	return float64(cpu) / float64(max(steps, 1)), j, steps > 0, jsteps > 0
}

// spentRows are the run's own bill.
func (d *desk) spentRows() []plain.Row {
	spent := d.run.st.Spent()
	j := spent.Energy
	var rows []plain.Row
	if b := d.run.st.Budget; b != nil { // first: who sets one wants to see it where there is room for one row
		rows = append(rows, plain.Row{Name: "budget", Dense: b.Amount(b.Limit), Now: fmt.Sprintf("%.0f %%", 100*b.Spent/b.Limit), Change: fmt.Sprintf("ends %.0f %%", 100*b.Finish/b.Limit)})
	}
	rows = append(rows, plain.Row{Name: d.clockOf().Total(), Now: plain.Micros(float64(d.run.st.Started.Busy(spent.CPUUS, spent.WallUS)))})
	if j.UJ == nil {
		return append(rows, plain.Row{Name: "J this run", Now: "not measured"})
	}
	rows = append(rows, plain.Row{Name: "J this run", Now: plain.Joules(j)})
	return append(rows, plain.Grid(d.run.st.Started.Grid, j)...)
}

// past says why there are more zeros than were asked for, "" if there are not.
func (d *desk) past() string {
	t, ok := d.run.target()
	if !ok || d.run.recipe == nil || !prune.Structured(d.run.recipe.Prune.Pattern) || d.run.zeros() <= t+0.005 {
		return ""
	}
	return fmt.Sprintf("only whole channels go: %s is the nearest to %.4g %%", percent(d.run.zeros()), 100*t)
}

// ledgerPane is dense against pared.
func (d *desk) ledgerPane(w, h int) string {
	l := d.run.st.Ledger
	var first []string
	if p := d.past(); p != "" {
		first = []string{p}
	}
	if l == nil {
		rows, left := d.siftMetrics(d.liveRows())
		return d.table("ledger", left, "dense", "now", rows, first, w, h)
	}
	rows, notes := brief(plain.Rows(l))
	notes = append(first, notes...)
	if p := plain.BreakEven(&d.run.st); p != "" {
		notes = append(notes, p)
	}
	notes = append(notes, fmt.Sprintf("%s and J by %d alternations of dense and pared", d.clockOf().Name, l.Rounds))
	if len(rows)+3 < h-2 {
		rows = append(rows, d.spentRows()...)
	}
	rows, left := d.siftMetrics(rows)
	title := "ledger, test set"
	if plain.FromCPU(l) {
		title = "ledger, J from CPU time"
	}
	return d.table(title, left, "dense", "now", fitRows(rows, h-2), notes, w, h)
}

// fitRows leaves out the rows that say least until the others fit: better than to lose
// the last ones, the joules.
func fitRows(rows []plain.Row, room int) []plain.Row {
	for _, least := range []string{"moved per step", "J this run", "CPU this run", "time this run", "params", "packed file", "zeros"} {
		if len(rows) <= room {
			break
		}
		rows = slices.DeleteFunc(rows, func(r plain.Row) bool { return r.Name == least })
	}
	return rows
}

// brief takes what is said in words out of the last column and puts it in notes.
func brief(rows []plain.Row) ([]plain.Row, []string) {
	var notes []string // what is said of joules comes first
	for i := range rows {
		if c, words, ok := strings.Cut(rows[i].Change, " ("); ok {
			rows[i].Change = c
			n := strings.TrimSuffix(words, ")")
			if strings.HasPrefix(rows[i].Name, "J ") {
				n = "J " + n
			}
			if !slices.Contains(notes, n) {
				notes = append(notes, n)
			}
		}
	}
	for i := range rows {
		r := &rows[i]
		if strings.HasPrefix(r.Change, "of ") {
			notes = append(notes, r.Name+": share "+r.Change)
			r.Change = ""
		}
	}
	return rows, notes
}

// table frames rows of four columns. When they are too wide, intervals get a
// line of their own, then the bands of joules go, then all of what follows a
// figure, then the dense column.
func (d *desk) table(title, right, dense, now string, rows []plain.Row, notes []string, w, h int) string { //nolint:unparam // said at the call
	th, in := d.th, w-2
	const margin = 3 // one cell at the left, two at the right
	cells := make([][4]string, len(rows))
	for i, r := range rows {
		cells[i] = [4]string{r.Name, r.Dense, r.Now, r.Change}
	}
	var ws [4]int
	width := func() int {
		ws = [4]int{0, len(dense), len(now), len("change")}
		sum := 0
		for k := range ws {
			for _, c := range cells {
				ws[k] = max(ws[k], theme.Width(th.Tr(c[k])))
			}
			sum += ws[k]
		}
		return sum + 3 + margin
	}
	cut := func(sep string, only func(name string) bool) {
		for i := range cells {
			for k := 1; k < 4; k++ {
				if only == nil || only(cells[i][0]) {
					cells[i][k], _, _ = strings.Cut(cells[i][k], sep)
				}
			}
		}
	}
	for level := 0; width() > in && level < 4; level++ {
		switch level {
		case 0:
			cells = ownLine(cells, h-2)
		case 1:
			cut(" ±", func(name string) bool { return strings.HasPrefix(name, "J ") })
		case 2:
			cut(" ±", nil)
		case 3:
			cut(" (", nil)
		}
	}
	shown := []int{0, 1, 2, 3}
	if width() > in {
		shown = []int{0, 2, 3}
		if !anyNow(cells) {
			shown = []int{0, 1}
		}
	}
	cells = slices.DeleteFunc(cells, func(c [4]string) bool { // an interval of a column that is not shown
		return strings.HasPrefix(c[0], "  ") && !slices.ContainsFunc(shown[1:], func(k int) bool { return c[k] != "" })
	})
	// Spare room goes between the columns.
	need := margin
	for _, k := range shown {
		need += ws[k]
	}
	gap := 2
	if n := len(shown) - 1; n > 0 {
		gap = min(max((in-need)/n, 1), 6)
	}
	names := [4]string{"", dense, now, "change"}
	var heads []theme.Head
	var b strings.Builder
	x := 1
	for _, k := range shown {
		if k > 0 {
			x += gap
			heads = append(heads, theme.Head{At: x + ws[k] - len(names[k]), Text: names[k]})
		}
		x += ws[k]
	}
	for i, c := range cells {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(" ")
		for _, k := range shown {
			if k == 0 {
				b.WriteString(th.Fit(c[0], ws[0]))
				continue
			}
			b.WriteString(strings.Repeat(" ", gap))
			s := th.FitRight(c[k], ws[k])
			if k == 1 {
				s = th.Paint(theme.Ghost, s)
			}
			b.WriteString(s)
		}
	}
	for _, line := range first(th, notes, h-2-len(cells), in-2) {
		b.WriteString("\n " + th.Paint(theme.Dim, th.Tr(line)))
	}
	return th.BoxWith(theme.BoxOptions{Title: title, Right: right, Heads: heads, Body: b.String()}, w, h)
}

// ownLine gives intervals, "85.0 % (84.0–86.0)", a line of their own, if there
// is room for one more.
func ownLine(cells [][4]string, room int) [][4]string {
	for i, c := range cells {
		a, x, ok1 := strings.Cut(c[1], " (")
		b, y, ok2 := strings.Cut(c[2], " (")
		if !ok1 && !ok2 {
			continue
		}
		name, of, _ := strings.Cut(c[0], " (")
		first, second := [4]string{name, a, b, c[3]}, [4]string{"  " + strings.TrimSuffix(or(of, "interval"), ")"), strings.TrimSuffix(x, ")"), strings.TrimSuffix(y, ")"), ""}
		if len(cells) >= room {
			cells[i] = first
			return cells
		}
		return append(append(append([][4]string{}, cells[:i]...), first, second), cells[i+1:]...)
	}
	return cells
}

func anyNow(cells [][4]string) bool {
	for _, c := range cells {
		if c[2] != "" {
			return true
		}
	}
	return false
}
