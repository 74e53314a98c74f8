package core

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pare/core/graph"
	"pare/core/model/hf"
	"pare/core/model/peft"
)

// folder is a model's folder: one of Hugging Face, or an adapter of PEFT with the folder
// of its base.
type folder struct {
	*hf.Dir        // of the base, where there is an adapter
	adapter string // the adapter's folder, else empty
	saved   []string
}

// openHF opens a model's folder, of which the headers alone are read.
func openHF(path string) (*folder, error) {
	base, err := baseOf(path)
	if err != nil {
		return nil, err
	}
	d, err := hf.Open(base)
	if err != nil {
		return nil, err
	}
	f := &folder{Dir: d}
	if hasAdapter(path) {
		f.adapter = path
	}
	return f, nil
}

// openAgain is openHF for one that needs no weights, as a run that goes on from a checkpoint: a
// folder that describes a whole model does without the base that an adapter in it names. Before
// folders of PEFT were models it was taken so.
func openAgain(path string) (*folder, error) {
	f, err := openHF(path)
	if err != nil && isBase(path) {
		if d, err := hf.Open(path); err == nil {
			return &folder{Dir: d}, nil
		}
	}
	return f, err
}

// hasAdapter reports whether a folder holds an adapter of PEFT.
func hasAdapter(path string) bool {
	_, err := os.Stat(filepath.Join(path, peft.ConfigFile))
	return path != "" && err == nil
}

// baseOf is the folder of the base model: that which the adapter in path names, else path
// itself. A relative name is of a folder in path or beside or above it, the nearest, and not of
// one where this process happens to work: a run has a folder of its own and goes on from
// anywhere.
func baseOf(path string) (string, error) {
	if !hasAdapter(path) {
		return path, nil
	}
	file := filepath.Join(path, peft.ConfigFile)
	c, err := peft.ReadConfig(file)
	if err != nil {
		return "", fmt.Errorf("adapter: %s: %w", file, err)
	}
	own := isBase(path)
	bases, err := namedFrom(path, c.Base)
	if err != nil {
		return "", fmt.Errorf("adapter: %w", err)
	}
	for _, base := range bases {
		switch {
		case c.Base == "" || !isBase(base) && !hasAdapter(base):
		case own && sameFolder(base, path):
			return path, nil
		case hasAdapter(base):
			return "", fmt.Errorf("adapter: %s: its base %s is an adapter, too: merge that one first (the hf export of a run on it is merged)", file, base)
		default:
			return base, nil
		}
	}
	switch {
	case own && c.Base == "":
		return path, nil
	case c.Base == "":
		return "", fmt.Errorf("adapter: %s names no base model: set base_model_name_or_path to the base's folder, or put %s and %s beside it", file, hf.ConfigFile, hf.WeightsFile)
	}
	return "", fmt.Errorf("adapter: %s is for the base model %q, which is no folder here: download it and set base_model_name_or_path to its folder's whole path", file, c.Base)
}

// namedFrom are the folders that a name may mean, seen from a folder.
func namedFrom(path, name string) ([]string, error) {
	if filepath.IsAbs(name) {
		return []string{name}, nil
	}
	dir, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	all := []string{filepath.Join(dir, name)}
	for up := filepath.Dir(dir); up != dir; dir, up = up, filepath.Dir(up) {
		all = append(all, filepath.Join(up, name))
	}
	return all, nil
}

// isBase reports whether a folder describes a whole model.
func isBase(path string) bool {
	_, err := os.Stat(filepath.Join(path, hf.ConfigFile))
	return err == nil
}

// sameFolder reports whether two paths are of one folder.
func sameFolder(a, b string) bool {
	x, errx := os.Stat(a)
	y, erry := os.Stat(b)
	return errx == nil && erry == nil && os.SameFile(x, y)
}

// Build makes the model, with the adapter merged into its weights.
func (f *folder) Build(o hf.Options) (*graph.Model, error) {
	m, err := f.Dir.Build(o)
	if err != nil || f.adapter == "" {
		return m, err
	}
	c, _, err := peft.Read(f.adapter, m)
	if err != nil {
		return nil, err
	}
	f.saved = c.Save
	for _, a := range m.Adapters() {
		if _, err := (graph.MergeLoRA{Layer: a.Layer}).Apply(m); err != nil {
			return nil, fmt.Errorf("adapter %s: %w", f.adapter, err)
		}
	}
	if _, err := (graph.Thaw{}).Apply(m); err != nil {
		return nil, fmt.Errorf("adapter %s: %w", f.adapter, err)
	}
	return m, m.Verify()
}

// Fresh are the layers of the model last built whose weights are neither the base's nor
// the adapter's.
func (f *folder) Fresh() []string {
	return slices.DeleteFunc(slices.Clone(f.Dir.Fresh()), func(layer string) bool {
		return slices.ContainsFunc(f.saved, func(s string) bool {
			return layer == s || strings.HasSuffix(layer, "."+s) || strings.HasPrefix(layer, s+".")
		})
	})
}
