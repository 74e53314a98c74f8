package graph

import (
	"fmt"
	"slices"
)

// PermuteAxis puts the channels of a group in another order: the model computes what
// it did, and groups of four inputs hold other weights.
type PermuteAxis struct {
	Group string `json:"group"` // name of the first layer that produces them
	Order []int  `json:"order"` // channel that comes to each place
}

// Text implements Rewrite.
func (p PermuteAxis) Text() string {
	return fmt.Sprintf("put the %d channels of %s in another order", len(p.Order), p.Group)
}

// Apply implements Rewrite.
func (p PermuteAxis) Apply(m *Model) (Remap, error) {
	groups, err := m.Groups()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(groups, func(g Group) bool { return g.Name == p.Group })
	if i < 0 {
		return nil, fmt.Errorf("permute: no group of channels named %q", p.Group)
	}
	g := groups[i]
	switch {
	case g.Refused != "":
		return nil, fmt.Errorf("permute %s: its channels cannot change places: %s", p.Group, g.Refused)
	case g.Heads:
		return nil, fmt.Errorf("permute %s: attention heads stay in their order", p.Group)
	case len(p.Order) != g.Size:
		return nil, fmt.Errorf("permute %s: an order of %d for %d channels", p.Group, len(p.Order), g.Size)
	}
	sorted := slices.Sorted(slices.Values(p.Order))
	for j, k := range sorted {
		if j != k {
			return nil, fmt.Errorf("permute %s: the order does not name each of 0…%d once", p.Group, g.Size-1)
		}
	}
	r := g.entries(p.Order)
	for _, c := range r {
		if q := m.Params[c.Param]; len(c.Keep) != q.Shape[c.Axis] {
			return nil, fmt.Errorf("permute %s: %s has other channels beside them", p.Group, q.Name)
		}
	}
	for _, c := range r {
		q := &m.Params[c.Param]
		if q.Data != nil {
			q.Data = cutAxis(q.Shape, q.Data, c.Axis, c.Keep)
		}
		q.Mask = cutMask(q.Shape, q.Mask, c.Axis, c.Keep)
	}
	return r, nil
}
