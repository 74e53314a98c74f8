package interp

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"pare/core/model/onnx"
)

// Program is a graph that is ready to run. It is safe for concurrent use.
type Program struct {
	g      *onnx.Graph
	opset  int64
	consts map[string]*Tensor
	inputs []onnx.ValueInfo
	lax    bool // shapes of inputs may differ from what the file says
	limit  int  // of elements of a run
	rounds int  // of a loop

	Threads int // of products; 0: all
}

// Unknown is the error for operators that are not in the table, or not as the file's
// operator set means them.
type Unknown struct {
	Node, Op, Domain string
	Opset            int64 // 0: the operator is not known at all
}

// Error implements error.
func (u Unknown) Error() string {
	if u.Opset > 0 {
		return fmt.Sprintf("node %q: operator %s is of operator set %d, known here from %d on: export it again with opset_version=17", u.Node, u.Op, u.Opset, table[u.Op].from)
	}
	d := ""
	if u.Domain != "" {
		d = " of the domain " + u.Domain
	}
	return fmt.Sprintf("node %q: operator %s%s is not known here", u.Node, u.Op, d)
}

// Compile checks a model: its operators are known, its values are made before they are
// read. Errors name the node.
func Compile(m *onnx.Model) (p *Program, err error) {
	defer catch(&err)
	p = &Program{g: m.Graph, consts: map[string]*Tensor{}, limit: Limit, rounds: 1 << 22}
	for _, o := range m.Opsets {
		if o.Domain == "" || o.Domain == "ai.onnx" {
			p.opset = max(p.opset, o.Version)
		}
	}
	if p.opset == 0 {
		p.opset = 1
	}
	for i := range m.Graph.Initializers {
		t := &m.Graph.Initializers[i]
		x, err := FromProto(t)
		check(err)
		p.consts[t.Name] = x
	}
	known := map[string]bool{}
	for _, v := range m.Graph.Inputs {
		if p.consts[v.Name] == nil {
			p.inputs = append(p.inputs, v)
		}
		known[v.Name] = true
	}
	p.check(m.Graph, known)
	return p, nil
}

// check looks through a graph and those inside its nodes.
func (p *Program) check(g *onnx.Graph, outer map[string]bool) {
	known := maps.Clone(outer)
	for _, t := range g.Initializers {
		known[t.Name] = true
	}
	for _, v := range g.Inputs {
		known[v.Name] = true
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if row := table[n.Op]; row == nil || !domain(n.Domain) {
			check(Unknown{Node: nodeName(n, i), Op: n.Op, Domain: n.Domain})
		} else if p.opset < row.from {
			check(Unknown{Node: nodeName(n, i), Op: n.Op, Opset: p.opset})
		}
		for _, x := range n.Inputs {
			if x != "" && !known[x] {
				fail("node %q (%s) reads %q, which nothing before it makes: a cycle, or a damaged file", nodeName(n, i), n.Op, x)
			}
		}
		for _, a := range n.Attrs {
			if a.G != nil {
				p.check(a.G, known)
			}
		}
		for _, o := range n.Outputs {
			known[o] = true
		}
	}
	for _, v := range g.Outputs {
		if !known[v.Name] {
			fail("nothing makes the output %q", v.Name)
		}
	}
}

func nodeName(n *onnx.Node, i int) string {
	if n.Name != "" {
		return n.Name
	}
	return fmt.Sprintf("number %d", i)
}

// Inputs are the graph's, without those that initializers fill.
func (p *Program) Inputs() []onnx.ValueInfo { return p.inputs }

// Outputs are the names of the graph's outputs, in order.
func (p *Program) Outputs() []string {
	var l []string
	for _, v := range p.g.Outputs {
		l = append(l, v.Name)
	}
	return l
}

// Run computes the outputs, by name. Inputs stay as they are.
func (p *Program) Run(inputs map[string]*Tensor) (out map[string]*Tensor, err error) {
	defer catch(&err)
	s := &scope{vals: map[string]*Tensor{}, heap: &heap{p.limit}, opset: p.opset, depth: 1, rounds: p.rounds, threads: p.Threads}
	if s.threads == 0 {
		s.threads = runtime.GOMAXPROCS(0)
	}
	maps.Copy(s.vals, p.consts)
	for _, v := range p.inputs {
		x := inputs[v.Name]
		if x == nil {
			fail("input %q is missing: the model has %s", v.Name, strings.Join(slices.Sorted(maps.Keys(names(p.inputs))), ", "))
		}
		if v.Type != nil && !p.lax {
			fits(v, x)
		}
		s.vals[v.Name] = x
	}
	for name, x := range inputs { // a default that is overruled
		if p.consts[name] != nil {
			s.vals[name] = x
		}
	}
	s.run(p.g)
	out = map[string]*Tensor{}
	for _, v := range p.g.Outputs {
		out[v.Name] = s.get(v.Name)
	}
	return out, nil
}

func names(vs []onnx.ValueInfo) map[string]bool {
	m := map[string]bool{}
	for _, v := range vs {
		m[v.Name] = true
	}
	return m
}

// fits checks an input against what the file says of it.
func fits(v onnx.ValueInfo, x *Tensor) {
	if v.Type.Elem != 0 && v.Type.Elem != x.Type {
		fail("input %q is %v, the model takes %v", v.Name, x.Type, v.Type.Elem)
	}
	if !v.Type.HasShape {
		return
	}
	bad := len(v.Type.Shape) != len(x.Shape)
	for i := 0; !bad && i < len(x.Shape); i++ {
		d := v.Type.Shape[i].Value
		bad = d > 0 && d != int64(x.Shape[i])
	}
	if bad {
		var want []string
		for _, d := range v.Type.Shape {
			want = append(want, d.String())
		}
		fail("input %q has shape %v, the model takes [%s]", v.Name, x.Shape, strings.Join(want, ", "))
	}
}

// scope holds the values of a graph while it runs; those of the graph around it can be
// read too.
type scope struct {
	vals  map[string]*Tensor
	outer *scope
	heap  *heap
	opset int64
	depth int
	// rounds is how often loops may go round.
	rounds  int
	threads int // of products
}

func (s *scope) get(name string) *Tensor {
	for x := s; x != nil; x = x.outer {
		if t := x.vals[name]; t != nil {
			return t
		}
	}
	fail("%q has no value", name)
	return nil
}

// run runs the nodes of a graph.
func (s *scope) run(g *onnx.Graph) {
	for i := range g.Nodes {
		n := &g.Nodes[i]
		for k, x := range s.node(n, i) {
			if k < len(n.Outputs) && n.Outputs[k] != "" && x != nil {
				s.vals[n.Outputs[k]] = x.settle()
			}
		}
	}
}

// node runs one node; its name goes into the error.
func (s *scope) node(n *onnx.Node, i int) []*Tensor {
	c := &call{n: n, s: s, heap: s.heap, opset: s.opset}
	for _, x := range n.Inputs {
		if x == "" {
			c.in = append(c.in, nil)
		} else {
			c.in = append(c.in, s.get(x))
		}
	}
	var out []*Tensor
	var err error
	func() {
		defer catch(&err)
		out = table[n.Op].run(c)
	}()
	if err != nil {
		fail("node %q (%s): %w", nodeName(n, i), n.Op, err)
	}
	return out
}

// inside runs a graph of an attribute with the given inputs.
func (s *scope) inside(g *onnx.Graph, in []*Tensor) []*Tensor {
	if s.depth > 16 {
		fail("graphs are nested more than 16 deep")
	}
	t := &scope{vals: map[string]*Tensor{}, outer: s, heap: s.heap, opset: s.opset, depth: s.depth + 1, rounds: s.rounds, threads: s.threads}
	for i := range g.Initializers {
		x, err := FromProto(&g.Initializers[i])
		check(err)
		t.vals[g.Initializers[i].Name] = x
	}
	for i, v := range g.Inputs {
		if i < len(in) {
			t.vals[v.Name] = in[i]
		}
	}
	t.run(g)
	var out []*Tensor
	for _, v := range g.Outputs {
		out = append(out, t.get(v.Name))
	}
	return out
}

// Eval runs a single node on constant inputs: for folding. nil stands for an absent
// optional input.
func Eval(n *onnx.Node, opset int64, in []*Tensor) (out []*Tensor, err error) {
	defer catch(&err)
	row := table[n.Op]
	if row == nil || !domain(n.Domain) {
		return nil, Unknown{Node: n.Name, Op: n.Op, Domain: n.Domain}
	}
	c := &call{n: n, in: in, heap: &heap{1 << 24}, opset: opset}
	c.s = &scope{vals: map[string]*Tensor{}, heap: c.heap, opset: opset, depth: 1, rounds: 1 << 10, threads: runtime.GOMAXPROCS(0)}
	out = row.run(c)
	for _, x := range out {
		if x != nil {
			x.settle()
		}
	}
	return out, nil
}
