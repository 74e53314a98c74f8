package graph

import (
	"fmt"

	"pare/core/device"
)

// flatten: C×H×W to a vector in the order C, H, W. ONNX Flatten (axis 1).
func init() {
	register(&Op{
		Name: "flatten", ONNX: "Flatten",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 1); err != nil {
				return Value{}, err
			}
			x := m.Values[n.In[0]]
			return Value{C: x.Len(), H: 1, W: 1}, image(x)
		},
		Lower: func(b *Builder, n *Node) {
			b.Emit(device.Call{Kernel: device.Flatten, In: []int{b.Val(n.In[0])}, Out: []int{b.Val(n.Out)}})
		},
		Grad: func(b *Builder, n *Node) {
			dy := b.Grad(n.Out)
			b.Into(n.In[0], func(dst int) {
				b.Emit(device.Call{Kernel: device.FlattenDX, In: []int{dy}, Out: []int{dst}})
			})
		},
		Couple: func(c *Coupler, n *Node) { c.Flatten(n.In[0], n.Out) },
	})
}

// add: y = a + b, equal shapes. ONNX Add.
func init() {
	register(&Op{
		Name: "add", ONNX: "Add",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 2); err != nil {
				return Value{}, err
			}
			a, b := m.Values[n.In[0]], m.Values[n.In[1]]
			if a != b {
				return Value{}, fmt.Errorf("adds %v and %v: shapes must be equal", a, b)
			}
			return a, nil
		},
		Lower: func(b *Builder, n *Node) {
			b.Emit(device.Call{Kernel: device.Add, In: []int{b.Val(n.In[0]), b.Val(n.In[1])}, Out: []int{b.Val(n.Out)}})
		},
		Grad: func(b *Builder, n *Node) {
			dy := b.Grad(n.Out)
			b.Pass(n.In[0], dy)
			b.Pass(n.In[1], dy)
		},
		Couple: func(c *Coupler, n *Node) {
			c.Same(n.In[0], n.Out)
			c.Same(n.In[1], n.Out)
		},
	})
}

// mul: y = a·b element by element, equal shapes: the gate of a SwiGLU. ONNX Mul.
//
//	da = dy·b    db = dy·a
func init() {
	register(&Op{
		Name: "mul", ONNX: "Mul",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 2); err != nil {
				return Value{}, err
			}
			a, b := m.Values[n.In[0]], m.Values[n.In[1]]
			if a != b {
				return Value{}, fmt.Errorf("multiplies %v and %v: shapes must be equal", a, b)
			}
			return a, nil
		},
		Lower: func(b *Builder, n *Node) {
			b.Emit(device.Call{Kernel: device.Mul, In: []int{b.Val(n.In[0]), b.Val(n.In[1])}, Out: []int{b.Val(n.Out)}})
		},
		Grad: func(b *Builder, n *Node) {
			dy := b.Grad(n.Out)
			for i, v := range n.In {
				b.Into(v, func(dst int) {
					b.Emit(device.Call{Kernel: device.Mul, In: []int{dy, b.Val(n.In[1-i])}, Out: []int{dst}})
				})
			}
		},
		Couple: func(c *Coupler, n *Node) {
			c.Same(n.In[0], n.Out)
			c.Same(n.In[1], n.Out)
		},
	})
}

// dropout: y = x·keep/(1−p) while training, y = x otherwise. Attrs: P.
// ONNX Dropout (left out of exports: it is the identity at inference).
func init() {
	register(&Op{
		Name: "dropout", ONNX: "Dropout",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 1); err != nil {
				return Value{}, err
			}
			if !(n.Attrs.P >= 0 && n.Attrs.P < 1) {
				return Value{}, fmt.Errorf("p = %g, need 0 ≤ p < 1", n.Attrs.P)
			}
			return m.Values[n.In[0]], nil
		},
		Lower: func(b *Builder, n *Node) {
			if !b.Training {
				b.fwd[n.Out] = b.Val(n.In[0])
				return
			}
			b.Emit(device.Call{Kernel: device.Dropout, In: []int{b.Val(n.In[0])}, Out: []int{b.Val(n.Out)}, S: [2]float32{n.Attrs.P}, Key: key(n.Name)})
		},
		Grad: func(b *Builder, n *Node) {
			dy := b.Grad(n.Out)
			b.Into(n.In[0], func(dst int) {
				b.Emit(device.Call{Kernel: device.DropoutDX, In: []int{dy}, Out: []int{dst}, S: [2]float32{n.Attrs.P}, Key: key(n.Name)})
			})
		},
		Couple: same,
	})
}

// softmax over the channels of a vector; inference only: while training the
// loss contains it. ONNX Softmax (axis 1).
func init() {
	register(&Op{
		Name: "softmax", ONNX: "Softmax",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 1); err != nil {
				return Value{}, err
			}
			v := m.Values[n.In[0]]
			if v.H != 1 || v.W != 1 {
				return Value{}, fmt.Errorf("input is %v, need a vector", v)
			}
			return v, nil
		},
		Lower: func(b *Builder, n *Node) {
			b.Emit(device.Call{Kernel: device.Softmax, In: []int{b.Val(n.In[0])}, Out: []int{b.Val(n.Out)}})
		},
		Couple: same,
	})
}

// image refuses sequences: ops on pixels and batch statistics take none.
func image(x Value) error {
	if x.Seq > 0 {
		return fmt.Errorf("input is a sequence of %v: it takes images and vectors", x)
	}
	return nil
}
