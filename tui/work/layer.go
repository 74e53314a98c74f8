package work

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"pare/tui/chart"
	"pare/tui/plain"
	"pare/tui/theme"
)

// The layers over the steps, and one of them in detail.

func (d *desk) canLayer() string {
	if len(d.run.st.Dense.Layers) == 0 {
		return "the model is not loaded yet"
	}
	return ""
}

func (d *desk) openLayer() []effect {
	d.over = overLayer
	at := d.siftedAt()
	d.look.at = min(max(d.look.at, at[min(d.look.layer, len(at)-1)]), at[len(at)-1])
	return d.readWeights()
}

func (d *desk) moveLayer(by int) []effect {
	at := d.siftedAt()
	i, _ := slices.BinarySearch(at, d.look.at)
	if i += by; len(at) > 0 {
		d.look.at = at[min(max(i, 0), len(at)-1)]
	}
	return d.readWeights()
}

// layerPane is the heat strip of all layers with the one under the cursor in detail.
func (d *desk) layerPane(w, h int) string {
	n := len(d.run.st.Dense.Layers)
	if n == 0 {
		return d.th.Box("layers", "", "", w, h)
	}
	d.look.at = min(d.look.at, n-1)
	switch {
	case w >= wideW && h >= 12:
		left := w * 2 / 5
		return theme.Beside(d.stripBox(left, h), d.detailBox(w-left, h))
	case h >= 14:
		top := min(n+2, h/3)
		return d.stripBox(w, top) + "\n" + d.detailBox(w, h-top)
	}
	return d.detailBox(w, h)
}

// stripBox is a row a layer: its share of zeros over the steps of sparsify.
func (d *desk) stripBox(w, h int) string {
	th, in := d.th, w-2
	ls := d.run.st.Dense.Layers
	nameW := 4
	for _, l := range ls {
		nameW = max(nameW, theme.Width(th.Clean(l.Name)))
	}
	nameW = min(nameW, max(in/3, 6))
	at := d.siftedAt()
	here, _ := slices.BinarySearch(at, d.look.at)
	room := max(h-2, 1)
	from := min(max(here-room/2, 0), max(len(at)-room, 0))
	cols := in - nameW - 12
	rows := d.layerRows()
	var b strings.Builder
	for _, i := range at[from:min(from+room, len(at))] {
		mark, name := "  ", layerName(th, ls[i].Name, nameW)
		if i == d.look.at {
			mark, name = th.Paint(theme.Accent, ">")+" ", th.Paint(theme.Selected, name)
		}
		b.WriteString(" " + mark + name + " ")
		if cols >= 6 {
			b.WriteString(heatLine(th, d.run.strip(i, cols)))
		}
		z := "–"
		if i < len(rows) {
			z = fmt.Sprintf("%.0f %%", 100*rows[i].zeros)
		}
		b.WriteString(th.FitRight(z, 7) + "\n")
	}
	right := "over the steps of 3"
	if len(d.run.heat) == 0 {
		right = "no mask yet"
	}
	return th.Box("zeros by layer", right, strings.TrimSuffix(b.String(), "\n"), w, h)
}

// heatLine is a row of the strip; columns to come are blank.
func heatLine(th *theme.Theme, v []float64) string {
	var b strings.Builder
	for _, x := range v {
		if math.IsNaN(x) {
			b.WriteByte(' ')
			continue
		}
		b.WriteString(chart.Strip(th, []float64{x}, 1))
	}
	return b.String()
}

// detailBox is the layer under the cursor.
func (d *desk) detailBox(w, h int) string {
	th, st := d.th, &d.run.st
	l := st.Dense.Layers[d.look.at]
	in := max(w-4, 1)
	var lines []string
	say := func(tok theme.Token, s string) {
		for _, x := range wrap(th.Clean(s), in) {
			lines = append(lines, " "+th.Paint(tok, th.Tr(x)))
		}
	}
	row := layerRow{}
	for _, r := range d.layerRows() {
		if r.name == th.Clean(l.Name) {
			row = r
		}
	}
	runs := or(row.runs, "dense")
	say(theme.Text, fmt.Sprintf("%s %s, %s weights, %s zeros, runs as %s", l.Op, row.shape, plain.Count(l.Params), percent(row.zeros), runs))
	if row.why != "" && runs == "dense" {
		say(theme.Dim, runs+": "+row.why)
	}
	for _, s := range d.layerCost(l.Name) {
		say(theme.Dim, s)
	}
	if st.Scan != nil {
		if s := d.scanSays(l.Name); s != "" {
			say(theme.Dim, s)
		}
	}
	lines = append(lines, d.weightLines(l.Name, in, h-2-len(lines))...)
	right := fmt.Sprintf("%d of %d", d.look.at+1, len(st.Dense.Layers))
	return th.BoxWith(theme.BoxOptions{Title: l.Name, Right: right, Body: strings.Join(lines[:min(len(lines), max(h-2, 0))], "\n"), BorderToken: theme.Accent}, w, h)
}

// layerCost says what the layer takes of a step: measured, shared out by time, or why it
// is not known.
func (d *desk) layerCost(layer string) []string {
	st := &d.run.st
	if v := st.LayerVerdicts; v != nil {
		for _, l := range v.Layers {
			if l.Name == layer {
				out := []string{fmt.Sprintf("%s: dense %.3f, now %.3f: %s", d.clockOf().Of("ms per training step"), l.DenseMS, l.NowMS, l.Text)}
				return append(out, d.layerJoules(l.DenseMS, l.NowMS))
			}
		}
	}
	t := st.Times
	if t == nil {
		return []string{d.tense("ms and J: – until the end of the baseline, where the calls of a step are timed", "ms and J: –, the run ended before its calls were timed")}
	}
	all, mine := 0.0, 0.0
	for _, c := range t.Calls {
		all += c.StepUS
		if c.Node == layer {
			mine += c.StepUS
		}
	}
	if all <= 0 || mine <= 0 {
		return []string{"ms and J: –, no call of this layer was timed by itself"}
	}
	share := mine / all
	out := []string{fmt.Sprintf("dense: %.3f %s of a training step, %s of it (calls timed at the end of the baseline); now: timed in stage 5", share*t.StepCPUUS/1e3, d.clockOf().Of("ms"), percent(share))}
	if t.StepEnergy.UJ == nil {
		return append(out, "J: – not measured")
	}
	return append(out, fmt.Sprintf("J: dense %s of a step, its share of the time; no counter tells layers apart", plain.Joules(t.StepEnergy.Part(share))))
}

// layerJoules shares out the joules of a step by the layers' time.
func (d *desk) layerJoules(dense, now float64) string {
	l := d.run.st.Ledger
	if l == nil || l.Dense.StepEnergy.UJ == nil || l.Now.StepEnergy.UJ == nil || l.Dense.StepCPUUS <= 0 || l.Now.StepCPUUS <= 0 {
		return "J: – not measured"
	}
	a, b := 1e3*dense/l.Dense.StepCPUUS, 1e3*now/l.Now.StepCPUUS
	return fmt.Sprintf("J per step, by its share of the time (no counter tells layers apart): dense %s, now %s",
		plain.Joules(l.Dense.StepEnergy.Part(min(a, 1))), plain.Joules(l.Now.StepEnergy.Part(min(b, 1))))
}

// scanSays is what the sensitivity scan found for the layer at its highest level.
func (d *desk) scanSays(layer string) string {
	s := d.run.st.Scan
	for i := range s.Rows {
		r := &s.Rows[i]
		if r.Name != layer || len(r.Cells) == 0 || len(r.Cells) > len(s.Levels) {
			continue
		}
		k := len(r.Cells) - 1
		return fmt.Sprintf("scan: alone at %s zeros it changes accuracy by %s", percent(s.Levels[k]), points(-s.Lost(r.Cells[k])))
	}
	return ""
}

// weightLines are the histogram and the mask of the layer in at most n lines.
func (d *desk) weightLines(layer string, w, n int) []string {
	th, s := d.th, &d.run.weights
	dim := func(x string) []string {
		if n < 1 {
			return nil
		}
		return []string{" " + th.Paint(theme.Dim, th.Fit(th.Clean(x), w))}
	}
	switch {
	case s.layer != layer && len(d.run.st.Checkpoints) == 0:
		return dim("weights: no checkpoint is kept yet")
	case s.layer != layer:
		return dim("reading the weights …")
	case s.err != "":
		return dim("weights: " + s.err)
	case n < 4:
		return nil
	}
	kept := s.rows*s.cols - s.zeros - s.odd
	num := func(x float64) string { return strings.ReplaceAll(fmt.Sprintf("%.2g", x), "-", "−") }
	head := fmt.Sprintf("kept weights at %s: mean %s", s.checkpoint, num(s.mean))
	for _, more := range []string{", deviation " + num(s.dev), ", least " + num(s.least)} {
		if theme.Width(th.Tr(head+more)) <= w {
			head += more
		}
	}
	if kept == 0 {
		head = "no weight is kept at " + s.checkpoint
	}
	if s.odd > 0 {
		head += fmt.Sprintf("; %d are not finite", s.odd)
	}
	lines := append([]string{""}, " "+th.Paint(theme.Title, th.Tr(th.Fit(th.Clean(head), w))))
	n -= 2
	cols := min(w, 80)
	hist := min(max(n/3, 1), 6)
	if n >= 2 && kept > 0 {
		for _, l := range strings.Split(chart.Columns(th, theme.Bar, s.histogram(cols), cols, hist), "\n") {
			lines = append(lines, " "+l)
		}
		lo, hi := num(-s.lim), num(s.lim)
		gap := cols/2 - len([]rune(lo))
		lines = append(lines, " "+th.Paint(theme.Dim, th.Tr(lo+strings.Repeat(" ", max(gap, 1))+"0"+strings.Repeat(" ", max(cols-cols/2-1-len(hi), 1))+hi)))
		n -= hist + 1
	}
	return append(lines, d.maskLines(s, w, n)...)
}

// maskLines are the whole mask in shades, and beside it its corner weight by weight.
func (d *desk) maskLines(s *layerStats, w, n int) []string {
	th := d.th
	if n < 3 || s.gr == 0 || s.gc == 0 {
		return nil
	}
	if s.zeros == 0 {
		return []string{" " + th.Paint(theme.Dim, "mask: nothing is pruned here")}
	}
	room := min(n-1, 16)
	left := min(max((w-3)/2, 8), s.gc)
	right := w - left - 3
	r, c := chart.DotsFit(th, right, room)
	r, c = min(r, s.rows), min(c, s.cols)
	head := th.Fit(fmt.Sprintf("mask %d×%d, shade: share kept", s.rows, s.cols), left) + "   " + th.Fit(fmt.Sprintf("first %d×%d: dots are kept", r, c), max(right, 0))
	if right < 12 {
		left, head = min(w, s.gc), th.Fit(fmt.Sprintf("mask %d×%d, shade: share kept", s.rows, s.cols), w)
	}
	lines := []string{" " + th.Paint(theme.Dim, th.Fit(head, w))}
	h := min(room, s.gr)
	whole := strings.Split(chart.Shades(th, s.gr, s.gc, func(r, c int) float64 { return s.kept[r*s.gc+c] }, left, h), "\n")
	var corner []string
	if right >= 12 {
		corner = strings.Split(chart.Dots(th, r, c, func(i, j int) bool { return s.mask.Kept(i*s.cols + j) }, right, room), "\n")
	}
	for i := range max(len(whole), len(corner)) {
		line := strings.Repeat(" ", left)
		if i < len(whole) {
			line = whole[i]
		}
		if i < len(corner) {
			line += "   " + corner[i]
		}
		lines = append(lines, " "+line)
	}
	return lines
}
