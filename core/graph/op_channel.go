package graph

import (
	"fmt"

	"pare/core/device"
	"pare/core/tensor"
)

// gate: y = x·s, s one factor for each channel of a sample: the gate of
// squeeze-and-excitation. Inputs: x C×H×W, s C×1×1. ONNX Mul, which broadcasts. Hu et
// al. 2018.
//
//	dx = dy·s    ds[c] = Σ dy·x over the pixels
func init() {
	register(&Op{
		Name: "gate", ONNX: "Mul",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 2); err != nil {
				return Value{}, err
			}
			x, s := m.Values[n.In[0]], m.Values[n.In[1]]
			if err := image(x); err != nil {
				return Value{}, err
			}
			if s != x.vector(x.C) {
				return Value{}, fmt.Errorf("scales %v by %v: need one factor for each channel", x, s)
			}
			return x, nil
		},
		Lower: func(b *Builder, n *Node) {
			b.Emit(device.Call{Kernel: device.Gate, In: b.vals(n.In), Out: []int{b.Val(n.Out)}})
		},
		Grad: func(b *Builder, n *Node) {
			dy := b.Grad(n.Out)
			b.Into(n.In[0], func(dst int) {
				b.Emit(device.Call{Kernel: device.Gate, In: []int{dy, b.Val(n.In[1])}, Out: []int{dst}})
			})
			b.Into(n.In[1], func(dst int) {
				b.Emit(device.Call{Kernel: device.GateD, In: []int{dy, b.Val(n.In[0])}, Out: []int{dst}})
			})
		},
		Couple: func(c *Coupler, n *Node) {
			c.Same(n.In[0], n.Out)
			c.Same(n.In[1], n.Out)
		},
	})
}

// concat: the channels of all inputs side by side. ONNX Concat (axis 1; axis 2 of
// sequences).
//
//	dx1, dx2, … = the channels of dy
func init() {
	register(&Op{
		Name: "concat", ONNX: "Concat",
		Infer: func(m *Model, n *Node) (Value, error) {
			if len(n.In) < 1 {
				return Value{}, fmt.Errorf("has no inputs")
			}
			if err := want(n, len(n.In)); err != nil {
				return Value{}, err
			}
			y := m.Values[n.In[0]]
			for _, v := range n.In[1:] {
				x := m.Values[v]
				if x.H != y.H || x.W != y.W || x.Seq != y.Seq {
					return Value{}, fmt.Errorf("puts %v beside %v: need equal pixels or tokens", x, y)
				}
				y.C += x.C
				if err := (tensor.Shape{y.C}).Check(); err != nil {
					return Value{}, err
				}
			}
			return y, nil
		},
		Lower: func(b *Builder, n *Node) {
			b.Emit(device.Call{Kernel: device.Concat, In: b.vals(n.In), Out: []int{b.Val(n.Out)}})
		},
		Grad: func(b *Builder, n *Node) {
			dy, from := b.Grad(n.Out), 0
			for _, v := range n.In {
				b.Into(v, func(dst int) {
					b.Emit(device.Call{Kernel: device.Slice, In: []int{dy}, Out: []int{dst}, S: [2]float32{float32(from)}})
				})
				from += b.M.Values[v].C
			}
		},
		Couple: func(c *Coupler, n *Node) {
			for _, v := range n.In {
				c.Refuse(v, n.Name+" puts its channels beside others")
			}
			c.ref[n.Out] = ref{c.space(n.Name, c.M.Values[n.Out].C), 1}
			c.Refuse(n.Out, n.Name+" puts channels of several layers side by side")
		},
	})
}

// slice: channels Attrs.From to From + Size − 1. ONNX Slice, Split.
//
//	dx = dy at these channels, 0 elsewhere
func init() {
	register(&Op{
		Name: "slice", ONNX: "Slice",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 1); err != nil {
				return Value{}, err
			}
			x, a := m.Values[n.In[0]], n.Attrs
			if a.From < 0 || a.Size < 1 || a.From > x.C-a.Size || a.From > 1<<24 {
				return Value{}, fmt.Errorf("takes %d channels from %d on of %v", a.Size, a.From, x)
			}
			x.C = a.Size
			return x, nil
		},
		Lower: func(b *Builder, n *Node) {
			b.Emit(device.Call{Kernel: device.Slice, In: []int{b.Val(n.In[0])}, Out: []int{b.Val(n.Out)}, S: [2]float32{float32(n.Attrs.From)}})
		},
		Grad: func(b *Builder, n *Node) {
			dy := b.Grad(n.Out)
			b.Into(n.In[0], func(dst int) {
				b.Emit(device.Call{Kernel: device.SliceDX, In: []int{dy}, Out: []int{dst}, S: [2]float32{float32(n.Attrs.From)}})
			})
		},
		Couple: func(c *Coupler, n *Node) {
			c.Refuse(n.In[0], n.Name+" takes some of its channels")
			c.ref[n.Out] = ref{c.space(n.Name, c.M.Values[n.Out].C), 1}
			c.Refuse(n.Out, n.Name+" takes some channels of another layer")
		},
	})
}
