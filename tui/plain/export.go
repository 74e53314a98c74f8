package plain

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pare/core/event"
	"pare/sessions"
	"pare/sessions/report"
	"pare/tui/chart"
	"pare/tui/theme"
)

// Export writes a session's figures into a folder, for other programs: curves.csv,
// ledger.json, charts.txt and report.html. They are the figures of the session's
// log. It returns the names of the files.
func Export(dir string, s *sessions.Session) ([]string, error) {
	st, err := s.State()
	if err != nil {
		return nil, err
	}
	if st.Seq == 0 {
		return nil, fmt.Errorf("session %s has not begun: there is nothing to export", s.ID)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	recipe := ""
	if r, err := s.RecipeUsed(); err == nil {
		if b, err := r.Marshal(); err == nil {
			recipe = string(b)
		}
	}
	var names []string
	for _, f := range []struct {
		name string
		fill func(io.Writer) error
	}{
		{"curves.csv", func(w io.Writer) error { return Curves(w, st) }},
		{"ledger.json", func(w io.Writer) error { return ledgerJSON(w, s.ID, st) }},
		{"charts.txt", func(w io.Writer) error { return textCharts(w, st) }},
		{"report.html", func(w io.Writer) error { return report.Write(w, st, recipe) }},
	} {
		var b strings.Builder
		if err := f.fill(&b); err != nil {
			return names, fmt.Errorf("%s: %w", f.name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, f.name), []byte(b.String()), 0o644); err != nil {
			return names, err
		}
		names = append(names, f.name)
	}
	return names, nil
}

// Curves writes the points of the charts, one line an epoch's end. A figure that
// was not measured is empty.
func Curves(w io.Writer, st *event.State) error {
	c := csv.NewWriter(w)
	unit := strings.ToLower(st.Started.Clock().Unit)
	if err := c.Write([]string{"stage", "step", "accuracy", "accuracy_lo", "accuracy_hi", "perplexity", "zeros", "loss", unit + "_s_per_epoch", "j_per_epoch", "j_lo", "j_hi", "tier"}); err != nil {
		return err
	}
	tier := map[[2]int64]string{}
	for _, e := range st.Epochs {
		tier[[2]int64{int64(e.Stage), e.Step}] = e.Energy.Tier
	}
	for s := event.Baseline; s <= event.Deploy; s++ {
		k := &st.Curves[s]
		var steps []int64
		for _, p := range slices.Concat(k.Acc, k.CPU, k.Joules) {
			steps = append(steps, p.Step)
		}
		slices.Sort(steps)
		for _, step := range slices.Compact(steps) {
			at := func(ps []event.Point, exact bool) *event.Point {
				var best *event.Point
				for i := range ps {
					if ps[i].Step == step || !exact && ps[i].Step <= step {
						best = &ps[i]
					}
				}
				return best
			}
			num := func(p *event.Point, of func(event.Point) float64) string {
				if p == nil {
					return ""
				}
				return strconv.FormatFloat(of(*p), 'g', -1, 64)
			}
			y := func(p event.Point) float64 { return p.Y }
			lo := func(p event.Point) float64 { return p.Lo }
			hi := func(p event.Point) float64 { return p.Hi }
			a, j := at(k.Acc, true), at(k.Joules, true)
			t := ""
			if j != nil {
				t = tier[[2]int64{int64(s), step}]
			}
			if err := c.Write([]string{
				s.String(), fmt.Sprint(step), num(a, y), num(a, lo), num(a, hi), num(at(k.Perplexity, true), y), num(at(k.Zeros, false), y), num(at(k.Loss, false), y),
				num(at(k.CPU, true), y), num(j, y), num(j, lo), num(j, hi), t,
			}); err != nil {
				return err
			}
		}
	}
	c.Flush()
	return c.Error()
}

// ledgerJSON writes what a session came to as one object.
func ledgerJSON(w io.Writer, id string, st *event.State) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(map[string]any{
		"session": id, "started": st.Started, "status": st.Status, "branch": st.Branch, "stages": st.Stages, "spent": st.Spent(),
		"ledger": st.Ledger, "predicted": st.Predicted, "verdict": st.Verdict, "layers": st.LayerVerdicts, "last_points": st.LastPoints,
		"exports": st.Exports, "checkpoints": st.Checkpoints, "decisions": st.Decisions,
	})
}

// textCharts draws the curves as text, fit for a mail.
func textCharts(w io.Writer, st *event.State) error {
	th := theme.New(theme.Mono, true, false)
	for _, s := range []event.Stage{event.Baseline, event.Sparsify} {
		k := &st.Curves[s]
		for _, c := range []struct {
			title string
			ps    []event.Point
			zero  bool
		}{{"validation accuracy", k.Acc, false}, {st.Started.Clock().Unit + " s per epoch", k.CPU, true}, {"J per epoch", k.Joules, true}} {
			if len(c.ps) == 0 {
				continue
			}
			title := c.title
			if c.title[0] == 'J' {
				title += ", tier " + st.Started.Tier
			}
			body := chart.Chart{Theme: th, Series: []chart.Series{{Name: c.title, Points: ChartPoints(c.ps)}}, Options: chart.Options{Zero: c.zero}}.Render(76, 14)
			if _, err := fmt.Fprintf(w, "%d %s: %s\n%s\n\n", s, s, title, stripped(body)); err != nil {
				return err
			}
		}
	}
	return nil
}

// ChartPoints are the fold's points as a chart takes them.
func ChartPoints(ps []event.Point) []chart.Point {
	out := make([]chart.Point, len(ps))
	for i, p := range ps {
		out[i] = chart.Point{X: float64(p.Step), Y: p.Y, Lo: p.Lo, Hi: p.Hi}
	}
	return out
}

// stripped is text without looks and without spaces at the ends of lines.
func stripped(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(theme.Harmless(l), " ")
	}
	return strings.Join(lines, "\n")
}
