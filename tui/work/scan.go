package work

import (
	"fmt"
	"strings"

	"pare/core"
	"pare/core/event"
	"pare/tui/plain"
	"pare/tui/theme"
)

// scanGoes says whether a sensitivity scan is under way.
func (d *desk) scanGoes() bool {
	s := d.run.st.Scan
	return s != nil && s.State == "running"
}

func (d *desk) canScan() string {
	switch {
	case d.goOn:
		return "the recipe is on its way"
	case d.scanGoes():
		return "a scan goes on: esc cancels it"
	}
	return ""
}

// scanWith starts a scan by the form's recipe.
func (d *desk) scanWith() []effect {
	b := d.checkedRecipe()
	if b == nil {
		return nil
	}
	d.look.tab |= 3 // to the last face, of two or of four: what is found is there
	d.promise("scanning: each layer is pruned alone and the model evaluated …")
	return []effect{d.send(core.Command{Cmd: core.CmdScan, Text: string(b)})}
}

func (d *desk) canCancelScan() string {
	if !d.scanGoes() {
		return "no scan goes on: s starts one"
	}
	return ""
}

func (d *desk) cancelScan() []effect {
	d.promise("ending the scan …")
	return []effect{d.send(core.Command{Cmd: core.CmdCancel})}
}

// scanPane is the heat strip of the newest scan: a row a layer or group, a column a
// level, with the points that are lost where there is room.
func (d *desk) scanPane(s *event.Scan, w, h int) string {
	th, in := d.th, w-2
	nameW := 5
	for _, r := range s.Rows {
		nameW = max(nameW, theme.Width(th.Clean(r.Name)))
	}
	nameW = min(nameW, max(in/3, 6))
	n := max(len(s.Levels), 1)
	cellW := min(max((in-1-nameW-2)/n, 1), 9)
	figures := cellW >= 7
	var notes []string
	switch {
	case s.State == "running" && d.run.over():
		notes = append(notes, fmt.Sprintf("%d of %d were scanned when the run ended", len(s.Rows), s.Of))
	case s.State == "running":
		notes = append(notes, fmt.Sprintf("%d of %d scanned", len(s.Rows), s.Of)+d.ours("; esc cancels and keeps them"))
	default:
		what := "layer pruned"
		if s.Groups {
			what = "group cut"
		}
		notes = append(notes, "change of accuracy in points, each "+what+" alone; "+plain.ScanEnd(s))
	}
	notes = append(notes, plain.HeatLegend(&th.G))
	room := max(h-2, 1)
	show := len(s.Rows)
	if show > room {
		show = max(room-1, 0)
	}
	from := d.firstLayer(len(s.Rows), show)
	var b strings.Builder
	var heads []theme.Head
	for i, l := range s.Levels {
		if cellW >= 6 {
			heads = append(heads, theme.Head{At: 1 + nameW + 2 + i*cellW, Text: fmt.Sprintf("%.3g %%", 100*l)})
		}
	}
	for i := from; i < from+show; i++ {
		r := &s.Rows[i]
		b.WriteString(" " + layerName(th, r.Name, nameW) + "  ")
		if r.Refused != "" {
			b.WriteString(th.Paint(theme.Dim, th.Fit("stays: "+th.Clean(r.Refused), max(in-nameW-4, 1))) + "\n")
			continue
		}
		for k := range s.Levels {
			if k >= len(r.Cells) {
				b.WriteString(th.Fit("?", cellW))
				continue
			}
			lost := s.Lost(r.Cells[k])
			heat := plain.Heat(lost)
			if heat < 0 { // not known
				b.WriteString(th.Fit("?", cellW))
				continue
			}
			shade := th.G.Shade[heat]
			if figures {
				b.WriteString(th.Paint(theme.Bar, shade) + th.Fit(minus(fmt.Sprintf(" %.1f", -100*lost)), cellW-1))
				continue
			}
			b.WriteString(th.Paint(theme.Bar, strings.Repeat(shade, max(cellW-1, 1))) + strings.Repeat(" ", min(cellW-1, 1)))
		}
		b.WriteByte('\n')
	}
	if show < len(s.Rows) {
		b.WriteString(th.Paint(theme.Dim, fmt.Sprintf(" %d of %d", show, len(s.Rows))) + "\n")
	} else {
		for _, l := range first(th, notes, room-show, in-2) {
			b.WriteString(" " + th.Paint(theme.Dim, th.Tr(l)) + "\n")
		}
	}
	return th.BoxWith(theme.BoxOptions{Title: "scan", Heads: heads, Body: strings.TrimSuffix(b.String(), "\n")}, w, h)
}
