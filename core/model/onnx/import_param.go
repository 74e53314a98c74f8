package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

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
	if i >= len(n.Inputs) {
		return ""
	}
	return n.Inputs[i]
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

// paramKey tells uses of one initializer apart: the same tensor read plain and
// transposed gives two parameters, read twice the same way it is shared.
type paramKey struct {
	name       string
	role       graph.Role
	transposed bool
	scale      float32
	length     int
}

// matrix makes the [N, K] or [N, C, KH, KW] parameter of a layer from an array, which
// has it transposed if so said. bias is the layer's, for a name.
func (im *importer) matrix(name string, transposed bool, scale float32, bias string) (int, error) {
	a, err := im.constArray(name)
	if err != nil {
		return 0, err
	}
	if a.transpose != nil {
		if a, transposed = a.transpose, !transposed; a.transpose != nil {
			return 0, fmt.Errorf("weight %q is transposed twice", name)
		}
	}
	shape, err := a.shape()
	if err != nil {
		return 0, err
	}
	role := graph.Weight
	if k := (paramKey{a.name, graph.Table, false, 1, shape.Len()}); !transposed && scale == 1 {
		if p, ok := im.params[k]; ok { // an embedding's table, tied to this layer
			return p, nil
		}
	}
	if transposed && len(shape) == 2 {
		shape[0], shape[1] = shape[1], shape[0]
	}
	return im.param(paramKey{a.name, role, transposed, scale, shape.Len()}, a, shape, niceName(a.name, bias))
}

// niceName calls a weight that the exporter gave a number after its layer's bias.
func niceName(name, bias string) string {
	numbered := strings.HasPrefix(name, "onnx::")
	if rest, ok := strings.CutPrefix(name, "val_"); ok && rest != "" && strings.Trim(rest, "0123456789") == "" {
		numbered = true
	}
	if stem, ok := strings.CutSuffix(bias, "bias"); ok && numbered {
		return stem + "weight"
	}
	return name
}

// shape is the array's shape as a parameter's.
func (a *array) shape() (tensor.Shape, error) {
	shape := make(tensor.Shape, len(a.dims))
	for i, d := range a.dims {
		if d < 1 || d >= math.MaxInt32 {
			return nil, fmt.Errorf("weight %q has shape %v", a.name, a.dims)
		}
		shape[i] = int(d)
	}
	return shape, nil
}

// table makes the [rows, C] parameter that a is the first rows of.
func (im *importer) table(a *array) (int, error) {
	if a.top != nil {
		a = a.top
	}
	for a.transpose != nil { // a head's weight, tied
		return 0, fmt.Errorf("table %q is the transpose of another, which is not supported", a.name)
	}
	shape, err := a.shape()
	if err != nil {
		return 0, err
	}
	for len(shape) > 2 && shape[0] == 1 {
		shape = shape[1:]
	}
	if len(shape) != 2 {
		return 0, fmt.Errorf("table %q has shape %v, need two axes", a.name, a.dims)
	}
	if p, ok := im.params[paramKey{a.name, graph.Weight, false, 1, shape.Len()}]; ok && im.m.Params[p].Shape.Equal(shape) {
		im.m.Params[p].Role = graph.Table // a layer read it first
		return p, nil
	}
	return im.param(paramKey{a.name, graph.Table, false, 1, shape.Len()}, a, shape, a.name)
}

// vector makes a parameter of n values from an array of n elements, or of one element
// that ONNX would broadcast. Every use makes its own: exporters write equal vectors once.
func (im *importer) vector(name string, role graph.Role, n int, scale float32) (int, error) {
	a, err := im.constArray(name)
	if err != nil {
		return 0, err
	}
	called := a.name
	if a.t != nil && im.consts[a.t.Name] != nil { // an initializer with other axes
		called = a.t.Name
	}
	return im.param(paramKey{name, role, false, scale, -1}, a, tensor.Shape{n}, called)
}

func (im *importer) constArray(name string) (*array, error) {
	if a := im.consts[name]; a != nil {
		return a, nil
	}
	if name == "" {
		return nil, errors.New("a required weight is missing: the file is damaged, export it again")
	}
	return nil, fmt.Errorf("its weight %q is computed inside the model: weights must be initializers", name)
}

// param makes a parameter, or finds the one that was made of the same array before;
// length −1 is never found.
func (im *importer) param(key paramKey, a *array, shape tensor.Shape, name string) (int, error) {
	if p, ok := im.params[key]; ok && key.length >= 0 {
		return p, nil
	}
	if err := shape.Check(); err != nil {
		return 0, fmt.Errorf("initializer %q: %w", a.name, err)
	}
	x, err := im.float32s(a)
	if a.counts {
		err = errPlaces
	}
	if err != nil {
		return 0, err
	}
	if len(x) == 1 && shape.Len() > 1 && len(shape) == 1 {
		if err := im.copied(int64(shape.Len())); err != nil {
			return 0, err
		}
		x = slices.Repeat(x, shape[0])
	}
	if len(x) != shape.Len() {
		return 0, fmt.Errorf("initializer %q has shape %v, need %v", a.name, im.show(a.dims), shape)
	}
	if key.transposed {
		x = transpose(x, shape[1], shape[0])
	}
	for i, v := range x {
		if key.scale != 1 {
			v *= key.scale
			x[i] = v
		}
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return 0, fmt.Errorf("initializer %q: value %d is %v: the weights are damaged, export an earlier checkpoint", a.name, i, v)
		}
	}
	p := im.m.AddParam(im.paramNames.next(name, "."), key.role, shape, x)
	im.params[key] = p
	return p, nil
}

// float32s are an array's values in a fresh slice.
func (im *importer) float32s(a *array) ([]float32, error) {
	if err := im.copied(max(im.count(a), 0)); err != nil {
		return nil, err
	}
	if a.t != nil {
		return a.t.Float32()
	}
	f, err := im.floats(a)
	if err != nil {
		return nil, err
	}
	x := make([]float32, len(f))
	for i, v := range f {
		x[i] = float32(v)
	}
	return x, nil
}

// constant1 makes a parameter of n equal values, for a norm that the file has without.
func (im *importer) constant1(name string, role graph.Role, n int, v float32) (int, error) {
	if err := im.copied(int64(n)); err != nil {
		return 0, err
	}
	return im.m.AddParam(im.paramNames.next(name, "."), role, tensor.Shape{n}, slices.Repeat([]float32{v}, n)), nil
}
