package graph

import (
	"fmt"

	"pare/core/device"
	"pare/core/tensor"
)

// New starts a model whose input is c channels of h×w pixels; a vector of
// features has h = w = 1. Layers are added with Append or the helpers below,
// each of which returns the value it makes.
func New(name string, c, h, w int) *Model {
	return &Model{Name: name, Values: []Value{{C: c, H: h, W: w}}}
}

// NewSequence starts a model on sequences of seq tokens of c features each; ids
// of an embedding are one feature.
func NewSequence(name string, c, seq int) *Model {
	return &Model{Name: name, Values: []Value{{C: c, H: 1, W: 1, Seq: seq}}}
}

// AddParam adds a parameter; data may be nil and filled in later.
func (m *Model) AddParam(name string, role Role, shape tensor.Shape, data []float32) int {
	m.Params = append(m.Params, Param{Name: name, Shape: shape, Role: role, Data: data})
	return len(m.Params) - 1
}

// Append adds a node and makes its output the model's output. The shapes are
// worked out at once, so errors name the layer that caused them.
func (m *Model) Append(name, op string, a Attrs, params []int, in ...int) (int, error) {
	row, ok := ops[op]
	if !ok {
		return 0, fmt.Errorf("node %s: unknown op %q", name, op)
	}
	for _, v := range in {
		if v < 0 || v >= len(m.Values) {
			return 0, fmt.Errorf("node %s: no value %d", name, v)
		}
	}
	for _, p := range params {
		if p < 0 || p >= len(m.Params) {
			return 0, fmt.Errorf("node %s: no parameter %d", name, p)
		}
	}
	n := Node{Name: name, Op: op, Attrs: a, In: in, Params: params, Out: len(m.Values)}
	v, err := row.Infer(m, &n)
	if err != nil {
		return 0, fmt.Errorf("node %s (%s): %w", name, op, err)
	}
	m.Nodes = append(m.Nodes, n)
	m.Values = append(m.Values, v)
	m.Output = n.Out
	return n.Out, nil
}

// Net builds a model layer by layer and keeps the first error, so that zoo
// entries read like the paper's table.
type Net struct {
	M   *Model
	Err error
}

func (b *Net) add(name, op string, a Attrs, params []int, in ...int) int {
	if b.Err != nil {
		return 0
	}
	v, err := b.M.Append(name, op, a, params, in...)
	b.Err = err
	return v
}

// Linear adds n outputs with a bias. Parameters: name.weight, name.bias.
func (b *Net) Linear(name string, in, n int) int {
	if b.Err != nil {
		return 0
	}
	w := b.M.AddParam(name+".weight", Weight, tensor.Shape{n, b.M.Values[in].C}, nil)
	return b.add(name, "linear", Attrs{}, []int{w, b.M.AddParam(name+".bias", Bias, tensor.Shape{n}, nil)}, in)
}

// Conv adds n filters of k×k. Parameters: name.weight and, if bias, name.bias.
func (b *Net) Conv(name string, in, n, k, stride, pad, groups int, bias bool) int {
	if b.Err != nil {
		return 0
	}
	g := max(groups, 1)
	p := []int{b.M.AddParam(name+".weight", Weight, tensor.Shape{n, b.M.Values[in].C / g, k, k}, nil)}
	if bias {
		p = append(p, b.M.AddParam(name+".bias", Bias, tensor.Shape{n}, nil))
	}
	return b.add(name, "conv2d", Attrs{Win: &device.Window{KH: k, KW: k, SH: stride, SW: stride, PT: pad, PL: pad, PB: pad, PR: pad, Groups: g}}, p, in)
}

// Norm adds batch norm with eps 1e-5 and momentum 0.1. Parameters:
// name.weight, name.bias, name.running_mean, name.running_var.
func (b *Net) Norm(name string, in int) int {
	if b.Err != nil {
		return 0
	}
	c := tensor.Shape{b.M.Values[in].C}
	return b.add(name, "batchnorm", Attrs{Eps: 1e-5, Momentum: 0.1}, []int{
		b.M.AddParam(name+".weight", Scale, c, nil), b.M.AddParam(name+".bias", Shift, c, nil),
		b.M.AddParam(name+".running_mean", Running, c, nil), b.M.AddParam(name+".running_var", Running, c, nil),
	}, in)
}

// LayerNorm adds layer norm with the given eps. Parameters: name.weight,
// name.bias.
func (b *Net) LayerNorm(name string, in int, eps float32) int {
	if b.Err != nil {
		return 0
	}
	c := tensor.Shape{b.M.Values[in].C}
	return b.add(name, "layernorm", Attrs{Eps: eps}, []int{b.M.AddParam(name+".weight", Scale, c, nil), b.M.AddParam(name+".bias", Shift, c, nil)}, in)
}

// RMSNorm adds RMS norm with the given eps. Parameter: name.weight.
func (b *Net) RMSNorm(name string, in int, eps float32) int {
	if b.Err != nil {
		return 0
	}
	return b.add(name, "rmsnorm", Attrs{Eps: eps}, []int{b.M.AddParam(name+".weight", Scale, tensor.Shape{b.M.Values[in].C}, nil)}, in)
}

// Embedding looks up c features for each of v ids. Parameter: name.weight [v, c].
func (b *Net) Embedding(name string, in, v, c int) int {
	if b.Err != nil {
		return 0
	}
	return b.add(name, "embedding", Attrs{}, []int{b.M.AddParam(name+".weight", Table, tensor.Shape{v, c}, nil)}, in)
}

// Positions adds a learned vector for each place of a sequence of at most n
// tokens. Parameter: name.weight [n, C].
func (b *Net) Positions(name string, in, n int) int {
	if b.Err != nil {
		return 0
	}
	return b.add(name, "positions", Attrs{}, []int{b.M.AddParam(name+".weight", Table, tensor.Shape{n, b.M.Values[in].C}, nil)}, in)
}

// Segments adds a learned vector for each of n segments. Parameter: name.weight
// [n, C].
func (b *Net) Segments(name string, in, n int) int {
	if b.Err != nil {
		return 0
	}
	from := []int{in}
	if b.M.Values[0].C == 2 {
		from = append(from, 0)
	}
	return b.add(name, "segment", Attrs{}, []int{b.M.AddParam(name+".weight", Table, tensor.Shape{n, b.M.Values[in].C}, nil)}, from...)
}

// Token takes the vector of token i of a sequence.
func (b *Net) Token(name string, in, i int) int { return b.add(name, "token", Attrs{At: i}, nil, in) }

// Tokens makes a sequence of an image's pixels, behind a learned class token if class
// is set. Parameter: name.weight [C].
func (b *Net) Tokens(name string, in int, class bool) int {
	if b.Err != nil {
		return 0
	}
	var p []int
	if class {
		p = []int{b.M.AddParam(name+".weight", Shift, tensor.Shape{b.M.Values[in].C}, nil)}
	}
	return b.add(name, "tokens", Attrs{}, p, in)
}

// MaskedAttention is Attention that leaves out keys whose id, in the model's input,
// is pad.
func (b *Net) MaskedAttention(name string, heads, kv int, causal bool, pad int, in ...int) int {
	return b.add(name, "attention", Attrs{Heads: heads, KVHeads: kv, Causal: causal, Pad: pad}, nil, append(in, 0)...)
}

// Attention adds attention over q, k and v, or over one value that holds all
// three, with heads query heads and kv key and value heads.
func (b *Net) Attention(name string, heads, kv int, causal bool, in ...int) int {
	return b.add(name, "attention", Attrs{Heads: heads, KVHeads: kv, Causal: causal}, nil, in...)
}

// Rope turns the channels of heads heads by their token's place.
func (b *Net) Rope(name string, in, heads int, base float64) int {
	return b.add(name, "rope", Attrs{Heads: heads, Base: base}, nil, in)
}

// Op adds a node without parameters or constants: relu, gelu, gelu_tanh, silu,
// hardswish, tanh, sigmoid, flatten, add, mul, gate, concat, globalavgpool, softmax.
func (b *Net) Op(name, op string, in ...int) int { return b.add(name, op, Attrs{}, nil, in...) }

// Pool adds maxpool or avgpool over k×k with the given stride.
func (b *Net) Pool(name, op string, in, k, stride int) int {
	return b.add(name, op, Attrs{Win: &device.Window{KH: k, KW: k, SH: stride, SW: stride, Groups: 1, CountPad: true}}, nil, in)
}

// Dropout adds dropout with probability p.
func (b *Net) Dropout(name string, in int, p float32) int {
	return b.add(name, "dropout", Attrs{P: p}, nil, in)
}
