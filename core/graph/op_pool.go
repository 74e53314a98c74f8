package graph

import (
	"fmt"

	"pare/core/device"
)

// maxpool, avgpool: over Attrs.Win. ONNX MaxPool, AveragePool.
// globalavgpool: mean over all pixels, output H = W = 1. ONNX GlobalAveragePool.
func init() {
	pool := func(name, onnx string, fwd, bwd device.Kernel, win func(x Value, n *Node) (*device.Window, error)) *Op {
		return &Op{
			Name: name, ONNX: onnx,
			Infer: func(m *Model, n *Node) (Value, error) {
				if err := want(n, 1); err != nil {
					return Value{}, err
				}
				x := m.Values[n.In[0]]
				if err := image(x); err != nil {
					return Value{}, err
				}
				g, err := win(x, n)
				if err != nil {
					return Value{}, err
				}
				oh, ow := g.Out(x.H, x.W)
				return Value{C: x.C, H: oh, W: ow}, nil
			},
			Lower: func(b *Builder, n *Node) {
				g, _ := win(b.M.Values[n.In[0]], n)
				b.Emit(device.Call{Kernel: fwd, In: []int{b.Val(n.In[0])}, Out: []int{b.Val(n.Out)}, Win: g})
			},
			Grad: func(b *Builder, n *Node) {
				g, _ := win(b.M.Values[n.In[0]], n)
				in := []int{b.Grad(n.Out)}
				if bwd == device.MaxPoolDX {
					in = []int{b.Val(n.In[0]), b.Grad(n.Out)}
				}
				b.Into(n.In[0], func(dst int) {
					b.Emit(device.Call{Kernel: bwd, In: in, Out: []int{dst}, Win: g})
				})
			},
			Couple: same,
		}
	}
	own := func(x Value, n *Node) (*device.Window, error) {
		if n.Attrs.Win == nil {
			return nil, fmt.Errorf("needs a window")
		}
		return n.Attrs.Win, checkWindow(x, n.Attrs.Win)
	}
	register(pool("maxpool", "MaxPool", device.MaxPool, device.MaxPoolDX, own))
	register(pool("avgpool", "AveragePool", device.AvgPool, device.AvgPoolDX, own))
	register(pool("globalavgpool", "GlobalAveragePool", device.AvgPool, device.AvgPoolDX, func(x Value, _ *Node) (*device.Window, error) {
		return &device.Window{KH: x.H, KW: x.W, SH: 1, SW: 1, Groups: 1}, nil
	}))
}

// same is the coupling of ops that treat every channel alone.
func same(c *Coupler, n *Node) { c.Same(n.In[0], n.Out) }
