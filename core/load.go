package core

import (
	"fmt"
	"strings"

	"pare/core/data"
	"pare/core/deploy"
	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/device/cuda"
	"pare/core/device/ref"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/prune"
)

// deviceNames are what hardware.device may be. auto is the processor, so that a run does not depend on what else is in the machine.
var deviceNames = []string{"auto", "cpu", "cuda", "cuda:tf32", "cuda:bf16", "ref"}

var cudaNames = map[string]cuda.Precision{"cuda": cuda.F32, "cuda:tf32": cuda.TF32, "cuda:bf16": cuda.BF16}

// OpenDevice finds the device of a recipe's hardware.device.
func OpenDevice(name string) (device.Device, error) {
	switch name {
	case "", "auto", "cpu":
		return cpu.New(), nil
	case "ref":
		return ref.New(), nil
	}
	if p, ok := cudaNames[name]; ok {
		return cuda.Open(p)
	}
	return nil, fmt.Errorf("device %q is not known: choose one of %s", name, strings.Join(deviceNames, ", "))
}

// filePreset is the training set-up for a model from a file, which brings none:
// a gentle fine-tuning.
var filePreset = zoo.Preset{Optimizer: "momentum", LR: 0.01, Momentum: 0.9, Batch: 64, LRSchedule: "cosine"}

// Sample is what data gives to a model.
type Sample struct {
	Shape   []int // [C,H,W], [F], or [T] of text
	Classes int
	Text    *data.Text
}

// SampleOf describes the samples of a data set.
func SampleOf(d *data.Data) Sample {
	s := Sample{Shape: d.Train.Shape, Classes: len(d.Classes), Text: d.Text}
	if d.Text != nil && d.Text.LM {
		s.Classes = d.Text.Vocab
	}
	return s
}

// SampleIn describes the samples of a run from its log.
func SampleIn(m *event.Model) Sample {
	s := Sample{Shape: m.Input, Classes: len(m.Classes)}
	if m.Tokens > 0 {
		s.Text = &data.Text{LM: m.LM, Vocab: m.Vocab, Len: m.Tokens, Pad: int32(m.Pad), Pair: m.Pair, Masked: m.Masked}
	}
	if m.LM {
		s.Classes = m.Vocab
	}
	return s
}

// SampleFor describes samples of the size in a zoo model's paper.
func SampleFor(i zoo.Info) Sample {
	s := Sample{Shape: []int{i.Input.C, i.Input.H, i.Input.W}, Classes: i.Classes}
	if t := i.Input.Tokens; t > 0 {
		s.Shape, s.Text = []int{t}, &data.Text{LM: i.Classes == i.Input.Vocab, Vocab: i.Input.Vocab, Len: t}
	}
	return s
}

// SampleKnown describes samples of a built-in data set without opening it.
func SampleKnown(i data.Info) Sample {
	s := Sample{Shape: i.Shape, Classes: i.Classes}
	if i.Vocab > 0 {
		s.Classes, s.Text = i.Vocab, &data.Text{LM: true, Vocab: i.Vocab, Len: i.Shape[0]}
	}
	return s
}

// input is the sample as the zoo's models take it.
func (s Sample) input() zoo.Input {
	in := zoo.Input{C: 1, H: 1, W: 1}
	switch {
	case s.Text != nil:
		in.Tokens, in.Vocab, in.Pad, in.Pair = s.Text.Len, s.Text.Vocab, int(s.Text.Pad), s.Text.Pair
	case len(s.Shape) == 3:
		in.C, in.H, in.W = s.Shape[0], s.Shape[1], s.Shape[2]
	default:
		for _, d := range s.Shape {
			in.C *= d
		}
	}
	return in
}

// OpenModel loads a model by zoo name, from a file (.onnx, or .safetensors written by
// pare) or from a folder of Hugging Face, for samples of the given kind.
func OpenModel(spec ModelSpec, seed uint64, s Sample) (*graph.Model, zoo.Preset, error) {
	m, pre, _, err := openSpec(spec, seed, s, false)
	return m, pre, err
}

// openSpec also tells what is not as the file has it. again: see openFolder.
func openSpec(spec ModelSpec, seed uint64, s Sample, again bool) (*graph.Model, zoo.Preset, []event.Warning, error) {
	switch {
	case spec.Path == "":
		m, pre, err := zoo.New(spec.Name, seed, s.input(), s.Classes)
		return m, pre, nil, err
	case IsFolder(spec.Path):
		m, warn, err := openFolder(spec.Path, seed, s, again)
		return m, hfPreset, warn, err
	}
	m, err := LoadModel(spec.Path)
	return m, filePreset, nil, err
}

// LoadModel reads a model file, see deploy.Open.
func LoadModel(path string) (*graph.Model, error) { return deploy.Open(path) }

// openModel loads the recipe's model and checks it against the data, for a run on dev.
// again: see openFolder.
func openModel(r *Recipe, set *data.Data, dev device.Device, again bool) (*graph.Model, zoo.Preset, []event.Warning, error) {
	like := SampleOf(set)
	m, pre, warn, err := openSpec(r.Model, r.Seed, like, again)
	if err != nil {
		return nil, pre, nil, err
	}
	if f := m.Input().Len(); f != set.Train.F() {
		in := m.Input()
		return nil, pre, nil, fmt.Errorf("model %s takes %d×%d×%d = %d values a sample, %s has %v = %d: choose data of that shape or another model", m.Name, in.C, in.H, in.W, f, set.Name, set.Train.Shape, set.Train.F())
	}
	if lm, seq := like.Text != nil && like.Text.LM, m.Values[m.Output].Seq > 0; lm != seq {
		return nil, pre, nil, fmt.Errorf("model %s scores %s, %s has %s: choose other data or another model", m.Name, labelsOf(seq), set.Name, labelsOf(lm))
	}
	switch k := m.Classes(); {
	case k < like.Classes:
		return nil, pre, nil, fmt.Errorf("model %s scores %d classes, %s has %d: choose other data or another model", m.Name, k, set.Name, like.Classes)
	case k > like.Classes:
		warn = append(warn, event.Warning{Text: fmt.Sprintf("model %s scores %d classes, %s has only %d", m.Name, k, set.Name, like.Classes)})
	}
	if n := m.Nodes[len(m.Nodes)-1]; n.Op == "softmax" && n.Out == m.Output {
		// The loss holds the softmax; a second one would flatten its gradient.
		m.Output = n.In[0]
		m.Nodes = m.Nodes[:len(m.Nodes)-1]
		warn = append(warn, event.Warning{Text: "the model ends in a softmax; it is left off here because the loss contains it"})
		if err := m.Verify(); err != nil {
			return nil, pre, nil, err
		}
	}
	if z := zerosOf(m); r.Model.Path != "" && z > 0 {
		warn = append(warn, event.Warning{Text: fmt.Sprintf("the model has %.1f %% zeros already: they stay zero, and what is called dense below is the model as it came", 100*z)})
	}
	for _, s := range r.Prune.Skip {
		if err := knownLayer(m, s); err != nil {
			return nil, pre, nil, err
		}
	}
	if err := r.checkPartsOf(m, pre, set.Train.N()); err != nil {
		return nil, pre, nil, err
	}
	if err := r.checkLowRankOf(m); err != nil {
		return nil, pre, nil, err
	}
	return m, pre, warn, r.checkMethodOf(m, dev, prune.NewBase(m))
}

// labelsOf says what has a label: each token, or the sample as a whole.
func labelsOf(tokens bool) string {
	if tokens {
		return "the token after each"
	}
	return "one class a sample"
}

// zerosOf is the share of masked weights among the prunable ones.
func zerosOf(m *graph.Model) float64 {
	zeros, of := 0, 0
	for _, l := range m.Layers() {
		p := m.Params[l.Param]
		zeros, of = zeros+p.Mask.Zeros(), of+p.Shape.Len()
	}
	return float64(zeros) / float64(max(of, 1))
}

func knownLayer(m *graph.Model, name string) error {
	var names []string
	for _, l := range m.Layers() {
		if l.Name == name {
			return nil
		}
		names = append(names, l.Name)
	}
	return fmt.Errorf("prune.skip names layer %q; this model has %s", name, strings.Join(names, ", "))
}

// fillRecipe replaces what the recipe leaves open by the model's published
// set-up and the data's preprocessing, so that the saved recipe says it all.
func (r *run) fillRecipe() {
	t, p := &r.r.Train, r.pre
	blank := t.Optimizer == "" && t.LR == 0 && t.Batch == 0
	if t.Optimizer == "" {
		t.Optimizer = p.Optimizer
	}
	if t.LR == 0 {
		t.LR = p.LR
	}
	if t.Batch == 0 {
		t.Batch = p.Batch
	}
	if t.Momentum == 0 {
		t.Momentum = p.Momentum
	}
	if blank && t.WeightDecay == 0 {
		t.WeightDecay = p.WeightDecay
	}
	if t.Schedule == "" {
		t.Schedule = p.LRSchedule
	}
	if !r.r.Plan.Known() {
		r.r.Plan.Prices = Prices(r.dev)
	}
	r.r.Data.fill(r.set)
}
