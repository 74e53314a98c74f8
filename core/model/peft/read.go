package peft

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pare/core/graph"
	"pare/core/model/safetensors"
	"pare/core/tensor"
)

// The files of an adapter's folder.
const (
	ConfigFile  = "adapter_config.json"
	WeightsFile = "adapter_model.safetensors"
)

// root begins every name in WeightsFile.
const root = "base_model.model."

// Read puts the adapter in folder dir on m and freezes what PEFT would freeze: all but
// the adapter, the modules in modules_to_save, and the biases that bias names. On an
// error m is as it was. The rewrites are returned for the log.
func Read(dir string, m *graph.Model) (*Config, []graph.Rewrite, error) {
	c, err := ReadConfig(filepath.Join(dir, ConfigFile))
	if err != nil {
		return nil, nil, fmt.Errorf("peft: %s: %w", filepath.Join(dir, ConfigFile), err)
	}
	f, err := safetensors.Open(filepath.Join(dir, WeightsFile))
	if err != nil {
		return nil, nil, fmt.Errorf("peft: %w", err)
	}
	old := m.Clone()
	rs, err := c.put(f, m)
	if err != nil {
		*m = *old
		return nil, nil, fmt.Errorf("peft: %s: %w", dir, err)
	}
	return c, rs, nil
}

// ReadConfig reads an adapter_config.json of at most 1 MiB, see ParseConfig.
func ReadConfig(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	b, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, err
	}
	return ParseConfig(b)
}

// ends of the names of A and B.
var ends = [2]string{".lora_A.weight", ".lora_B.weight"}

// pair is A and B of a module.
type pair struct{ a, b *safetensors.Tensor }

// put applies the tensors of f.
func (c *Config) put(f *safetensors.File, m *graph.Model) (rs []graph.Rewrite, err error) {
	pairs, rest := map[string]*pair{}, map[string]*safetensors.Tensor{}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		name, ok := strings.CutPrefix(t.Name, root)
		if !ok {
			return nil, fmt.Errorf("tensor %.80q does not begin with %s: is it an adapter of PEFT?", t.Name, root)
		}
		module, isA := strings.CutSuffix(name, ends[0])
		isB := false
		if !isA {
			module, isB = strings.CutSuffix(name, ends[1])
		}
		if !isA && !isB {
			rest[name] = t
			continue
		}
		if pairs[module] == nil {
			pairs[module] = &pair{}
		}
		if isA {
			pairs[module].a = t
		} else {
			pairs[module].b = t
		}
	}
	if len(pairs) == 0 {
		return nil, errors.New("holds no adapter: no tensor ends in .lora_A.weight")
	}
	apply := func(r graph.Rewrite) error {
		_, err := r.Apply(m)
		rs = append(rs, r)
		return err
	}
	at := map[string]string{} // the module of a layer
	for _, module := range slices.Sorted(maps.Keys(pairs)) {
		if p := pairs[module]; p.a == nil || p.b == nil {
			return nil, fmt.Errorf("module %.80q has only one of lora_A and lora_B", module)
		}
		layer, err := layerOf(m, module)
		if err != nil {
			return nil, err
		}
		if at[layer] != "" {
			return nil, fmt.Errorf("modules %.80q and %.80q are the same layer", at[layer], module)
		}
		at[layer] = module
	}
	for _, l := range m.Layers() { // in the model's order
		layer, module := l.Name, at[l.Name]
		if module == "" {
			continue
		}
		p := pairs[module]
		rank := int(of(c.patterns, module, float64(c.Rank)))
		if len(p.a.Shape) != 2 || p.a.Shape[0] != rank {
			return nil, fmt.Errorf("module %.80q: lora_A is %v, the configuration gives it rank %d", module, p.a.Shape, rank)
		}
		attach := graph.AttachLoRA{Layer: layer, Rank: rank, Alpha: of(c.alphaPatterns, module, c.Alpha), RSLoRA: c.RSLoRA, Dropout: float32(c.Dropout), Wide: true}
		if err := apply(attach); err != nil {
			return nil, err
		}
		for i, t := range []*safetensors.Tensor{p.a, p.b} {
			if err := fill(&m.Params[m.Param(layer+ends[i])], t); err != nil {
				return nil, err
			}
		}
	}
	trained, err := c.others(m, pairs, rest)
	if err != nil {
		return nil, err
	}
	if err := apply(graph.Freeze{Except: trained}); err != nil {
		return nil, err
	}
	if c.Bias != "none" { // Freeze knows layers; of these only the biases train
		for i := range m.Params {
			_, adapted := pairs[strings.TrimSuffix(m.Params[i].Name, ".bias")]
			if strings.HasSuffix(m.Params[i].Name, ".bias") && (c.Bias == "all" || adapted) {
				m.Params[i].Frozen = false
			}
		}
	}
	return rs, m.Verify()
}

// others takes in what is neither A nor B: modules trained in full, biases, and the
// weights under adapters, which PEFT writes of heads and embeddings.
func (c *Config) others(m *graph.Model, pairs map[string]*pair, rest map[string]*safetensors.Tensor) (modules []string, err error) {
	for name := range rest {
		if strings.Contains(name, ".lora_embedding_") {
			return nil, fmt.Errorf("tensor %.80q is an adapter of an embedding, which is not supported: only those of linear layers are", root+name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		plain := strings.Replace(name, ".base_layer.", ".", 1)
		module := plain[:max(strings.LastIndex(plain, "."), 0)]
		saved := slices.ContainsFunc(c.Save, func(s string) bool { return module == s || strings.HasSuffix(module, "."+s) })
		bias := c.Bias != "none" && strings.HasSuffix(plain, ".bias")
		under := plain != name && strings.HasSuffix(name, ".weight") && pairs[module] != nil
		i := m.Param(plain)
		switch {
		case !saved && !bias && !under:
			return nil, fmt.Errorf("tensor %.80q belongs to no adapter that is supported here", root+name)
		case i < 0:
			return nil, fmt.Errorf("tensor %.80q is of a module that the model does not have", root+name)
		case (saved || under) && c.FanInFanOut && m.Params[i].Role == graph.Weight && conv1D(module):
			return nil, fmt.Errorf("holds the weight of %.80q, a Conv1D: only linear layers, norms and embeddings are supported", module)
		}
		if err := fill(&m.Params[i], rest[name]); err != nil {
			return nil, err
		}
		if saved && !slices.Contains(modules, module) {
			modules = append(modules, module)
		}
	}
	return modules, nil
}

// conv1D reports whether a module keeps its weights [in, out]: those of GPT-2 do.
func conv1D(module string) bool {
	end := module[strings.LastIndex(module, ".")+1:]
	return end == "c_attn" || end == "c_proj" || end == "c_fc"
}

// fill replaces a parameter's values.
func fill(p *graph.Param, t *safetensors.Tensor) error {
	if !p.Shape.Equal(tensor.Shape(t.Shape)) {
		return fmt.Errorf("tensor %.80q is %v, the model needs %v", t.Name, t.Shape, p.Shape)
	}
	x, err := t.Float32()
	if err != nil {
		return err
	}
	p.Data = x
	return nil
}

// layerOf finds the layer of a module. Some files leave the first part of the path
// out ("h.0.attn.c_attn" for "transformer.h.0.attn.c_attn").
func layerOf(m *graph.Model, module string) (string, error) {
	var short []string
	for _, l := range m.Layers() {
		if l.Name == module {
			return module, nil
		}
		if first, rest, ok := strings.Cut(module, "."); ok && rest == l.Name && first != "" {
			short = append(short, l.Name)
		}
	}
	if len(short) == 1 {
		return short[0], nil
	}
	if m.Param(module+".weight") >= 0 {
		return "", fmt.Errorf("module %.80q is no linear layer with a weight of its own: adapters go on those", module)
	}
	return "", fmt.Errorf("module %.80q is not in the model: is the adapter of another one?", module)
}
