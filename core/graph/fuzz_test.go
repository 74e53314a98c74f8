package graph_test

import (
	"encoding/json"
	"testing"

	"pare/core/graph"
)

// FuzzModelJSON: the structure of a model comes from files. Whatever passes
// Verify can be counted, cloned, hashed and cut; a refused cut changes nothing.
func FuzzModelJSON(f *testing.F) {
	for name := range nets {
		s, err := json.Marshal(shape(f, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m graph.Model
		if json.Unmarshal(b, &m) != nil || m.Verify() != nil {
			return
		}
		m = *m.Clone() // nil and empty lists become one
		before := m.StructHash()
		if m.Verify() != nil || m.StructHash() != before {
			t.Fatal("verifying twice changes the model")
		}
		all, prunable := m.NumParams()
		if all < 0 || prunable > all || len(m.Layers()) > len(m.Nodes) || m.Classes() < 1 {
			t.Fatalf("%d parameters, %d prunable, %d classes", all, prunable, m.Classes())
		}
		gs, err := m.Groups()
		if err != nil {
			t.Fatalf("sound, but cannot be coupled: %v", err)
		}
		for _, g := range gs {
			for _, s := range g.Slices {
				if d := m.Params[s.Param].Shape[s.Axis]; d != g.Size*s.Block {
					t.Fatalf("group %s of %d holds an axis of %d in blocks of %d", g.Name, g.Size, d, s.Block)
				}
			}
			c := m.Clone()
			if _, err := (graph.CutAxis{Group: g.Name, Keep: []int{0}}).Apply(c); err != nil && c.StructHash() != before {
				t.Fatalf("a refused cut of %s changed the model: %v", g.Name, err)
			}
		}
		adapters(t, &m)
	})
}

// adapters puts one on the first layer that takes it, merges all there are, and
// factorises the layer: what is refused changes nothing.
func adapters(t *testing.T, m *graph.Model) {
	all := 0
	for _, p := range m.Params {
		if all += p.Shape.Len(); all > 1<<14 {
			return
		}
	}
	c := m.Clone()
	for i := range c.Params {
		c.Params[i].Data = make([]float32, c.Params[i].Shape.Len())
	}
	for _, l := range c.Layers() {
		before := c.StructHash()
		w := c.Params[l.Param].Shape
		if _, err := (graph.AttachLoRA{Layer: l.Name, Rank: 1, Alpha: 1}).Apply(c); err != nil {
			if c.StructHash() != before {
				t.Fatalf("a refused adapter of %s changed the model: %v", l.Name, err)
			}
			continue
		}
		if len(c.Adapters()) == 0 || c.Verify() != nil {
			t.Fatalf("an adapter of %s is lost", l.Name)
		}
		for _, a := range c.Adapters() {
			if _, err := (graph.MergeLoRA{Layer: a.Layer}).Apply(c); err != nil && c.Verify() != nil {
				t.Fatalf("a refused merge: %v", err)
			}
		}
		f := graph.Factorise{Layer: l.Name, Rank: 1, Down: make([]float32, w[1]), Up: make([]float32, w[0])}
		if _, err := f.Apply(c); err == nil && c.Verify() != nil {
			t.Fatal("factors make the model unsound")
		}
		return
	}
}
