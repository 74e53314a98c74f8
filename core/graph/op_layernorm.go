package graph

import (
	"fmt"

	"pare/core/device"
)

// layernorm: y = (x − μ)·r·gamma + beta over the channels of each vector or
// token, r = 1/√(σ² + eps), biased σ². Params: gamma, beta, each [C]. Attrs: Eps.
// ONNX LayerNormalization, PyTorch nn.LayerNorm; Ba et al. 2016.
//
//	dbeta = Σ dy    dgamma = Σ dy·x̂    g = gamma·dy
//	dx = r·(g − mean g − x̂·mean(g·x̂))
//
// rmsnorm: y = x·r·gamma, r = 1/√(mean x² + eps). Params: gamma. The RMSNorm of
// Llama; Zhang & Sennrich 2019.
//
//	dx = r·(g − x̂·mean(g·x̂))
func init() {
	rowNorm("layernorm", "LayerNormalization", device.LayerNorm, device.LayerNormDX, 2)
	rowNorm("rmsnorm", "RMSNormalization", device.RMSNorm, device.RMSNormDX, 1)
}

func rowNorm(name, onnx string, forward, backward device.Kernel, params int) {
	register(&Op{
		Name: name, ONNX: onnx,
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 1, params); err != nil {
				return Value{}, err
			}
			x := m.Values[n.In[0]]
			if x.H != 1 || x.W != 1 {
				return Value{}, fmt.Errorf("input is %v, need a vector", x)
			}
			return x, checkNorm(m, n, x)
		},
		Lower: func(b *Builder, n *Node) {
			out := []int{b.Val(n.Out)}
			if b.Training {
				s := b.New("s"+n.Name, device.ActVal, 2, 1, 1)
				b.saved[b.node] = s
				out = append(out, s)
			}
			b.Emit(device.Call{Kernel: forward, In: []int{b.Val(n.In[0])}, Out: out, W: b.weights(n.Params...), S: [2]float32{n.Attrs.Eps}})
		},
		Grad: func(b *Builder, n *Node) {
			c := b.M.Values[n.In[0]].C
			part, dx := b.New("g"+n.Name, device.PartVal, params*c, 1, 1), b.room(n.In[0])
			b.Emit(device.Call{Kernel: backward, In: []int{b.Val(n.In[0]), b.saved[b.node], b.Grad(n.Out)}, Out: []int{dx, part}, W: b.weights(n.Params[0])})
			b.give(n.In[0], dx)
			for i, p := range n.Params {
				if b.Trains(p) {
					b.EmitLate(device.Call{Kernel: device.PartD, In: []int{part}, W: b.weights(p), S: [2]float32{float32(i * c)}})
				}
			}
		},
		Couple: func(c *Coupler, n *Node) {
			// Without some channels the statistics of the others would change.
			c.Refuse(n.In[0], n.Name+" normalises over all channels")
			c.Same(n.In[0], n.Out)
			for _, p := range n.Params {
				c.Tie(n.Out, p, 0)
			}
		},
	})
}
