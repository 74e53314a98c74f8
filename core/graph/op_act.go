package graph

import "pare/core/device"

// relu, gelu (exact), gelu_tanh (its approximation), silu, hardswish, tanh: y = f(x), element by element.
// The derivative is taken from y for relu and tanh, from x otherwise.
func init() {
	for name, row := range map[string]struct {
		fn   device.Act
		onnx string
	}{
		"relu": {device.ReLU, "Relu"}, "gelu": {device.GELU, "Gelu"}, "silu": {device.SiLU, "Sigmoid, Mul"},
		"hardswish": {device.HardSwish, "HardSwish"}, "tanh": {device.Tanh, "Tanh"},
		"gelu_tanh": {device.GELUTanh, "Gelu"},
	} {
		register(&Op{
			Name: name, ONNX: row.onnx,
			Infer: func(m *Model, n *Node) (Value, error) {
				if err := want(n, 1); err != nil {
					return Value{}, err
				}
				return m.Values[n.In[0]], nil
			},
			Lower: func(b *Builder, n *Node) {
				b.Emit(device.Call{Kernel: device.ActFn, Act: row.fn, In: []int{b.Val(n.In[0])}, Out: []int{b.Val(n.Out)}})
			},
			Grad: func(b *Builder, n *Node) {
				from := b.Val(n.In[0])
				if row.fn.FromOutput() {
					from = b.Val(n.Out)
				}
				dy := b.Grad(n.Out)
				b.Into(n.In[0], func(dst int) {
					b.Emit(device.Call{Kernel: device.ActDX, Act: row.fn, In: []int{from, dy}, Out: []int{dst}})
				})
			},
			Couple: same,
		})
	}
}
