package graph

import (
	"fmt"

	"pare/core/device"
	"pare/core/tensor"
)

// scale: y = s·x. Attrs: Scale. ONNX Mul.
//
//	dx = s·dy
func init() {
	register(&Op{
		Name: "scale", ONNX: "Mul",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 1); err != nil {
				return Value{}, err
			}
			if s := n.Attrs.Scale; s-s != 0 {
				return Value{}, fmt.Errorf("scale = %g, need a number", s)
			}
			return m.Values[n.In[0]], nil
		},
		Lower: func(b *Builder, n *Node) {
			b.Emit(device.Call{Kernel: device.Scale, In: []int{b.Val(n.In[0])}, Out: []int{b.Val(n.Out)}, S: [2]float32{n.Attrs.Scale}})
		},
		Grad: func(b *Builder, n *Node) {
			dy := b.Grad(n.Out)
			b.Into(n.In[0], func(dst int) {
				b.Emit(device.Call{Kernel: device.Scale, In: []int{dy}, Out: []int{dst}, S: [2]float32{n.Attrs.Scale}})
			})
		},
		Couple: same,
	})
}

// MaskedLora is the op of a linear layer with a mask and an adapter.
const MaskedLora = "lora"

// lora: y = (w + s·M⊙(b·a))·x + bias, M the mask of w: what a merge that keeps the
// mask computes (SQFT, Muñoz et al. 2024), so that merging changes nothing. w itself
// does not train. Params: w [N, K], a [R, K], b [N, R], optional bias [N]. Attrs:
// Scale. In ONNX a Gemm, once it is merged.
//
//	g = M⊙(dy·xᵀ)    da = s·bᵀ·g    db = s·g·aᵀ
func init() {
	register(&Op{
		Name: MaskedLora, ONNX: "Gemm",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 1, 3, 4); err != nil {
				return Value{}, err
			}
			x, w := m.Values[n.In[0]], &m.Params[n.Params[0]]
			if x.H != 1 || x.W != 1 || len(w.Shape) != 2 || w.Shape[1] != x.C {
				return Value{}, fmt.Errorf("weight %s is %v, the input is %v", w.Name, w.Shape, x)
			}
			if !w.Frozen {
				return Value{}, fmt.Errorf("weight %s has an adapter and is not frozen: merge the adapter first", w.Name)
			}
			a, b := &m.Params[n.Params[1]], &m.Params[n.Params[2]]
			if a.Role != LoraA || b.Role != LoraB || len(a.Shape) != 2 || a.Shape[1] != x.C || !b.Shape.Equal(tensor.Shape{w.Shape[0], a.Shape[0]}) {
				return Value{}, fmt.Errorf("adapter %s of %v and %s of %v for a weight of %v", a.Name, a.Shape, b.Name, b.Shape, w.Shape)
			}
			if len(n.Params) == 4 && !m.Params[n.Params[3]].Shape.Equal(tensor.Shape{w.Shape[0]}) {
				return Value{}, fmt.Errorf("bias %s is %v, need %d values", m.Params[n.Params[3]].Name, m.Params[n.Params[3]].Shape, w.Shape[0])
			}
			return x.vector(w.Shape[0]), nil
		},
		Lower: func(b *Builder, n *Node) {
			b.EmitEarly(device.Call{Kernel: device.Adapt, W: b.weights(n.Params[:3]...), S: [2]float32{n.Attrs.Scale}})
			w := append([]int{n.Params[0]}, n.Params[3:]...)
			b.Emit(device.Call{Kernel: device.Linear, In: []int{b.Val(n.In[0])}, Out: []int{b.Val(n.Out)}, W: b.weights(w...)})
		},
		Grad: func(b *Builder, n *Node) {
			dy := b.Grad(n.Out)
			b.Into(n.In[0], func(dst int) {
				b.Emit(device.Call{Kernel: device.LinearDX, In: []int{dy}, Out: []int{dst}, W: b.weights(n.Params[0])})
			})
			w, la, lb := n.Params[0], n.Params[1], n.Params[2]
			if b.Trains(la) || b.Trains(lb) {
				y := b.M.Values[n.Out]
				t := b.New("t"+n.Name, device.ActTVal, y.C, y.H, y.W)
				b.Emit(device.Call{Kernel: device.Transpose, In: []int{dy}, Out: []int{t}})
				b.EmitLate(device.Call{Kernel: device.LinearDW, In: []int{b.Val(n.In[0]), dy, t}, W: b.weights(w)})
			}
			if b.Trains(la) {
				b.EmitLate(device.Call{Kernel: device.AdaptA, W: b.weights(la, w, lb), S: [2]float32{n.Attrs.Scale}})
			}
			if b.Trains(lb) {
				b.EmitLate(device.Call{Kernel: device.AdaptB, W: b.weights(lb, w, la), S: [2]float32{n.Attrs.Scale}})
			}
			if len(n.Params) == 4 && b.Trains(n.Params[3]) {
				b.EmitLate(device.Call{Kernel: device.BiasD, In: []int{dy}, W: b.weights(n.Params[3])})
			}
		},
		Couple: func(c *Coupler, n *Node) {
			c.Consume(n.In[0], n.Params[0], 1)
			c.Tie(n.In[0], n.Params[1], 1)
			c.Produce(n.Out, append([]int{n.Params[0], n.Params[2]}, n.Params[3:]...)...)
		},
	})
}
