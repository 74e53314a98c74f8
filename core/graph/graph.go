// Package graph is the model: some two dozen semantic ops as plain data that can
// be cloned, hashed, written to disk and rewritten. One op is one row of the op
// table in one file op_*.go: its shape rule, its lowering to kernel calls, its
// gradient and which axes must be cut together. Structure changes only through
// a Rewrite.
//
// graph imports core/device (kernel ids, calls) and core/tensor. It knows no
// training loop, no file format and no scores.
package graph

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"

	"pare/core/device"
	"pare/core/tensor"
)

// Value is what flows along an edge: C channels of H×W pixels per sample. A
// vector has H = W = 1, and so has a sequence, which holds a vector for each of
// its Seq tokens.
type Value struct {
	C   int `json:"c"`
	H   int `json:"h"`
	W   int `json:"w"`
	Seq int `json:"seq,omitempty"`
}

// Len is the number of elements of one sample.
func (v Value) Len() int { return v.C * v.H * v.W * max(v.Seq, 1) }

// check tests that a sample has no more elements than a tensor may have.
func (v Value) check() error {
	if v.Seq > 0 {
		return tensor.Shape{v.Seq, v.C, v.H, v.W}.Check()
	}
	return tensor.Shape{v.C, v.H, v.W}.Check()
}

// String is C×H×W, or Seq×C of a sequence.
func (v Value) String() string {
	if v.Seq > 0 {
		return fmt.Sprintf("%d×%d", v.Seq, v.C)
	}
	return fmt.Sprintf("%d×%d×%d", v.C, v.H, v.W)
}

// vector is x with c channels in place of its own.
func (v Value) vector(c int) Value { return Value{c, 1, 1, v.Seq} }

// Role says what a parameter is for.
type Role string

// Roles. Only Weight is ever pruned; Running is not trained by gradient.
const (
	Weight  Role = "weight"
	Bias    Role = "bias"
	Scale   Role = "scale"   // batch norm gamma
	Shift   Role = "shift"   // batch norm beta
	Running Role = "running" // batch norm statistics
	Table   Role = "table"   // embedding, one row for each token or position; may be shared
	LoraA   Role = "lora_a"  // adapter, [rank, in]
	LoraB   Role = "lora_b"  // adapter, [out, rank]
)

// Param is one tensor of the model. Two nodes naming the same index share it.
type Param struct {
	Name  string       `json:"name"` // the file's name; survives every rewrite
	Shape tensor.Shape `json:"shape"`
	Role  Role         `json:"role"`
	// Frozen parameters are not trained.
	Frozen bool `json:"frozen,omitempty"`
	// Data holds the values row-major. It is nil while a device's bank owns
	// them.
	Data []float32 `json:"-"`
	// Mask over Shape; nil keeps everything. Its bits live in checkpoints.
	Mask *tensor.Mask `json:"-"`
}

// Attrs are the constants of a node; an op uses the ones it documents.
type Attrs struct {
	Win      *device.Window `json:"win,omitempty"`
	Fn       device.Act     `json:"fn,omitempty"`
	P        float32        `json:"p,omitempty"`
	Eps      float32        `json:"eps,omitempty"`
	Momentum float32        `json:"momentum,omitempty"`
	Heads    int            `json:"heads,omitempty"`    // of queries
	KVHeads  int            `json:"kv_heads,omitempty"` // of keys and values
	Causal   bool           `json:"causal,omitempty"`
	Base     float64        `json:"base,omitempty"`  // of rotary positions
	Freq     []float64      `json:"freq,omitempty"`  // the same, in place of those that Base gives
	At       int            `json:"at,omitempty"`    // a token's place
	Alpha    float32        `json:"alpha,omitempty"` // constants of an activation
	Beta     float32        `json:"beta,omitempty"`
	From     int            `json:"from,omitempty"`   // first channel of a slice
	Size     int            `json:"size,omitempty"`   // its channels
	Scale    float32        `json:"scale,omitempty"`  // a factor; of attention's scores
	Pad      int            `json:"pad,omitempty"`    // the id that attention leaves out
	Padded   bool           `json:"padded,omitempty"` // an embedding's row Pad learns nothing
}

// Node is one op applied to values. Plain data.
type Node struct {
	Name   string `json:"name"`
	Op     string `json:"op"`
	Attrs  Attrs  `json:"attrs"`
	In     []int  `json:"in"`     // values
	Out    int    `json:"out"`    // value
	Params []int  `json:"params"` // in the op's order
}

// Model is a graph in topological order. Value 0 is the input; Output is the
// value of the logits.
type Model struct {
	Name   string  `json:"name"`
	Nodes  []Node  `json:"nodes"`
	Values []Value `json:"values"`
	Params []Param `json:"params"`
	Output int     `json:"output"`
	// InputName and OutputName are the names a file gave them; "" = "input" and
	// "logits".
	InputName  string `json:"input_name,omitempty"`
	OutputName string `json:"output_name,omitempty"`
	// BatchAxis and SeqAxis are the names a file gave to the axes it leaves open; ""
	// = "N" and a length that is fixed.
	BatchAxis string `json:"batch_axis,omitempty"`
	SeqAxis   string `json:"seq_axis,omitempty"`
}

// Input is the shape of one sample.
func (m *Model) Input() Value { return m.Values[0] }

// Classes is the number of logits.
func (m *Model) Classes() int { return m.Values[m.Output].C }

// Param returns the index of the named parameter, or −1.
func (m *Model) Param(name string) int {
	for i := range m.Params {
		if m.Params[i].Name == name {
			return i
		}
	}
	return -1
}

// Clone copies the model deeply, data and masks included.
func (m *Model) Clone() *Model {
	c := m.Shallow()
	for i := range c.Params {
		p := &c.Params[i]
		p.Mask, p.Data = p.Mask.Clone(), append([]float32(nil), p.Data...)
	}
	return c
}

// Shallow copies the model but shares data and masks: for those who replace them and
// write into none. A large model's weights take longer to copy than most rewrites.
func (m *Model) Shallow() *Model {
	c := &Model{Name: m.Name, Output: m.Output, InputName: m.InputName, OutputName: m.OutputName, BatchAxis: m.BatchAxis, SeqAxis: m.SeqAxis, Values: append([]Value(nil), m.Values...)}
	for _, n := range m.Nodes {
		n.In, n.Params = append([]int(nil), n.In...), append([]int(nil), n.Params...)
		if n.Attrs.Win != nil {
			w := *n.Attrs.Win
			n.Attrs.Win = &w
		}
		c.Nodes = append(c.Nodes, n)
	}
	for _, p := range m.Params {
		p.Shape = p.Shape.Clone()
		c.Params = append(c.Params, p)
	}
	return c
}

// Prunable reports whether parameter i may lose weights: the weight of a linear
// or convolution layer.
func (m *Model) Prunable(i int) bool { return m.Params[i].Role == Weight }

// NumParams is the number of trained values, and of these the prunable ones.
func (m *Model) NumParams() (all, prunable int64) {
	for i, p := range m.Params {
		n := int64(p.Shape.Len())
		if p.Role != Running {
			all += n
		}
		if m.Prunable(i) {
			prunable += n
		}
	}
	return all, prunable
}

// Layer is a node that holds a prunable weight.
type Layer struct {
	Name  string // parameter name without ".weight"
	Node  int
	Param int
}

// Layers lists the nodes with a prunable weight, in order.
func (m *Model) Layers() []Layer {
	var l []Layer
	for i, n := range m.Nodes {
		if len(n.Params) == 0 || !m.Prunable(n.Params[0]) {
			continue
		}
		name := m.Params[n.Params[0]].Name
		if len(name) > 7 && name[len(name)-7:] == ".weight" {
			name = name[:len(name)-7]
		}
		l = append(l, Layer{name, i, n.Params[0]})
	}
	return l
}

// StructHash identifies the structure: ops, shapes and names, not the values.
func (m *Model) StructHash() string {
	c := *m
	c.Nodes = append([]Node(nil), m.Nodes...)
	for i := range c.Nodes { // an empty list and a missing one are the same
		n := &c.Nodes[i]
		n.In, n.Params = append([]int{}, n.In...), append([]int{}, n.Params...)
	}
	b, err := json.Marshal(&c)
	if err != nil {
		return ""
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:8])
}

// WeightHash identifies structure, values and masks bit by bit.
func (m *Model) WeightHash() string {
	h := sha256.New()
	h.Write([]byte(m.StructHash()))
	var b [4]byte
	for _, p := range m.Params {
		for _, x := range p.Data {
			u := math.Float32bits(x)
			b[0], b[1], b[2], b[3] = byte(u), byte(u>>8), byte(u>>16), byte(u>>24)
			h.Write(b[:])
		}
		if p.Mask.Zeros() > 0 { // a mask that keeps everything is no mask
			h.Write([]byte(p.Mask.Hash()))
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Verify checks the whole model: topological order, every shape by the op's
// rule, parameter shapes, masks and data lengths. Every loader and every
// Rewrite ends in it.
func (m *Model) Verify() error {
	if len(m.Values) == 0 || len(m.Nodes) == 0 {
		return fmt.Errorf("model %q has no layers", m.Name)
	}
	if v := m.Values[0]; v.C < 1 || v.H < 1 || v.W < 1 || v.Seq < 0 {
		return fmt.Errorf("model %q: input of %v: each size must be at least 1", m.Name, v)
	} else if err := v.check(); err != nil {
		return fmt.Errorf("model %q: input: %w", m.Name, err)
	}
	names := map[string]bool{}
	for i, p := range m.Params {
		if p.Name == "" || names[p.Name] {
			return fmt.Errorf("parameter %d: name %q is empty or used twice", i, p.Name)
		}
		names[p.Name] = true
		if err := p.Shape.Check(); err != nil {
			return fmt.Errorf("parameter %s: %w", p.Name, err)
		}
		switch p.Role {
		case Bias, Scale, Shift, Running:
		case Weight, Table, LoraA, LoraB: // all that looks at layers relies on a matrix or filters
			if len(p.Shape) < 2 {
				return fmt.Errorf("parameter %s: a weight of shape %v needs at least two axes", p.Name, p.Shape)
			}
		default:
			return fmt.Errorf("parameter %s: unknown role %q", p.Name, p.Role)
		}
		if p.Data != nil && len(p.Data) != p.Shape.Len() {
			return fmt.Errorf("parameter %s: %d values for shape %v", p.Name, len(p.Data), p.Shape)
		}
		if p.Mask != nil && p.Mask.N != p.Shape.Len() {
			return fmt.Errorf("parameter %s: mask over %d elements for shape %v", p.Name, p.Mask.N, p.Shape)
		}
	}
	made := make([]bool, len(m.Values))
	made[0] = true
	used := map[string]bool{}
	for i := range m.Nodes {
		n := &m.Nodes[i]
		if n.Name == "" || used[n.Name] {
			return fmt.Errorf("node %d (%s): name %q is empty or used twice", i, n.Op, n.Name)
		}
		used[n.Name] = true
		op, ok := ops[n.Op]
		if !ok {
			return fmt.Errorf("node %s: unknown op %q", n.Name, n.Op)
		}
		for _, v := range n.In {
			if v < 0 || v >= len(m.Values) || !made[v] {
				return fmt.Errorf("node %s: input value %d is not made before it", n.Name, v)
			}
		}
		for _, p := range n.Params {
			if p < 0 || p >= len(m.Params) {
				return fmt.Errorf("node %s: no parameter %d", n.Name, p)
			}
		}
		if n.Out <= 0 || n.Out >= len(m.Values) || made[n.Out] {
			return fmt.Errorf("node %s: output value %d is made twice or unknown", n.Name, n.Out)
		}
		v, err := op.Infer(m, n)
		if err != nil {
			return fmt.Errorf("node %s (%s): %w", n.Name, n.Op, err)
		}
		if v.C < 1 || v.H < 1 || v.W < 1 {
			return fmt.Errorf("node %s (%s): output of %v is empty", n.Name, n.Op, v)
		}
		if err := v.check(); err != nil {
			return fmt.Errorf("node %s (%s): output: %w", n.Name, n.Op, err)
		}
		m.Values[n.Out] = v
		made[n.Out] = true
	}
	if m.Output < 0 || m.Output >= len(m.Values) || !made[m.Output] {
		return fmt.Errorf("model %q: output value %d is never made", m.Name, m.Output)
	}
	if o := m.Values[m.Output]; o.H != 1 || o.W != 1 {
		return fmt.Errorf("model %q: output is %v, need one vector of class scores", m.Name, o)
	}
	return nil
}

// key is the name's hash: random streams are keyed by it, so that cutting one
// layer does not reshuffle another's dropout.
func key(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}
