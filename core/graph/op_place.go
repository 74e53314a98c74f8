package graph

import (
	"fmt"

	"pare/core/device"
	"pare/core/tensor"
)

// token: the vector of token Attrs.At of a sequence: what a classifier looks at.
// ONNX Gather (axis 1).
//
//	dx = dy at that token, 0 elsewhere
func init() {
	register(&Op{
		Name: "token", ONNX: "Gather",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 1); err != nil {
				return Value{}, err
			}
			x := m.Values[n.In[0]]
			if n.Attrs.At < 0 || n.Attrs.At >= x.Seq {
				return Value{}, fmt.Errorf("takes token %d of %v", n.Attrs.At, x)
			}
			return Value{C: x.C, H: 1, W: 1}, nil
		},
		Lower: func(b *Builder, n *Node) {
			b.Emit(device.Call{Kernel: device.Token, In: []int{b.Val(n.In[0])}, Out: []int{b.Val(n.Out)}, S: [2]float32{float32(n.Attrs.At)}})
		},
		Grad: func(b *Builder, n *Node) {
			dy := b.Grad(n.Out)
			b.Into(n.In[0], func(dst int) {
				b.Emit(device.Call{Kernel: device.TokenDX, In: []int{dy}, Out: []int{dst}, S: [2]float32{float32(n.Attrs.At)}})
			})
		},
		Couple: same,
	})
}

// meantokens: the mean of all tokens of a sequence. ONNX ReduceMean (axis 1).
//
//	dx = dy/Seq at every token
func init() {
	register(&Op{
		Name: "meantokens", ONNX: "ReduceMean",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 1); err != nil {
				return Value{}, err
			}
			x := m.Values[n.In[0]]
			if x.Seq < 1 {
				return Value{}, fmt.Errorf("input is %v, need a sequence", x)
			}
			return Value{C: x.C, H: 1, W: 1}, nil
		},
		Lower: func(b *Builder, n *Node) {
			b.Emit(device.Call{Kernel: device.MeanTokens, In: []int{b.Val(n.In[0])}, Out: []int{b.Val(n.Out)}})
		},
		Grad: func(b *Builder, n *Node) {
			dy := b.Grad(n.Out)
			b.Into(n.In[0], func(dst int) {
				b.Emit(device.Call{Kernel: device.MeanTokensDX, In: []int{dy}, Out: []int{dst}})
			})
		},
		Couple: same,
	})
}

// tokens: the pixels of an image as the tokens of a sequence, row by row. With a
// parameter [C], that is a token in front of them: the class token of Dosovitskiy et
// al. 2021.
//
//	dx[pixel] = dy[token]    dw = Σ dy over the first tokens
func init() {
	register(&Op{
		Name: "tokens", ONNX: "Transpose",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 1, 0, 1); err != nil {
				return Value{}, err
			}
			x := m.Values[n.In[0]]
			if err := image(x); err != nil {
				return Value{}, err
			}
			if err := (tensor.Shape{x.H, x.W}).Check(); err != nil {
				return Value{}, err
			}
			for _, p := range n.Params {
				if w := m.Params[p]; !w.Shape.Equal(tensor.Shape{x.C}) {
					return Value{}, fmt.Errorf("weight %s is %v, need %d values", w.Name, w.Shape, x.C)
				}
			}
			return Value{C: x.C, H: 1, W: 1, Seq: x.H*x.W + len(n.Params)}, nil
		},
		Lower: func(b *Builder, n *Node) {
			b.Emit(device.Call{Kernel: device.Tokens, In: []int{b.Val(n.In[0])}, Out: []int{b.Val(n.Out)}, W: b.weights(n.Params...)})
		},
		Grad: func(b *Builder, n *Node) {
			dy := b.Grad(n.Out)
			first := float32(len(n.Params))
			b.Into(n.In[0], func(dst int) {
				b.Emit(device.Call{Kernel: device.TokensDX, In: []int{dy}, Out: []int{dst}, S: [2]float32{first}})
			})
			if len(n.Params) > 0 && b.Trains(n.Params[0]) {
				b.EmitLate(device.Call{Kernel: device.FirstD, In: []int{dy}, W: b.weights(n.Params...)})
			}
		},
		Couple: func(c *Coupler, n *Node) {
			c.Same(n.In[0], n.Out)
			for _, p := range n.Params {
				c.Tie(n.Out, p, 0)
			}
		},
	})
}
