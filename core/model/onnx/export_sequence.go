package onnx

import (
	"fmt"
	"math"

	"pare/core/graph"
)

// What works on sequences, [B, T, C] in the file. Nothing depends on T where the model
// leaves it open: shapes copy it (0 in a Reshape), masks and angles are made from it.

// sequence writes a node that reads or makes a sequence; done is false for those that
// are written like any other.
func (e *exporter) sequence(n *graph.Node, out string, in []string) (done bool, err error) {
	name := n.Name
	e.rank[n.Out] = 3
	switch n.Op {
	case "embedding":
		e.emit("Gather", name, []Attribute{attrInt("axis", 0)}, out, e.m.Params[n.Params[0]].Name, in[0])
	case "positions":
		e.positions(n, out, in[0])
	case "segment":
		e.segment(n, out, in)
	case "linear":
		w := e.m.Params[n.Params[0]].Name
		if !e.turned[n.Params[0]] {
			w = e.inner(name, "Transpose", w)
		}
		if len(n.Params) == 1 {
			e.emit("MatMul", name, nil, out, in[0], w)
			break
		}
		// The product has the layer's name: an import takes the Add in.
		x := e.value(name + "/MatMul")
		e.emit("MatMul", name, nil, x, in[0], w)
		e.emit("Add", e.node(name+"/Add"), nil, out, x, e.m.Params[n.Params[1]].Name)
	case "attention":
		err = e.attention(n, out, in)
	case "rope":
		e.rope(n, out, in[0])
	case "softmax":
		e.emit("Softmax", name, []Attribute{attrInt("axis", -1)}, out, in[0])
	case "token":
		e.rank[n.Out] = 2
		e.emit("Gather", name, []Attribute{attrInt("axis", 1)}, out, in[0], e.constant(FromInt64(fmt.Sprint("pare.place.", n.Attrs.At), nil, []int64{int64(n.Attrs.At)})))
	case "meantokens":
		e.rank[n.Out] = 2
		e.emit("ReduceMean", name, []Attribute{attrInts("axes", 1), attrInt("keepdims", 0)}, out, in[0])
	case "tokens":
		e.tokens(n, out, in[0])
	default:
		return false, nil
	}
	return true, err
}

// length is T as a list of one integer: a constant, or from the input's shape.
func (e *exporter) length() string {
	if e.m.SeqAxis == "" {
		return e.list("length", int64(e.m.Input().Seq))
	}
	if e.seqLen == "" {
		shape := e.value("pare.shape")
		e.emit("Shape", e.node("pare.shape"), nil, shape, e.name[0])
		e.seqLen = e.value("pare.length")
		e.emit("Slice", e.node("pare.length"), nil, e.seqLen, shape, e.list("axis", 1), e.list("axis", 2))
	}
	return e.seqLen
}

// positions adds the first T rows of a table.
func (e *exporter) positions(n *graph.Node, out, x string) {
	p := e.m.Params[n.Params[0]]
	w := p.Name
	if e.m.SeqAxis != "" || p.Shape[0] != e.m.Values[n.Out].Seq {
		w = e.inner(n.Name, "Slice", w, e.list("axis", 0), e.length2(e.m.Values[n.Out].Seq), e.list("axis", 0))
	}
	e.emit("Add", n.Name, nil, out, x, w)
}

// Segments is the name of the input that holds the segment of each token, where a model
// takes them: that of Hugging Face.
const Segments = "token_type_ids"

// segment adds the row of a table that each token's segment names, or its first row.
func (e *exporter) segment(n *graph.Node, out string, in []string) {
	at := e.types
	if len(in) == 1 {
		at = e.constant(FromInt64("pare.zero", nil, []int64{0}))
	}
	e.emit("Add", n.Name, nil, out, in[0], e.inner(n.Name, "Gather", e.m.Params[n.Params[0]].Name, at))
}

// padding tells which keys have the id pad, [N, 1, …, 1, T] of rank axes.
func (e *exporter) padding(ids string, pad int64, rank int) string {
	key := fmt.Sprint("pare.padding.", pad, ".", rank)
	if e.padded[key] == "" {
		axes := []int64{1, 2, 3}[:rank-2]
		is := e.inner(key, "Equal", ids, e.constant(FromInt64(fmt.Sprint("pare.id.", pad), nil, []int64{pad})))
		e.padded[key] = e.inner(key, "Unsqueeze", is, e.list("axes", axes...))
	}
	return e.padded[key]
}

// length2 is the length of a value's sequence: the input's, or fixed by an image.
func (e *exporter) length2(seq int) string {
	if e.m.Input().Seq > 0 {
		return e.length()
	}
	return e.list("length", int64(seq))
}

// norm writes a norm over the last axis. Operator set 17 has no RMSNorm: x·gamma/√(mean
// x² + eps).
func (e *exporter) norm(n *graph.Node, out, x string) {
	gamma := e.m.Params[n.Params[0]].Name
	if n.Op == "layernorm" {
		e.emit("LayerNormalization", n.Name, []Attribute{attrInt("axis", -1), attrFloat("epsilon", n.Attrs.Eps)}, out, x, gamma, e.m.Params[n.Params[1]].Name)
		return
	}
	v := e.inner(n.Name, "Pow", x, e.number(2))
	m := e.value(n.Name + "/ReduceMean")
	e.emit("ReduceMean", e.node(n.Name+"/ReduceMean"), []Attribute{attrInts("axes", -1)}, m, v)
	v = e.inner(n.Name, "Sqrt", e.inner(n.Name, "Add", m, e.number(n.Attrs.Eps)))
	y := e.value(n.Name + "/Div")
	e.emit("Div", n.Name, nil, y, x, v)
	e.emit("Mul", e.node(n.Name+"/Mul"), nil, out, y, gamma)
}

// geluTanh writes x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
func (e *exporter) geluTanh(name, out, x string) {
	c := e.inner(name, "Mul", e.inner(name, "Pow", x, e.number(3)), e.number(0.044715))
	c = e.inner(name, "Mul", e.inner(name, "Add", x, c), e.number(float32(geluArg)))
	c = e.inner(name, "Add", e.inner(name, "Tanh", c), e.number(1))
	e.emit("Mul", name, nil, out, e.inner(name, "Mul", x, c), e.number(0.5))
}

// attention is written out: heads become an axis of their own, and where several queries
// share a key, their number another one, along which the keys are the same.
func (e *exporter) attention(n *graph.Node, out string, in []string) error {
	name, a := n.Name, n.Attrs
	width := e.m.Values[n.Out].C
	d, group := int64(width/a.Heads), int64(a.Heads/a.KVHeads)
	kv := int64(a.KVHeads)
	scale := a.Scale
	if scale == 0 {
		scale = float32(1 / math.Sqrt(float64(d)))
	}
	ids := ""
	if len(in)%2 == 0 {
		if ids, in = in[len(in)-1], in[:len(in)-1]; a.Causal {
			return fmt.Errorf("causal attention that leaves out the id %d has no ONNX form here: export packed or safetensors", a.Pad)
		}
	}
	if len(in) == 1 {
		parts := []string{e.value(name + "/q"), e.value(name + "/k"), e.value(name + "/v")}
		e.g.Nodes = append(e.g.Nodes, Node{Op: "Split", Name: e.node(name + "/Split"), Attrs: []Attribute{attrInt("axis", 2)}, Inputs: []string{in[0], e.list("split", int64(width), kv*d, kv*d)}, Outputs: parts})
		in = parts
	}
	shapes := [2][]int64{{0, 0, kv, group, d}, {0, 0, kv, 1, d}}
	orders := [3][]int64{{0, 2, 3, 1, 4}, {0, 2, 3, 4, 1}, {0, 2, 3, 1, 4}}
	back, flat := []int64{0, 3, 1, 2, 4}, []int64{0, 0, int64(width)}
	if group == 1 {
		shapes = [2][]int64{{0, 0, kv, d}, {0, 0, kv, d}}
		orders = [3][]int64{{0, 2, 1, 3}, {0, 2, 3, 1}, {0, 2, 1, 3}}
		back = orders[0]
	}
	var x [3]string
	for i, v := range in {
		v = e.inner(name, "Reshape", v, e.list("shape", shapes[min(i, 1)]...))
		x[i] = e.value(name + "/Transpose")
		e.emit("Transpose", e.node(name+"/Transpose"), []Attribute{attrInts("perm", orders[i]...)}, x[i], v)
	}
	s := e.inner(name, "MatMul", x[0], x[1])
	s = e.inner(name, "Mul", s, e.scalar(fmt.Sprint("pare.scale.", scale), scale))
	if a.Causal {
		s = e.inner(name, "Add", s, e.mask(e.m.Values[n.Out].Seq))
	}
	off := ""
	if ids != "" {
		off = e.padding(ids, int64(a.Pad), len(shapes[0]))
		s = e.inner(name, "Where", off, e.number(never), s)
	}
	p := e.value(name + "/Softmax")
	e.emit("Softmax", e.node(name+"/Softmax"), []Attribute{attrInt("axis", -1)}, p, s)
	if ids != "" { // a query without any key gets zeros
		p = e.inner(name, "Where", off, e.number(0), p)
	}
	y := e.value(name + "/MatMul")
	e.emit("MatMul", name, nil, y, p, x[2])
	z := e.value(name + "/Transpose")
	e.emit("Transpose", e.node(name+"/Transpose"), []Attribute{attrInts("perm", back...)}, z, y)
	e.emit("Reshape", e.node(name+"/Reshape"), nil, out, z, e.list("shape", flat...))
	return nil
}

// never is what the mask adds to the score of a key that is not seen: its exponential is
// zero, and no sum of finite scores makes it infinite.
const never = -1e9

// mask is a matrix [T, T] with a very low number above the diagonal.
func (e *exporter) mask(seq int) string {
	if e.causal == "" {
		t := e.length2(seq)
		e.causal = e.value("pare.mask")
		size := e.value("pare.square")
		e.emit("Concat", e.node("pare.square"), []Attribute{attrInt("axis", 0)}, size, t, t)
		all := e.value("pare.never")
		low := FromFloat32("", []int64{1}, []float32{never})
		e.emit("ConstantOfShape", e.node("pare.never"), []Attribute{{Name: "value", Type: AttrTensor, T: &low}}, all, size)
		e.emit("Trilu", e.node("pare.mask"), []Attribute{attrInt("upper", 1)}, e.causal, all, e.constant(FromInt64("pare.one", nil, []int64{1})))
	}
	return e.causal
}

// rope writes x·cos + Concat(−x₂, x₁)·sin on heads of their own axis.
func (e *exporter) rope(n *graph.Node, out, x string) {
	name, c := n.Name, e.m.Values[n.Out].C
	d := c / n.Attrs.Heads
	cos, sin := e.angles(n.Attrs, d)
	h := e.inner(name, "Reshape", x, e.list("shape", 0, 0, int64(n.Attrs.Heads), int64(d)))
	half := func(from, to int64) string {
		return e.inner(name, "Slice", h, e.list("axis", from), e.list("axis", to), e.list("axis", 3))
	}
	one, two := half(0, int64(d/2)), half(int64(d/2), int64(d))
	turned := e.value(name + "/Concat")
	e.emit("Concat", e.node(name+"/Concat"), []Attribute{attrInt("axis", 3)}, turned, e.inner(name, "Neg", two), one)
	y := e.value(name + "/Add")
	e.emit("Add", name, nil, y, e.inner(name, "Mul", h, cos), e.inner(name, "Mul", turned, sin))
	e.emit("Reshape", e.node(name+"/Reshape"), nil, out, y, e.list("shape", 0, 0, int64(c)))
}

// angles are the cosines and sines of rotary positions, [T, 1, d].
func (e *exporter) angles(at graph.Attrs, d int) (cos, sin string) {
	key, of := fmt.Sprint("pare.angles.", d, ".", at.Base), fmt.Sprint(d, at.Base, at.Freq)
	if len(at.Freq) > 0 {
		key = fmt.Sprint("pare.angles.", d, ".scaled")
	}
	if a, ok := e.tables[of]; ok {
		return a[0], a[1]
	}
	key = e.value(key)
	freq, half := make([]float32, d), at.Angles(d)
	for i := range freq {
		freq[i] = float32(half[i%(d/2)])
	}
	inner := func(op string, a []Attribute, in ...string) string {
		v := e.value(key + "/" + op)
		e.emit(op, e.node(key+"/"+op), a, v, in...)
		return v
	}
	zero, one := e.constant(FromInt64("pare.zero", nil, []int64{0})), e.constant(FromInt64("pare.one", nil, []int64{1}))
	t := inner("Squeeze", nil, e.length(), e.list("axis", 0))
	t = inner("Cast", []Attribute{attrInt("to", int64(Float))}, inner("Range", nil, zero, t, one))
	t = inner("Unsqueeze", nil, t, e.list("axes", 1, 2))
	t = inner("Mul", nil, t, e.constant(FromFloat32(key, []int64{int64(d)}, freq)))
	e.tables[of] = [2]string{inner("Cos", nil, t), inner("Sin", nil, t)}
	return e.tables[of][0], e.tables[of][1]
}

// tokens makes the pixels of an image, row by row, a sequence, behind a class token if
// there is one.
func (e *exporter) tokens(n *graph.Node, out, x string) {
	name := n.Name
	v := e.m.Values[n.In[0]]
	x = e.inner(name, "Reshape", x, e.list("shape", 0, int64(v.C), int64(v.H*v.W)))
	perm := []Attribute{attrInts("perm", 0, 2, 1)}
	if len(n.Params) == 0 {
		e.emit("Transpose", name, perm, out, x)
		return
	}
	y := e.value(name + "/Transpose")
	e.emit("Transpose", e.node(name+"/Transpose"), perm, y, x)
	class := e.inner(name, "Unsqueeze", e.m.Params[n.Params[0]].Name, e.list("axes", 0, 1))
	size := e.inner(name, "Slice", e.inner(name, "Shape", y), e.list("axis", 0), e.list("axis", 1))
	shape := e.value(name + "/Concat")
	e.emit("Concat", e.node(name+"/Concat"), []Attribute{attrInt("axis", 0)}, shape, size, e.list("class", 1, int64(v.C)))
	e.emit("Concat", name, []Attribute{attrInt("axis", 1)}, out, e.inner(name, "Expand", class, shape), y)
}
