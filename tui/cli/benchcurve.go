package cli

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"pare/core"
	"pare/core/bench"
	"pare/core/data"
	"pare/tui/plain"
)

// benchCurve trains a language model beside PyTorch.
func (e *env) benchCurve() *cobra.Command {
	o := bench.CurveOptions{}
	var model, set string
	var tokens int
	c := &cobra.Command{
		Use: "curve --python PYTHON", Short: "train a GPT beside PyTorch: loss curves and tokens/s", Args: takes(0, 0),
		Long: `curve trains a GPT here and in PyTorch (--peers: eager, compile), from the same
weights, on the same batches, with AdamW at a constant rate. They take turns, so that
they share whatever else the machine does. It prints the losses, how far the curves are
apart, and tokens per second: the median over the turns and the extremes, the first turn
left out. --again N trains N more of ours and of PyTorch's with the samples of every batch
in another order: how far these are apart is what rounding alone does.`,
		RunE: func(*cobra.Command, []string) error {
			if o.Python == "" {
				return usagef("bench curve needs --python: a Python with torch")
			}
			d, err := data.Open(set, data.Options{Tokens: tokens})
			if err != nil {
				return err
			}
			m, err := bench.CurveModel(model, d.Train.F(), e.seed)
			if m == nil && err == nil {
				m, _, err = core.OpenModel(core.ModelSpec{Name: model}, e.seed, core.SampleOf(d))
			}
			if err != nil {
				return err
			}
			if o.Threads = e.threads; o.Threads == 0 {
				o.Threads = runtime.GOMAXPROCS(0)
			}
			if o.Device, err = core.OpenDevice(e.device); err != nil {
				return err
			}
			o.Precision = precisionOf(e.device)
			enc := json.NewEncoder(e.out)
			if !e.json {
				fmt.Fprintf(e.out, "%s on %s, batches of %d × %d tokens, %d threads\n\n  step      pare%s\n", model, d.Name, o.Batch, m.Input().Seq, o.Threads, heads(o.Modes))
			}
			o.Report = func(p bench.CurvePoint) {
				switch {
				case e.json:
					enc.Encode(p) //nolint:errcheck // the next write fails too
				case p.Step%int64(max(o.Steps/15, 1)) == 0 || p.Step == int64(o.Steps-1):
					fmt.Fprintf(e.out, "%6d   %7.4f", p.Step, p.Loss[0])
					for _, l := range p.Loss[1 : 1+len(o.Modes)] {
						fmt.Fprintf(e.out, "  %8.4f", l)
					}
					fmt.Fprintln(e.out)
				}
			}
			r, err := bench.Curve(m, d.Train, o)
			if err != nil {
				return err
			}
			if e.json {
				return enc.Encode(r)
			}
			fmt.Fprintf(e.out, "\nloss curves at most %.2g of the loss apart, %s params\n", r.Apart, plain.Count(r.Params))
			if n := r.Noise; n != nil {
				fmt.Fprintf(e.out, "the samples of each batch in %d orders: ours at most %.2g apart among themselves, PyTorch's %.2g;\nthe means of the two %.2g, at step %d\n", o.Again+1, n.Ours, n.Theirs, n.Means, n.At)
			}
			for i, who := range r.Who {
				fmt.Fprintf(e.out, "  %-16s %9.0f tokens/s (%.0f–%.0f), %.2f×\n", who, r.TokensPerSec[i], r.Lo[i], r.Hi[i], r.TokensPerSec[i]/r.TokensPerSec[0])
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&model, "model", "gpt-nano", "a GPT of the zoo, or one of bench card, with GPT-2's vocabulary: gpt2-124m, gpt2-355m")
	f.StringVar(&set, "data", "kjv", "text: a built-in set, a file or a folder")
	f.IntVar(&tokens, "tokens", 0, "tokens of a sample, 0: 128")
	f.IntVar(&o.Steps, "steps", 300, "optimiser steps")
	f.IntVar(&o.Turn, "turn", 20, "steps that one takes before the others do theirs")
	f.IntVar(&o.Again, "again", 0, "more of each, with the samples of every batch in another order")
	f.IntVar(&o.Batch, "batch", 16, "samples of a step")
	f.Float64Var(&o.LR, "lr", 1e-3, "learning rate")
	f.Float64Var(&o.WeightDecay, "weight-decay", 0.1, "of AdamW")
	f.StringSliceVar(&o.Modes, "peers", []string{"eager", "compile"}, "PyTorch's modes: eager, compile")
	f.StringVar(&o.Python, "python", "", "Python with torch")
	return c
}

// heads of columns 10 wide.
func heads(modes []string) (s string) {
	for _, m := range modes {
		s += fmt.Sprintf("%10s", m)
	}
	return s
}
