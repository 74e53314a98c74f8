package plain

import (
	"fmt"
	"math"
	"strings"

	"pare/core/event"
	"pare/tui/theme"
)

// heat are the points of accuracy from which on a level of a scan has the next shade.
var heat = [4]float64{0.5, 1, 2, 5}

// Heat is the shade of a lost share of accuracy, 0 to 4; −1 for NaN, not known.
func Heat(lost float64) int {
	if math.IsNaN(lost) {
		return -1
	}
	n := 0
	for n < len(heat) && 100*lost >= heat[n] {
		n++
	}
	return n
}

// HeatStrip is a row of a scan: a shade for each level, w cells wide; "?" where it is not
// known.
func HeatStrip(g *theme.Glyphs, s *event.Scan, row *event.ScanRow, w int) string {
	var b strings.Builder
	for i := range s.Levels {
		mark := "?"
		if i < len(row.Cells) {
			mark = g.Shade[Heat(s.Lost(row.Cells[i]))]
		}
		b.WriteString(strings.Repeat(mark, w))
	}
	return b.String()
}

// HeatLegend says what the shades mean.
func HeatLegend(g *theme.Glyphs) string {
	s := fmt.Sprintf("points lost: %s below %g", g.Shade[0], heat[0])
	for i, x := range heat {
		s += fmt.Sprintf("  %s %g", g.Shade[i+1], x)
	}
	return s + " and more"
}

// ScanLine is a finished row in one line: the accuracy lost at each level.
func ScanLine(s *event.Scan, r *event.ScanRow) string {
	if r.Refused != "" {
		return fmt.Sprintf("  scan %s: cannot be cut: %s", r.Name, r.Refused)
	}
	var c []string
	for _, x := range r.Cells {
		c = append(c, fmt.Sprintf("%.3g %% %s", 100*x.Gone, Points(-s.Lost(x))))
	}
	return fmt.Sprintf("  scan %s: %s", r.Name, strings.Join(c, ", "))
}

// Points is a difference of accuracy in percentage points.
func Points(x float64) string {
	return strings.Replace(fmt.Sprintf("%+.1f pt", 100*x), "-", "−", 1)
}

// ScanHead says what a scan is of.
func ScanHead(s *event.Scan) string {
	of := "each layer pruned alone"
	if s.Groups {
		of = "each group of channels cut alone, as a whole"
	}
	return fmt.Sprintf("sensitivity scan (%s): %s, no training after it; %d validation samples, %.1f %% as it is", s.Rule, of, s.Samples, 100*s.Acc)
}

// ScanEnd says what a scan cost.
func ScanEnd(s *event.Scan) string {
	head := "scan done"
	if !s.Complete() {
		head = fmt.Sprintf("scan cancelled after %d of %d", len(s.Rows), s.Of)
	}
	if s.Known > 0 {
		head += fmt.Sprintf(" (%d known before)", s.Known)
	}
	return fmt.Sprintf("%s: %s · %s", head, Micros(float64(s.Cost.WallUS)), Joules(s.Cost.Energy))
}

// spreadLayers are the shares of zeros that a spread gives the layers.
func spreadLayers(b *event.Spread) string {
	var l []string
	for _, x := range b.Layers {
		l = append(l, fmt.Sprintf("%s %.1f %%", x.Name, 100*float64(x.Zeros)/float64(max(x.Of, 1))))
	}
	return ": " + strings.Join(l, ", ")
}

// ScanTable is the whole scan: a row a layer or group and level, and the heat strip.
func ScanTable(s *event.Scan) string {
	g := &theme.New(theme.Mono, true, false).G
	s = tame(event.Event{Body: s}).Body.(*event.Scan)
	var b strings.Builder
	name := len("layer")
	for _, r := range s.Rows {
		name = max(name, len([]rune(r.Name)))
	}
	step := event.ClockOf(s.HWKind).Unit + " ms/step"
	row := func(cells ...string) {
		fmt.Fprintf(&b, "%s", pad(cells[0], name))
		for i, c := range cells[1:] {
			b.WriteString(padLeft(c, []int{8, 10, 9, 9, 13, 16, 13, 16}[i]))
		}
		b.WriteByte('\n')
	}
	what := "layer"
	if s.Groups {
		what = "group"
	}
	row(what, "gone", "params", "accuracy", "change", step, "J/step", "ms/inference", "J/inference")
	cost := func(c event.ScanCost) []string {
		of := ms
		if c.AtLeast {
			of = atLeast
		}
		return []string{of(c.StepUS, 0), Joules(c.StepEnergy), of(c.InferUS, 0), Joules(c.InferEnergy)}
	}
	row(append([]string{"as it is", "", "", fmt.Sprintf("%.1f %%", 100*s.Acc), ""}, cost(s.Dense)...)...)
	for _, r := range s.Rows {
		if r.Refused != "" {
			fmt.Fprintf(&b, "%s  cannot be cut: %s\n", pad(r.Name, name), r.Refused)
			continue
		}
		for i, c := range r.Cells {
			n := r.Name
			if i > 0 {
				n = ""
			}
			row(append([]string{n, fmt.Sprintf("%.1f %%", 100*c.Gone), "−" + Count(c.Weights), fmt.Sprintf("%.1f %%", 100*c.Acc), Points(-s.Lost(c))}, cost(c.Cost)...)...)
		}
	}
	fmt.Fprintf(&b, "\n%s  ", pad("", name))
	for _, l := range s.Levels {
		b.WriteString(pad(fmt.Sprintf("%.4g%%", 100*l), 7))
	}
	b.WriteByte('\n')
	for i := range s.Rows {
		if r := &s.Rows[i]; r.Refused == "" {
			var cells []string
			for _, c := range strings.Split(HeatStrip(g, s, r, 1), "") {
				cells = append(cells, pad(strings.Repeat(c, 6), 7))
			}
			fmt.Fprintf(&b, "%s  %s\n", pad(r.Name, name), strings.TrimRight(strings.Join(cells, ""), " "))
		}
	}
	fmt.Fprintf(&b, "%s\n\nms and J are predicted for %s, batch %d, from counted work; accuracies are measured.\n%s\n", HeatLegend(g), s.HW, s.Batch, ScanEnd(s))
	return b.String()
}
