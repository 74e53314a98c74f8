package prune

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"

	"pare/core/graph"
	"pare/core/tensor"
)

// Report is what a rule comes to, or what the model holds (Survey).
type Report struct {
	Rule   string        `json:"rule"`
	Share  float64       `json:"share"` // asked for
	Layers []LayerReport `json:"layers"`
	Zeros  int           `json:"zeros"` // weights gone: masked or cut out
	Of     int           `json:"of"`    // the base: weights of the layers not skipped
	Hash   string        `json:"hash"`  // over the names and masks of all layers
	Cuts   []GroupReport `json:"cuts,omitempty"`
}

// LayerReport is one prunable layer.
type LayerReport struct {
	Name    string `json:"name"`
	Zeros   int    `json:"zeros"`
	Of      int    `json:"of"`
	Hash    string `json:"hash"` // of the mask; one that keeps all counts as a mask
	Skipped bool   `json:"skipped,omitempty"`
	Dropped bool   `json:"dropped,omitempty"` // with its whole block
}

// GroupReport is one group of channels that shrinks.
type GroupReport struct {
	Name string `json:"name"`
	From int    `json:"from"` // channels now
	To   int    `json:"to"`
}

// Reached is the share of zeros, 0…1, of the base.
func (r Report) Reached() float64 {
	if r.Of == 0 {
		return 0
	}
	return float64(r.Zeros) / float64(r.Of)
}

// Empty lists the layers without a single weight left: their outputs are
// constant, and a model is rarely meant to be that way.
func (r Report) Empty() []string {
	var l []string
	for _, x := range r.Layers {
		if x.Zeros == x.Of && !x.Dropped {
			l = append(l, x.Name)
		}
	}
	return l
}

// Survey reports what is gone from the model as it stands, with the hashes that
// Masks and Cut reported when they made it so. base is the model before the
// first cut; nil if none was made.
func Survey(m *graph.Model, s Spec, base Base) (Report, error) {
	ls, err := layersOf(m, s.Skip)
	if err != nil {
		return Report{}, err
	}
	if base == nil {
		base = NewBase(m)
	}
	if err := base.check(ls); err != nil {
		return Report{}, err
	}
	r := report(m, &s, 0, ls, base)
	r.Share = r.Reached()
	return r, nil
}

// Holds checks the invariant of all masks: what is masked is +0. The error
// names the first weight that is not.
func Holds(m *graph.Model) error {
	for _, p := range m.Params {
		if p.Mask == nil {
			continue
		}
		for i, v := range p.Data {
			if !p.Mask.Kept(i) && math.Float32bits(v) != 0 {
				return fmt.Errorf("prune: %s: weight %d is masked but holds %g: the mask was lost on the way", p.Name, i, v)
			}
		}
	}
	return nil
}

// report counts what is gone of each layer's base: cut out, or masked.
func report(m *graph.Model, s *Spec, share float64, ls []layer, base Base) Report {
	r := Report{Rule: s.Rule(), Share: share}
	h := sha256.New()
	for _, l := range ls {
		mask := l.mask
		if mask == nil {
			mask = tensor.NewMask(l.n * l.k)
		}
		of := base[l.name]
		x := LayerReport{Name: l.name, Zeros: of - mask.Count(), Of: of, Hash: mask.Hash(), Skipped: l.skip}
		if !l.skip {
			r.Zeros += x.Zeros
			r.Of += x.Of
		}
		fmt.Fprintf(h, "%s %s\n", x.Name, x.Hash)
		r.Layers = append(r.Layers, x)
	}
	for _, name := range base.missing(m) {
		x := LayerReport{Name: name, Zeros: base[name], Of: base[name], Skipped: slices.Contains(s.Skip, name), Dropped: true}
		if !x.Skipped {
			r.Zeros += x.Zeros
			r.Of += x.Of
		}
		fmt.Fprintf(h, "%s dropped\n", name)
		r.Layers = append(r.Layers, x)
	}
	r.Hash = hex.EncodeToString(h.Sum(nil)[:8])
	return r
}
