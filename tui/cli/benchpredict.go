package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pare/core"
	"pare/tui/plain"
)

// checked is a model whose predictions are checked, the data it learns and how neurons are
// cut from it.
type checked struct{ model, data, cut string }

// cardModels are those of a card, which smaller ones do not fill and where no zeros but cuts
// bring anything.
var cardModels = []checked{{"gpt-mini", "kjv", "width"}, {"gpt-small", "kjv", "width"}}

var checkedModels = []checked{
	{"lenet-300-100", "fashion-mnist", "neuron"},
	{"lenet-5", "fashion-mnist", "neuron"},
	{"resnet-8", "fashion-mnist", "neuron"},
	{"gpt-nano", "kjv", "width"},
}

// benchPredict sets predictions of the configure stage against the clock.
func (e *env) benchPredict() *cobra.Command {
	only, steps, zeros, lowrank := "", 200, []float64{0.5, 0.7, 0.9}, false
	c := &cobra.Command{
		Use: "predict", Short: "what the configure stage predicts for a training step, beside what it takes", Args: takes(0, 0),
		Long: `predict trains each model of the zoo's small ones for some steps, predicts what single
weights, 4×1 blocks and whole neurons less bring per training step, takes them away and
measures steps of both models in alternation (CPU time). On a card it cuts neurons and
heads from larger ones, by the clock. Error is by how much the
predicted step is longer than the measured one; "profile" is the prediction without the
baseline, from the hardware's profile alone.`,
		RunE: func(*cobra.Command, []string) error {
			if steps < 1 {
				return usagef("--steps %d: need at least 1", steps)
			}
			worst, n := 0.0, 0
			models, patterns, clock := checkedModels, []string{"element", "block4x1"}, "CPU"
			if strings.HasPrefix(e.device, "cuda") {
				models, patterns, clock = cardModels, nil, "GPU"
			}
			w := tabwriter.NewWriter(e.out, 0, 0, 1, ' ', 0)
			if !e.json {
				fmt.Fprintln(w, "| model\t| what goes\t| "+clock+" ms per step, dense → pared\t| measured\t| predicted\t| error\t| profile\t| error\t| inference: measured\t| predicted\t|")
				fmt.Fprintln(w, "| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t|")
			}
			for _, m := range models {
				if !strings.Contains(m.model, only) {
					continue
				}
				r := core.DefaultRecipe()
				r.Model.Name, r.Data.Name = m.model, m.data
				r.Hardware.Device, r.Hardware.Threads, r.Seed = e.device, e.threads, e.seed
				check := core.PredictCheck{Recipe: r, Steps: steps, Report: func(row core.PredictRow) {
					n++
					worst = max(worst, row.Error, -row.Error)
					if e.json {
						json.NewEncoder(e.out).Encode(row) //nolint:errcheck // the next write fails too
						return
					}
					if row.Skipped != "" {
						fmt.Fprintf(e.err, "%s, %.0f %% %s: %s\n", row.Model, 100*row.Target, row.Pattern, row.Skipped)
						return
					}
					what := fmt.Sprintf("%.0f %% %s", 100*row.Target, row.Pattern)
					if row.LowRank != "" {
						what += ", " + row.LowRank
					}
					pct := func(x float64) string { return signed(100*x, 0) + " %" }
					fmt.Fprintf(w, "| %s\t| %s\t| %s ±%.0f %% → %s ±%.0f %%\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", row.Model, what, plain.Num(row.DenseUS/1e3), row.DenseBand, plain.Num(row.NowUS/1e3), row.NowBand,
						pct(row.Measured), pct(row.Predicted), pct(row.Error), pct(row.Profile), pct(row.ProfileError), pct(row.InferMeasured), pct(row.InferPredicted))
				}}
				for _, pattern := range append(slices.Clone(patterns), m.cut) {
					for _, z := range zeros {
						p := r.Prune
						p.Pattern, p.Target = pattern, z
						check.Cases = append(check.Cases, core.PredictCase{Prune: p})
					}
				}
				if lowrank && strings.HasPrefix(m.model, "gpt") {
					check.Cases = nil
					for _, z := range []float64{0, 0.9} {
						p := r.Prune
						if p.Target = z; clock == "GPU" {
							p.Pattern = m.cut
						}
						check.Cases = append(check.Cases, core.PredictCase{Prune: p, LowRank: []core.LowRankSpec{{Method: "lora", Rank: 4}}})
					}
					p := r.Prune
					p.Target = 0
					check.Cases = append(check.Cases, core.PredictCase{Prune: p, LowRank: []core.LowRankSpec{{Method: "svd", Rank: 8}}})
					for _, z := range []float64{0, 0.5} { // beside a cut, and what of it are the adapters
						p.Pattern, p.Target = m.cut, z
						check.Cases = append(check.Cases, core.PredictCase{Prune: p, LowRank: []core.LowRankSpec{{Method: "lora", Rank: 8}}})
					}
				}
				if err := check.Run(context.Background()); err != nil {
					return err
				}
			}
			if n == 0 {
				return usagef("--only %q fits none of the models", only)
			}
			if e.json {
				return nil
			}
			if err := w.Flush(); err != nil {
				return err
			}
			_, err := fmt.Fprintf(e.out, "\nlargest error %.0f %%\n", 100*worst)
			return err
		},
	}
	c.Flags().StringVar(&only, "only", "", "models whose name contains this")
	c.Flags().IntVar(&steps, "steps", steps, "of the baseline")
	sharesVar(c.Flags(), &zeros, "zeros", zeros, "`shares` of zeros")
	c.Flags().BoolVar(&lowrank, "lowrank", false, "adapters and factors instead, of the language model")
	return c
}
