package graph

import (
	"fmt"
	"sort"

	"pare/core/device"
)

// Op is one row of the op table: all that is true of an op on every device.
type Op struct {
	Name string
	// ONNX is the operator it becomes in a file.
	ONNX string
	// Infer gives the output shape from the inputs and checks parameters.
	Infer func(m *Model, n *Node) (Value, error)
	// Lower emits the forward kernel calls.
	Lower func(b *Builder, n *Node)
	// Grad emits the backward calls. Nil: inference only; a plan that needs a
	// gradient through it is an error.
	Grad func(b *Builder, n *Node)
	// Couple ties the axes that must be cut together.
	Couple func(c *Coupler, n *Node)
}

var ops = map[string]*Op{}

func register(o *Op) {
	if ops[o.Name] != nil {
		panic("graph: op " + o.Name + " registered twice")
	}
	ops[o.Name] = o
}

// Ops lists the op table by name.
func Ops() []*Op {
	var l []*Op
	for _, o := range ops {
		l = append(l, o)
	}
	sort.Slice(l, func(i, j int) bool { return l[i].Name < l[j].Name })
	return l
}

// OpOf returns the row of a node's op.
func OpOf(n *Node) *Op { return ops[n.Op] }

// want checks the number of inputs and parameters.
func want(n *Node, in int, params ...int) error {
	if len(n.In) != in {
		return fmt.Errorf("has %d inputs, need %d", len(n.In), in)
	}
	for _, p := range params {
		if len(n.Params) == p {
			return nil
		}
	}
	if len(params) == 0 && len(n.Params) == 0 {
		return nil
	}
	return fmt.Errorf("has %d parameters", len(n.Params))
}

// Builder collects the kernel calls of a plan. The plan package drives it:
// forward over the nodes with Lower, then backward with Grad.
type Builder struct {
	M        *Model
	Vals     []device.Val
	Calls    []device.Call
	Late     []device.Call // weight gradients and updates: after all values
	Early    []device.Call // what makes weights: before all values
	Stats    []int         // channels of each batch norm
	Training bool
	// Weight maps a parameter to its index in the bank.
	Weight []int

	node    int
	fwd     []int // plan value of each graph value, −1 none
	grad    []int // plan value of its gradient, −1 none yet
	readers []int // nodes that read each graph value
	need    []bool
	tokens  bool        // some value is a sequence
	again   bool        // nodes are lowered once more, see Again
	stat    map[int]int // node → statistic
	saved   map[int]int // node → the plan value it keeps for its gradient
}

// NewBuilder starts a plan for m. wantInput asks for the gradient of the input
// as well.
func NewBuilder(m *Model, training, wantInput bool) *Builder {
	b := &Builder{M: m, Training: training, stat: map[int]int{}, saved: map[int]int{}}
	b.fwd, b.grad = make([]int, len(m.Values)), make([]int, len(m.Values))
	b.readers, b.need = make([]int, len(m.Values)), make([]bool, len(m.Values))
	for i := range b.fwd {
		b.fwd[i], b.grad[i] = -1, -1
	}
	b.Weight = make([]int, len(m.Params))
	for i := range b.Weight {
		b.Weight[i] = i
	}
	for _, v := range m.Values {
		b.tokens = b.tokens || v.Seq > 0
	}
	b.need[0] = wantInput
	for i := range m.Nodes {
		n := &m.Nodes[i]
		for _, v := range n.In {
			b.readers[v]++
			b.need[n.Out] = b.need[n.Out] || b.need[v]
		}
		for _, p := range n.Params {
			if m.Params[p].Role != Running && !m.Params[p].Frozen {
				b.need[n.Out] = true
			}
		}
	}
	return b
}

// At tells the builder which node the next calls belong to.
func (b *Builder) At(node int) { b.node = node }

// New makes a plan value with the rows of the current node's output: per token of a
// sequence, or per sample.
func (b *Builder) New(name string, kind device.ValKind, c, h, w int) int {
	v := b.M.Output
	if b.node < len(b.M.Nodes) {
		v = b.M.Nodes[b.node].Out
	}
	b.Vals = append(b.Vals, device.Val{Name: name, Kind: kind, C: c, H: h, W: w, Sample: b.tokens && b.M.Values[v].Seq == 0})
	return len(b.Vals) - 1
}

// like makes a plan value of the shape and with the rows of graph value v.
func (b *Builder) like(name string, v int) int {
	x := b.M.Values[v]
	b.Vals = append(b.Vals, device.Val{Name: fmt.Sprint(name, v), C: x.C, H: x.H, W: x.W, Sample: b.tokens && x.Seq == 0})
	return len(b.Vals) - 1
}

// Val is the plan value of graph value v, made on first use.
func (b *Builder) Val(v int) int {
	if b.fwd[v] < 0 {
		b.fwd[v] = b.like("v", v)
	}
	return b.fwd[v]
}

// Emit adds a call for the current node.
func (b *Builder) Emit(c device.Call) {
	c.Node = b.node
	b.Calls = append(b.Calls, c)
}

// EmitLate adds a call that runs after all values are done: weight gradients.
func (b *Builder) EmitLate(c device.Call) {
	c.Node = b.node
	b.Late = append(b.Late, c)
}

// EmitEarly adds a call that runs before all values: it makes a weight.
func (b *Builder) EmitEarly(c device.Call) {
	if b.again {
		return
	}
	c.Node = b.node
	b.Early = append(b.Early, c)
}

// Trains reports whether parameter p gets a gradient.
func (b *Builder) Trains(p int) bool {
	return b.M.Params[p].Role != Running && !b.M.Params[p].Frozen
}

// Needs reports whether a gradient must flow into graph value v.
func (b *Builder) Needs(v int) bool { return b.need[v] }

// Grad is the plan value that holds dv. It is −1 while nothing has been written
// to it.
func (b *Builder) Grad(v int) int { return b.grad[v] }

// SetGrad names the plan value that holds dv: used for the loss.
func (b *Builder) SetGrad(v, val int) { b.grad[v] = val }

// Into calls emit with a plan value to write dv to. When v has more than one
// reader the contributions are added up in the order the nodes are visited.
func (b *Builder) Into(v int, emit func(dst int)) {
	if !b.need[v] {
		return
	}
	d := b.room(v)
	emit(d)
	b.give(v, d)
}

// room is a new plan value for a share of dv.
func (b *Builder) room(v int) int { return b.like("d", v) }

// give adds the share d to dv, if a gradient is wanted there.
func (b *Builder) give(v, d int) {
	switch {
	case !b.need[v]:
	case b.grad[v] < 0:
		b.grad[v] = d
	default:
		b.Emit(device.Call{Kernel: device.Accum, In: []int{d}, Out: []int{b.grad[v]}})
	}
}

// Pass sends the gradient src on to v unchanged. It is shared without a copy
// when v has a single reader, as nothing will be added to it.
func (b *Builder) Pass(v, src int) {
	switch {
	case !b.need[v]:
	case b.grad[v] >= 0:
		b.Emit(device.Call{Kernel: device.Accum, In: []int{src}, Out: []int{b.grad[v]}})
	case b.readers[v] == 1:
		b.grad[v] = src
	default:
		b.grad[v] = b.like("d", v)
		b.Emit(device.Call{Kernel: device.Copy, In: []int{src}, Out: []int{b.grad[v]}})
	}
}

// weights maps parameters of a node to bank indices.
func (b *Builder) weights(ps ...int) []int {
	w := make([]int, len(ps))
	for i, p := range ps {
		w[i] = b.Weight[p]
	}
	return w
}
