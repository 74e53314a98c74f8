package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pare/core"
	"pare/core/bench"
	"pare/tui/plain"
)

func (e *env) benchCard() *cobra.Command {
	o := bench.CardOptions{}
	var treats []string
	calls, plans := false, false
	c := &cobra.Command{
		Use: "card", Short: "training steps of a GPT, BERT or Llama on a card, beside PyTorch", Args: takes(0, 0),
		Long: `card trains a model on random ids on a card (--device cuda, cuda:tf32, cuda:bf16) in turns with
PyTorch in the same precision: milliseconds, joules by the card's own counter, watts and the memory
that each holds. A step is forward, cross-entropy, backward and AdamW.

--treat says how it trains, several with commas between them:
  full           every weight
  lora           adapters of rank 8, alpha 16, on queries and values; the rest is frozen (of
                 bert-base the classifier trains, too); PyTorch's as PEFT computes them
  half           half of the heads and half of the hidden channels of every layer cut off
  cut=SHARE      another share; hidden channels are rounded to 64
  half+lora, cut=SHARE+lora, 24+lora
  24, 24-both    two of each four inputs of every layer but the last are zero; both: two of each
                 four outputs, too, so that the gradient of the inputs is 2:4 as well. Each product
                 is timed dense, by cuSPARSELt and on Hopper by a kernel of pare's, with packing the
                 weight where it moves, and runs as is faster by 2 %. PyTorch has a part in it with --infer, by
                 torch.sparse.to_sparse_semi_structured, where its installation can
--accumulate and --recompute are what a recipe's train.accumulate and train.recompute are: a
batch in parts, values of blocks made again. MiB, with --plan, is what values and their gradients
take, beside weights, their gradients and moments.
With --infer it measures inferences of whole batches instead, PyTorch's with all weights in bf16.

Joules are given against those of full, ours and PyTorch's (its first of --peers), measured in
the same run; beside them what the Plan's multiply-adds and bytes predict for the saving on the
card's profile, and how much of that was measured. Contenders stay on the card between turns, but
those of llama2-7b-l8, which are opened for each turn and closed behind it, outside the measurement.
PyTorch's base is float32 under autocast; frozen, that of llama2-7b-l8 is bf16.`,
		Example: `  pare bench card --device cuda:bf16 --model bert-base --treat full,lora,half,half+lora --python python3
  pare bench card --plan --hw h100-sxm --model llama2-7b-l8 --treat full,cut=0.6+lora`,
		RunE: func(*cobra.Command, []string) error {
			o.Treatments = nil
			for _, s := range treats {
				t, err := bench.ParseTreatment(s)
				if err != nil {
					return usage{err}
				}
				o.Treatments = append(o.Treatments, t)
			}
			dev, err := core.OpenDevice(e.device)
			if err != nil {
				return err
			}
			o.Device = dev
			o.Precision = precisionOf(e.device)
			if plans && o.Precision == "" {
				o.Precision = "bf16"
			}
			fmt.Fprintf(e.err, "%s, %s\n", dev.Name(), dev.ISA())
			var rows []bench.CardRow
			o.Report = func(r bench.CardRow) {
				rows = append(rows, r)
				if e.json {
					json.NewEncoder(e.out).Encode(r) //nolint:errcheck // the next write fails too
				}
			}
			o.Note = func(s string) { fmt.Fprintln(e.err, s) }
			times := map[string][]string{}
			if calls {
				o.Calls = func(t bench.Treatment, k string, ms float64) {
					times[t.Name] = append(times[t.Name], fmt.Sprintf("%s %.2f", k, ms))
				}
			}
			measure := bench.Card
			if plans {
				measure = bench.CardPlans
			}
			err = measure(o)
			if !e.json && len(rows) > 0 {
				if plans {
					e.cardPlans(rows)
				} else {
					e.cardTable(rows)
				}
			}
			for _, t := range treats {
				if len(times[t]) > 0 {
					fmt.Fprintf(e.out, "\nms of a step of ours by kernel, %s: %s\n", t, strings.Join(times[t], ", "))
				}
			}
			return err
		},
	}
	c.Flags().StringVar(&o.Model, "model", "gpt2-124m", strings.Join(bench.CardModels(), ", "))
	c.Flags().StringSliceVar(&treats, "treat", []string{"full"}, "how it trains, see above")
	c.Flags().BoolVar(&o.Infer, "infer", false, "measure inferences instead of training steps")
	c.Flags().IntVar(&o.Batch, "batch", 0, "sequences of a step, 0: the model's")
	c.Flags().IntVar(&o.Tokens, "tokens", 0, "tokens of a sequence, 0: the model's")
	c.Flags().IntVar(&o.Accumulate, "accumulate", 0, "parts that a batch of ours runs in")
	c.Flags().BoolVar(&o.Recompute, "recompute", false, "values of our blocks are made again, not kept")
	c.Flags().IntVar(&o.Rounds, "rounds", 5, "turns of every contender")
	c.Flags().DurationVar(&o.Window, "window", 3*time.Second, "length of a turn")
	c.Flags().StringVar(&o.Python, "python", "", "Python with torch: measures it beside us")
	c.Flags().StringSliceVar(&o.Modes, "peers", []string{"eager", "compile"}, "PyTorch's modes: eager, compile")
	c.Flags().BoolVar(&calls, "calls", false, "print the time of a step by kernel")
	c.Flags().StringVar(&o.Hardware, "hw", "", "profile `NAME` that predicts, the card's own by default")
	c.Flags().BoolVar(&plans, "plan", false, "print what the Plan predicts and measure nothing; needs no card")
	return c
}

// cardTable prints the rows by treatment, ours first.
func (e *env) cardTable(rows []bench.CardRow) {
	w := tabwriter.NewWriter(e.out, 0, 0, 1, ' ', 0)
	f := rows[0]
	fmt.Fprintf(w, "%s, %s, %s, %d × %d tokens\n\n", f.Model, f.Work, f.Precision, f.Batch, f.Tokens)
	fmt.Fprintf(w, "| \t| ms\t| J/step\t| tok/s\t| W\t| MiB\t| to pare\t| to torch\t| Plan\t| of it\t|\n|%s\n", strings.Repeat(" ---\t|", 10))
	var order []string
	for _, r := range rows {
		if !slices.Contains(order, r.Treatment) {
			order = append(order, r.Treatment)
		}
	}
	var sources []string
	for _, t := range order {
		fmt.Fprintf(w, "| %s%s|\n", t, strings.Repeat("\t| ", 9)+"\t")
		for _, r := range rows {
			if r.Treatment != t {
				continue
			}
			watts, joules := "–", "–"
			if r.StepJ != nil {
				watts, joules = fmt.Sprintf("%.0f", r.Watts), fmt.Sprintf("%.2f %s", *r.StepJ, r.Tier)
				if s := fmt.Sprintf("%s, tier %s", r.Source, r.Tier); !slices.Contains(sources, s) {
					sources = append(sources, s)
				}
			}
			of := "–"
			if s, ok := r.Reached(); ok {
				of = fmt.Sprintf("%.0f %%", 100*s)
			}
			fmt.Fprintf(w, "| %s\t| %.1f\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", r.Who, r.StepMS, joules, plain.Count(int64(r.TokensPerSec)), watts,
				plain.Count(int64(r.MemoryMiB)), change(r.OfOurs), change(r.OfTheirs), change(r.OfPlanned), of)
		}
	}
	w.Flush() //nolint:errcheck // the next write fails too
	for _, r := range rows {
		if p := r.TwoFour; p != nil {
			fmt.Fprintf(e.out, "\n%s: %d of %d products of 2:4 weights leave two of four out; timed alone, those that fit\ntake %s ms dense and %s ms as they run\n", r.Treatment, p.Used, p.Products, plain.Num(p.DenseMS), plain.Num(p.NowMS))
		}
	}
	if len(sources) > 0 {
		fmt.Fprintf(e.out, "\njoules of the card: %s; to pare and torch: joules against their full;\nPlan: what counted work predicts for it, of it: the measured share of that saving\n", strings.Join(sources, "; "))
	}
}

// cardPlans prints what the Plan predicts.
func (e *env) cardPlans(rows []bench.CardRow) {
	w := tabwriter.NewWriter(e.out, 0, 0, 1, ' ', 0)
	f := rows[0]
	fmt.Fprintf(w, "%s, %s, %s, %d × %d tokens; a step by counted work, nothing has run\n\n", f.Model, f.Work, f.Precision, f.Batch, f.Tokens)
	fmt.Fprintf(w, "| \t| params\t| trained\t| heads\t| hidden\t| TMAC\t| GB\t| MiB\t| ms\t| to full\t|\n|%s\n", strings.Repeat(" ---\t|", 10))
	for _, r := range rows {
		ms := "–"
		if r.Plan.Seconds != nil {
			ms = fmt.Sprintf("%.1f", 1e3**r.Plan.Seconds)
		}
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %d\t| %d\t| %.2f\t| %.1f\t| %s\t| %s\t| %s\t|\n", r.Treatment, plain.Count(r.Params), plain.Count(r.Trained), r.Heads, r.Hidden,
			float64(r.Plan.MACs)/1e12, float64(r.Plan.Bytes)/1e9, plain.Count(int64(r.ValuesMiB)), ms, change(r.OfPlanned))
	}
	w.Flush() //nolint:errcheck // nothing follows
	if n := rows[0].Plan.Note; n != "" {
		fmt.Fprintf(e.out, "\n%s\n", n)
	}
}

// change is a share as the change from the whole, "–" where it is not known.
func change(of *float64) string {
	if of == nil {
		return "–"
	}
	return signed(100*(*of-1), 1) + " %"
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
