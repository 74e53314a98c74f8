package graph

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"slices"

	"pare/core/tensor"
)

// Factorise puts two linear layers in place of one: W ≈ Up·Down, Down [rank, in] and
// Up [out, rank], which keeps the bias. The parameters are LAYER.down.weight,
// LAYER.up.weight and the old bias; the second node keeps the layer's name. They are
// ordinary layers that train and can be pared. The log holds the rank and a hash; the
// values lie in checkpoints.
type Factorise struct {
	Layer string
	Rank  int
	Down  []float32 // [rank, in]
	Up    []float32 // [out, rank]
}

// MarshalJSON writes what the log holds.
func (r Factorise) MarshalJSON() ([]byte, error) {
	h := fnv.New64a()
	var b [4]byte
	for _, x := range [][]float32{r.Down, r.Up} {
		for _, v := range x {
			u := math.Float32bits(v)
			b[0], b[1], b[2], b[3] = byte(u), byte(u>>8), byte(u>>16), byte(u>>24)
			h.Write(b[:]) //nolint:errcheck // never fails
		}
	}
	return json.Marshal(struct {
		Layer string `json:"layer"`
		Rank  int    `json:"rank"`
		Hash  string `json:"hash"`
	}{r.Layer, r.Rank, fmt.Sprintf("%016x", h.Sum64())})
}

// Text implements Rewrite.
func (r Factorise) Text() string { return fmt.Sprintf("factorise %s to rank %d", r.Layer, r.Rank) }

// Factorable tells why a layer cannot be factorised, nil if it can.
func (m *Model) Factorable(l Layer) error {
	if err := m.Adaptable(l, 1); err != nil { // the same layers; an adapter is merged first
		return err
	}
	if m.Params[l.Param].Mask.Zeros() > 0 {
		return fmt.Errorf("layer %s has a mask, which two factors cannot keep", l.Name)
	}
	return nil
}

// Apply implements Rewrite.
func (r Factorise) Apply(m *Model) (Remap, error) {
	l, err := m.layer(r.Layer)
	if err == nil {
		err = m.Factorable(l)
	}
	if err != nil {
		return nil, fmt.Errorf("factorise: %w", err)
	}
	w := m.Params[l.Param]
	out, in := w.Shape[0], w.Shape[1]
	if r.Rank < 1 || r.Rank > min(out, in) || len(r.Down) != r.Rank*in || len(r.Up) != out*r.Rank {
		return nil, fmt.Errorf("factorise %s: rank %d with factors of %d and %d values for a weight of %v", r.Layer, r.Rank, len(r.Down), len(r.Up), w.Shape)
	}
	old := m.Shallow()
	name := layerName(w.Name)
	down := m.AddParam(name+".down.weight", Weight, tensor.Shape{r.Rank, in}, slices.Clone(r.Down))
	up := m.AddParam(name+".up.weight", Weight, tensor.Shape{out, r.Rank}, slices.Clone(r.Up))
	n := &m.Nodes[l.Node]
	mid := len(m.Values)
	m.Values = append(m.Values, Value{})
	first := Node{Name: n.Name + ".down", Op: "linear", In: n.In, Out: mid, Params: []int{down}}
	n.In, n.Params = []int{mid}, append([]int{up}, n.Params[1:]...)
	m.Nodes = slices.Insert(m.Nodes, l.Node, first)
	m.dropParams(l.Param)
	if err := m.Verify(); err != nil {
		*m = *old
		return nil, fmt.Errorf("factorise %s: %w", r.Layer, err)
	}
	return nil, nil
}
