package graph

import (
	"fmt"

	"pare/core/device"
	"pare/core/tensor"
)

// batchnorm: y = (x − μ)/√(σ² + eps)·gamma + beta per channel, over the batch
// and all pixels while training (biased σ²), with running statistics otherwise.
// Params: gamma, beta, running mean, running variance, each [C].
// Attrs: Eps, Momentum (running ← (1−m)·running + m·batch, unbiased variance).
// ONNX BatchNormalization, PyTorch nn.BatchNorm1d/2d; Ioffe & Szegedy 2015.
//
//	dbeta = Σ dy    dgamma = Σ dy·x̂
//	dx = gamma/√(σ²+eps)·(dy − dbeta/m − x̂·dgamma/m),  m = B·H·W
func init() {
	register(&Op{
		Name: "batchnorm", ONNX: "BatchNormalization",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 1, 4); err != nil {
				return Value{}, err
			}
			x := m.Values[n.In[0]]
			if err := image(x); err != nil {
				return Value{}, err
			}
			return x, checkNorm(m, n, x)
		},
		Lower: func(b *Builder, n *Node) {
			x, y := b.Val(n.In[0]), b.Val(n.Out)
			if !b.Training {
				b.Emit(device.Call{Kernel: device.NormInfer, In: []int{x}, Out: []int{y}, W: b.weights(n.Params...), S: [2]float32{n.Attrs.Eps}})
				return
			}
			if b.again {
				b.Emit(device.Call{Kernel: device.NormApply, In: []int{x}, Out: []int{y}, W: b.weights(n.Params[:2]...), Stat: b.stat[b.node]})
				return
			}
			c := b.M.Values[n.In[0]].C
			b.stat[b.node] = len(b.Stats)
			b.Stats = append(b.Stats, c)
			part := b.New("s"+n.Name, device.PartVal, 2*c, 1, 1)
			s := b.stat[b.node]
			b.Emit(device.Call{Kernel: device.NormStats, In: []int{x}, Out: []int{part}, Stat: s})
			b.Emit(device.Call{Kernel: device.NormMerge, In: []int{part}, W: b.weights(n.Params[2:]...), Stat: s, S: [2]float32{n.Attrs.Eps, n.Attrs.Momentum}})
			b.Emit(device.Call{Kernel: device.NormApply, In: []int{x}, Out: []int{y}, W: b.weights(n.Params[:2]...), Stat: s})
		},
		Grad: func(b *Builder, n *Node) {
			x, dy := b.Val(n.In[0]), b.Grad(n.Out)
			c, s := b.M.Values[n.In[0]].C, b.stat[b.node]
			part := b.New("g"+n.Name, device.PartVal, 2*c, 1, 1)
			b.Emit(device.Call{Kernel: device.NormDStats, In: []int{x, dy}, Out: []int{part}, Stat: s})
			b.Emit(device.Call{Kernel: device.NormDMerge, In: []int{part}, W: b.weights(n.Params[:2]...), Stat: s})
			b.Into(n.In[0], func(dst int) {
				b.Emit(device.Call{Kernel: device.NormDX, In: []int{x, dy}, Out: []int{dst}, W: b.weights(n.Params[0]), Stat: s})
			})
			for _, p := range n.Params[:2] {
				if b.Trains(p) {
					b.EmitLate(device.Call{Kernel: device.Update, W: b.weights(p)})
				}
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

// checkNorm tests that a norm has a value for each channel, and a positive eps.
func checkNorm(m *Model, n *Node, x Value) error {
	for _, p := range n.Params {
		if !m.Params[p].Shape.Equal(tensor.Shape{x.C}) {
			return fmt.Errorf("%s is %v, the input has %d channels", m.Params[p].Name, m.Params[p].Shape, x.C)
		}
	}
	if !(n.Attrs.Eps > 0) {
		return fmt.Errorf("eps = %g, need a positive value", n.Attrs.Eps)
	}
	return nil
}
