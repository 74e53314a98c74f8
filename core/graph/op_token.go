package graph

import (
	"fmt"

	"pare/core/device"
)

// embedding: y = w[id] for each token; the input's first channel holds ids. Params:
// weight [V, C]; a linear layer may share it (tied weights). ONNX Gather, PyTorch
// nn.Embedding, with padding_idx = Pad if Padded.
//
//	dw[id] = Σ dy over the tokens with that id, 0 for the id Pad if Padded
func init() {
	register(&Op{
		Name: "embedding", ONNX: "Gather",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 1, 1); err != nil {
				return Value{}, err
			}
			x, w := m.Values[n.In[0]], m.Params[n.Params[0]]
			if n.In[0] != 0 {
				return Value{}, fmt.Errorf("looks up value %d: only the model's input holds ids", n.In[0])
			}
			if x.C > 2 || x.H != 1 || x.W != 1 {
				return Value{}, fmt.Errorf("input is %v, need one id per token, and at most the number of its segment", x)
			}
			if len(w.Shape) != 2 || w.Role != Table {
				return Value{}, fmt.Errorf("weight %s is %v in the role of a %s, need a table [ids, channels]", w.Name, w.Shape, w.Role)
			}
			if w.Shape[0] > 1<<24 {
				return Value{}, fmt.Errorf("weight %s has %d rows: ids are exact up to %d", w.Name, w.Shape[0], 1<<24)
			}
			if n.Attrs.Padded && (n.Attrs.Pad < 0 || n.Attrs.Pad >= w.Shape[0]) {
				return Value{}, fmt.Errorf("padding is id %d, need one of the %d rows of weight %s", n.Attrs.Pad, w.Shape[0], w.Name)
			}
			return x.vector(w.Shape[1]), nil
		},
		Lower: func(b *Builder, n *Node) {
			b.Emit(device.Call{Kernel: device.Embed, In: []int{b.Val(n.In[0])}, Out: []int{b.Val(n.Out)}, W: b.weights(n.Params...)})
		},
		Grad: func(b *Builder, n *Node) {
			if b.Trains(n.Params[0]) {
				c := device.Call{Kernel: device.EmbedD, In: []int{b.Val(n.In[0]), b.Grad(n.Out)}, W: b.weights(n.Params...)}
				if n.Attrs.Padded {
					c.S = [2]float32{1, float32(n.Attrs.Pad)}
				}
				b.EmitLate(c)
			}
		},
		Couple: func(c *Coupler, n *Node) {
			c.ref[n.Out] = ref{c.space(n.Name, c.M.Values[n.Out].C), 1}
			c.Tie(n.Out, n.Params[0], 1)
			c.Fix(n.Params[0], 0, n.Name+" has a row for each id")
		},
	})
}

// positions: y = x + w[t] for token t of a sequence. Params: weight [n, C], n at
// least the length of the sequence. ONNX Add, with a Slice of the weight.
//
//	dx = dy    dw[t] = Σ dy over the batch
func init() {
	register(&Op{
		Name: "positions", ONNX: "Add",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 1, 1); err != nil {
				return Value{}, err
			}
			x, w := m.Values[n.In[0]], m.Params[n.Params[0]]
			if x.Seq < 1 {
				return Value{}, fmt.Errorf("input is %v, need a sequence", x)
			}
			if len(w.Shape) != 2 || w.Role != Table || w.Shape[0] < x.Seq || w.Shape[1] != x.C {
				return Value{}, fmt.Errorf("weight %s is %v in the role of a %s, need a table of at least %d places and %d channels", w.Name, w.Shape, w.Role, x.Seq, x.C)
			}
			return x, nil
		},
		Lower: func(b *Builder, n *Node) {
			b.Emit(device.Call{Kernel: device.Positions, In: []int{b.Val(n.In[0])}, Out: []int{b.Val(n.Out)}, W: b.weights(n.Params...)})
		},
		Grad: func(b *Builder, n *Node) {
			dy := b.Grad(n.Out)
			b.Pass(n.In[0], dy)
			if b.Trains(n.Params[0]) {
				b.EmitLate(device.Call{Kernel: device.PositionsD, In: []int{dy}, W: b.weights(n.Params...)})
			}
		},
		Couple: func(c *Coupler, n *Node) {
			c.Same(n.In[0], n.Out)
			c.Tie(n.Out, n.Params[0], 1)
			c.Fix(n.Params[0], 0, n.Name+" has a row for each place")
		},
	})
}
