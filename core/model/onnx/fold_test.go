package onnx_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"pare/core/model/onnx"
	"pare/core/model/onnx/interp"
)

// constants is a row of nodes on constants, under construction: what each gives is known
// by the interpreter.
type constants struct {
	t     *rapid.T
	opset int64
	g     *onnx.Graph
	known map[string]*interp.Tensor
	names []string
}

func (c *constants) draw(label string, from, to int) int {
	return rapid.IntRange(from, to).Draw(c.t, label)
}

// ints adds an initializer of whole numbers, floats one of float32.
func (c *constants) ints(shape []int, v ...int64) string {
	name := fmt.Sprint("c", len(c.g.Initializers))
	dims := make([]int64, len(shape))
	for i, d := range shape {
		dims[i] = int64(d)
	}
	c.g.Initializers = append(c.g.Initializers, onnx.FromInt64(name, dims, v))
	c.known[name] = &interp.Tensor{Type: onnx.Int64, Shape: shape, I: v}
	c.names = append(c.names, name)
	return name
}

func (c *constants) floats(shape []int, v ...float32) string {
	name := fmt.Sprint("c", len(c.g.Initializers))
	dims := make([]int64, len(shape))
	for i, d := range shape {
		dims[i] = int64(d)
	}
	c.g.Initializers = append(c.g.Initializers, onnx.FromFloat32(name, dims, v))
	c.known[name] = &interp.Tensor{Type: onnx.Float, Shape: shape, F: v}
	c.names = append(c.names, name)
	return name
}

// list adds a list of n whole numbers in a range.
func (c *constants) list(n, from, to int) string {
	v := make([]int64, n)
	for i := range v {
		v[i] = int64(c.draw("v", from, to))
	}
	return c.ints([]int{n}, v...)
}

// any is one of what is known: of type typ, or of any for 0.
func (c *constants) any(typ onnx.DataType) (string, *interp.Tensor) {
	var l []string
	for _, n := range c.names {
		if typ == 0 || c.known[n].Type == typ {
			l = append(l, n)
		}
	}
	if len(l) == 0 {
		return "", &interp.Tensor{}
	}
	n := rapid.SampledFrom(l).Draw(c.t, "of")
	return n, c.known[n]
}

// grow adds a node of op on what is known, with parameters that are mostly valid. Nodes
// that the interpreter refuses are left out.
func (c *constants) grow(op string) {
	x, tx := c.any(0)
	if !takes(op, tx.Type) {
		return
	}
	r := len(tx.Shape)
	n := onnx.Node{Op: op, Name: fmt.Sprint("n", len(c.g.Nodes)), Outputs: []string{fmt.Sprint("v", len(c.g.Nodes))}, Inputs: []string{x}}
	set := func(name string, v int64) {
		n.Attrs = append(n.Attrs, onnx.Attribute{Name: name, Type: onnx.AttrInt, I: v})
	}
	list := func(name string, v ...int64) {
		n.Attrs = append(n.Attrs, onnx.Attribute{Name: name, Type: onnx.AttrInts, Ints: v})
	}
	in := func(more ...string) { n.Inputs = append(n.Inputs, more...) }
	maybe := func() bool { return rapid.Bool().Draw(c.t, "?") }
	axis := func() int64 { return int64(c.draw("axis", -r, max(r-1, 0))) }
	switch op {
	case "Cast":
		set("to", int64(rapid.SampledFrom([]onnx.DataType{onnx.Float, onnx.Int64, onnx.Bool, onnx.Int32, onnx.Double}).Draw(c.t, "to")))
	case "CastLike":
		y, _ := c.any(0)
		in(y)
	case "Shape":
		if maybe() && c.opset >= 15 {
			set("start", int64(c.draw("start", -3, 3)))
		}
		if maybe() && c.opset >= 15 {
			set("end", int64(c.draw("end", -3, 3)))
		}
	case "Transpose":
		if maybe() {
			p := make([]int64, r)
			for i, v := range rapid.Permutation(slices.Collect(func(y func(int) bool) {
				for i := range r {
					if !y(i) {
						return
					}
				}
			})).Draw(c.t, "perm") {
				p[i] = int64(v)
			}
			list("perm", p...)
		}
	case "Reshape":
		in(c.list(c.draw("rank", 0, 3), -1, 4))
	case "Flatten":
		set("axis", int64(c.draw("axis", -r, r)))
	case "Squeeze", "Unsqueeze":
		if op == "Unsqueeze" || maybe() {
			in(c.list(c.draw("axes", 1, 2), -r, r))
		}
	case "Expand", "Tile":
		in(c.list(c.draw("n", max(r-1, 0), r+1), 0, 3))
	case "ConstantOfShape":
		n.Inputs = []string{c.list(c.draw("n", 0, 3), 0, 3)}
		if maybe() {
			v := onnx.FromInt64("", []int64{1}, []int64{int64(c.draw("value", -2, 2))})
			n.Attrs = append(n.Attrs, onnx.Attribute{Name: "value", Type: onnx.AttrTensor, T: &v})
		}
	case "Range":
		n.Inputs = []string{c.ints([]int{}, int64(c.draw("from", -3, 3))), c.ints([]int{}, int64(c.draw("to", -3, 6))), c.ints([]int{}, int64(c.draw("step", -2, 3)))}
	case "Gather":
		in(c.ints([]int{2}, int64(c.draw("i", -3, 2)), int64(c.draw("i", -3, 2))))
		set("axis", axis())
	case "GatherElements":
		k := 1
		for _, d := range tx.Shape {
			k *= d
		}
		v := make([]int64, k)
		for i := range v {
			v[i] = int64(c.draw("i", -2, 1))
		}
		in(c.ints(slices.Clone(tx.Shape), v...))
		set("axis", axis())
	case "GatherND":
		v := c.draw("depth", 1, max(r, 1))
		in(c.list(v, 0, 1))
	case "Slice":
		in(c.ints([]int{1}, int64(c.draw("start", -4, 4))), c.ints([]int{1}, int64(c.draw("end", -4, 5))))
		if maybe() {
			in(c.ints([]int{1}, axis()))
			if maybe() {
				in(c.ints([]int{1}, int64(c.draw("step", -2, 2))))
			}
		}
	case "Concat":
		for range c.draw("more", 0, 2) {
			y, _ := c.any(tx.Type)
			in(y)
		}
		set("axis", axis())
	case "Trilu":
		if maybe() {
			in(c.ints([]int{}, int64(c.draw("k", -2, 2))))
		}
		if maybe() {
			set("upper", int64(c.draw("upper", 0, 1)))
		}
	case "Where":
		cond, _ := c.any(onnx.Bool)
		if cond == "" {
			return
		}
		y, _ := c.any(tx.Type)
		n.Inputs = []string{cond, x, y}
	case "CumSum":
		in(c.ints([]int{}, axis()))
		set("exclusive", int64(c.draw("exclusive", 0, 1)))
		set("reverse", int64(c.draw("reverse", 0, 1)))
	case "ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceMean":
		byInput := op == "ReduceSum" || c.opset >= 18
		if r > 0 && maybe() {
			if a := axis(); byInput {
				in(c.ints([]int{1}, a))
			} else {
				list("axes", a)
			}
		}
		set("keepdims", int64(c.draw("keepdims", 0, 1)))
		if byInput && maybe() {
			set("noop_with_empty_axes", 1)
		}
	case "Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor", "MatMul":
		y, _ := c.any(tx.Type)
		in(y)
		if op == "Mod" && (tx.Type == onnx.Float || maybe()) {
			set("fmod", 1)
		}
	}
	var args []*interp.Tensor
	for _, name := range n.Inputs {
		args = append(args, c.known[name])
	}
	out, err := interp.Eval(&n, c.opset, args)
	if err != nil || len(out) == 0 || out[0] == nil || out[0].Len() > 200 {
		return
	}
	c.g.Nodes = append(c.g.Nodes, n)
	c.known[n.Outputs[0]] = out[0]
	c.names = append(c.names, n.Outputs[0])
}

// takes reports whether the standard lets an operator take such values.
func takes(op string, t onnx.DataType) bool {
	number := t != onnx.Bool
	switch op {
	case "And", "Or", "Xor", "Not":
		return t == onnx.Bool
	case "Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Neg", "Abs", "CumSum", "MatMul", "ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceMean":
		return number
	case "Sqrt", "Exp", "Log", "Sin", "Cos", "Reciprocal", "Floor", "Ceil", "Erf", "Tanh", "Sigmoid":
		return t == onnx.Float || t == onnx.Double
	}
	return true
}

// TestFoldAgreesWithInterp: what an import works out of constants, shape arithmetic
// above all, is what the interpreter computes, value by value: rows of up to twelve
// nodes drawn from all operators that are folded.
func TestFoldAgreesWithInterp(t *testing.T) {
	ops := onnx.Folds()
	slices.Sort(ops)
	folded, all := map[string]int{}, map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		c := &constants{t: t, opset: rapid.SampledFrom([]int64{13, 17, 18, 21}).Draw(t, "opset"), g: &onnx.Graph{Name: "g"}, known: map[string]*interp.Tensor{}}
		c.list(c.draw("n", 1, 4), -3, 5)
		c.ints([]int{}, int64(c.draw("scalar", 0, 4)))
		c.ints([]int{2, 3}, 1, 2, 3, -4, 5, 6)
		c.floats([]int{3}, 0.5, -2, 3)
		c.floats([]int{2, 2}, 1, -0.25, 4, 2)
		c.floats([]int{}, 2.5)
		for range c.draw("nodes", 1, 12) {
			c.grow(rapid.SampledFrom(ops).Draw(t, "op"))
		}
		c.g.Inputs = []onnx.ValueInfo{{Name: "x", Type: &onnx.TensorType{Elem: onnx.Float, HasShape: true, Shape: []onnx.Dim{{Value: 2}, {Value: 3}}}}}
		c.g.Outputs = []onnx.ValueInfo{{Name: "y", Type: &onnx.TensorType{Elem: onnx.Float}}}
		nodes := len(c.g.Nodes)
		c.g.Nodes = append(c.g.Nodes, onnx.Node{Op: "Relu", Inputs: []string{"x"}, Outputs: []string{"y"}})
		b, err := onnx.Encode(&onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: c.opset}}, Graph: c.g})
		if err != nil {
			t.Fatal(err)
		}
		got, err := onnx.Fold(b)
		if err != nil {
			t.Fatal(err)
		}
		rounded := map[string]bool{} // floats that the two round differently: a step or a choice made of them may go either way
		over := map[string]bool{}    // whole numbers that left the range of their type: the standard does not say what then
		for _, n := range c.g.Nodes[:nodes] {
			want := c.known[n.Outputs[0]]
			all[n.Op]++
			f, ok := got[n.Outputs[0]]
			if !ok {
				continue
			}
			folded[n.Op]++
			if over[n.Outputs[0]] = wraps(f, want) || slices.ContainsFunc(n.Inputs, func(x string) bool { return over[x] }); over[n.Outputs[0]] {
				continue
			}
			of := slices.ContainsFunc(n.Inputs, func(x string) bool { return rounded[x] })
			rounded[n.Outputs[0]] = of || !exact(f, want)
			if of && (!slices.Contains(moves, n.Op) || n.Op == "Where" && rounded[n.Inputs[0]]) {
				continue
			}
			if why := differ(f, want); why != "" {
				t.Fatalf("%s%v of opset %d: %s", n.Op, said(c, n), c.opset, why)
			}
		}
	})
	for _, op := range ops {
		if all[op] > 20 && folded[op] == 0 {
			t.Errorf("%s: none of %d nodes was folded", op, all[op])
		}
	}
	t.Logf("nodes: %v, folded: %v", all, folded)
}

// moves are operators that make no more of a small difference than it is.
var moves = []string{
	"Identity", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Tile", "Gather", "GatherElements", "GatherND",
	"Slice", "Concat", "Trilu", "Where", "Neg", "Abs", "Relu", "Min", "Max", "Shape", "Size", "ReduceMax", "ReduceMin",
}

// exact reports whether a folded constant has the interpreter's values to the last bit.
func exact(f onnx.Folded, want *interp.Tensor) bool {
	for i, v := range f.Values {
		if want.F != nil && i < len(want.F) && v != float64(want.F[i]) || want.D != nil && i < len(want.D) && v != want.D[i] {
			return false
		}
	}
	return true
}

// wraps reports whether a folded constant, which knows no width, holds numbers that leave
// the range of int32 and is otherwise what the interpreter gives, which wraps them.
func wraps(f onnx.Folded, want *interp.Tensor) bool {
	if want.Type != onnx.Int32 || len(f.Values) != len(want.I) {
		return false
	}
	out := false
	for i, v := range f.Values {
		if int64(int32(int64(v))) != want.I[i] {
			return false
		}
		out = out || int64(v) != want.I[i]
	}
	return out
}

// differ says how a folded constant is not what the interpreter gives.
func differ(f onnx.Folded, want *interp.Tensor) string {
	// Numbers are kept as whole or as real ones, whatever their width.
	kind := func(t onnx.DataType) int {
		switch t {
		case onnx.Bool:
			return 0
		case onnx.Int64, onnx.Int32:
			return 1
		}
		return 2
	}
	if kind(f.Type) != kind(want.Type) {
		return fmt.Sprintf("folded to a %v, not a %v", f.Type, want.Type)
	}
	if len(f.Shape) != len(want.Shape) || len(f.Values) != want.Len() {
		return fmt.Sprintf("folded to the shape %v, not %v", f.Shape, want.Shape)
	}
	for i, d := range f.Shape {
		if d != int64(want.Shape[i]) {
			return fmt.Sprintf("folded to the shape %v, not %v", f.Shape, want.Shape)
		}
	}
	for i, v := range f.Values {
		w := 0.0
		switch {
		case want.F != nil:
			w = float64(want.F[i])
		case want.D != nil:
			w = want.D[i]
		default:
			w = float64(want.I[i])
		}
		if v != w && !(math.IsNaN(v) && math.IsNaN(w)) && !(math.Abs(v-w) <= 1e-5*math.Max(math.Abs(w), 1) && (want.F != nil || want.D != nil)) {
			return fmt.Sprintf("value %d folds to %v, not %v", i, v, w)
		}
	}
	return ""
}

// said is a node's inputs and attributes for people.
func said(c *constants, n onnx.Node) (l []string) {
	for _, name := range n.Inputs {
		x := c.known[name]
		l = append(l, fmt.Sprintf("%v%v%v%v%v", x.Type, x.Shape, x.F, x.D, x.I))
	}
	for _, a := range n.Attrs {
		l = append(l, fmt.Sprintf("%s=%d%v", a.Name, a.I, a.Ints))
	}
	return l
}
