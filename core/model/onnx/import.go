package onnx

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"

	"pare/core/graph"
	"pare/core/tensor"
)

// Open imports the file at path.
func Open(path string) (*graph.Model, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		if e := (*fs.PathError)(nil); errors.As(err, &e) {
			return nil, fmt.Errorf("onnx: %w", err) // names the path already
		}
		return nil, fmt.Errorf("onnx: %s: %w", path, err)
	}
	m, err := Import(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Import maps an ONNX classifier to a model: one float input [B, C, H, W] or
// [B, F], one output [B, classes], weights as initializers. Parameters keep the
// names of their initializers, layers those of their nodes. What inference does
// not need (Dropout, Identity, dead branches) is left out. An operator that
// cannot be mapped is an error that names it and its node.
func Import(b []byte) (*graph.Model, error) {
	im, err := newImporter(b)
	if err == nil {
		err = im.run()
	}
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return im.m, nil
}

// Names returns the names of the input and the output of a model file.
func Names(b []byte) (input, output string, err error) {
	im, err := newImporter(b)
	if err != nil {
		return "", "", fmt.Errorf("onnx: %w", err)
	}
	return im.in.Name, im.g.Outputs[0].Name, nil
}

// importer is the state of one import.
type importer struct {
	g     *Graph
	opset int64
	in    ValueInfo // the one input that is not an initializer
	batch int64     // fixed batch size of the input, 0 when dynamic

	m                 *graph.Model
	consts            map[string]*Tensor // initializers, Constant nodes, what folds to one
	shapes            map[string][]int64 // results of shape arithmetic; anyBatch for B
	vals              map[string]val     // what flows
	params            map[paramKey]int
	names, paramNames nameSet // of model nodes and parameters

	live   []bool
	users  map[string][]int // live nodes that read a value, once per use
	maker  map[string]int   // node that makes a value
	absorb []bool           // node is part of a pattern or of the node before it
	found  map[int]found    // pattern whose last node this is

	size  int64 // of the file, in bytes
	spent int64 // values copied so far
}

// val is a value of the model and the rank it has in the file: the model does
// not tell [B, C] from [B, C, 1, 1].
type val struct{ id, rank int }

// anyBatch stands for B in shape arithmetic.
const anyBatch = math.MinInt64

// newImporter decodes the file and checks what concerns all of it.
func newImporter(b []byte) (*importer, error) {
	f, err := decode(b)
	if err != nil {
		return nil, err
	}
	im := &importer{
		g: f.Graph, consts: map[string]*Tensor{}, shapes: map[string][]int64{}, vals: map[string]val{},
		params: map[paramKey]int{}, names: newNameSet(), paramNames: newNameSet(), users: map[string][]int{}, maker: map[string]int{},
		found: map[int]found{}, size: int64(len(b)),
	}
	for _, o := range f.Opsets {
		if o.Domain == "" || o.Domain == "ai.onnx" {
			im.opset = max(im.opset, o.Version)
		}
	}
	if im.opset < 7 {
		return nil, fmt.Errorf("is of operator set %d, read are 7 and later: export it again with opset_version=17", im.opset)
	}
	if im.g.Sparse > 0 {
		return nil, errors.New("holds sparse initializers, which are not read: save its weights dense")
	}
	for i := range im.g.Initializers {
		t := &im.g.Initializers[i]
		if t.Name == "" {
			return nil, errors.New("has an initializer without a name: the file is damaged, export it again")
		}
		if im.consts[t.Name] != nil {
			return nil, fmt.Errorf("initializer %q stands twice", t.Name)
		}
		im.consts[t.Name] = t
	}
	var inputs []string
	for _, v := range im.g.Inputs {
		if im.consts[v.Name] == nil { // before IR 4 initializers are inputs too
			im.in = v
			inputs = append(inputs, v.Name)
		}
	}
	if len(inputs) != 1 {
		return nil, fmt.Errorf("has %d inputs (%s), need exactly one: export the model with a single tensor as input", len(inputs), strings.Join(inputs, ", "))
	}
	if len(im.g.Outputs) != 1 {
		var outputs []string
		for _, v := range im.g.Outputs {
			outputs = append(outputs, v.Name)
		}
		return nil, fmt.Errorf("has %d outputs (%s), need exactly one: export the model with its logits as the only output", len(outputs), strings.Join(outputs, ", "))
	}
	if im.in.Name == "" || im.g.Outputs[0].Name == "" {
		return nil, errors.New("its input or its output has no name: the file is damaged, export it again")
	}
	return im, nil
}

func (im *importer) run() error {
	if err := im.input(); err != nil {
		return err
	}
	if err := im.scan(); err != nil {
		return err
	}
	for i := range im.g.Nodes {
		if !im.live[i] || im.absorb[i] {
			continue
		}
		n := &im.g.Nodes[i]
		if err := im.node(i, n); err != nil {
			return fmt.Errorf("node %s (%s): %w", im.nodeName(i), n.Op, err)
		}
	}
	out := im.g.Outputs[0].Name
	v, ok := im.vals[out]
	if !ok {
		return fmt.Errorf("its output %q does not depend on its input %q", out, im.in.Name)
	}
	im.m.Output = v.id
	return im.m.Verify()
}

// input reads the shape of a sample.
func (im *importer) input() error {
	t := im.in.Type
	if t == nil || !t.HasShape {
		return fmt.Errorf("input %q has no tensor shape: export it again with a fixed shape but for the batch", im.in.Name)
	}
	switch t.Elem {
	case Float, Float16, Double, BFloat16:
	default:
		return fmt.Errorf("input %q is %s, need floating point: only models over float tensors are read", im.in.Name, t.Elem)
	}
	rank := len(t.Shape)
	if rank < 2 || rank > 4 {
		return fmt.Errorf("input %q has %d axes, need [batch, features] or [batch, channels, height, width]", im.in.Name, rank)
	}
	sample := tensor.Shape{1, 1, 1}
	for i, d := range t.Shape[1:] {
		if d.Value < 1 || d.Value > math.MaxInt32 {
			return fmt.Errorf("input %q: axis %d is %s, need a fixed size: export it again with only the batch dynamic", im.in.Name, i+1, d)
		}
		at := i
		if rank == 3 { // [B, H, W]: one channel
			at = i + 1
		}
		sample[at] = int(d.Value)
	}
	if err := sample.Check(); err != nil {
		return fmt.Errorf("input %q: %w", im.in.Name, err)
	}
	im.batch = max(t.Shape[0].Value, 0)
	im.m = graph.New(im.g.Name, sample[0], sample[1], sample[2])
	im.vals[im.in.Name] = val{0, rank}
	return nil
}

// String is the axis as people write it.
func (d Dim) String() string {
	switch {
	case d.Param != "":
		return fmt.Sprintf("%q", d.Param)
	case d.Value == 0:
		return "unknown"
	}
	return fmt.Sprint(d.Value)
}

// scan finds constants, the nodes the output depends on, who reads what, and
// the operators that exporters spell as several nodes.
func (im *importer) scan() error {
	nodes := im.g.Nodes
	for i := range nodes {
		n := &nodes[i]
		for _, o := range n.Outputs {
			if o == "" {
				continue
			}
			if _, twice := im.maker[o]; twice || im.consts[o] != nil || o == im.in.Name {
				return fmt.Errorf("node %s (%s): its output %q is made twice", im.nodeName(i), n.Op, o)
			}
			im.maker[o] = i
		}
		if err := im.fold(n); err != nil {
			return fmt.Errorf("node %s (%s): %w", im.nodeName(i), n.Op, err)
		}
	}
	im.live = make([]bool, len(nodes))
	im.absorb = make([]bool, len(nodes))
	need := map[string]bool{im.g.Outputs[0].Name: true}
	for i := len(nodes) - 1; i >= 0; i-- {
		n := &nodes[i]
		if !slices.ContainsFunc(n.Outputs, func(o string) bool { return need[o] && im.consts[o] == nil }) {
			continue
		}
		im.live[i] = true
		for _, x := range n.Inputs {
			need[x] = true
			im.users[x] = append(im.users[x], i)
		}
	}
	for i := len(nodes) - 1; i >= 0; i-- { // from the end: the whole pattern first
		if im.live[i] && !im.absorb[i] {
			im.match(i)
		}
	}
	return nil
}

// nodeName is a node's name for messages, its position when it has none.
func (im *importer) nodeName(i int) string {
	if n := im.g.Nodes[i].Name; n != "" {
		return fmt.Sprintf("%q", n)
	}
	return fmt.Sprintf("number %d", i)
}

// node maps one node.
func (im *importer) node(i int, n *Node) error {
	if n.Domain != "" && n.Domain != "ai.onnx" {
		return fmt.Errorf("operators of the domain %q are not supported: give the model as it was exported, before a runtime optimised it", n.Domain)
	}
	if f, ok := im.found[i]; ok {
		x, err := im.value(f.x)
		if err != nil {
			return err
		}
		return im.append(n, f.op, graph.Attrs{}, nil, x.rank, x)
	}
	if done, err := im.shapeArithmetic(n); done || err != nil {
		return err
	}
	h, ok := handlers[n.Op]
	if !ok {
		return unsupported(n.Op)
	}
	if len(n.Inputs) == 0 || len(n.Outputs) == 0 || n.tooMany() {
		return fmt.Errorf("has %d inputs and %d outputs: the file is damaged, export it again", len(n.Inputs), len(n.Outputs))
	}
	return h(im, i, n)
}

// value finds what flows under a name.
func (im *importer) value(name string) (val, error) {
	if v, ok := im.vals[name]; ok {
		return v, nil
	}
	switch {
	case name == "":
		return val{}, errors.New("a required input is missing: the file is damaged, export it again")
	case im.consts[name] != nil:
		return val{}, fmt.Errorf("its input %q is a constant where the data should flow", name)
	case im.shapes[name] != nil:
		return val{}, fmt.Errorf("its input %q is a shape where the data should flow", name)
	}
	return val{}, fmt.Errorf("reads %q, which nothing before it makes: the file is damaged, export it again", name)
}

// append adds a node to the model; its value has the given rank in the file.
func (im *importer) append(n *Node, op string, a graph.Attrs, params []int, rank int, in ...val) error {
	ids := make([]int, len(in))
	for i, v := range in {
		ids[i] = v.id
	}
	id, err := im.m.Append(im.unique(n), op, a, params, ids...)
	if err != nil {
		return err
	}
	v := im.m.Values[id]
	if v.C < 1 || v.H < 1 || v.W < 1 {
		return fmt.Errorf("its output of %d×%d×%d is empty", v.C, v.H, v.W)
	}
	if err := (tensor.Shape{v.C, v.H, v.W}).Check(); err != nil {
		return err
	}
	im.vals[n.Outputs[0]] = val{id, rank}
	return nil
}

// alias makes n's output another name of v: the node does nothing.
func (im *importer) alias(n *Node, v val) error {
	im.vals[n.Outputs[0]] = v
	return nil
}

// unique is the node's name, or its output's, made unique in the model.
func (im *importer) unique(n *Node) string {
	name := n.Name
	if name == "" {
		name = n.Outputs[0]
	}
	return im.names.next(name, "_")
}

// nameSet gives out names once: to one that is taken it adds the next number.
type nameSet struct {
	taken map[string]bool
	last  map[string]int // number added last
}

func newNameSet() nameSet { return nameSet{map[string]bool{}, map[string]int{}} }

func (s nameSet) next(base, sep string) string {
	name := base
	for name == "" || s.taken[name] {
		s.last[base] = max(s.last[base], 1) + 1
		name = fmt.Sprint(base, sep, s.last[base])
	}
	s.taken[name] = true
	return name
}
