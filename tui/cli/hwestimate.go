package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pare/core"
	"pare/core/device/cuda"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/prune"
	"pare/tui/plain"
)

// estimateOn are the machines that are shown when none is named: a card of a data
// centre, one at the edge, a small computer. This machine comes first.
var estimateOn = []string{"", "h100-sxm", "jetson-orin-nano-8", "raspberry-pi-5"}

func (e *env) hwEstimate() *cobra.Command {
	r := core.DefaultRecipe()
	var on []string
	c := &cobra.Command{
		Use: "estimate MODEL", Short: "what zeros should bring on one or several machines, without running", Args: takes(1, 1),
		Long: `estimate predicts time and energy of a training step and of one inference, dense
and pared, from counted multiply-adds and bytes and the profile's figures (tier E).
It is the ledger of the workbench's configure stage. It takes this machine and three
others unless --hw names some. Zeros gain nothing where no kernel skips them. Cards are
predicted in float32, with --device cuda:bf16 or cuda:tf32 in that, whether here is one or not.`,
		Example: `  pare hw estimate lenet-300-100
  pare hw estimate resnet-8 --hw l4 --hw t4 --pattern neuron --zeros 0.5
  pare hw estimate net.onnx --batch 256 --json
  pare hw estimate gpt-small --hw h200-sxm --device cuda:bf16 --pattern width --zeros 0.5`,
		RunE: func(c *cobra.Command, a []string) error {
			named := c.Flags().Changed("hw")
			if !named {
				on = estimateOn
			}
			return e.estimate(a[0], on, named, r)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&on, "hw", nil, "profile `NAME`, as pare hw list shows them; may stand several times")
	f.StringVar(&r.Prune.Pattern, "pattern", r.Prune.Pattern, listed(prune.Patterns()))
	f.Float64Var(&r.Prune.Target, "zeros", r.Prune.Target, "share of zeros among the prunable weights, 0.9 = 90 %")
	f.IntVar(&r.Train.Batch, "batch", 0, "samples a training step; the model's published set-up by default")
	return c
}

// estimateFlags names the keys of a recipe as the flags here do.
var estimateFlags = strings.NewReplacer("hardware.device", "--device", "prune.target", "--zeros", "prune.pattern", "--pattern", "train.batch", "--batch")

func (e *env) estimate(model string, on []string, named bool, r *core.Recipe) error {
	r.Hardware.Device = e.device
	if err := r.Check(); err != nil {
		return usage{errors.New(estimateFlags.Replace(err.Error()))}
	}
	e.warnProfiles()
	m, pre, err := e.openPreset(model)
	if err != nil {
		return err
	}
	r.Train.Optimizer, r.Train.Momentum = pre.Optimizer, pre.Momentum
	if r.Train.Batch == 0 {
		r.Train.Batch = pre.Batch
	}
	dev, err := core.OpenDevice(e.device)
	if err != nil && named { // for a card elsewhere, in the precision that is named
		fmt.Fprintf(e.err, "%s, so a step is planned as for the processor: %v\n", noCard(err), err)
		dev, err = core.OpenDevice("cpu")
	}
	if err != nil {
		return err
	}
	var ls []*event.Ledger
	for _, name := range on {
		hw, err := core.ProfileOn(name, dev)
		if err != nil {
			return err
		}
		r.Hardware.Device = e.device
		if hw.Kind == "gpu" && e.device == "auto" { // what would run there cuts as a card does
			r.Hardware.Device = "cuda"
		}
		l, err := core.Predict(m, dev, hw, r)
		if err != nil {
			return err
		}
		ls = append(ls, l)
	}
	if e.json {
		enc := json.NewEncoder(e.out)
		enc.SetEscapeHTML(false)
		for _, l := range ls {
			if err := enc.Encode(l); err != nil {
				return err
			}
		}
		return nil
	}
	return e.estimates(m, on, ls, r)
}

// noCard says of an error of OpenDevice whether a card is missing or fails.
func noCard(err error) string {
	if cuda.Absent(err) {
		return "no card here"
	}
	return "the card here cannot be used"
}

// estimates prints one row a machine, and under them what to know of each.
func (e *env) estimates(m *graph.Model, on []string, ls []*event.Ledger, r *core.Recipe) error {
	d, n := ls[0].Dense, ls[0].Now
	fmt.Fprintf(e.out, "%s, dense → %.4g %% zeros (%s), batch %d; file %s → %s, a step moves %s\nestimates (tier E) from counted work; nothing has run\n\n", m.Name, 100*n.Zeros, r.Prune.Pattern, ls[0].Batch,
		plain.Bytes(d.FileBytes), plain.Bytes(n.FileBytes), plain.Bytes(d.StepBytes))
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "hardware\tms per step\tchange\tJ per step\tms per %[1]s\tchange\tJ per %[1]s\tall ±\n", plain.Inference(ls[0]))
	var notes strings.Builder
	for i, l := range ls {
		clock := event.ClockOf(l.HWKind).Unit // CPU or GPU
		cell := map[string]plain.Row{}
		for _, x := range plain.Rows(l) {
			x.Dense, _, _ = strings.Cut(x.Dense, " ±")
			x.Now, _, _ = strings.Cut(x.Now, " ±")
			x.Change, _, _ = strings.Cut(x.Change, " (")
			cell[strings.Replace(strings.TrimPrefix(x.Name, clock+" "), plain.Inference(l), "inference", 1)] = x
		}
		both := func(k string) string {
			if x := cell[k]; x.Dense != x.Now {
				return x.Dense + " → " + x.Now
			}
			return cell[k].Dense
		}
		name := l.Hardware
		if on[i] == "" {
			name += ", this machine"
		}
		name += " (" + clock + " ms)"
		band := "–"
		if b := l.Now.StepBand; b > 0 {
			band = fmt.Sprintf("%.0f %%", b)
			if l.LaunchesApart {
				band += " plus launches"
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, both("ms per step"), cell["ms per step"].Change, both("J per step"), both("ms per inference"), cell["ms per inference"].Change, both("J per inference"), band)
		fmt.Fprintf(&notes, "\n%s\n", l.Text)
		if l.Note != "" {
			fmt.Fprintf(&notes, "  %s\n", l.Note)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprint(e.out, notes.String())
	return err
}
