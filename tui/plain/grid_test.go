package plain

import (
	"testing"

	"pare/core/event"
)

// TestGrid: grams and money carry the tier of their joules; what is not known has no
// row.
func TestGrid(t *testing.T) {
	uj := int64(3.6e12 / 2)
	g, p := 56.0, 0.25
	grid := &event.Grid{Grams: &g, Price: &p, Currency: "EUR", PUE: 1.2}
	for _, c := range []struct {
		g    *event.Grid
		j    event.Joules
		want []string
	}{
		{nil, event.Joules{UJ: &uj, Tier: "B"}, nil},
		{grid, event.Joules{Tier: "B"}, nil},
		{&event.Grid{PUE: 1}, event.Joules{UJ: &uj, Tier: "B"}, nil},
		{grid, event.Joules{UJ: &uj, Tier: "B"}, []string{"34 g B", "0.15 EUR B"}},
		{grid, event.Joules{UJ: &uj, Tier: "E"}, []string{"≈34 g E", "≈0.15 EUR E"}},
	} {
		rows := Grid(c.g, c.j)
		if len(rows) != len(c.want) {
			t.Errorf("%+v: %v", c, rows)
			continue
		}
		for i, r := range rows {
			if r.Now != c.want[i] {
				t.Errorf("%q, want %q", r.Now, c.want[i])
			}
		}
	}
}
