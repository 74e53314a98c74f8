package graph_test

import (
	"slices"
	"testing"

	"pare/core/graph"
)

// TestResidualBlocks: branches beside a plain shortcut are blocks; one whose shortcut is
// a layer, whose inside is read elsewhere, or that needs something made outside, is none.
func TestResidualBlocks(t *testing.T) {
	b := &graph.Net{M: graph.New("blocks", 8, 1, 1)}
	add := func(name string, x, y int) int { return b.Op(name, "add", x, y) }
	lin := func(name string, x int) int { return b.Linear(name, x, 8) }
	x := lin("in", 0)
	x = add("plain", x, lin("p2", b.Op("p.relu", "relu", lin("p1", x)))) // yes
	x = add("turned", lin("t1", x), x)                                   // yes, on the other side
	x = add("projected", lin("s1", x), lin("s2", x))                     // the shortcut is a layer
	y := lin("r1", x)
	x = add("read", x, b.Op("r.relu", "relu", y)) // r1 is read again below
	x = add("reader", x, y)                       // the same
	z := lin("o1", b.Op("o.tanh", "tanh", 0))
	x = add("outside", x, add("mix", lin("o2", x), z)) // o1 flows in from before
	x = add("bare", x, b.Op("b.relu", "relu", x))      // nothing to train in it
	b.Linear("out", x, 3)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	m := b.M
	var names []string
	for _, r := range m.ResidualBlocks() {
		names = append(names, r.Name)
	}
	if !slices.Equal(names, []string{"plain", "turned"}) {
		t.Fatalf("blocks %v, want plain and turned", names)
	}
	for i := range m.Params {
		m.Params[i].Data = make([]float32, m.Params[i].Shape.Len())
		for j := range m.Params[i].Data {
			m.Params[i].Data[j] = float32(i + j)
		}
	}
	for _, name := range names {
		c := m.Clone()
		if _, err := (graph.DropBlock{Block: name}).Apply(c); err != nil {
			t.Fatal(err)
		}
		if err := c.Verify(); err != nil {
			t.Fatal(err)
		}
		gone := map[string]int{"plain": 4, "turned": 2}[name]
		if len(c.Params) != len(m.Params)-gone || len(c.Values) != len(c.Nodes)+1 {
			t.Errorf("%s: %d of %d parameters left, %d values for %d nodes", name, len(c.Params), len(m.Params), len(c.Values), len(c.Nodes))
		}
		for _, p := range c.Params {
			if q := m.Params[m.Param(p.Name)]; !slices.Equal(p.Data, q.Data) {
				t.Errorf("%s: %s changed", name, p.Name)
			}
		}
	}
	for _, name := range []string{"projected", "read", "outside", "bare", "nobody"} {
		before := m.StructHash()
		if _, err := (graph.DropBlock{Block: name}).Apply(m); err == nil || m.StructHash() != before {
			t.Errorf("%s: %v", name, err)
		}
	}
}
