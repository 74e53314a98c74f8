package graph

import (
	"fmt"

	"pare/core/device"
)

// segment: y = x + w[s], s the segment that a token belongs to: the token types of
// BERT, which tell the two texts of a pair apart. Inputs: x, and the model's input
// where that has s in its second channel; without it all tokens are of segment 0.
// Params: weight [segments, C].
//
//	dx = dy    dw[s] = Σ dy over the tokens of segment s
func init() {
	register(&Op{
		Name: "segment", ONNX: "Add",
		Infer: func(m *Model, n *Node) (Value, error) {
			if len(n.In) != 1 {
				if err := want(n, 2, 1); err != nil {
					return Value{}, err
				}
				if v := m.Values[n.In[1]]; n.In[1] != 0 || v.C != 2 {
					return Value{}, fmt.Errorf("takes segments from value %d of %v: only the model's input holds them, in its second channel", n.In[1], v)
				}
			} else if err := want(n, 1, 1); err != nil {
				return Value{}, err
			}
			x, w := m.Values[n.In[0]], m.Params[n.Params[0]]
			if x.Seq < 1 {
				return Value{}, fmt.Errorf("input is %v, need a sequence", x)
			}
			if len(w.Shape) != 2 || w.Role != Table || w.Shape[1] != x.C || w.Shape[0] > 1<<24 {
				return Value{}, fmt.Errorf("weight %s is %v in the role of a %s, need a table [segments, %d]", w.Name, w.Shape, w.Role, x.C)
			}
			return x, nil
		},
		Lower: func(b *Builder, n *Node) {
			b.Emit(device.Call{Kernel: device.Segment, In: b.vals(n.In), Out: []int{b.Val(n.Out)}, W: b.weights(n.Params...)})
		},
		Grad: func(b *Builder, n *Node) {
			dy := b.Grad(n.Out)
			b.Pass(n.In[0], dy)
			if b.Trains(n.Params[0]) {
				b.EmitLate(device.Call{Kernel: device.SegmentD, In: append([]int{dy}, b.vals(n.In[1:])...), W: b.weights(n.Params...)})
			}
		},
		Couple: func(c *Coupler, n *Node) {
			c.Same(n.In[0], n.Out)
			c.Tie(n.Out, n.Params[0], 1)
			c.Fix(n.Params[0], 0, n.Name+" has a row for each segment")
		},
	})
}
