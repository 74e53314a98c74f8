package graph

import (
	"encoding/json"
	"fmt"
	"slices"

	"pare/core/tensor"
)

// Rewrite is the only way the structure of a model changes: a log line, an undo
// unit and a test subject in one. Apply works in place; on an error the model
// is unchanged.
type Rewrite interface {
	Apply(*Model) (Remap, error)
	// Text says in words what it does.
	Text() string
}

// Remap tells how parameters' axes shrank, so that optimiser state and
// references follow.
type Remap []Cut

// Cut keeps the listed entries of one axis of a parameter, in order.
type Cut struct {
	Param int   `json:"param"`
	Axis  int   `json:"axis"`
	Keep  []int `json:"keep"` // entries of the axis, ascending
}

// Tensor applies the cuts of one parameter to any tensor of its shape before
// the rewrite.
func (r Remap) Tensor(param int, shape tensor.Shape, x []float32) []float32 {
	shape = shape.Clone()
	for _, c := range r {
		if c.Param == param {
			x = cutAxis(shape, x, c.Axis, c.Keep)
			shape[c.Axis] = len(c.Keep)
		}
	}
	return x
}

// CutAxis removes channels of a group for good: a smaller dense model.
type CutAxis struct {
	Group string `json:"group"` // name of the first layer that produces them
	Keep  []int  `json:"keep"`  // channels kept, ascending
}

// Text implements Rewrite.
func (c CutAxis) Text() string {
	return fmt.Sprintf("cut %s to %d channels", c.Group, len(c.Keep))
}

// Apply implements Rewrite.
func (c CutAxis) Apply(m *Model) (Remap, error) {
	groups, err := m.Groups()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(groups, func(g Group) bool { return g.Name == c.Group })
	if i < 0 {
		return nil, fmt.Errorf("cut: no group of channels named %q", c.Group)
	}
	g := groups[i]
	if g.Refused != "" {
		return nil, fmt.Errorf("cut %s: its channels cannot be cut: %s", c.Group, g.Refused)
	}
	if len(c.Keep) == 0 {
		return nil, fmt.Errorf("cut %s: nothing would be left of %d channels", c.Group, g.Size)
	}
	for j, k := range c.Keep {
		if k < 0 || k >= g.Size || j > 0 && k <= c.Keep[j-1] {
			return nil, fmt.Errorf("cut %s: channel list is not ascending within 0…%d", c.Group, g.Size-1)
		}
	}
	r := g.entries(c.Keep)
	old := m.Shallow()
	for _, cut := range r {
		p := &m.Params[cut.Param]
		if p.Data != nil {
			p.Data = cutAxis(p.Shape, p.Data, cut.Axis, cut.Keep)
		}
		p.Mask = cutMask(p.Shape, p.Mask, cut.Axis, cut.Keep)
		p.Shape = p.Shape.Clone()
		p.Shape[cut.Axis] = len(cut.Keep)
	}
	for _, n := range g.depthwise {
		w := *m.Nodes[n].Attrs.Win
		w.Groups = len(c.Keep)
		m.Nodes[n].Attrs.Win = &w
	}
	for _, n := range g.heads {
		a := &m.Nodes[n].Attrs
		a.Heads, a.KVHeads = a.Heads/g.Size*len(c.Keep), a.KVHeads/g.Size*len(c.Keep)
	}
	if err := m.Verify(); err != nil {
		*m = *old
		return nil, fmt.Errorf("cut %s: %w", c.Group, err)
	}
	return r, nil
}

// entries are the entries of every axis of the group that its channels keep are, in
// their order.
func (g *Group) entries(keep []int) (r Remap) {
	for i, s := range g.Slices { // sorted: those of one axis stand together
		if i == 0 || g.Slices[i-1].Param != s.Param || g.Slices[i-1].Axis != s.Axis {
			r = append(r, Cut{Param: s.Param, Axis: s.Axis})
		}
		cut := &r[len(r)-1]
		for _, k := range keep {
			for b := range s.Block {
				cut.Keep = append(cut.Keep, s.Offset+k*s.Block+b)
			}
		}
	}
	return r
}

// SetMask puts a mask on a parameter and zeroes what it drops. The log holds
// its count and hash; the bits live in checkpoints.
type SetMask struct {
	Param string
	Mask  *tensor.Mask
}

// MarshalJSON writes what the log holds.
func (s SetMask) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Param string `json:"param"`
		Zeros int    `json:"zeros"`
		Hash  string `json:"hash"`
	}{s.Param, s.Mask.Zeros(), s.Mask.Hash()})
}

// Text implements Rewrite.
func (s SetMask) Text() string {
	return fmt.Sprintf("mask %s: %d zeros, %s", s.Param, s.Mask.Zeros(), s.Mask.Hash())
}

// Apply implements Rewrite.
func (s SetMask) Apply(m *Model) (Remap, error) {
	i := m.Param(s.Param)
	if i < 0 {
		return nil, fmt.Errorf("mask: no parameter named %q", s.Param)
	}
	p := &m.Params[i]
	if p.Role != Weight {
		return nil, fmt.Errorf("mask on %s: only weights of layers are pruned, this is a %s", s.Param, p.Role)
	}
	if s.Mask != nil && s.Mask.N != p.Shape.Len() {
		return nil, fmt.Errorf("mask over %d elements for %s of shape %v", s.Mask.N, s.Param, p.Shape)
	}
	before := p.Mask
	p.Mask = s.Mask.Clone()
	if err := m.foldIntoMask(); err != nil {
		p.Mask = before
		return nil, fmt.Errorf("mask on %s: %w", s.Param, err)
	}
	p.Mask.Apply(p.Data)
	return nil, nil
}

// Describe serialises a rewrite for the log.
func Describe(r Rewrite) string {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Sprintf("%T", r)
	}
	return fmt.Sprintf("%T%s", r, b)
}

// strides of an axis: outer blocks, entries, inner run.
func axisRuns(shape tensor.Shape, axis int) (outer, n, inner int) {
	return shape[:axis].Len(), shape[axis], shape[axis+1:].Len()
}

func cutAxis(shape tensor.Shape, x []float32, axis int, keep []int) []float32 {
	outer, n, inner := axisRuns(shape, axis)
	if inner == 1 {
		out := make([]float32, outer*len(keep))
		for o := range outer {
			from, to := x[o*n:(o+1)*n], out[o*len(keep):(o+1)*len(keep)]
			for i, k := range keep {
				to[i] = from[k]
			}
		}
		return out
	}
	out := make([]float32, 0, outer*len(keep)*inner)
	for o := 0; o < outer; o++ {
		for _, k := range keep {
			out = append(out, x[(o*n+k)*inner:(o*n+k+1)*inner]...)
		}
	}
	return out
}

func cutMask(shape tensor.Shape, m *tensor.Mask, axis int, keep []int) *tensor.Mask {
	if m == nil {
		return nil
	}
	outer, n, inner := axisRuns(shape, axis)
	out := tensor.NewMask(outer * len(keep) * inner)
	j := 0
	for o := 0; o < outer; o++ {
		for _, k := range keep {
			for i := 0; i < inner; i++ {
				if !m.Kept((o*n+k)*inner + i) {
					out.Drop(j)
				}
				j++
			}
		}
	}
	return out
}
