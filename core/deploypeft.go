package core

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pare/core/event"
	"pare/core/graph"
	"pare/core/model/peft"
)

// formatPEFT is the adapter of the last step of low rank by itself, in PEFT's format.
const formatPEFT = "peft"

// checkPEFT refuses the format where there is no adapter to write.
func (r *Recipe) checkPEFT() error {
	if !slices.Contains(r.Deploy.Formats, formatPEFT) {
		return nil
	}
	n := len(r.LowRank)
	switch {
	case n == 0 || !r.LowRank[n-1].adapters():
		return fmt.Errorf("deploy.formats has peft, but the recipe does not end with adapters: add a [[lowrank]] step with method lora")
	case r.Prune.Target > 0 && r.Prune.Pattern != "neuron":
		return fmt.Errorf("deploy.formats has peft, which knows no masks: prune.target must be 0, or the pattern neuron")
	}
	return nil
}

// saveAdapters keeps the model with its adapters for stage 5, if they will be written.
func (r *run) saveAdapters() error {
	if !slices.Contains(r.r.Deploy.Formats, formatPEFT) || len(r.model.Adapters()) == 0 {
		return nil
	}
	return r.checkpoint("adapters", -1)
}

// exportAdapters writes the adapters, puts them on their base again from the files and
// compares the outputs with the merged model's.
func (r *run) exportAdapters(want []float32) error {
	c, err := r.cfg.Store.Load("adapters")
	if err != nil {
		return fmt.Errorf("export peft: the model with its adapters: %w", err)
	}
	m := c.Model
	o := peft.Options{Base: r.r.Model.Path, RSLoRA: r.r.LowRank[len(r.r.LowRank)-1].Method == "rslora"}
	base := m.Clone()
	for _, a := range m.Adapters() {
		conv1D := strings.HasSuffix(a.Layer, ".c_attn") || strings.HasSuffix(a.Layer, ".c_proj") || strings.HasSuffix(a.Layer, ".c_fc")
		o.FanInFanOut = o.FanInFanOut || conv1D
		if strings.HasPrefix(a.Layer, "h.") { // GPT-2's files may leave it out
			o.Prefix = "transformer."
		}
		o.Dropout = float64(a.Dropout)
		b := &base.Params[base.Param(a.Layer+".lora_B.weight")]
		clear(b.Data)
		if _, err := (graph.MergeLoRA{Layer: a.Layer}).Apply(base); err != nil {
			return fmt.Errorf("export peft: %w", err)
		}
	}
	dir, err := os.MkdirTemp("", "pare-peft-")
	if err != nil {
		return fmt.Errorf("export peft: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what is left is the system's to clear
	if err := peft.Write(dir, m, o); err != nil {
		return fmt.Errorf("export %w", err)
	}
	var e *event.Export
	for _, name := range []string{peft.ConfigFile, peft.WeightsFile} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("export peft: %w", err)
		}
		e = &event.Export{Format: formatPEFT}
		err = r.whenThereIsSpace(func() (err error) {
			e.File, e.SHA, e.Bytes, err = r.cfg.Store.Export(name, func(w io.Writer) error { _, err := w.Write(b); return err })
			return err
		})
		if err != nil {
			return fmt.Errorf("export peft: %w", err)
		}
	}
	if _, _, err := peft.Read(filepath.Dir(e.File), base); err != nil {
		return fmt.Errorf("export peft: the files do not read back: %w", err)
	}
	got, err := r.logits(base)
	if err != nil {
		return fmt.Errorf("export peft: the files do not run: %w", err)
	}
	if e.MaxDiff, e.Samples, err = r.agree(want, got); err != nil {
		return fmt.Errorf("export peft: %w", err)
	}
	if r.r.Train.Epochs > 0 || r.r.Prune.Target > 0 || len(r.r.LowRank) > 1 || hasAdapter(r.r.Model.Path) {
		if err := r.refuse("the adapter belongs to the weights of checkpoint adapters, which this run has trained, cut or merged an adapter into, not to the file the model came from"); err != nil {
			return err
		}
	}
	return r.emit(e)
}
