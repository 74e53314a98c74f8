package onnx

import (
	"fmt"
	"math"

	"pare/core/graph"
)

// Versions that Export writes: read by ONNX Runtime since 1.12, TensorRT since
// 8.5.
const (
	irVersion = 8
	opset     = 17
)

// unnamed is what a graph without a name is called in the file, where the checker wants
// one. It is read as none.
const unnamed = "pare"

// Options of Export.
type Options struct {
	Input  string // name of the input; "" is "input", or "input_2" if a parameter has that
	Output string // name of the output; "" is "logits", in the same way
}

// fill sets the defaults and checks that the names are free.
func (o Options) fill(m *graph.Model) (Options, error) {
	taken := map[string]bool{}
	for _, p := range m.Params {
		taken[p.Name] = true
	}
	for _, n := range []string{o.Input, o.Output} {
		if taken[n] && n != "" {
			return o, fmt.Errorf("%q is the name of a parameter: choose another name for the input or output", n)
		}
	}
	if o.Input != "" && o.Input == o.Output {
		return o, fmt.Errorf("input and output are both named %q: rename one", o.Input)
	}
	taken[o.Input], taken[o.Output] = true, true
	if o.Input == "" {
		o.Input = fresh(taken, "input")
	}
	if o.Output == "" {
		o.Output = fresh(taken, "logits")
	}
	return o, nil
}

// Export writes m as an ONNX file of IR 8, operator set 17, with the batch axis
// dynamic ("N" or as the file it came from called it), and that of a sequence where it was
// so there. Parameters keep their names; masked places are written as
// zeros, and −0 in weights as +0, which some sparse kernels mistake for a kept
// value (vllm#13198). GELU becomes x·(Erf(x/√2)+1)/2 and SiLU x·Sigmoid(x), as
// operator set 17 has neither; dropout is left out. Ids of tokens are int64, [N, T];
// where each token has a segment, these are a second input, token_type_ids. Equal models
// give equal bytes. A parameter without values, or with one that is not finite, is an
// error.
func Export(m *graph.Model, o Options) ([]byte, error) {
	o, err := o.fill(m)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	if err := m.Verify(); err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	e := &exporter{
		m: m, g: &Graph{Name: m.Name}, root: make([]int, len(m.Values)), name: make([]string, len(m.Values)),
		rank: make([]int, len(m.Values)), taken: map[string]bool{o.Input: true, o.Output: true}, nodes: map[string]bool{}, turned: map[int]bool{}, tables: map[string][2]string{}, padded: map[string]string{},
	}
	if e.g.Name == "" {
		e.g.Name = unnamed
	}
	if err := e.run(o); err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return Encode(&Model{IRVersion: irVersion, ProducerName: "pare", Graph: e.g, Opsets: []Opset{{"", opset}}})
}

type exporter struct {
	m      *graph.Model
	g      *Graph
	root   []int                // value whose bytes a value shares, dropout looked through
	name   []string             // of each root value in the file
	rank   []int                // of each root value in the file: 2 or 4, 3 of sequences
	ids    bool                 // the input holds ids of tokens
	turned map[int]bool         // parameters that are written transposed
	seqLen string               // the open length of sequences
	causal string               // the mask
	tables map[string][2]string // cosines and sines
	types  string               // the input that holds segments
	padded map[string]string    // which keys are padding
	taken  map[string]bool      // names of values and initializers
	nodes  map[string]bool      // names of nodes
}

func (e *exporter) run(o Options) error {
	for i := range e.root {
		e.root[i] = i
	}
	images := false
	for _, n := range e.m.Nodes {
		e.nodes[n.Name] = true // layers keep their names, helpers make way
		switch n.Op {
		case "dropout":
			e.root[n.Out] = e.root[n.In[0]]
		case "conv2d", "maxpool", "avgpool", "globalavgpool":
			images = true
		}
	}
	e.layout()
	if err := e.params(); err != nil {
		return err
	}
	in := e.m.Input()
	batch := Dim{Param: e.m.BatchAxis}
	if batch.Param == "" {
		batch.Param = "N"
	}
	seq := Dim{Value: int64(in.Seq)}
	if e.m.SeqAxis != "" {
		seq = Dim{Param: e.m.SeqAxis}
	}
	e.name[0], e.rank[0] = o.Input, 2
	typ, dims := Float, []Dim{batch, {Value: int64(in.C)}}
	switch {
	case e.ids:
		typ, dims = Int64, []Dim{batch, seq}
		if in.C == 2 {
			e.types = e.value(Segments)
		}
	case in.Seq > 0:
		e.rank[0], dims = 3, []Dim{batch, seq, {Value: int64(in.C)}}
	case in.H*in.W > 1 || images:
		e.rank[0] = 4
		dims = append(dims, Dim{Value: int64(in.H)}, Dim{Value: int64(in.W)})
	}
	out := e.root[e.m.Output]
	e.name[out] = o.Output
	if out == 0 { // the model does nothing, but its output needs its own name
		e.emit("Identity", e.node(o.Output), nil, o.Output, o.Input)
	}
	for i := range e.m.Nodes {
		if err := e.op(&e.m.Nodes[i]); err != nil {
			return fmt.Errorf("layer %s: %w", e.m.Nodes[i].Name, err)
		}
	}
	e.g.Inputs = []ValueInfo{{Name: o.Input, Type: &TensorType{typ, true, dims}}}
	if e.types != "" {
		e.g.Inputs = append(e.g.Inputs, ValueInfo{Name: e.types, Type: &TensorType{typ, true, dims}})
	}
	dims = []Dim{batch, {Value: int64(e.m.Classes())}}
	switch {
	case e.m.Values[out].Seq > 0 && in.Seq > 0:
		dims = []Dim{batch, seq, dims[1]}
	case e.m.Values[out].Seq > 0:
		dims = []Dim{batch, {Value: int64(e.m.Values[out].Seq)}, dims[1]}
	case e.rank[out] == 4:
		dims = append(dims, Dim{Value: 1}, Dim{Value: 1})
	}
	e.g.Outputs = []ValueInfo{{Name: o.Output, Type: &TensorType{Float, true, dims}}}
	return nil
}

// layout finds out what the input holds and which weights are written as [K, N]: those
// of layers on sequences, which become MatMul, unless another layer reads them, too.
func (e *exporter) layout() {
	uses, wide := map[int]int{}, map[int]bool{}
	for i := range e.m.Nodes {
		n := &e.m.Nodes[i]
		e.ids = e.ids || n.Op == "embedding"
		for _, p := range n.Params {
			uses[p]++
		}
		if n.Op == "linear" && e.m.Values[n.Out].Seq > 0 {
			wide[n.Params[0]] = true
		}
	}
	for p := range wide {
		e.turned[p] = uses[p] == 1
	}
}

// params writes the parameters as initializers.
func (e *exporter) params() error {
	for i := range e.m.Params {
		p := &e.m.Params[i]
		if p.Data == nil {
			return fmt.Errorf("parameter %s has no values here: fetch them from the device before the export", p.Name)
		}
		e.taken[p.Name] = true
		x := append([]float32(nil), p.Data...)
		for j, v := range x {
			switch {
			case p.Mask != nil && !p.Mask.Kept(j), v == 0 && p.Role == graph.Weight:
				x[j] = 0
			case math.IsNaN(float64(v)) || math.IsInf(float64(v), 0):
				return fmt.Errorf("parameter %s: value %d is %v: go back to the last finite checkpoint", p.Name, j, v)
			}
		}
		dims := make([]int64, len(p.Shape))
		for j, d := range p.Shape {
			dims[j] = int64(d)
		}
		if e.turned[i] {
			x, dims = transpose(x, p.Shape[0], p.Shape[1]), []int64{dims[1], dims[0]}
		}
		e.g.Initializers = append(e.g.Initializers, FromFloat32(p.Name, dims, x))
	}
	return nil
}

// op writes one node of the model.
func (e *exporter) op(n *graph.Node) error {
	if n.Op == "dropout" {
		return nil
	}
	in := make([]string, len(n.In))
	ranks := make([]int, len(n.In))
	for i, v := range n.In {
		in[i], ranks[i] = e.name[e.root[v]], e.rank[e.root[v]]
	}
	rank := ranks[0]
	var err error
	out := e.out(n)
	name := n.Name
	if e.m.Values[n.In[0]].Seq > 0 || e.m.Values[n.Out].Seq > 0 {
		if done, err := e.sequence(n, out, in); done || err != nil {
			return err
		}
	}
	simple := map[string]string{"relu": "Relu", "tanh": "Tanh", "hardswish": "HardSwish", "sigmoid": "Sigmoid", "globalavgpool": "GlobalAveragePool"}
	switch n.Op {
	case "linear":
		x := e.vector(name, in[0], rank)
		rank = 2
		e.emit("Gemm", name, []Attribute{attrInt("transB", 1)}, out, e.with(x, n.Params)...)
	case "conv2d":
		a := append(window(n.Attrs.Win), attrInts("dilations", 1, 1), attrInt("group", int64(n.Attrs.Win.Groups)))
		e.emit("Conv", name, a, out, e.with(in[0], n.Params)...)
	case "batchnorm":
		// the graph's momentum is the share of the new, ONNX's that of the old
		a := []Attribute{attrFloat("epsilon", n.Attrs.Eps), attrFloat("momentum", float32(1-float64(n.Attrs.Momentum)))}
		e.emit("BatchNormalization", name, a, out, e.with(in[0], n.Params)...)
	case "relu", "tanh", "hardswish", "sigmoid", "globalavgpool":
		e.emit(simple[n.Op], name, nil, out, in[0])
	case "clip":
		e.emit("Clip", name, nil, out, in[0], e.number(n.Attrs.Alpha), e.number(n.Attrs.Beta))
	case "hardsigmoid":
		e.emit("HardSigmoid", name, []Attribute{attrFloat("alpha", n.Attrs.Alpha), attrFloat("beta", n.Attrs.Beta)}, out, in[0])
	case "leakyrelu", "elu":
		e.emit(map[string]string{"leakyrelu": "LeakyRelu", "elu": "Elu"}[n.Op], name, []Attribute{attrFloat("alpha", n.Attrs.Alpha)}, out, in[0])
	case "affine":
		x := in[0]
		switch {
		case n.Attrs.Beta == 0:
			e.emit("Mul", name, nil, out, x, e.number(n.Attrs.Alpha))
		case n.Attrs.Alpha != 1:
			x = e.inner(name, "Mul", x, e.number(n.Attrs.Alpha))
			fallthrough
		default:
			e.emit("Add", name, nil, out, x, e.number(n.Attrs.Beta))
		}
	case "gelu_tanh":
		e.geluTanh(name, out, in[0])
	case "slice":
		one := func(v int) string { return e.list("axis", int64(v)) }
		e.emit("Slice", name, nil, out, in[0], one(n.Attrs.From), one(n.Attrs.From+n.Attrs.Size), one(channelAxis(rank)))
	case "concat":
		if in, rank, err = e.oneRank(name, in, ranks); err != nil {
			return err
		}
		e.emit("Concat", name, []Attribute{attrInt("axis", int64(channelAxis(rank)))}, out, in...)
	case "layernorm", "rmsnorm":
		x := e.vector(name, in[0], rank)
		if rank == 4 {
			rank = 2
		}
		e.norm(n, out, x)
	case "mul":
		if in, rank, err = e.oneRank(name, in, ranks); err != nil {
			return err
		}
		e.emit("Mul", name, nil, out, in...)
	case "scale":
		e.emit("Mul", name, nil, out, in[0], e.number(n.Attrs.Scale))
	case "gate":
		if ranks[0] == 4 && ranks[1] == 2 {
			in[1] = e.inner(name, "Unsqueeze", in[1], e.list("pixels", 2, 3))
		} else if ranks[0] == 2 {
			in[1] = e.vector(name, in[1], ranks[1])
		}
		e.emit("Mul", name, nil, out, in...)
	case "silu":
		s := e.inner(name, "Sigmoid", in[0])
		e.emit("Mul", name, nil, out, in[0], s)
	case "gelu":
		x := e.inner(name, "Div", in[0], e.scalar("pare.sqrt2", math.Sqrt2))
		x = e.inner(name, "Erf", x)
		x = e.inner(name, "Add", x, e.scalar("pare.one", 1))
		x = e.inner(name, "Mul", in[0], x)
		e.emit("Mul", name, nil, out, x, e.scalar("pare.half", 0.5))
	case "maxpool":
		e.emit("MaxPool", name, window(n.Attrs.Win), out, in[0])
	case "avgpool":
		pad := int64(0)
		if n.Attrs.Win.CountPad {
			pad = 1
		}
		e.emit("AveragePool", name, append(window(n.Attrs.Win), attrInt("count_include_pad", pad)), out, in[0])
	case "flatten":
		rank = 2
		e.emit("Flatten", name, []Attribute{attrInt("axis", 1)}, out, in[0])
	case "softmax":
		x := e.vector(name, in[0], rank)
		rank = 2
		e.emit("Softmax", name, []Attribute{attrInt("axis", 1)}, out, x)
	case "add":
		if in, rank, err = e.oneRank(name, in, ranks); err != nil {
			return err
		}
		e.emit("Add", name, nil, out, in...)
	default:
		return fmt.Errorf("op %s has no ONNX form here", n.Op)
	}
	switch n.Op {
	case "conv2d", "maxpool", "avgpool", "globalavgpool":
		if rank != 4 {
			return fmt.Errorf("%s of a flattened value cannot be written: take the flatten away", n.Op)
		}
	}
	e.rank[n.Out] = rank
	return nil
}
