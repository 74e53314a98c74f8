package peft

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pare/core/graph"
	"pare/core/model/safetensors"
)

// Options of a written adapter.
type Options struct {
	Base        string  // the base model's name or path, may be empty
	Task        string  // CAUSAL_LM, SEQ_CLS, …; may be empty
	RSLoRA      bool    // scales are alpha/√r
	FanInFanOut bool    // the base keeps its weights [in, out], as GPT-2 does
	Prefix      string  // goes before the model's names, as "transformer."
	Dropout     float64 // for further training
}

// Write saves the adapters of m, and the modules that train beside them, into folder
// dir, which it makes if need be. Masked adapters are refused: PEFT knows no masks.
func Write(dir string, m *graph.Model, o Options) error {
	c, ts, err := export(m, o)
	if err != nil {
		return fmt.Errorf("peft: %w", err)
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("peft: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("peft: %w", err)
	}
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{WeightsFile, func(w io.Writer) error { return safetensors.Write(w, ts, map[string]string{"format": "pt"}) }},
		{ConfigFile, func(w io.Writer) error { _, err := w.Write(append(text, '\n')); return err }},
	} {
		if err := aside(filepath.Join(dir, f.name), f.write); err != nil {
			return fmt.Errorf("peft: %w", err)
		}
	}
	return nil
}

// aside writes a file beside its place and moves it there when it is whole.
func aside(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".peft-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone once it is renamed
	err = write(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

// export is the configuration and the tensors of m's adapters.
func export(m *graph.Model, o Options) (*Config, []safetensors.Tensor, error) {
	all := m.Adapters()
	if len(all) == 0 {
		return nil, nil, errors.New("the model has no adapters: they are gone once merged")
	}
	c := &Config{
		Type: "LORA", Task: o.Task, Base: o.Base, Inference: true, Dropout: o.Dropout, RSLoRA: o.RSLoRA, FanInFanOut: o.FanInFanOut,
		Bias: "none", RankPattern: map[string]int{}, AlphaPattern: map[string]float64{}, Init: true,
	}
	var ts []safetensors.Tensor
	put := func(name string, p *graph.Param) error {
		if len(p.Data) != p.Shape.Len() {
			return fmt.Errorf("parameter %s has no values: fetch them from the device first", p.Name)
		}
		ts = append(ts, safetensors.FromFloat32(root+o.Prefix+name, p.Shape, p.Data))
		return nil
	}
	taken := map[int]bool{}
	for i, a := range all {
		if a.Masked {
			return nil, nil, fmt.Errorf("the adapter of %s is inside a masked weight, which PEFT cannot say: merge it and write the model", a.Layer)
		}
		rank, alpha := m.Rank(a), float64(a.Scale)*float64(m.Rank(a))
		if o.RSLoRA {
			alpha = float64(a.Scale) * math.Sqrt(float64(m.Rank(a)))
		}
		alpha = decimals(alpha)
		if i == 0 {
			c.Rank, c.Alpha = rank, alpha
		}
		name := o.Prefix + a.Layer
		if rank != c.Rank {
			c.RankPattern[strings.ReplaceAll(name, ".", `\.`)] = rank
		}
		if alpha != c.Alpha {
			c.AlphaPattern[strings.ReplaceAll(name, ".", `\.`)] = alpha
		}
		c.Targets = append(c.Targets, name)
		for j, p := range []int{a.A, a.B} {
			taken[p] = true
			if err := put(a.Layer+ends[j], &m.Params[p]); err != nil {
				return nil, nil, err
			}
		}
	}
	for i := range m.Params { // modules that train in full
		p := &m.Params[i]
		if p.Frozen || taken[i] || p.Role == graph.Running {
			continue
		}
		module := p.Name[:max(strings.LastIndex(p.Name, "."), 0)]
		if slices.ContainsFunc(all, func(a graph.Adapter) bool { return a.Layer == module }) {
			return nil, nil, fmt.Errorf("parameter %s trains beside an adapter of its layer: freeze it, or merge the adapters and write the model", p.Name)
		}
		if o.FanInFanOut && p.Role == graph.Weight && conv1D(module) {
			return nil, nil, fmt.Errorf("layer %s is a Conv1D that trains in full: merge the adapters and write the model", module)
		}
		if !slices.Contains(c.Save, o.Prefix+module) {
			c.Save = append(c.Save, o.Prefix+module)
		}
		if err := put(p.Name, p); err != nil {
			return nil, nil, err
		}
	}
	return c, ts, nil
}

// decimals rounds away what float32 added to a number a person wrote.
func decimals(x float64) float64 { return math.Round(x*1e5) / 1e5 }
