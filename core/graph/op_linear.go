package graph

import (
	"fmt"
	"math"

	"pare/core/device"
	"pare/core/tensor"
)

// linear: y[N] = w[N][K]·x[K] + b[N].
// Params: weight [N, K], optional bias [N]. ONNX Gemm (transB = 1), PyTorch
// nn.Linear.
//
//	dx = wᵀ·dy    dw = dy·xᵀ    db = Σ dy
func init() {
	register(&Op{
		Name: "linear", ONNX: "Gemm",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 1, 1, 2); err != nil {
				return Value{}, err
			}
			x, w := m.Values[n.In[0]], m.Params[n.Params[0]].Shape
			if x.H != 1 || x.W != 1 {
				return Value{}, fmt.Errorf("input is %v, need a vector: put a flatten before it", x)
			}
			if len(w) != 2 || w[1] != x.C {
				return Value{}, fmt.Errorf("weight %s is %v, the input has %d features", m.Params[n.Params[0]].Name, w, x.C)
			}
			if err := checkBias(m, n, w[0]); err != nil {
				return Value{}, err
			}
			return x.vector(w[0]), nil
		},
		Lower: func(b *Builder, n *Node) {
			b.Emit(device.Call{Kernel: device.Linear, In: []int{b.Val(n.In[0])}, Out: []int{b.Val(n.Out)}, W: b.weights(n.Params...)})
		},
		Grad: func(b *Builder, n *Node) { matrixGrad(b, n, device.LinearDX, device.LinearDW, nil) },
		Couple: func(c *Coupler, n *Node) {
			c.Consume(n.In[0], n.Params[0], 1)
			c.Produce(n.Out, n.Params...)
			if c.M.Params[n.Params[0]].Role == LoraA {
				c.Refuse(n.Out, "it is the rank of an adapter")
			}
		},
	})
}

// conv2d: y[n] = Σ w[n][c][ky][kx]·x[c][y·s+ky−p][x·s+kx−p] + b[n].
// Params: weight [N, C/groups, KH, KW], optional bias [N]. Attrs: Win.
// ONNX Conv, PyTorch nn.Conv2d (cross-correlation).
func init() {
	register(&Op{
		Name: "conv2d", ONNX: "Conv",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 1, 1, 2); err != nil {
				return Value{}, err
			}
			x, w, g := m.Values[n.In[0]], m.Params[n.Params[0]].Shape, n.Attrs.Win
			if g == nil || len(w) != 4 {
				return Value{}, fmt.Errorf("needs a window and a weight of four axes")
			}
			if err := checkWindow(x, g); err != nil {
				return Value{}, err
			}
			if g.Groups < 1 || x.C%g.Groups != 0 || w[0]%g.Groups != 0 || w[1] != x.C/g.Groups || w[2] != g.KH || w[3] != g.KW {
				return Value{}, fmt.Errorf("weight %s is %v for %d input channels, %d groups and a %d×%d window", m.Params[n.Params[0]].Name, w, x.C, g.Groups, g.KH, g.KW)
			}
			if err := checkBias(m, n, w[0]); err != nil {
				return Value{}, err
			}
			oh, ow := g.Out(x.H, x.W)
			return Value{C: w[0], H: oh, W: ow}, nil
		},
		Lower: func(b *Builder, n *Node) {
			b.Emit(device.Call{Kernel: device.Conv, In: []int{b.Val(n.In[0])}, Out: []int{b.Val(n.Out)}, W: b.weights(n.Params...), Win: n.Attrs.Win})
		},
		Grad: func(b *Builder, n *Node) { matrixGrad(b, n, device.ConvDX, device.ConvDW, n.Attrs.Win) },
		Couple: func(c *Coupler, n *Node) {
			g, w := n.Attrs.Win.Groups, c.M.Params[n.Params[0]].Shape
			switch {
			case g == 1:
				c.Consume(n.In[0], n.Params[0], 1)
				c.Produce(n.Out, n.Params...)
			case w[1] == 1 && w[0] == g: // depthwise: both sides are one set of channels
				c.Same(n.In[0], n.Out)
				for _, p := range n.Params {
					c.Tie(n.Out, p, 0)
				}
				c.Groups(n.Out, n)
			default:
				c.Refuse(n.In[0], "grouped convolution "+n.Name)
				c.Produce(n.Out, n.Params...)
				c.Refuse(n.Out, "grouped convolution "+n.Name)
			}
		},
	})
}

// matrixGrad emits the three products behind a matrix op.
func matrixGrad(b *Builder, n *Node, dxk, dwk device.Kernel, win *device.Window) {
	dy := b.Grad(n.Out)
	b.Into(n.In[0], func(dst int) {
		b.Emit(device.Call{Kernel: dxk, In: []int{dy}, Out: []int{dst}, W: b.weights(n.Params[0]), Win: win})
	})
	if b.Trains(n.Params[0]) {
		y := b.M.Values[n.Out]
		t := b.New("t"+n.Name, device.ActTVal, y.C, y.H, y.W)
		b.Emit(device.Call{Kernel: device.Transpose, In: []int{dy}, Out: []int{t}})
		b.EmitLate(device.Call{Kernel: dwk, In: []int{b.Val(n.In[0]), dy, t}, W: b.weights(n.Params[0]), Win: win})
	}
	if len(n.Params) == 2 && b.Trains(n.Params[1]) {
		b.EmitLate(device.Call{Kernel: device.BiasD, In: []int{dy}, W: b.weights(n.Params[1])})
	}
}

func checkBias(m *Model, n *Node, c int) error {
	if len(n.Params) == 2 && !m.Params[n.Params[1]].Shape.Equal(tensor.Shape{c}) {
		return fmt.Errorf("bias %s is %v, need %d values", m.Params[n.Params[1]].Name, m.Params[n.Params[1]].Shape, c)
	}
	return nil
}

func checkWindow(x Value, g *device.Window) error {
	if err := image(x); err != nil {
		return err
	}
	if g.KH < 1 || g.KW < 1 || g.SH < 1 || g.SW < 1 || g.PT < 0 || g.PL < 0 || g.PB < 0 || g.PR < 0 {
		return fmt.Errorf("window %d×%d with stride %d×%d and padding %d,%d,%d,%d", g.KH, g.KW, g.SH, g.SW, g.PT, g.PL, g.PB, g.PR)
	}
	if err := (tensor.Shape{g.KH, g.KW}).Check(); err != nil || max(g.SH, g.SW) > math.MaxInt32 {
		return fmt.Errorf("window %d×%d with stride %d×%d is too large", g.KH, g.KW, g.SH, g.SW)
	}
	if max(g.PT, g.PB) >= g.KH || max(g.PL, g.PR) >= g.KW {
		return fmt.Errorf("padding %d,%d,%d,%d is not smaller than the window %d×%d", g.PT, g.PL, g.PB, g.PR, g.KH, g.KW)
	}
	if x.H+g.PT+g.PB < g.KH || x.W+g.PL+g.PR < g.KW {
		return fmt.Errorf("window %d×%d is larger than the padded input %d×%d", g.KH, g.KW, x.H+g.PT+g.PB, x.W+g.PL+g.PR)
	}
	return nil
}
