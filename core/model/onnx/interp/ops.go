package interp

import (
	"maps"
	"slices"

	"pare/core/model/onnx"
)

// row is one operator.
type row struct {
	name string
	from int64 // the operator set from which on it is meant as here
	run  func(c *call) []*Tensor
}

// domain reports whether a node's domain is that of the table's operators.
func domain(d string) bool { return d == "" || d == "ai.onnx" }

var table = map[string]*row{}

// op adds a row.
func op(name string, from int64, run func(c *call) []*Tensor) {
	if table[name] != nil {
		panic("interp: operator " + name + " twice")
	}
	table[name] = &row{name: name, from: from, run: run}
}

// one adds a row for an operator with one output.
func one(name string, from int64, run func(c *call) *Tensor) {
	op(name, from, func(c *call) []*Tensor { return []*Tensor{run(c)} })
}

// Operators lists the names in the table.
func Operators() []string { return slices.Sorted(maps.Keys(table)) }

// Since is the operator set that has an operator first, 0 if it is not known here.
func Since(name string) int64 {
	if r := table[name]; r != nil {
		return r.from
	}
	return 0
}

// call is a node that runs, with its inputs.
type call struct {
	n     *onnx.Node
	in    []*Tensor // nil: absent
	s     *scope
	heap  *heap
	opset int64
}

// x is input i, which must be there.
func (c *call) x(i int) *Tensor {
	if i >= len(c.in) || c.in[i] == nil {
		fail("input %d is missing", i)
	}
	return c.in[i]
}

// opt is input i, nil if it is absent.
func (c *call) opt(i int) *Tensor {
	if i >= len(c.in) {
		return nil
	}
	return c.in[i]
}

func (c *call) attr(name string, t onnx.AttrType) *onnx.Attribute {
	for i := range c.n.Attrs {
		if a := &c.n.Attrs[i]; a.Name == name {
			if a.Type != t {
				fail("attribute %q has the wrong type", name)
			}
			return a
		}
	}
	return nil
}

func (c *call) int(name string, def int) int {
	if a := c.attr(name, onnx.AttrInt); a != nil {
		return int(a.I)
	}
	return def
}

func (c *call) float(name string, def float64) float64 {
	if a := c.attr(name, onnx.AttrFloat); a != nil {
		return float64(a.F)
	}
	return def
}

func (c *call) text(name, def string) string {
	if a := c.attr(name, onnx.AttrString); a != nil {
		return string(a.S)
	}
	return def
}

// ints is nil when the attribute is absent.
func (c *call) ints(name string) []int {
	a := c.attr(name, onnx.AttrInts)
	if a == nil {
		return nil
	}
	l := make([]int, len(a.Ints))
	for i, v := range a.Ints {
		l[i] = int(min(max(v, -1<<31), 1<<31-1))
	}
	return l
}

// listOf is an attribute that became input i at operator set since.
func (c *call) listOf(name string, i int, since int64) []int {
	if c.opset < since {
		return c.ints(name)
	}
	if t := c.opt(i); t != nil {
		return t.ints()
	}
	return nil
}

// axis brings an axis of n into 0 … n−1.
func axis(a, n int) int {
	if a < -n || a >= n {
		fail("axis %d of %d", a, n)
	}
	return (a + n) % n
}

// axes does so for a list; nil stands for all.
func axes(l []int, n int) []int {
	var out []int
	if l == nil {
		for i := range n {
			out = append(out, i)
		}
		return out
	}
	for _, a := range l {
		out = append(out, axis(a, n))
	}
	slices.Sort(out)
	for i := 1; i < len(out); i++ {
		if out[i] == out[i-1] {
			fail("axis %d stands twice", out[i])
		}
	}
	return out
}

// strides are those of a row-major shape.
func strides(shape []int) []int {
	s := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		s[i] = n
		n *= shape[i]
	}
	return s
}

// each calls f for all places of a shape, in order, with the linear index. The list is
// reused.
func each(shape []int, f func(i int, at []int)) {
	n := volume(shape)
	at := make([]int, len(shape))
	for i := range n {
		f(i, at)
		for k := len(at) - 1; k >= 0; k-- {
			if at[k]++; at[k] < shape[k] {
				break
			}
			at[k] = 0
		}
	}
}

// around splits a shape at an axis: elements before, along and behind it.
func around(shape []int, a int) (outer, n, inner int) {
	return volume(shape[:a]), shape[a], volume(shape[a+1:])
}

// floats is nil when the attribute is absent.
func (c *call) floats(name string) []float32 {
	if a := c.attr(name, onnx.AttrFloats); a != nil {
		return a.Floats
	}
	return nil
}
