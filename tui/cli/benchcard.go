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
)

func (e *env) benchCard() *cobra.Command {
	o := bench.CardOptions{}
	calls := false
	c := &cobra.Command{
		Use: "card", Short: "training steps of a GPT on a card, beside PyTorch", Args: takes(0, 0),
		Long: `card trains a GPT-2 on random ids on a card (--device cuda, cuda:tf32, cuda:bf16) in turns with
PyTorch, eager and compiled, in the same precision: tokens per second, watts and
millijoules per token by the card's own counter, and the memory that each holds.`,
		RunE: func(*cobra.Command, []string) error {
			dev, err := core.OpenDevice(e.device)
			if err != nil {
				return err
			}
			o.Device = dev
			o.Precision = precisionOf(e.device)
			w := tabwriter.NewWriter(e.out, 0, 0, 1, ' ', 0)
			fmt.Fprintf(e.err, "%s, %s\n", dev.Name(), dev.ISA())
			if !e.json {
				fmt.Fprintf(w, "| %s %s, %d×\t| ms/step\t| tokens/s (extremes)\t| W\t| mJ/token\t| MiB\t|\n| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t|\n", o.Model, o.Precision, o.Batch)
			}
			o.Report = func(r bench.CardRow) {
				if e.json {
					json.NewEncoder(e.out).Encode(r) //nolint:errcheck // the next write fails too
					return
				}
				watts, joules := "–", "–"
				if r.Tier != "" {
					watts, joules = fmt.Sprintf("%.0f", r.Watts), fmt.Sprintf("%.2f %s", r.MJPerToken, r.Tier)
				}
				fmt.Fprintf(w, "| %s\t| %.1f\t| %.0f (%.0f–%.0f)\t| %s\t| %s\t| %.0f\t|\n", r.Who, r.StepMS, r.TokensPerSec, r.Lo, r.Hi, watts, joules, r.MemoryMiB)
			}
			var kernels []string
			if calls {
				o.Calls = func(k string, ms float64) { kernels = append(kernels, fmt.Sprintf("%s %.2f", k, ms)) }
			}
			if err := bench.Card(o); err != nil {
				return err
			}
			if err := w.Flush(); err != nil || len(kernels) == 0 {
				return err
			}
			_, err = fmt.Fprintf(e.out, "\nms of a step by kernel: %s\n", strings.Join(kernels, ", "))
			return err
		},
	}
	c.Flags().StringVar(&o.Model, "model", "gpt2-124m", "gpt2-124m, gpt2-355m or gpt-4096")
	c.Flags().IntVar(&o.Batch, "batch", 32, "sequences of a step")
	c.Flags().IntVar(&o.Tokens, "tokens", 0, "tokens of a sequence, 0: the model's")
	c.Flags().IntVar(&o.Rounds, "rounds", 5, "turns of every contender")
	c.Flags().DurationVar(&o.Window, "window", 3*time.Second, "length of a turn")
	c.Flags().StringVar(&o.Python, "python", "", "Python with torch: measures it beside us")
	c.Flags().BoolVar(&calls, "calls", false, "print the time of a step by kernel")
	return c
}

// precisionOf is what a card computes in, "" for the processor.
func precisionOf(device string) string {
	name, precision, ok := strings.Cut(device, ":")
	switch {
	case name != "cuda":
		return ""
	case !ok:
		return "f32"
	}
	return precision
}
