package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pare/core"
	"pare/core/energy"
	"pare/core/event"
	"pare/core/train"
	"pare/tui/plain"
)

// benchControl sets recipes beside their controls of equal steps.
func (e *env) benchControl() *cobra.Command {
	seeds, fresh := 3, false
	c := &cobra.Command{
		Use: "control RECIPE.toml...", Short: "recipes beside dense training of as many steps: seconds, joules and accuracy", Args: takes(1, math.MaxInt),
		Long: `control trains the dense model of a recipe, then goes on from it twice with as many
steps: as the recipe says, and with all weights, nothing removed. It prints the CPU
seconds of these training steps (on a card the time on it), their joules by tier and the
accuracies on the test set, those of the dense model before both too, once per seed.
An early bird's control is the whole dense training; all of its steps count. The control
of a recipe that distils is without a teacher, whose time counts to the recipe. With
--fresh there is a second control: the shape of the pared model with fresh weights,
trained from the beginning for as many CPU seconds as the recipe's dense model and
its stage 3 took. The recipe's floor and formats are left out. Recipes of the same
dense training and as many epochs behind it share that training; the steps of their
control are timed anew beside each, so that a machine that drifts does so on both sides.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if seeds < 1 {
				return usagef("--seeds %d: need at least 1", seeds)
			}
			check := core.ControlCheck{Seeds: seeds, Fresh: fresh}
			rows, clocks := map[string][]core.ControlRow{}, map[string]string{} // by recipe
			for _, file := range args {
				r, err := core.ReadRecipe(file)
				if err != nil {
					return err
				}
				if e.threads > 0 {
					r.Hardware.Threads = e.threads
				}
				if cmd.Flags().Changed("device") {
					r.Hardware.Device = e.device
				}
				if cmd.Flags().Changed("seed") {
					r.Seed = e.seed
				}
				if _, twice := clocks[r.Name]; r.Name == "" || twice {
					r.Name = strings.TrimSpace(r.Name + " " + file)
				}
				kind := "cpu"
				if strings.HasPrefix(r.Hardware.Device, "cuda") {
					kind = "gpu"
				}
				clocks[r.Name] = event.ClockOf(kind).Unit
				check.Recipes = append(check.Recipes, r)
			}
			check.Report = func(row core.ControlRow) {
				rows[row.Recipe] = append(rows[row.Recipe], row)
				if e.json {
					json.NewEncoder(e.out).Encode(row) //nolint:errcheck // the next write fails too
					return
				}
				fmt.Fprintf(e.err, "seed %d: control %.2f %% in %.1f %s s, pared %.2f %% in %.1f %[4]s s\n", row.Seed, 100*row.Dense.Acc, row.Dense.Busy, clocks[row.Recipe], 100*row.Pared.Acc, row.Pared.Busy)
			}
			if err := check.Run(context.Background()); err != nil || e.json {
				return err
			}
			for i, r := range check.Recipes {
				if i > 0 {
					fmt.Fprintln(e.out)
				}
				fmt.Fprintf(e.out, "%s, %s, pare %s\n\n", r.Name, time.Now().Format("2006-01-02"), Version)
				if err := e.controlTable(rows[r.Name], clocks[r.Name]); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().IntVar(&seeds, "seeds", seeds, "number of seeds, from --seed or the recipe's own on")
	c.Flags().BoolVar(&fresh, "fresh", false, "also train the pared model's shape from fresh weights")
	return c
}

// controlTable prints the rows as Markdown, and below them means over seeds with their
// 95 % interval by Student's t. clock is whose seconds they hold: CPU or GPU.
func (e *env) controlTable(rows []core.ControlRow, clock string) error {
	pct := func(x float64) string { return signed(100*x, 1) + " %" }
	side := func(s core.ControlSide) string {
		return fmt.Sprintf("%.2f (%.2f–%.2f)\t| %.1f in %d", 100*s.Acc, 100*s.Lo, 100*s.Hi, s.Busy, s.Epochs)
	}
	w := tabwriter.NewWriter(e.out, 0, 0, 1, ' ', 0)
	fmt.Fprintf(w, "| seed\t| model\t| test accuracy, %% (95 %%)\t| %s s, in epochs\t| %[1]s s\t| J\t| difference\t| a step\t| params\t| ms per inference\t|\n", clock)
	fmt.Fprintln(w, "| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t|")
	var less, points, step, fresh, joules, kept []float64
	for _, r := range rows {
		d, p := r.Dense, r.Pared
		if b := r.Before; b != nil {
			kept = append(kept, 100*r.Kept())
			fmt.Fprintf(w, "| %d\t| before both\t| %s\t| \t| %s\t| %s pt\t| \t| %d\t| %s\t|\n", r.Seed, side(*b), plain.Joules(b.Energy), signed(100*(b.Acc-d.Acc), 2), b.Params, plain.Num(b.InferMS))
		}
		less, points, step = append(less, -100*r.Saved()), append(points, 100*(p.Acc-d.Acc)), append(step, 100*(r.Step-1))
		fmt.Fprintf(w, "| %d\t| control\t| %s\t| \t| %s\t| \t| \t| %d\t| %s\t|\n", r.Seed, side(d), plain.Joules(d.Energy), d.Params, plain.Num(d.InferMS))
		fmt.Fprintf(w, "| %d\t| pared, %.1f %% zeros\t| %s\t| %s\t| %s\t| %s pt\t| %s\t| %d\t| %s\t|\n", r.Seed, 100*r.Zeros, side(p), pct(-r.Saved()), plain.Joules(p.Energy), signed(100*(p.Acc-d.Acc), 2), pct(r.Step-1), p.Params, plain.Num(p.InferMS))
		if d.Energy.UJ != nil && p.Energy.UJ != nil && *d.Energy.UJ > 0 && energy.Tier(d.Energy.Tier).Measured() && energy.Tier(p.Energy.Tier).Measured() {
			joules = append(joules, 100*(float64(*p.Energy.UJ)/float64(*d.Energy.UJ)-1)) // measured ones alone
		}
		if f := r.Fresh; f != nil {
			fresh = append(fresh, 100*(p.Acc-f.Acc))
			fmt.Fprintf(w, "| %d\t| its shape, fresh\t| %s\t| \t| %s\t| %s pt\t| \t| %d\t| %s\t|\n", r.Seed, side(*f), plain.Joules(f.Energy), signed(100*(f.Acc-d.Acc), 2), f.Params, plain.Num(f.InferMS))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	mean := func(name, unit string, x []float64) {
		if m, half := train.Mean(x); len(x) > 1 {
			fmt.Fprintf(e.out, "\n%s: %s ± %.2f %s", name, signed(m, 2), half, unit)
		}
	}
	mean(clock+" seconds of the training steps", "%", less)
	if joules != nil {
		mean("joules of the training steps", "%", joules)
	}
	mean("accuracy", "points", points)
	mean("of the accuracy before both, pared", "%", kept)
	mean("a training step of the pared model", "%", step)
	mean("pared over its shape with fresh weights", "points", fresh)
	fmt.Fprintln(e.out)
	for _, r := range rows {
		fmt.Fprintf(e.out, "\nseed %d: %s seconds %s, multiply-adds %s", r.Seed, clock, pct(-r.Saved()), pct(float64(r.Pared.MACs)/float64(max(r.Dense.MACs, 1))-1))
		if r.Predicted != nil {
			fmt.Fprintf(e.out, "; a step at the end by multiply-adds and bytes %s", pct(-*r.Predicted))
		}
		fmt.Fprintln(e.out)
		if r.Before != nil {
			fmt.Fprintf(e.out, "\nseed %d: the pared model has %.1f %% of the accuracy of the dense one before stage 3, and 1/%.2f of its parameters\n", r.Seed, 100*r.Kept(), float64(r.Before.Params)/float64(max(r.Pared.Params, 1)))
		}
		if r.Adapters != nil {
			fmt.Fprintf(e.out, "\nseed %d: %s\n", r.Seed, r.Adapters.Text)
		}
		if r.Planned > 0 {
			fmt.Fprintf(e.out, "\nseed %d: the dense training ended at epoch %d of %d\n", r.Seed, r.Early, r.Planned)
		}
	}
	return nil
}
