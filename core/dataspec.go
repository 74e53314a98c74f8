package core

import (
	"fmt"
	"slices"
	"strings"

	"pare/core/data"
)

// DataSpec names a built-in data set, or the path of a file or folder (see core/data),
// and the preprocessing. What the run finds out about the data is filled in when it
// starts, so that a saved recipe carries it.
type DataSpec struct {
	Name  string  `toml:"name,omitempty"`
	Path  string  `toml:"path,omitempty"`
	Label string  `toml:"label,omitempty"` // column of a table; label, target or the last by default
	Val   float64 `toml:"val,omitempty"`   // share split off when the source has no such split
	Test  float64 `toml:"test,omitempty"`
	// SplitSeed draws the splits. It is not the run's seed: runs with other seeds
	// must not train on what this one tests.
	SplitSeed uint64 `toml:"split_seed,omitempty"`
	// Classes by label, and other names for labels of the source. Classes and
	// Categories are filled in when the run starts.
	Classes    []string          `toml:"classes,omitempty"`
	LabelMap   map[string]string `toml:"label_map,omitempty"`
	Categories []string          `toml:"categories,omitempty"` // of a table: column=value
	// Text: its columns in a table; char, byte or the path of a tokenizer; tokens a
	// sample; the characters of char in the order of their ids. The last three are
	// filled in when the run starts.
	Text      []string `toml:"text,omitempty"`
	Pair      bool     `toml:"pair,omitempty"` // the two columns are a pair of texts
	Tokenizer string   `toml:"tokenizer,omitempty"`
	Tokens    int      `toml:"tokens,omitempty"`
	Vocab     string   `toml:"vocab,omitempty"`
	// Images: [rows, columns] and channels of those from files, filled in when the run
	// starts; chw or hwc of arrays; [channels, rows, columns] of the columns of a table.
	Size     []int  `toml:"size,omitempty"`
	Channels int    `toml:"channels,omitempty"`
	Layout   string `toml:"layout,omitempty"`
	Shape    []int  `toml:"shape,omitempty"`
	// Normalize says how the next three are measured on the training split if they are
	// not given: std, scale or none.
	Normalize string    `toml:"normalize,omitempty"`
	Scale     float64   `toml:"scale,omitempty"`
	Mean      []float64 `toml:"mean,omitempty"`
	Std       []float64 `toml:"std,omitempty"`
	// MemoryMB bounds the samples in memory, in MiB; more are kept in a file. 0: 1024.
	MemoryMB int64 `toml:"memory_mb,omitempty"`
}

// check refuses what cannot work.
func (s DataSpec) check() error {
	if s.MemoryMB < 0 || s.MemoryMB > 1<<30 {
		return fmt.Errorf("data.memory_mb = %d: give the MiB that samples may take, 0 for 1024", s.MemoryMB)
	}
	for i, name := range s.Classes {
		if slices.Contains(s.Classes[:i], name) {
			return fmt.Errorf("data.classes names %q twice: give each class once", name)
		}
	}
	for _, x := range []struct {
		key, v string
		ok     []string
	}{
		{"data.layout", s.Layout, []string{"chw", "hwc"}},
		{"data.normalize", s.Normalize, []string{data.Standard, data.ScaleOnly, data.AsIs}},
	} {
		ok := x.v == ""
		for _, v := range x.ok {
			ok = ok || x.v == v
		}
		if !ok {
			return fmt.Errorf("%s = %q: choose one of %s", x.key, x.v, strings.Join(x.ok, ", "))
		}
	}
	return nil
}

func openData(r *Recipe) (*data.Data, error) {
	s := r.Data
	name := s.Name
	if s.Path != "" {
		name = s.Path
		if !strings.ContainsAny(name, `/\`) {
			name = "./" + name // a file, also where a built-in set has its name
		}
	}
	o := data.Options{
		Seed: s.SplitSeed, Val: s.Val, Test: s.Test, LabelColumn: s.Label,
		Classes: s.Classes, LabelMap: s.LabelMap, Categories: s.Categories,
		TextColumns: s.Text, Pair: s.Pair, Tokenizer: s.Tokenizer, Tokens: s.Tokens, Vocab: s.Vocab,
		Size: s.Size, Channels: s.Channels, Layout: s.Layout, Shape: s.Shape,
		Normalize: s.Normalize, Memory: s.MemoryMB << 20,
	}
	o.ModelTokenizer, o.ModelTokens = tokenizerOf(r.Model.Path), placesOf(r.Model.Path)
	o.Masked = masksTokens(r.Model.Path)
	if len(s.Mean) > 0 {
		o.Prep = &data.Prep{Scale: s.Scale, Mean: s.Mean, Std: s.Std}
	}
	return data.Open(name, o)
}

// fill takes over what was found out about the data.
func (s *DataSpec) fill(d *data.Data) {
	if q := d.Prep; len(q.Mean) > 0 {
		s.Scale, s.Mean, s.Std = q.Scale, q.Mean, q.Std
	}
	if t := d.Text; t != nil {
		if s.Tokenizer == "" {
			s.Tokenizer = t.Kind
			if t.Path != "" {
				s.Tokenizer = t.Path
			}
		}
		s.Tokens, s.Vocab = t.Len, t.Chars
	}
	if s.Path == "" {
		return // built-in data are always the same
	}
	s.Classes, s.Categories = d.Classes, d.Categories
	if x := d.Train.Shape; d.Kind == data.Images && len(x) == 3 {
		s.Size, s.Channels = []int{x[1], x[2]}, x[0]
	}
}
