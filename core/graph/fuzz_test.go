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
	})
}
