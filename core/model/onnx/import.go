package onnx

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"pare/core/graph"
	"pare/core/tensor"
)

// ImportOptions choose what a file leaves open.
type ImportOptions struct {
	// Seq is the length of sequences where the file leaves it open; 0: none is
	// chosen, and such a file is an error that says so. Where the file fixes the
	// length it must be that or 0.
	Seq int
	// Fixed gives inputs the same value everywhere, which makes them constants: an
	// attention mask of ones is 1. Of several inputs all but one must be fixed.
	Fixed map[string]float64
}

// Open imports the file at path, with weights that lie in other files of its folder.
func Open(path string) (*graph.Model, error) { return OpenWith(path, ImportOptions{}) }

// OpenWith is Open with options.
func OpenWith(path string, o ImportOptions) (*graph.Model, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		if e := (*fs.PathError)(nil); errors.As(err, &e) {
			return nil, fmt.Errorf("onnx: %w", err) // names the path already
		}
		return nil, fmt.Errorf("onnx: %s: %w", path, err)
	}
	m, err := importFile(b, filepath.Dir(path), o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Import maps an ONNX network to a model that can be trained: one input, of floats
// [B, C, H, W], [B, F] or [B, T, F], or of token ids [B, T], beside which token_type_ids
// may give each its segment; one output [B, classes] or
// [B, T, classes]; weights as constants. Blocks that an exporter wrote in pieces become
// one op: LayerNorm, RMSNorm, GELU, SiLU, HardSwish, rotary positions, attention.
// Parameters keep the names of their initializers, layers those of their nodes. What
// inference does not need (Dropout, Identity, dead branches) is left out; constants are
// folded. A vector that several layers share becomes a parameter of each: exporters
// write equal tensors once. An operator that cannot be mapped is an error that names it
// and its node.
func Import(b []byte) (*graph.Model, error) { return ImportWith(b, ImportOptions{}) }

// ImportIn is Import of a file in folder dir, where values that are not in it may lie.
func ImportIn(b []byte, dir string) (*graph.Model, error) { return importFile(b, dir, ImportOptions{}) }

// ImportWith is Import with options.
func ImportWith(b []byte, o ImportOptions) (*graph.Model, error) { return importFile(b, "", o) }

func importFile(b []byte, dir string, o ImportOptions) (*graph.Model, error) {
	im, err := newImporter(b, dir, o)
	if err == nil {
		err = im.run()
	}
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", oneLine{err})
	}
	return im.m, nil
}

// oneLine is an error whose names, as a file has them, break no line.
type oneLine struct{ error }

func (e oneLine) Unwrap() error { return e.error }

func (e oneLine) Error() string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, e.error.Error())
}

// Names returns the names of the input and the output of a model file.
func Names(b []byte) (input, output string, err error) {
	im, err := newImporter(b, "", ImportOptions{})
	if err != nil {
		return "", "", fmt.Errorf("onnx: %w", oneLine{err})
	}
	return im.in.Name, im.g.Outputs[0].Name, nil
}

// importer is the state of one import.
type importer struct {
	o     ImportOptions
	g     *Graph
	opset int64
	in    ValueInfo // the one input that is neither an initializer nor fixed
	types ValueInfo // beside ids: the input of segments
	batch int64     // size of the input's batch: the file's, or batchMark

	m                 *graph.Model
	consts            map[string]*array // initializers, Constant nodes, what folds to one
	folded            map[string]*array // large results, by what they were made from
	same              map[string]string // key of a result in folded
	views             map[string]*view  // what flows
	parts             map[string]*part  // what is part of a block that is not complete
	pads              map[string]*pad   // what only convolutions and pools take in
	params            map[paramKey]int
	slices            map[[3]int]int // channels cut out: value, from, size
	tokens            map[int]int    // images made sequences
	names, paramNames nameSet        // of model nodes and parameters

	live   []bool
	users  map[string][]int // live nodes that read a value, once per use
	maker  map[string]int   // node that makes a value
	absorb []bool           // node is part of a pattern or of the node before it
	found  map[int]found    // pattern whose last node this is

	size   int64 // of the file, in bytes
	spent  int64 // values computed so far
	copies int64 // values copied into parameters
}

// newImporter decodes the file and checks what concerns all of it.
func newImporter(b []byte, dir string, o ImportOptions) (*importer, error) {
	f, err := decode(b)
	if err != nil {
		return nil, err
	}
	im := &importer{
		o: o, g: f.Graph, consts: map[string]*array{}, folded: map[string]*array{}, same: map[string]string{},
		views: map[string]*view{}, parts: map[string]*part{}, pads: map[string]*pad{}, params: map[paramKey]int{}, slices: map[[3]int]int{}, tokens: map[int]int{},
		names: newNameSet(), paramNames: newNameSet(), users: map[string][]int{}, maker: map[string]int{},
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
	if dir != "" {
		if err := im.external(dir); err != nil {
			return nil, err
		}
	}
	for i := range im.g.Initializers {
		t := &im.g.Initializers[i]
		if t.Name == "" {
			return nil, errors.New("has an initializer without a name: the file is damaged, export it again")
		}
		if im.consts[t.Name] != nil {
			return nil, fmt.Errorf("initializer %q stands twice", t.Name)
		}
		im.consts[t.Name] = fromTensor(t.Name, t)
	}
	return im, im.ports()
}

// ports finds the input and the output.
func (im *importer) ports() error {
	var inputs, outputs []string
	fixed := 0
	for _, v := range im.g.Inputs {
		if im.consts[v.Name] != nil { // before IR 4 initializers are inputs too
			continue
		}
		if _, ok := im.o.Fixed[v.Name]; ok {
			fixed++
			continue
		}
		im.in = v
		inputs = append(inputs, v.Name)
	}
	for _, v := range im.g.Outputs {
		outputs = append(outputs, v.Name)
	}
	if ids, ok := im.segments(); ok {
		im.in, inputs = ids, []string{ids.Name}
	}
	switch {
	case fixed < len(im.o.Fixed):
		return errors.New("does not have all the inputs that are to be fixed")
	case len(inputs) != 1:
		return fmt.Errorf("has %d inputs (%s), need exactly one: export the model with a single tensor as input, or fix the others (an attention mask to 1, token types to 0)", len(inputs), strings.Join(inputs, ", "))
	case len(outputs) != 1:
		return fmt.Errorf("has %d outputs (%s), need exactly one: export the model with its logits as the only output", len(outputs), strings.Join(outputs, ", "))
	case im.in.Name == "" || outputs[0] == "":
		return errors.New("its input or its output has no name: the file is damaged, export it again")
	}
	return nil
}

func (im *importer) run() error {
	if err := im.prepare(); err != nil {
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
	return im.output()
}

// output checks that the output is one vector of scores for each sample or token.
func (im *importer) output() error {
	out := im.g.Outputs[0].Name
	if im.consts[out] != nil || im.views[out] == nil && im.parts[out] == nil {
		return fmt.Errorf("its output %q does not depend on its input %q", out, im.in.Name)
	}
	v, err := im.flow(out)
	if err != nil {
		return fmt.Errorf("output %q: %w", out, err)
	}
	plain := im.whole(v.id, 2).dims
	if x := im.m.Values[v.id]; x.H*x.W > 1 { // Verify has a better word for it
		plain = im.whole(v.id, 4).dims
	}
	ok := len(v.dims) >= len(plain)
	for i := 0; ok && i < len(v.dims); i++ {
		ok = len(v.dims[i]) == 0
		if i < len(plain) {
			ok = slices.Equal(joined(v.dims[i]), plain[i])
		}
	}
	if !ok {
		return fmt.Errorf("output %q has shape %v, need [batch, classes] or [batch, tokens, classes]", out, im.show(shapeOfDims(v.dims)))
	}
	im.m.Output = v.id
	prune(im.m)
	return im.m.Verify()
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
			if _, twice := im.maker[o]; twice || im.consts[o] != nil || im.views[o] != nil {
				return fmt.Errorf("node %s (%s): its output %q is made twice", im.nodeName(i), n.Op, o)
			}
			im.maker[o] = i
		}
	}
	im.live = make([]bool, len(nodes))
	im.absorb = make([]bool, len(nodes))
	need := map[string]bool{im.g.Outputs[0].Name: true}
	for i := len(nodes) - 1; i >= 0; i-- {
		n := &nodes[i]
		if !slices.ContainsFunc(n.Outputs, func(o string) bool { return o != "" && need[o] }) {
			continue
		}
		im.live[i] = true
		for _, x := range n.Inputs {
			need[x] = true
		}
	}
	for i := range nodes {
		if !im.live[i] {
			continue
		}
		done, err := im.fold(&nodes[i])
		if err != nil {
			return fmt.Errorf("node %s (%s): %w", im.nodeName(i), nodes[i].Op, err)
		}
		if im.absorb[i] = done; done {
			continue
		}
		for _, x := range nodes[i].Inputs {
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
		return im.unary(n, f.op, graph.Attrs{}, f.x)
	}
	if done, err := im.fold(n); done || err != nil {
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

// add adds a node to the model and returns its value.
func (im *importer) add(n *Node, op string, a graph.Attrs, params []int, in ...int) (int, error) {
	id, err := im.m.Append(im.unique(n), op, a, params, in...)
	if err != nil {
		return 0, err
	}
	v := im.m.Values[id]
	if v.C < 1 || v.H < 1 || v.W < 1 {
		return 0, fmt.Errorf("its output of %v is empty", v)
	}
	if err := (tensor.Shape{max(v.Seq, 1), v.C, v.H, v.W}).Check(); err != nil {
		return 0, err
	}
	return id, nil
}

// put makes value id, with these axes, the first output of n.
func (im *importer) put(n *Node, id int, dims [][]atom) error {
	im.views[n.Outputs[0]] = &view{id: id, dims: dims, mul: 1}
	return nil
}

// alias makes n's output another name of v, seen with other axes: the node does nothing.
func (im *importer) alias(n *Node, v *view) error {
	im.views[n.Outputs[0]] = v
	return nil
}

// unique is the node's name, or its output's, made unique in the model.
func (im *importer) unique(n *Node) string {
	name := n.Name
	if name == "" && len(n.Outputs) > 0 {
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

// size is a fixed axis, 0 for one left open, −1 for one out of bounds.
func (d Dim) size() int64 {
	switch {
	case d.Param != "" || d.Value == 0 || d.Value == -1: // −1: Paddle's way to leave it open
		return 0
	case d.Value < 0 || d.Value >= math.MaxInt32:
		return -1
	}
	return d.Value
}
