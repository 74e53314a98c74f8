package work

import (
	"fmt"
	"slices"
	"strings"

	"pare/core/event"
	"pare/tui/plain"
	"pare/tui/theme"
)

// What is typed after / leaves only the layers and the ledger's metrics that hold all its
// words. Where none of a pane does, the pane stays as it is: the words are meant for the
// other one.

// holds reports whether a text holds all words of a filter, whatever their case.
func holds(filter, text string) bool {
	text = strings.ToLower(text)
	return !slices.ContainsFunc(strings.Fields(strings.ToLower(filter)), func(w string) bool { return !strings.Contains(text, w) })
}

// sift keeps what holds the words, all of it when nothing does; right is for the pane's
// frame: how many are left, "" for all.
func sift[T any](d *desk, all []T, text func(T) string) (left []T, right string) {
	if strings.TrimSpace(d.look.sift) == "" {
		return all, ""
	}
	for _, x := range all {
		if holds(d.look.sift, text(x)) {
			left = append(left, x)
		}
	}
	if len(left) == 0 {
		return all, ""
	}
	return left, fmt.Sprintf("%d of %d with %s", len(left), len(all), d.th.Clean(d.look.sift))
}

func (d *desk) siftLayers(all []layerRow) ([]layerRow, string) {
	return sift(d, all, func(r layerRow) string { return r.name + " " + r.runs })
}

func (d *desk) siftVerdicts(all []event.LayerVerdict) ([]event.LayerVerdict, string) {
	return sift(d, all, func(l event.LayerVerdict) string { return l.Name + " " + l.RunsAs })
}

func (d *desk) siftMetrics(all []plain.Row) ([]plain.Row, string) {
	return sift(d, all, func(r plain.Row) string { return r.Name })
}

// siftedAt are the numbers of the layers that are shown.
func (d *desk) siftedAt() []int {
	rows := d.layerRows()
	all := make([]int, len(rows))
	for i := range all {
		all[i] = i
	}
	left, _ := sift(d, all, func(i int) string { return rows[i].name + " " + rows[i].runs })
	return left
}

func (d *desk) canSift() string {
	if len(d.run.st.Dense.Layers) == 0 {
		return "the model is not loaded yet"
	}
	return ""
}

func (d *desk) openSift() { d.over, d.input = overFilter, input{text: d.look.sift} }

// siftSays tells while one types how much is left of each.
func (d *desk) siftSays() string {
	if d.look.sift == "" {
		return ""
	}
	names := func(n int, one string) string { return plural(n, one, one+"s") }
	layers, metrics := d.sifted()
	return d.th.Paint(theme.Dim, fmt.Sprintf(" %s, %s", names(layers, "layer"), names(metrics, "metric")))
}

// sifted is how much is left of each.
func (d *desk) sifted() (layers, metrics int) {
	for _, r := range d.layerRows() {
		if holds(d.look.sift, r.name+" "+r.runs) {
			layers++
		}
	}
	for _, r := range d.ledgerRows() {
		if holds(d.look.sift, r.Name) {
			metrics++
		}
	}
	return layers, metrics
}

// turnToSifted turns to the face of a small screen that shows what is left, where that is of
// one pane only.
func (d *desk) turnToSifted() {
	layers, metrics := d.sifted()
	want := paneD
	if layers == 0 {
		want = paneC
	}
	if d.look.sift == "" || (layers == 0) == (metrics == 0) {
		return
	}
	tab := d.look.tab
	for i := range views(d.w, d.h) {
		d.look.tab = tab + i
		if _, _, ok := find(d.rows(), want); ok {
			return
		}
	}
	d.look.tab = tab
}

// ledgerRows are the metrics of the ledger as it stands.
func (d *desk) ledgerRows() []plain.Row {
	if l := d.run.st.Ledger; l != nil {
		return plain.Rows(l)
	}
	return d.liveRows()
}
