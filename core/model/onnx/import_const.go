package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"pare/core/graph"
	"pare/core/tensor"
)

// attrs reads a node's attributes and keeps the first error.
type attrs struct {
	n   *Node
	err error
}

func (a *attrs) get(name string, t AttrType) *Attribute {
	for i := range a.n.Attrs {
		x := &a.n.Attrs[i]
		if x.Name != name {
			continue
		}
		if x.Type != t {
			if a.err == nil {
				a.err = fmt.Errorf("attribute %q is of type %d, need %d: the file is damaged, export it again", name, x.Type, t)
			}
			return nil
		}
		return x
	}
	return nil
}

func (a *attrs) int(name string, def int64) int64 {
	if x := a.get(name, AttrInt); x != nil {
		return x.I
	}
	return def
}

func (a *attrs) float(name string, def float32) float32 {
	if x := a.get(name, AttrFloat); x != nil {
		return x.F
	}
	return def
}

func (a *attrs) text(name, def string) string {
	if x := a.get(name, AttrString); x != nil {
		return string(x.S)
	}
	return def
}

// ints is nil when the attribute is absent.
func (a *attrs) ints(name string) []int64 {
	if x := a.get(name, AttrInts); x != nil {
		return x.Ints
	}
	return nil
}

// has reports whether the node has the attribute at all.
func (n *Node) has(name string) bool {
	return slices.ContainsFunc(n.Attrs, func(a Attribute) bool { return a.Name == name })
}

// input is the name of input i, "" when it is absent.
func (n *Node) input(i int) string {
	if i < len(n.Inputs) {
		return n.Inputs[i]
	}
	return ""
}

// fold notes what is constant: Constant nodes and what merely renames or
// transposes a constant.
func (im *importer) fold(n *Node) error {
	if len(n.Outputs) == 0 || n.Outputs[0] == "" {
		return nil
	}
	out := n.Outputs[0]
	if n.Op == "Constant" {
		t, err := constant(n)
		if err != nil {
			return err
		}
		t.Name = out
		im.consts[out] = t
		return nil
	}
	c := im.consts[n.input(0)]
	if c == nil {
		return nil
	}
	switch n.Op {
	case "Identity", "Dropout":
		im.consts[out] = c
	case "Transpose":
		a := attrs{n: n}
		perm := a.ints("perm")
		if a.err != nil || len(c.Dims) != 2 || perm != nil && !slices.Equal(perm, []int64{1, 0}) {
			return a.err
		}
		size, err := c.Len()
		if err == nil {
			err = im.spend(size)
		}
		if err != nil {
			return err
		}
		x, err := c.Float32()
		if err != nil {
			return nil // not a weight; whoever reads it will say so
		}
		t := FromFloat32(c.Name+".T", []int64{c.Dims[1], c.Dims[0]}, transpose(x, int(c.Dims[0]), int(c.Dims[1])))
		im.consts[out] = &t
	}
	return nil
}

// constant is the value of a Constant node, whichever attribute holds it.
func constant(n *Node) (*Tensor, error) {
	for i := range n.Attrs {
		a := &n.Attrs[i]
		switch {
		case a.Name == "value" && a.Type == AttrTensor && a.T != nil:
			t := *a.T
			return &t, nil
		case a.Name == "value_float" && a.Type == AttrFloat:
			return &Tensor{Type: Float, Floats: []float32{a.F}}, nil
		case a.Name == "value_floats" && a.Type == AttrFloats:
			return &Tensor{Type: Float, Dims: []int64{int64(len(a.Floats))}, Floats: a.Floats}, nil
		case a.Name == "value_int" && a.Type == AttrInt:
			return &Tensor{Type: Int64, Int64s: []int64{a.I}}, nil
		case a.Name == "value_ints" && a.Type == AttrInts:
			return &Tensor{Type: Int64, Dims: []int64{int64(len(a.Ints))}, Int64s: a.Ints}, nil
		}
	}
	return nil, errors.New("holds no value this reader knows: export the model again")
}

// spend keeps the weights' copies within a small factor of the file: one
// initializer may be read in many ways, each of which costs a copy.
func (im *importer) spend(values int) error {
	if im.spent += int64(values); im.spent > 2*im.size+1<<20 {
		return errors.New("uses the same weights in too many different ways: export it without sharing them")
	}
	return nil
}

// transpose turns x[rows][cols] into [cols][rows].
func transpose(x []float32, rows, cols int) []float32 {
	y := make([]float32, len(x))
	for r := range rows {
		for c := range cols {
			y[c*rows+r] = x[r*cols+c]
		}
	}
	return y
}

// scalar is the value of a constant of one element.
func (im *importer) scalar(name string) (float64, bool) {
	t := im.consts[name]
	if t == nil {
		return 0, false
	}
	if n, err := t.Len(); err != nil || n != 1 {
		return 0, false
	}
	if x, err := t.Float32(); err == nil {
		return float64(x[0]), true
	}
	if x, err := t.Int(); err == nil {
		return float64(x[0]), true
	}
	return 0, false
}

// paramKey tells uses of one initializer apart: the same tensor read plain and
// transposed gives two parameters, read twice the same way it is shared.
type paramKey struct {
	name       string
	role       graph.Role
	transposed bool
	scale      float32
	length     int
}

// weight makes the [N, K] or [N, C, KH, KW] parameter of a layer.
func (im *importer) weight(name string, transposed bool, scale float32) (int, error) {
	t, err := im.constTensor(name)
	if err != nil {
		return 0, err
	}
	shape := make(tensor.Shape, len(t.Dims))
	for i, d := range t.Dims {
		if d < 1 || d > math.MaxInt32 {
			return 0, fmt.Errorf("weight %q has shape %v", name, t.Dims)
		}
		shape[i] = int(d)
	}
	if transposed {
		shape[0], shape[1] = shape[1], shape[0]
	}
	return im.param(paramKey{name, graph.Weight, transposed, scale, shape.Len()}, t, shape)
}

// vector makes a parameter of n values from a tensor of n elements, or of one
// element that ONNX would broadcast.
func (im *importer) vector(name string, role graph.Role, n int, scale float32) (int, error) {
	t, err := im.constTensor(name)
	if err != nil {
		return 0, err
	}
	return im.param(paramKey{name, role, false, scale, n}, t, tensor.Shape{n})
}

func (im *importer) constTensor(name string) (*Tensor, error) {
	if t := im.consts[name]; t != nil {
		return t, nil
	}
	if name == "" {
		return nil, errors.New("a required weight is missing: the file is damaged, export it again")
	}
	return nil, fmt.Errorf("its weight %q is computed inside the model: weights must be initializers", name)
}

func (im *importer) param(key paramKey, t *Tensor, shape tensor.Shape) (int, error) {
	if p, ok := im.params[key]; ok {
		return p, nil
	}
	if err := shape.Check(); err != nil {
		return 0, fmt.Errorf("initializer %q: %w", key.name, err)
	}
	if err := im.spend(shape.Len()); err != nil {
		return 0, err
	}
	x, err := t.Float32()
	if err != nil {
		return 0, err
	}
	if len(x) == 1 && shape.Len() > 1 && len(shape) == 1 {
		x = slices.Repeat(x, shape[0])
	}
	if len(x) != shape.Len() {
		return 0, fmt.Errorf("initializer %q has shape %v, need %v", key.name, t.Dims, shape)
	}
	if key.transposed {
		x = transpose(x, shape[1], shape[0])
	}
	if key.scale != 1 {
		for i := range x {
			x[i] *= key.scale
		}
	}
	for i, v := range x {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return 0, fmt.Errorf("initializer %q: value %d is %v: the weights are damaged, export an earlier checkpoint", key.name, i, v)
		}
	}
	p := im.m.AddParam(im.paramNames.next(t.Name, "."), key.role, shape, x)
	im.params[key] = p
	return p, nil
}
