package cli

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pare/core/energy"
	"pare/tui/plain"
)

func (e *env) energyCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "energy", Short: "last points of a training log; a run's energy as a file or as metrics", Args: takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return usagef("say which: pare energy last-points FILE.csv, pare energy carbon, or pare energy emissions, log, gpai or metrics [SESSION]")
		},
	}
	c.AddCommand(e.lastPoints(), e.emissions(), e.energyLog(), e.gpai(), e.metrics(), e.carbon())
	return c
}

func (e *env) lastPoints() *cobra.Command {
	var o energy.TraceOptions
	var each bool
	c := &cobra.Command{
		Use: "last-points FILE.csv", Short: "what the last points of accuracy cost, in anybody's log", Args: takes(1, 1),
		Long: `last-points reads a training log and says which share of the energy the last
points of accuracy cost, what one point costs at the end, and what the next half
point is expected to cost. Accuracy is smoothed to a curve that never falls.

Columns are found by name: accuracy (or acc, top1, f1, wer, metric, …; validation
before test before training), energy with its unit in the header (energy_j,
"energy [kWh]"; a running sum or an amount a row), epoch or step, and what tells
runs apart (run, seed, dataset, model, …). Without energy the cost is counted in
epochs: the same share where power is constant. Where rows are the cost of first
reaching a level (target_metric), the table gives the last step of each task: the
best level that two thirds of its runs reach, from the level nearest to 2 points
below.`,
		Example: `  pare energy last-points log.csv
  pare energy last-points log.csv --metric val_f1 --energy gpu_energy_kwh
  pare energy last-points sweep.csv --by dataset,run --each`,
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := energy.ReadTraceFile(args[0], o)
			if err != nil {
				return err
			}
			if !e.json {
				e.traceHead(l)
			}
			if len(l.Traces) == 1 && !l.Levels {
				return e.oneTrace(l, l.Traces[0])
			}
			if each {
				return e.eachTrace(l)
			}
			if l.Levels {
				return e.finalSteps(l)
			}
			return e.manyTraces(l)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Metric, "metric", "", "the `COLUMN` with the accuracy")
	f.StringVar(&o.Energy, "energy", "", "the `COLUMN` with the energy")
	f.StringSliceVar(&o.By, "by", nil, "the `COLUMNS` that tell runs apart, the task first")
	f.BoolVar(&o.Lower, "lower", false, "the metric is better when lower")
	f.BoolVar(&each, "each", false, "one line a run instead of one a task")
	return c
}

// traceHead says what was understood of the file.
func (e *env) traceHead(l *energy.TraceLog) {
	rows := 0
	for _, t := range l.Traces {
		rows += len(t.Points)
	}
	fmt.Fprintf(e.out, "%s: %s in %s, metric %s, cost in %s (%s)", l.File, count(rows, "row"), count(len(l.Traces), "run"), l.Metric, l.Unit, l.Cost)
	switch {
	case l.Unit != "J":
		fmt.Fprint(e.out, "; the same share of the energy where power is constant")
	case l.Tier.Known():
		fmt.Fprintf(e.out, "; tier %s, %s", l.Tier, l.Tier.Meaning())
	default:
		fmt.Fprint(e.out, "; the file does not say how the joules are known")
	}
	if l.Unit == "J" && l.Cum {
		fmt.Fprint(e.out, "; a running sum")
	}
	fmt.Fprintln(e.out)
	for _, n := range l.Notes {
		fmt.Fprintln(e.out, "  "+n)
	}
	fmt.Fprintln(e.out)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return plain.Count(int64(n)) + " " + what + "s"
}

// jsonLine writes one object with the file's facts beside v.
func (e *env) jsonLine(l *energy.TraceLog, kind, name string, lower bool, v any) error {
	var tier any // null: the file does not say
	if l.Tier.Known() {
		tier = l.Tier
	}
	return json.NewEncoder(e.out).Encode(map[string]any{
		"kind": kind, "file": l.File, "metric": l.Metric, "unit": l.Unit, "tier": tier, "lower_is_better": lower, "name": name, "result": v,
	})
}

var lastNs = []float64{1, 2, 3}

// oneTrace is the analysis of a single run.
func (e *env) oneTrace(l *energy.TraceLog, t energy.Trace) error {
	lower := l.Lower[t.Task]
	r, err := energy.LastPoints(t, lower, lastNs...)
	if err != nil {
		return fmt.Errorf("%s: %w", l.File, err)
	}
	f := energy.NextPoints(t, lower, 0.5)
	if e.json {
		return e.jsonLine(l, "run", t.Name, lower, map[string]any{"last_points": r, "forecast": f, "advice": f.Advice()})
	}
	fmt.Fprintf(e.out, "%s %.2f at the end (smoothed), after %s\n", l.Metric, r.End, amount(l, r.Total))
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	for _, p := range r.Last {
		fmt.Fprintf(w, "the last %s\t%s\n", points(p.N), costText(l, p))
	}
	if r.Marginal != nil {
		half := ""
		if r.MarginalHalf != nil {
			half = fmt.Sprintf(", half-way up %s", amount(l, *r.MarginalHalf))
		}
		fmt.Fprintf(w, "one point\t%s at the end%s\n", amount(l, *r.Marginal), half)
	}
	fmt.Fprintf(w, "the next half point\t%s\n", forecastText(l, f))
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(e.out, f.Advice().Text)
	return nil
}
