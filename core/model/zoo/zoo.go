// Package zoo owns the built-in models: their layers, their weights at the
// start and the set-up their source trained them with. It imports core/graph
// and knows no data set, no training loop and no file.
//
// A zoo model takes its input size and number of classes from the data; the
// sizes in Info are those of its paper.
package zoo

import (
	"fmt"
	"strings"

	"pare/core/graph"
)

// Input is the shape of one sample: C channels of H×W pixels. A vector of
// features has H = W = 1, and so has text: Tokens ids below Vocab.
type Input struct {
	C, H, W       int
	Tokens, Vocab int
	Pair          bool // each id is followed by the number of its segment
	Pad           int  // of texts with labels: the id that fills them up, −1: none
}

// String writes a shape as people do: 1×28×28.
func (i Input) String() string {
	if i.Tokens > 0 {
		return fmt.Sprintf("%d tokens of a vocabulary of %d", i.Tokens, i.Vocab)
	}
	return fmt.Sprintf("%d×%d×%d", i.C, i.H, i.W)
}

// Preset is a published set-up for training a model; a user may change each
// part of it.
type Preset struct {
	Optimizer   string // sgd | momentum | nesterov | adam | adamw
	LR          float64
	Momentum    float64 // 0 for sgd, adam and adamw
	WeightDecay float64 // L2; decoupled for adamw
	Batch       int
	Epochs      int
	LRSchedule  string // constant | cosine | step (a tenth after 1/2 and after 3/4 of the run)
	Source      string // where it stands, or what it was adapted from; "": it is ours
	Published   bool   // all of it stands there so; else it was adapted
}

// Info describes a model for a picker.
type Info struct {
	Name    string
	About   string // one line
	Input   Input  // the paper's
	Classes int    // the paper's
	Params  int64  // trained values at that size
	Paper   string // of the architecture; the preset's source stands at the preset
}

// entry is one row of the zoo: a file of its own holds each.
type entry struct {
	info   Info
	preset Preset
	text   textKind
	build  func(b *graph.Net, in Input, classes int)
	init   func(m *graph.Model, seed uint64) // after Init, where the paper's differs; may be nil
}

// textKind is what a model makes of text.
type textKind int

const (
	noText         textKind = iota // it takes images or tables
	languageModel                  // it scores the token that follows each
	textClassifier                 // it scores the classes of a whole text
)

// entries in the order of the picker.
var entries = []entry{lenet300, lenet5, resnet8, mlp, gptNano, gptMicro, gptMini, gptSmall, bertMini, vitTiny}

// List describes all models, in the order of the picker.
func List() []Info {
	l := make([]Info, len(entries))
	for i, e := range entries {
		l[i] = e.info
	}
	return l
}

// LanguageModel reports whether the named model scores the token that follows each.
func LanguageModel(name string) bool {
	e, err := find(name)
	return err == nil && e.text == languageModel
}

// New builds the named model for samples of shape in and initialises it from
// seed. The result is a function of its arguments alone, on every machine and
// with every version of Go. Errors name the model, or the layer that does not
// fit the input.
func New(name string, seed uint64, in Input, classes int) (*graph.Model, Preset, error) {
	e, err := find(name)
	if err != nil {
		return nil, Preset{}, err
	}
	if in.C < 1 || in.H < 1 || in.W < 1 {
		return nil, Preset{}, fmt.Errorf("model %s: input of %v: each size must be at least 1", name, in)
	}
	if classes < 2 {
		return nil, Preset{}, fmt.Errorf("model %s: %d classes: a classifier needs at least 2; does the label column hold one value only?", name, classes)
	}
	if err := e.takes(in, classes); err != nil {
		return nil, Preset{}, fmt.Errorf("model %s %w", name, err)
	}
	b := &graph.Net{M: graph.New(name, in.C, in.H, in.W)}
	if in.Tokens > 0 {
		b.M = graph.NewSequence(name, 1, in.Tokens)
		if in.Pair {
			b.M.Values[0].C = 2
		}
	}
	e.build(b, in, classes)
	if b.Err == nil {
		b.Err = b.M.Verify()
	}
	if b.Err != nil {
		return nil, Preset{}, fmt.Errorf("model %s does not fit samples of %v: %w%s", name, in, b.Err, other(in))
	}
	if err := Renew(b.M, seed); err != nil {
		return nil, Preset{}, err
	}
	return b.M, e.preset, nil
}

// Renew draws all weights of a model anew, as New does for the zoo's model of that name
// and as PyTorch does for others: what was cut out stays out.
func Renew(m *graph.Model, seed uint64) error {
	if err := Init(m, seed); err != nil {
		return fmt.Errorf("model %s: %w", m.Name, err)
	}
	if e, err := find(m.Name); err == nil && e.init != nil {
		e.init(m, seed)
	}
	return nil
}

// other says which model to take where one is for images and the samples are none.
func other(in Input) string {
	if in.Tokens > 0 || in.H*in.W > 1 {
		return ""
	}
	return "; for numbers without rows and columns choose mlp or lenet-300-100"
}

// takes tells data of the wrong kind, and which models are for it.
func (e *entry) takes(in Input, classes int) error {
	kind := noText
	switch {
	case in.Tokens > 0 && classes == in.Vocab:
		kind = languageModel
	case in.Tokens > 0:
		kind = textClassifier
	}
	if e.text == kind {
		return nil
	}
	var fit []string
	for _, o := range entries {
		if o.text == kind {
			fit = append(fit, o.info.Name)
		}
	}
	what := "images or tables"
	switch {
	case kind == languageModel:
		what = "running text"
	case in.Tokens > 0:
		what = "texts with one label each"
		fit = append(fit, "or give a folder with a BERT or DistilBERT")
	}
	return fmt.Errorf("does not take this data, %s: choose one of %s", what, strings.Join(fit, ", "))
}

func find(name string) (*entry, error) {
	known := make([]string, len(entries))
	for i := range entries {
		if entries[i].info.Name == name {
			return &entries[i], nil
		}
		known[i] = entries[i].info.Name
	}
	return nil, fmt.Errorf("unknown model %q: choose one of %s, or give the path of a file", name, strings.Join(known, ", "))
}

// vector flattens images, so that dense layers take both images and tables.
func vector(b *graph.Net, in Input) int {
	if in.H == 1 && in.W == 1 {
		return 0
	}
	return b.Op("flatten", "flatten", 0)
}
