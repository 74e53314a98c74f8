package onnx

import (
	"errors"
	"fmt"
	"slices"

	"pare/core/device"
	"pare/core/graph"
)

// The pieces that a file is written from: nodes, helper values, shared constants, names.

// out names the value that n makes: the file's output, or like the node.
func (e *exporter) out(n *graph.Node) string {
	if e.name[n.Out] == "" {
		e.name[n.Out] = e.value(n.Name)
	}
	return e.name[n.Out]
}

// value makes a name that no value or initializer has.
func (e *exporter) value(want string) string { return fresh(e.taken, want) }

// node makes a name that no node has.
func (e *exporter) node(want string) string { return fresh(e.nodes, want) }

func fresh(taken map[string]bool, want string) string {
	name := want
	for k := 2; taken[name]; k++ {
		name = fmt.Sprintf("%s_%d", want, k)
	}
	taken[name] = true
	return name
}

func (e *exporter) emit(op, name string, a []Attribute, out string, in ...string) {
	e.g.Nodes = append(e.g.Nodes, Node{Op: op, Name: name, Attrs: a, Inputs: in, Outputs: []string{out}})
}

// inner writes a helper node of the layer called name and returns its value.
func (e *exporter) inner(name, op string, in ...string) string {
	out := e.value(name + "/" + op)
	e.emit(op, e.node(name+"/"+op), nil, out, in...)
	return out
}

// vector is x as [N, C], by a Squeeze where the file has [N, C, 1, 1]. (A
// Flatten would do, but then Import could not tell it from one of the graph's.)
func (e *exporter) vector(name, x string, rank int) string {
	if rank != 4 {
		return x
	}
	return e.inner(name, "Squeeze", x, e.list("pixels", 2, 3))
}

// oneRank gives values of images and vectors one number of axes.
func (e *exporter) oneRank(name string, in []string, ranks []int) ([]string, int, error) {
	if slices.Max(ranks) == slices.Min(ranks) {
		return in, ranks[0], nil
	}
	if slices.Contains(ranks, 3) {
		return nil, 0, errors.New("joins a sequence and a vector, which cannot be written")
	}
	for i := range in {
		in[i] = e.vector(name, in[i], ranks[i])
	}
	return in, 2, nil
}

// channelAxis is the axis of the channels among rank.
func channelAxis(rank int) int {
	if rank == 3 {
		return 2
	}
	return 1
}

// with lists an op's inputs: the value, then its parameters.
func (e *exporter) with(x string, params []int) []string {
	in := []string{x}
	for _, p := range params {
		in = append(in, e.m.Params[p].Name)
	}
	return in
}

// scalar is a shared float initializer.
func (e *exporter) scalar(name string, v float32) string {
	return e.constant(FromFloat32(name, nil, []float32{v}))
}

// number is a shared float initializer named after its value.
func (e *exporter) number(v float32) string { return e.scalar(fmt.Sprint("pare.", v), v) }

// list is a shared initializer of integers.
func (e *exporter) list(what string, v ...int64) string {
	name := "pare." + what
	for _, x := range v {
		name += fmt.Sprint(".", x)
	}
	return e.constant(FromInt64(name, []int64{int64(len(v))}, v))
}

// constant adds an initializer, once for each name.
func (e *exporter) constant(t Tensor) string {
	want := t.Name
	for _, old := range e.g.Initializers[len(e.m.Params):] {
		if old.Doc == want {
			return old.Name
		}
	}
	t.Name, t.Doc = e.value(want), want // Doc tells it from a parameter that has the name
	e.g.Initializers = append(e.g.Initializers, t)
	return t.Name
}

func window(w *device.Window) []Attribute {
	return []Attribute{
		attrInts("kernel_shape", int64(w.KH), int64(w.KW)), attrInts("strides", int64(w.SH), int64(w.SW)),
		attrInts("pads", int64(w.PT), int64(w.PL), int64(w.PB), int64(w.PR)),
	}
}

func attrInt(name string, v int64) Attribute { return Attribute{Name: name, Type: AttrInt, I: v} }

func attrInts(name string, v ...int64) Attribute {
	return Attribute{Name: name, Type: AttrInts, Ints: v}
}

func attrFloat(name string, v float32) Attribute {
	return Attribute{Name: name, Type: AttrFloat, F: v}
}
