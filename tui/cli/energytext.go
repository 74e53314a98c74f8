package cli

import (
	"fmt"
	"text/tabwriter"

	"pare/core/energy"
	"pare/tui/plain"
)

// finalSteps is the table of a log of levels: one line a task.
func (e *env) finalSteps(l *energy.TraceLog) error {
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	if !e.json {
		fmt.Fprintf(w, "task\truns\tlast step\tpoints\tshare of %s, median\tquartiles\n", what(l))
	}
	for _, task := range l.Tasks {
		s, err := energy.FinalStepOf(task, l.Of(task), l.Lower[task], 2)
		if err != nil {
			fmt.Fprintf(e.err, "pare: %s: %v\n", l.File, err)
			continue
		}
		if e.json {
			if err := e.jsonLine(l, "task", task, s.Lower, s); err != nil {
				return err
			}
			continue
		}
		dir := ""
		if s.Lower {
			dir = ", lower is better"
		}
		fmt.Fprintf(w, "%s\t%d of %d\t%g → %g%s\t%.3g\t%.1f %%\t%.1f–%.1f %%\n", dash(task), s.Runs, s.Of, s.From, s.To, dir, abs(s.To-s.From), 100*s.Median, 100*s.Quartile[0], 100*s.Quartile[1])
	}
	return w.Flush()
}

// manyTraces is the table of a log of several runs: one line a task, medians.
func (e *env) manyTraces(l *energy.TraceLog) error {
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	if !e.json {
		fmt.Fprintf(w, "task\truns\tlast 1 point\tlast 2 points\tlast 3 points\t(share of %s, median and quartiles)\n", what(l))
	}
	for _, task := range l.Tasks {
		runs := l.Of(task)
		shares := make([][]float64, len(lastNs))
		for _, t := range runs {
			r, err := energy.LastPoints(t, l.Lower[task], lastNs...)
			if err != nil {
				continue
			}
			for i, p := range r.Last {
				if p.Share != nil {
					shares[i] = append(shares[i], *p.Share)
				}
			}
		}
		if e.json {
			rows := make([]map[string]any, len(lastNs))
			for i, s := range shares {
				rows[i] = map[string]any{"points": lastNs[i], "runs": len(s), "of": len(runs), "median": nil}
				if len(s) > 0 {
					a, m, b := energy.Quartiles(s)
					rows[i]["median"], rows[i]["quartiles"] = m, [2]float64{a, b}
				}
			}
			if err := e.jsonLine(l, "task", task, l.Lower[task], rows); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%d", dash(task), len(runs))
		for _, s := range shares {
			if len(s) == 0 {
				fmt.Fprint(w, "\tunknown")
				continue
			}
			a, m, b := energy.Quartiles(s)
			fmt.Fprintf(w, "\t%.1f %% (%.1f–%.1f)", 100*m, 100*a, 100*b)
			if len(s) < len(runs) {
				fmt.Fprintf(w, " of %d", len(s))
			}
		}
		fmt.Fprintln(w, "\t")
	}
	return w.Flush()
}

// eachTrace is one line a run.
func (e *env) eachTrace(l *energy.TraceLog) error {
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	if !e.json {
		fmt.Fprintf(w, "run\tend\tspent\tlast 1 point\tlast 2 points\tlast 3 points\t(share of %s)\n", what(l))
	}
	for _, t := range l.Traces {
		r, err := energy.LastPoints(t, l.Lower[t.Task], lastNs...)
		if err != nil {
			if e.json {
				fmt.Fprintf(e.err, "pare: %s: %v\n", l.File, err)
			} else {
				fmt.Fprintf(w, "%s\ttoo few rows\t\t\t\t\t\n", dash(t.Name))
			}
			continue
		}
		if e.json {
			if err := e.jsonLine(l, "run", t.Name, l.Lower[t.Task], map[string]any{"last_points": r}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%.2f\t%s", dash(t.Name), r.End, amount(l, r.Total))
		for _, p := range r.Last {
			fmt.Fprintf(w, "\t%s", shareText(p))
		}
		fmt.Fprintln(w, "\t")
	}
	return w.Flush()
}

// what the shares are of.
func what(l *energy.TraceLog) string {
	if l.Unit == "J" {
		return "the energy"
	}
	return l.Unit
}

func points(n float64) string {
	if n == 1 {
		return "1 point"
	}
	return fmt.Sprintf("%g points", n)
}

func shareText(p energy.LastPoint) string {
	if p.Share == nil {
		return "unknown"
	}
	s := fmt.Sprintf("%.0f %%", 100**p.Share)
	if *p.Hi-*p.Lo >= 0.1 { // the log's rows are far apart there
		s += fmt.Sprintf(" (%.0f–%.0f)", 100**p.Lo, 100**p.Hi)
	}
	return s
}

func costText(l *energy.TraceLog, p energy.LastPoint) string {
	if p.Share == nil {
		return "unknown: the log starts nearer than that to its end"
	}
	return fmt.Sprintf("cost %s of %s, %s", shareText(p), what(l), amount(l, *p.Cost))
}

func forecastText(l *energy.TraceLog, f energy.Forecast) string {
	switch {
	case f.Lo == nil:
		return f.Note
	case f.More == nil:
		return fmt.Sprintf("at least %s more, if it comes (95 %%)", amount(l, *f.Lo))
	case f.Hi == nil:
		return fmt.Sprintf("≈%s more; 95 %%: %s or more, it may never come", amount(l, *f.More), amount(l, *f.Lo))
	}
	return fmt.Sprintf("≈%s more; 95 %%: %s to %s", amount(l, *f.More), amount(l, *f.Lo), amount(l, *f.Hi))
}

// amount is a cost with its unit, and its tier where the file states one.
func amount(l *energy.TraceLog, v float64) string {
	if l.Unit != "J" {
		return plain.Num(v) + " " + l.Unit
	}
	if v > 9e12 { // would not fit integer microjoules
		return plain.Num(v/1e12) + " TJ"
	}
	digits, tier := 3, ""
	if l.Tier.Known() {
		tier = " " + string(l.Tier)
		if !l.Tier.Measured() {
			digits = 2
		}
	}
	return energy.FormatJoules(int64(v*1e6), digits) + tier
}

func abs(v float64) float64 { return max(v, -v) }
