package work

import (
	"fmt"
	"strings"

	"pare/core/event"
	"pare/tui/chart"
	"pare/tui/plain"
	"pare/tui/theme"
)

// layerRow is a layer as it stands.
type layerRow struct {
	name, shape string
	zeros       float64
	runs, why   string
	prunable    bool
}

// layerRows are the layers in order, as the newest mask and plan have them.
func (d *desk) layerRows() []layerRow {
	st := &d.run.st
	masks := map[string]event.LayerMask{}
	for _, m := range d.run.now.mask.Layers {
		masks[m.Name] = m
	}
	plans := map[string]event.RunsAs{}
	for _, p := range st.Plan.Layers {
		plans[p.Name] = p
	}
	now := map[string][]int{}
	for _, l := range st.Model.Layers {
		now[l.Name] = l.Shape
	}
	rows := make([]layerRow, 0, len(st.Dense.Layers))
	for _, l := range st.Dense.Layers {
		r := layerRow{name: d.th.Clean(l.Name), shape: plain.Shape(l.Shape), prunable: l.Prunable}
		if s := now[l.Name]; s != nil {
			r.shape = plain.Shape(s)
		}
		if m := masks[l.Name]; m.Of > 0 {
			r.zeros = float64(m.Zeros) / float64(m.Of)
		}
		if p, ok := plans[l.Name]; ok {
			r.runs, r.why = d.th.Clean(p.Format), d.th.Clean(p.Why)
		}
		rows = append(rows, r)
	}
	return rows
}

// layersPane shows for each layer what is gone and what it runs on; after the
// verdicts, what that gained.
func (d *desk) layersPane(w, h int) string {
	if v := d.run.st.LayerVerdicts; v != nil {
		return d.verdictsPane(v, w, h)
	}
	th, in := d.th, w-2
	rows, right := d.siftLayers(d.layerRows())
	if len(rows) == 0 {
		return th.Box("layers", "", th.Paint(theme.Dim, d.tense(" the model is not loaded yet", " the model was not loaded")), w, h)
	}
	nameW, shapeW, runsW := 0, 0, len("runs as")
	for _, r := range rows {
		nameW = max(nameW, theme.Width(r.name))
		shapeW = max(shapeW, theme.Width(th.Tr(r.shape)))
		runsW = max(runsW, theme.Width(th.Tr(r.runs)))
	}
	nameW = min(nameW, max(in/4, 6))
	runsW = min(runsW, 10)
	const pctW = 6
	barW := in - 1 - nameW - 2 - shapeW - 2 - pctW - 3 - runsW - 2
	if barW < 6 { // the shape goes first
		barW += shapeW + 2
		shapeW = 0
	}
	if barW < 4 {
		barW = 0
	}
	room := h - 2
	notes := d.layerNotes(rows)
	show := len(rows)
	if show > room {
		show = max(room-1, 0)
	}
	from := d.firstLayer(len(rows), show)
	var b strings.Builder
	for _, r := range rows[from : from+show] {
		b.WriteString(" " + layerName(th, r.name, nameW))
		if shapeW > 0 {
			b.WriteString("  " + th.Paint(theme.Dim, th.Fit(r.shape, shapeW)))
		}
		if barW > 0 {
			b.WriteString("  " + chart.Bar(th, r.zeros, barW))
		}
		b.WriteString(th.FitRight(fmt.Sprintf("%.0f %%", 100*r.zeros), pctW))
		b.WriteString("   " + th.Fit(r.runs, runsW) + "\n")
	}
	if show < len(rows) {
		b.WriteString(th.Paint(theme.Dim, fmt.Sprintf(" %d of %d layers", show, len(rows))) + "\n")
	} else if len(notes) > 0 && room-show >= 2 {
		b.WriteString("\n")
		for _, n := range first(th, notes, room-show-1, in-2) {
			b.WriteString(" " + th.Paint(theme.Dim, th.Tr(n)) + "\n")
		}
	}
	var heads []theme.Head
	x := 1 + nameW + 2
	if shapeW > 0 {
		x += shapeW + 2
	}
	if barW > 0 {
		heads = append(heads, theme.Head{At: x + barW + pctW - len("zeros"), Text: "zeros"})
		x += barW
	}
	heads = append(heads, theme.Head{At: x + pctW + 3, Text: "runs as"})
	return th.BoxWith(theme.BoxOptions{Title: d.layersTitle(right), Heads: heads, Body: strings.TrimSuffix(b.String(), "\n")}, w, h)
}

// layerNotes say what the last points of the baseline cost, and why layers with
// zeros still run dense.
func (d *desk) layerNotes(rows []layerRow) []string {
	var out []string
	if lp := d.run.st.LastPoints; lp != nil {
		text := d.th.Clean(lp.Text)
		if lp.Advice != "" {
			text = d.th.Clean(lp.Advice) + d.ours(" (x n ends the baseline here)")
		}
		out = append(out, text)
	}
	seen := map[string]bool{}
	for _, r := range rows {
		if r.zeros > 0 && r.runs == "dense" && r.why != "" && !seen[r.why] {
			seen[r.why] = true
			out = append(out, r.name+" runs dense: "+r.why)
		}
	}
	return out
}

// verdictsPane is the table of what each layer gained.
func (d *desk) verdictsPane(v *event.LayerVerdicts, w, h int) string {
	th, in := d.th, w-2
	layers, left := d.siftVerdicts(v.Layers)
	nameW, runsW := 0, 5
	for _, l := range layers {
		nameW = max(nameW, theme.Width(th.Clean(l.Name)))
		runsW = max(runsW, theme.Width(th.Clean(l.RunsAs)))
	}
	nameW = min(nameW, max(in/4, 6))
	const msW = 15
	textW := in - 1 - nameW - 7 - 2 - runsW - 2 - msW - 2
	if textW < 8 { // the times go first
		textW += msW + 2
	}
	room := h - 2
	show := len(layers)
	if show > room {
		show = max(room-1, 0)
	}
	from := d.firstLayer(len(layers), show)
	var b strings.Builder
	var cut []string // what does not fit its line is said below
	for _, l := range layers[from : from+show] {
		b.WriteString(" " + layerName(th, l.Name, nameW) + th.FitRight(fmt.Sprintf("%.0f %%", 100*l.Zeros), 7) + "  " + th.Fit(th.Clean(l.RunsAs), runsW) + "  ")
		if in-1-nameW-7-2-runsW-2-msW-2 >= 8 {
			b.WriteString(th.Fit(fmt.Sprintf("%.3f → %.3f", l.DenseMS, l.NowMS), msW) + "  ")
		}
		if theme.Width(th.Clean(l.Text)) > textW {
			cut = append(cut, l.Name+": "+l.Text)
		}
		tok := theme.Good
		if !strings.Contains(l.Text, "× less ") {
			tok = theme.Dim
		}
		b.WriteString(th.Paint(tok, th.Fit(brisk(th, l.Text, textW), max(textW, 1))) + "\n")
	}
	if show < len(layers) {
		b.WriteString(th.Paint(theme.Dim, fmt.Sprintf(" %d of %d layers", show, len(layers))) + "\n")
	} else if n := room - show; n >= 2 {
		notes := []string{d.clockOf().Of("ms per training step, dense → now, by layer")}
		for _, c := range cut {
			notes = append(notes, th.Clean(c))
		}
		if lp := d.run.st.LastPoints; lp != nil {
			notes = append(notes, th.Clean(lp.Text))
		}
		b.WriteString("\n")
		for _, s := range first(th, notes, n-1, in-2) {
			b.WriteString(" " + th.Paint(theme.Dim, th.Tr(s)) + "\n")
		}
	}
	return th.Box(d.layersTitle(left), "verdicts", strings.TrimSuffix(b.String(), "\n"), w, h)
}

// layersTitle names the pane; left says how many a filter leaves.
func (d *desk) layersTitle(left string) string {
	return "layers " + d.th.G.None + " " + or(left, "i opens one")
}

// firstLayer is the first of n layers shown when show of them fit.
func (d *desk) firstLayer(n, show int) int {
	d.look.layer = min(d.look.layer, n-show)
	return d.look.layer
}

func (d *desk) canScroll() string {
	_, h, ok := find(d.rows(), paneD)
	if !ok {
		return "the layers are not in sight: press tab"
	}
	if len(d.siftedAt()) <= h-2 {
		return "all layers are in sight"
	}
	return ""
}
