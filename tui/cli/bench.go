package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pare/core"
	"pare/core/bench"
	"pare/core/event"
	"pare/core/train"
)

func (e *env) bench() *cobra.Command {
	c := &cobra.Command{
		Use: "bench", Short: "measure: kernels, train, infer, chooser, curve, sparsity, predict; onnx checks operators", Args: takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what: pare bench kernels, train, infer, chooser, curve, sparsity, predict or onnx")
		},
	}
	c.AddCommand(
		e.benchSpeed("kernels", "products of matrices and layers, beside gonum and OpenBLAS", bench.Kernels),
		e.benchSpeed("train", "training steps, dense and with zeros, beside PyTorch", bench.Train),
		e.benchSpeed("infer", "inferences, dense and with zeros, beside ONNX Runtime", bench.Infer),
		e.benchSpeed("chooser", "training steps in the formats that are chosen, beside dense ones", e.benchChooser),
		e.benchCurve(), e.benchFolder(),
		e.benchONNX(),
		e.benchSparsity(),
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
	t.rows = append(t.rows, []string{r.Who, fmt.Sprintf("%.3g (%.3g–%.3g) %s", r.Value, r.Lo, r.Hi, r.Unit), fmt.Sprintf("%.2f×", times)})
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

// sparsityRow is one run of the comparison.
type sparsityRow struct {
	Method string  `json:"method"`
	Target float64 `json:"target"`
	Seed   uint64  `json:"seed"`
	Dense  float64 `json:"dense"` // test accuracy of the dense model
	Acc    float64 `json:"acc"`   // of the pared one
	Lo     float64 `json:"lo"`    // 95 % Wilson interval
	Hi     float64 `json:"hi"`
	Zeros  float64 `json:"zeros"`
	CPUS   float64 `json:"cpu_s"` // of the whole run
}

func (e *env) benchSparsity() *cobra.Command {
	var data, model string
	var seeds, epochs, levelEpochs int
	c := &cobra.Command{
		Use: "sparsity", Short: "accuracy of iterative magnitude pruning against a random mask", Args: takes(0, 0),
		Long: `sparsity trains a dense model and prunes it to 80 % and 95 % zeros (single weights,
global) by iterative magnitude pruning, and to 95 % with random masks under the
same schedule, once per seed. It prints the accuracies on the test set as a table.`,
		RunE: func(*cobra.Command, []string) error {
			var rows []sparsityRow
			for seed := uint64(1); seed <= uint64(seeds); seed++ {
				for _, m := range []struct {
					score  string
					target float64
					levels int
				}{{"magnitude", 0.8, 7}, {"magnitude", 0.95, 13}, {"random", 0.95, 13}} {
					r := core.DefaultRecipe()
					r.Auto, r.Seed = true, seed
					r.Model.Name, r.Data.Name = model, data
					r.Train.Epochs = epochs
					r.Hardware.Device, r.Hardware.Threads = e.device, e.threads
					r.Prune = core.PruneSpec{Score: m.score, Pattern: "element", Distribution: "global", Schedule: "iterative", Target: m.target, Epochs: levelEpochs, Levels: m.levels, RewindStep: -1, LRSchedule: "cosine"}
					r.Floor.Points = 100
					r.Deploy.Formats = nil
					row, err := oneRun(r)
					if err != nil {
						return err
					}
					row.Method, row.Target, row.Seed = m.score, m.target, seed
					rows = append(rows, row)
					if e.json {
						if err := json.NewEncoder(e.out).Encode(row); err != nil {
							return err
						}
					} else {
						fmt.Fprintf(e.err, "seed %d, %s %.0f %%: dense %.2f %%, pared %.2f %%\n", seed, m.score, 100*m.target, 100*row.Dense, 100*row.Acc)
					}
				}
			}
			if e.json {
				return nil
			}
			return e.sparsityTable(model, data, rows)
		},
	}
	c.Flags().StringVar(&data, "data", "fashion-mnist-full", "data set")
	c.Flags().StringVar(&model, "model", "lenet-300-100", "zoo model")
	c.Flags().IntVar(&seeds, "seeds", 3, "number of seeds")
	c.Flags().IntVar(&epochs, "epochs", 20, "epochs of the dense training")
	c.Flags().IntVar(&levelEpochs, "level-epochs", 6, "epochs of each level")
	return c
}

// oneRun runs a recipe in memory.
func oneRun(r *core.Recipe) (sparsityRow, error) {
	dir, err := os.MkdirTemp("", "pare-bench-")
	if err != nil {
		return sparsityRow{}, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	st := &core.MemStore{Dir: dir}
	if _, err := core.Run(context.Background(), core.Config{Recipe: r, Store: st, Session: "bench", Version: Version}); err != nil {
		return sparsityRow{}, err
	}
	l := st.State.Ledger
	if l == nil {
		return sparsityRow{}, fmt.Errorf("the run ended before validate: %s", st.State.Why)
	}
	row := sparsityRow{Dense: l.Dense.Acc, Acc: l.Now.Acc, Lo: l.Now.Lo, Hi: l.Now.Hi, Zeros: l.Now.Zeros}
	for s := event.Baseline; s <= event.Deploy; s++ {
		row.CPUS += float64(st.State.Stages[s].Cost.CPUUS) / 1e6
	}
	return row, nil
}

// sparsityTable prints the outcome as Markdown, means over seeds with their 95 %
// interval by Student's t.
func (e *env) sparsityTable(model, data string, rows []sparsityRow) error {
	fmt.Fprintf(e.out, "%s on %s, %s, pare %s\n\n", model, data, time.Now().Format("2006-01-02"), Version)
	w := tabwriter.NewWriter(e.out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| method\t| zeros\t| accuracy by seed (95 % interval of each)\t| mean ± 95 %\t| dense, mean\t| difference\t|")
	fmt.Fprintln(w, "| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t|")
	type key struct {
		m string
		t float64
	}
	var order []key
	groups := map[key][]sparsityRow{}
	for _, r := range rows {
		k := key{r.Method, r.Target}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], r)
	}
	for _, k := range order {
		var acc, dense []float64
		text := ""
		for _, r := range groups[k] {
			acc, dense = append(acc, 100*r.Acc), append(dense, 100*r.Dense)
			text += fmt.Sprintf("%.2f (%.2f–%.2f) ", 100*r.Acc, 100*r.Lo, 100*r.Hi)
		}
		a, half := train.Mean(acc)
		d, _ := train.Mean(dense)
		band := fmt.Sprintf("%.2f ± %.2f", a, half)
		if len(acc) < 2 {
			band = fmt.Sprintf("%.2f", a)
		}
		fmt.Fprintf(w, "| %s\t| %.1f %%\t| %s\t| %s\t| %.2f\t| %+.2f pt\t|\n", k.m, 100*groups[k][0].Zeros, text, band, d, a-d)
	}
	return w.Flush()
}
