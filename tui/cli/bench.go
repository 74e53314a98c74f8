package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pare/core"
	"pare/core/bench"
	"pare/tui/plain"
)

func (e *env) bench() *cobra.Command {
	c := &cobra.Command{
		Use: "bench", Short: "measure: kernels, train, infer, chooser, curve, card, hf, sparsity, control, predict; onnx checks operators", Args: takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what: pare bench kernels, train, infer, chooser, curve, card, hf, sparsity, control, predict or onnx")
		},
	}
	c.AddCommand(
		e.benchSpeed("kernels", "products of matrices and layers, beside gonum and OpenBLAS", bench.Kernels),
		e.withCard(e.benchSpeed("train", "training steps, dense and with zeros, beside PyTorch", bench.Train)),
		e.benchSpeed("infer", "inferences, dense and with zeros, beside ONNX Runtime", bench.Infer),
		e.benchSpeed("chooser", "training steps in the formats that are chosen, beside dense ones", e.benchChooser),
		e.benchCurve(), e.benchFolder(), e.benchCard(),
		e.benchONNX(),
		e.benchSparsity(), e.benchControl(),
		e.benchPredict(),
	)
	return c
}

// benchSpeed makes one of the verbs that time things.
func (e *env) benchSpeed(use, short string, run func(bench.Options) error) *cobra.Command {
	o := bench.Options{}
	threads := []int{}
	c := &cobra.Command{
		Use: use, Short: short, Args: takes(0, 0),
		Long: short + `. All contenders of a case take turns, so that they share whatever else the
machine does; the table gives the median over the rounds and the extremes. Packed weights
have random masks: the time depends on the number of zeros, not on the values.`,
		RunE: func(*cobra.Command, []string) error {
			if o.Rounds < 1 || o.Window <= 0 {
				return usagef("--rounds %d, --window %v: need at least 1 and more than 0", o.Rounds, o.Window)
			}
			if o.Threads = threads; e.threads > 0 {
				o.Threads = []int{e.threads}
			}
			for _, t := range o.Threads {
				if t < 1 {
					return usagef("--on %d threads: need at least 1", t)
				}
			}
			t := speedTable{e: e}
			o.Report, o.Say = t.row, func(text string) { fmt.Fprintln(e.err, text) }
			if err := run(o); err != nil {
				return err
			}
			return t.end()
		},
	}
	c.Flags().IntVar(&o.Rounds, "rounds", 7, "turns of every contender")
	c.Flags().DurationVar(&o.Window, "window", 60*time.Millisecond, "length of a turn")
	c.Flags().IntSliceVar(&threads, "on", []int{1, 2}, "numbers of threads to measure with")
	c.Flags().StringVar(&o.Filter, "only", "", "cases whose name contains this")
	if use == "train" || use == "infer" {
		c.Flags().StringVar(&o.Python, "python", "", "Python with torch (train) or onnxruntime (infer): measures these beside us")
	}
	return c
}

// withCard gives bench train the flag --model, of those that bench card measures: it then is that verb.
func (e *env) withCard(train *cobra.Command) *cobra.Command {
	train.Flags().String("model", "", "measures this model on a card (--device cuda…), as bench card does (5 turns of 3s where nothing else is said): "+strings.Join(bench.CardModels(), ", "))
	here := train.RunE
	train.RunE = func(c *cobra.Command, args []string) error {
		given := c.Flags().Changed
		switch {
		case !given("model") && given("device"):
			return usagef("bench train --device: without --model it measures the processor; --model gpt2-124m takes a card")
		case !given("model"):
			return here(c, args)
		case given("on"), given("only"), given("threads"):
			return usagef("bench train --model measures a card: --on, --only and --threads are for the processor")
		}
		card := e.benchCard()
		for _, name := range []string{"model", "python", "rounds", "window"} {
			if given(name) {
				if err := card.Flags().Set(name, c.Flag(name).Value.String()); err != nil {
					return usage{err}
				}
			}
		}
		return card.RunE(card, args)
	}
	return train
}

// benchChooser measures with the prices a run would take.
func (e *env) benchChooser(o bench.Options) error {
	dev, err := core.OpenDevice("cpu")
	if err != nil {
		return err
	}
	o.Prices = core.Prices(dev)
	o.Say("what formats cost: " + o.Prices.Source)
	return bench.Chooser(o)
}

// speedTable prints rows as they come: JSON lines, or a Markdown table a case.
type speedTable struct {
	e     *env
	last  string
	first float64 // value of the case's first contender
	rows  [][]string
}

func (t *speedTable) row(r bench.Row) {
	if t.e.json {
		json.NewEncoder(t.e.out).Encode(r) //nolint:errcheck // the next write fails too
		return
	}
	name := fmt.Sprintf("%s, %d threads", r.Case, r.Threads)
	if r.Threads == 1 {
		name = r.Case + ", 1 thread"
	}
	if name != t.last {
		t.end() //nolint:errcheck // the next write fails too
		t.last, t.first = name, r.Value
	}
	times := r.Value / t.first
	if r.Unit == "ms" {
		times = t.first / r.Value
	}
	if r.Times > 0 {
		times = 1 / r.Times
	}
	t.rows = append(t.rows, []string{r.Who, fmt.Sprintf("%s (%s–%s) %s", plain.Num(r.Value), plain.Num(r.Lo), plain.Num(r.Hi), r.Unit), fmt.Sprintf("%.2f×", times)})
}

// end prints the case at hand.
func (t *speedTable) end() error {
	if len(t.rows) == 0 {
		return nil
	}
	fmt.Fprintf(t.e.out, "\n%s\n\n", t.last)
	w := tabwriter.NewWriter(t.e.out, 0, 0, 1, ' ', 0)
	fmt.Fprintf(w, "| \t| median (extremes)\t| speed beside %s\t|\n| ---\t| ---\t| ---\t|\n", t.rows[0][0])
	for _, r := range t.rows {
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t|\n", r[0], r[1], r[2])
	}
	t.rows = nil
	return w.Flush()
}
