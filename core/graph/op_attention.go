package graph

import (
	"fmt"
	"math"

	"pare/core/device"
)

// attention: y = softmax(q·kᵀ/√D)·v for each head of D channels, over the tokens
// of the sequence, or with Causal over those up to the query. Inputs: q [Heads·D],
// k and v [KVHeads·D], or one value with the channels of all three side by side.
// With fewer key than query heads, Heads/KVHeads consecutive queries share one
// (grouped-query attention). Vaswani et al. 2017; PyTorch
// scaled_dot_product_attention. Attrs.Scale takes the place of 1/√D.
//
//	p = softmax(s)    dv = pᵀ·dy    dp = dy·vᵀ    ds = p·(dp − Σ dy·y)
//	dq = ds·k/√D      dk = dsᵀ·q/√D
func init() {
	register(&Op{
		Name: "attention", ONNX: "Attention",
		Infer: func(m *Model, n *Node) (Value, error) {
			if len(n.In) != 1 {
				if err := want(n, 3); err != nil {
					return Value{}, err
				}
			}
			a, q := n.Attrs, m.Values[n.In[0]]
			if q.Seq < 1 {
				return Value{}, fmt.Errorf("input is %v, need a sequence", q)
			}
			if a.Heads < 1 || a.Heads > q.C || a.KVHeads < 1 || a.Heads%a.KVHeads != 0 {
				return Value{}, fmt.Errorf("%d channels, %d query heads and %d key and value heads: queries need channels, and a multiple of the others' heads", q.C, a.Heads, a.KVHeads)
			}
			heads := a.Heads
			if len(n.In) == 1 {
				heads += 2 * a.KVHeads
			}
			if s := float64(a.Scale); !(s >= 0) || math.IsInf(s, 0) {
				return Value{}, fmt.Errorf("scores are scaled by %g, need a positive number", a.Scale)
			}
			d := q.C / heads
			if q.C != d*heads {
				return Value{}, fmt.Errorf("%d channels do not divide into %d heads", q.C, heads)
			}
			for _, v := range n.In[1:] {
				if x := m.Values[v]; x != q.vector(a.KVHeads*d) {
					return Value{}, fmt.Errorf("keys or values are %v, %d heads of %d channels are %v", x, a.KVHeads, d, q.vector(a.KVHeads*d))
				}
			}
			return q.vector(a.Heads * d), nil
		},
		Lower: func(b *Builder, n *Node) {
			out := []int{b.Val(n.Out)}
			if b.Training {
				s := b.New("lse"+n.Name, device.ActVal, n.Attrs.Heads, 1, 1)
				b.saved[b.node] = s
				out = append(out, s)
			}
			b.Emit(device.Call{Kernel: device.Attention, In: b.vals(n.In), Out: out, Attn: attn(b, n)})
		},
		Grad: func(b *Builder, n *Node) {
			var d []int
			for _, v := range n.In {
				d = append(d, b.room(v))
			}
			in := append(b.vals(n.In), b.Val(n.Out), b.saved[b.node], b.Grad(n.Out))
			b.Emit(device.Call{Kernel: device.AttentionDX, In: in, Out: d, Attn: attn(b, n)})
			for i, v := range n.In {
				b.give(v, d[i])
			}
		},
		Couple: func(c *Coupler, n *Node) {
			// A channel is one key and value head with the queries that share it.
			kv, d := n.Attrs.KVHeads, c.M.Values[n.Out].C/n.Attrs.Heads
			q := n.Attrs.Heads / kv * d
			t := c.heads(kv)
			if len(n.In) == 1 {
				c.coarsen(n.In[0], t, []part{{0, q}, {kv * q, d}, {kv * (q + d), d}})
			} else {
				c.coarsen(n.In[0], t, []part{{0, q}})
				c.coarsen(n.In[1], t, []part{{0, d}})
				c.coarsen(n.In[2], t, []part{{0, d}})
			}
			c.ref[n.Out] = ref{t, q}
		},
	})
}

// attn is the geometry of an attention node.
func attn(b *Builder, n *Node) *device.Attn {
	d := b.M.Values[n.Out].C / n.Attrs.Heads
	scale := n.Attrs.Scale
	if scale == 0 {
		scale = float32(1 / math.Sqrt(float64(d)))
	}
	return &device.Attn{Heads: n.Attrs.Heads, KVHeads: n.Attrs.KVHeads, Dim: d, Causal: n.Attrs.Causal, Scale: scale}
}

// vals is Val of several values.
func (b *Builder) vals(vs []int) (l []int) {
	for _, v := range vs {
		l = append(l, b.Val(v))
	}
	return l
}

// rope: rotary positions. Channels i and i + D/2 of each of Heads heads of D
// channels turn by the angle t·Base^(−2i/D) for token t. The layout of Llama in
// Hugging Face's files; Su et al. 2021.
//
//	dx is dy turned back
func init() {
	turn := func(b *Builder, n *Node, in, out int, sign float32) {
		d := b.M.Values[n.Out].C / n.Attrs.Heads
		a := &device.Attn{Heads: n.Attrs.Heads, KVHeads: n.Attrs.Heads, Dim: d}
		for i := range d / 2 {
			a.Freq = append(a.Freq, math.Pow(n.Attrs.Base, -2*float64(i)/float64(d)))
		}
		b.Emit(device.Call{Kernel: device.Rope, In: []int{in}, Out: []int{out}, Attn: a, S: [2]float32{sign}})
	}
	register(&Op{
		Name: "rope", ONNX: "RotaryEmbedding",
		Infer: func(m *Model, n *Node) (Value, error) {
			if err := want(n, 1); err != nil {
				return Value{}, err
			}
			x, h := m.Values[n.In[0]], n.Attrs.Heads
			if x.Seq < 1 {
				return Value{}, fmt.Errorf("input is %v, need a sequence", x)
			}
			if h < 1 || h > x.C || x.C%(2*h) != 0 {
				return Value{}, fmt.Errorf("%d channels do not divide into %d heads of an even number", x.C, h)
			}
			if !(n.Attrs.Base > 1) || math.IsInf(n.Attrs.Base, 0) {
				return Value{}, fmt.Errorf("base = %g, need more than 1", n.Attrs.Base)
			}
			return x, nil
		},
		Lower: func(b *Builder, n *Node) { turn(b, n, b.Val(n.In[0]), b.Val(n.Out), 1) },
		Grad: func(b *Builder, n *Node) {
			dy := b.Grad(n.Out)
			b.Into(n.In[0], func(dst int) { turn(b, n, dy, dst, -1) })
		},
		Couple: func(c *Coupler, n *Node) {
			c.coarsen(n.In[0], c.heads(n.Attrs.Heads), []part{{0, c.M.Values[n.Out].C / n.Attrs.Heads}})
			c.Same(n.In[0], n.Out)
		},
	})
}
