package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pare/core"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/plan"
	"pare/tui/plain"
)

// openModel loads a zoo model at its paper's size, or a file.
func (e *env) openModel(name string) (*graph.Model, error) {
	m, _, err := e.openPreset(name)
	return m, err
}

// openPreset loads the same, with its published set-up.
func (e *env) openPreset(name string) (*graph.Model, zoo.Preset, error) {
	if isModelPath(name) {
		return core.OpenModel(core.ModelSpec{Path: name}, e.seed, core.Sample{})
	}
	for _, i := range zoo.List() {
		if i.Name == name {
			return zoo.New(name, e.seed, i.Input, i.Classes)
		}
	}
	return nil, zoo.Preset{}, core.UnknownModel(name)
}

// layerInfo is one line of inspect.
type layerInfo struct {
	Name   string `json:"name"`
	Op     string `json:"op"`
	Shape  []int  `json:"shape"`
	Out    [3]int `json:"out"`
	Params int    `json:"params"`
	Zeros  int    `json:"zeros"`
	MACs   int64  `json:"macs"`
	Format string `json:"format"`
	// Expected is the time of a training step of the layer, as a share of the dense
	// kernels'.
	Expected float64 `json:"expected"`
	Why      string  `json:"why"`
}

func (e *env) inspect() *cobra.Command {
	recipe := ""
	c := &cobra.Command{
		Use: "inspect MODEL", Short: "layers, params, zeros, MACs, bytes, and the kernel each layer runs on", Args: takes(1, 1),
		Long: `inspect shows a zoo model, an .onnx file, a .safetensors file written by pare, or a
folder of Hugging Face (for sequences of 128 tokens, or as many as it takes).
The format of each layer is the one whose training step is expected to be the
fastest, by what formats cost on this machine. That is measured once, in about half
a second, when a model with zeros is met (pare doctor says where it is kept). On a card
(--device cuda:bf16) 2:4 layers are timed both ways in the batch of an evaluation, with
--recipe that of its run, which is no larger than a part of train.accumulate.
With --recipe it says besides what that recipe's zeros, factors and adapters should bring
per training step on the recipe's hardware, by its profile: nothing is run.`,
		RunE: func(_ *cobra.Command, args []string) error {
			m, pre, err := e.openPreset(args[0])
			if err != nil {
				return err
			}
			var rec *core.Recipe
			var expect *event.Ledger
			if recipe != "" {
				if rec, err = trainedBy(recipe, pre); err == nil {
					expect, err = e.expect(m, rec)
				}
				if err != nil {
					return err
				}
			}
			dev, err := core.OpenDevice(e.device)
			if err != nil {
				return err
			}
			why := map[int]plan.Choice{}
			choices, prices, err := core.Choices(m, dev, rec)
			if err != nil {
				return err
			}
			for _, c := range choices {
				why[c.Param] = c
			}
			var rows []layerInfo
			var macs, bytes int64
			zeros := 0
			for _, l := range m.Layers() {
				p, n := m.Params[l.Param], m.Nodes[l.Node]
				v := m.Values[n.Out]
				r := layerInfo{
					Name: l.Name, Op: n.Op, Shape: p.Shape, Out: [3]int{v.C, v.H, v.W}, Params: p.Shape.Len(), Zeros: p.Mask.Zeros(),
					MACs: m.MACs(l.Node), Format: why[l.Param].Format.String(), Expected: why[l.Param].Cost, Why: why[l.Param].Why,
				}
				rows, zeros = append(rows, r), zeros+r.Zeros
			}
			for i := range m.Nodes {
				macs += m.MACs(i)
			}
			for _, p := range m.Params {
				bytes += int64(p.Shape.Len()) * 4
			}
			all, prunable := m.NumParams()
			in := m.Input()
			takes := fmt.Sprintf("input %d×%d×%d, %d classes", in.C, in.H, in.W, m.Classes())
			if in.Seq > 0 {
				takes = fmt.Sprintf("%d tokens, %d outputs", in.Seq, m.Classes())
				if m.Values[m.Output].Seq > 0 {
					takes += " each"
				}
			}
			if e.json {
				return json.NewEncoder(e.out).Encode(map[string]any{
					"name": m.Name, "input": [3]int{in.C, in.H, in.W}, "tokens": in.Seq, "classes": m.Classes(),
					"params": all, "prunable": prunable, "zeros": zeros, "macs": macs, "bytes_resident_f32": bytes, "device": dev.Name(), "isa": dev.ISA(), "prices": prices.Source, "layers": rows, "predicted": expect,
				})
			}
			printf(e.out, "%s: %s, %s params (%s prunable), %s MACs a sample, %s as float32\n\n", m.Name, takes, plain.Count(all), plain.Count(prunable), plain.Count(macs), plain.Bytes(bytes))
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			printf(w, "layer\top\tweight\tout\tparams\tzeros\tMACs\truns as (%s %s)\twhy\n", dev.Name(), dev.ISA())
			for _, r := range rows {
				printf(w, "%s\t%s\t%s\t%s\t%s\t%.1f %%\t%s\t%s\t%s\n", r.Name, r.Op, plain.Shape(r.Shape), plain.Shape(r.Out[:]), plain.Count(int64(r.Params)), 100*float64(r.Zeros)/float64(r.Params), plain.Count(r.MACs), r.Format, r.Why)
			}
			if err := w.Flush(); err != nil {
				return err
			}
			if zeros > 0 {
				fmt.Fprintf(e.out, "\nwhat formats cost: %s\n", prices.Source)
			}
			if expect != nil {
				printf(e.out, "\n%s\n  %s\n", expect.Text, expect.Note)
			}
			return err
		},
	}
	c.Flags().StringVar(&recipe, "recipe", "", "recipe `FILE` whose prune, lowrank and hardware parts are predicted")
	return c
}

// trainedBy is a recipe for a model with that published set-up.
func trainedBy(file string, pre zoo.Preset) (*core.Recipe, error) {
	r, err := core.ReadRecipe(file)
	if err != nil {
		return nil, err
	}
	if r.Train.Optimizer == "" {
		r.Train.Optimizer, r.Train.Momentum = pre.Optimizer, pre.Momentum
	}
	if r.Train.Batch == 0 {
		r.Train.Batch = pre.Batch
	}
	return r, nil
}

// expect is what a recipe should bring to a model.
func (e *env) expect(m *graph.Model, r *core.Recipe) (*event.Ledger, error) {
	dev, err := core.OpenDevice(e.device)
	if err != nil {
		return nil, err
	}
	if e.device != "auto" { // in its precision
		r.Hardware.Device = e.device
	}
	if d := r.Hardware.Device; e.device == "auto" && d != "" { // cuts, kernels and formats are those of the run's device
		there, err := core.OpenDevice(d)
		if err != nil {
			fmt.Fprintf(e.err, "planned as for the processor, not %s: %v\n", d, err)
			if r.Hardware.Profile == "" {
				fmt.Fprintln(e.err, "and predicted for this machine's: hardware.profile = NAME (pare hw list) takes a card that is elsewhere")
			}
		} else {
			dev = there
		}
	}
	hw, err := core.ProfileOn(r.Hardware.Profile, dev)
	if err != nil {
		return nil, err
	}
	return core.Predict(m, dev, hw, r)
}

func (e *env) predict() *cobra.Command {
	var input string
	var texts []string
	c := &cobra.Command{
		Use: "predict MODEL --input FILE", Short: "run a model on inputs from a file, or on texts", Args: takes(1, 1),
		Long: `predict runs a model (.onnx, .safetensors written by pare, a folder of Hugging Face, or
a zoo model with fresh weights) on the inputs of FILE: .safetensors or .npy with one tensor, or JSON
{"NAME": {"shape": [...], "data": [...]}}; a single unnamed input may be called
"input". Prints {"outputs": {"NAME": {"shape": [...], "data": [...]}}}.

Inputs go into the model as they are, nothing is normalised here: give them as the
model saw them in training, (x × scale − mean) / std, with scale, mean and std from
[data] of the run's recipe (pare sessions show SESSION --recipe). Outputs are
logits, one a class in the order of the labels (pare data show NAME); the largest
is the model's answer, softmax makes shares of them. Model files hold no class names.

A folder of Hugging Face also takes texts: --text TEXT (again for more), or --input
FILE.txt with one a line. They are cut by the folder's own tokenizer, and the answers are
in words: {"task": "...", "answers": [{"text", "ids", ...}]} with "classes" of a classifier,
"next" (the likeliest tokens behind the text) of a causal language model, "masks" (what
may stand in the place of each mask) of a masked one, "tokens" of a classifier of tokens,
"embedding" (mean over the tokens, of length 1) of an encoder without a head. As JSON it
takes "input_ids" of any length, and beside them "token_type_ids" and "attention_mask".

An .onnx file that the engine cannot hold (several inputs, an operator that has no
gradient here) is run node by node, on the processor; JSON then names all its inputs, and one line
says why it cannot be trained.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if input != "" && texts != nil {
				return usagef("predict takes --input FILE or --text TEXT, not both")
			}
			if input == "" && texts == nil {
				return usagef("predict needs --input FILE (.safetensors, .npy, .json, or .txt of texts) or --text TEXT")
			}
			if input != "" {
				if _, err := os.Stat(input); err != nil {
					return fmt.Errorf("input: %w", err)
				}
			}
			if core.IsFolder(args[0]) {
				return e.predictFolder(args[0], input, texts)
			}
			if texts != nil || strings.EqualFold(filepath.Ext(input), ".txt") {
				return usagef("texts are for folders of Hugging Face with a tokenizer; %s takes numbers (.safetensors, .npy, .json)", args[0])
			}
			m, err := e.openModel(args[0])
			if err != nil && strings.EqualFold(filepath.Ext(args[0]), ".onnx") {
				r, err := core.OpenRunOnly(args[0], err)
				if err != nil {
					return err
				}
				if strings.HasPrefix(e.device, "cuda") {
					return usagef("%s runs node by node, on the processor alone: leave --device %s out", args[0], e.device)
				}
				if _, err := core.OpenDevice(e.device); err != nil {
					return err
				}
				fmt.Fprintf(e.err, "it runs, node by node, but cannot be trained or pared: %v\n", r.Why)
				out, err := r.Predict(input, e.threads)
				if err != nil {
					return err
				}
				return json.NewEncoder(e.out).Encode(out)
			}
			if err != nil {
				return err
			}
			dev, err := core.OpenDevice(e.device)
			if err != nil {
				return err
			}
			out, err := core.PredictFile(m, dev, input, e.threads)
			if err != nil {
				return err
			}
			return json.NewEncoder(e.out).Encode(out)
		},
	}
	c.Flags().StringVar(&input, "input", "", "`FILE` with the inputs")
	c.Flags().StringArrayVar(&texts, "text", nil, "`TEXT` for a folder of Hugging Face, again for more")
	return c
}
