package graph

import (
	"fmt"
	"math"
	"slices"

	"pare/core/device"
)

// attention: y = softmax(q·kᵀ/√D)·v for each head of D channels, over the tokens
// of the sequence, or with Causal over those up to the query. Inputs: q [Heads·D],
// k and v [KVHeads·D], or one value with the channels of all three side by side.
// With fewer key than query heads, Heads/KVHeads consecutive queries share one
// (grouped-query attention). Vaswani et al. 2017; PyTorch
// scaled_dot_product_attention. Attrs.Scale takes the place of 1/√D.
//
// One more input, the model's own, holds ids: keys whose id is Attrs.Pad are left
// out, as an attention mask does it with padding. A query without any key left gets
// zeros.
//
//	p = softmax(s)    dv = pᵀ·dy    dp = dy·vᵀ    ds = p·(dp − Σ dy·y)
//	dq = ds·k/√D      dk = dsᵀ·q/√D
func init() {
	register(&Op{
		Name: "attention", ONNX: "Attention",
		Infer: func(m *Model, n *Node) (Value, error) {
			from := keyed(n)
			if k := len(from); k != 1 && k != 3 {
				return Value{}, fmt.Errorf("has %d inputs, need 1 or 3, and ids", len(n.In))
			}
			if len(from) < len(n.In) && n.In[len(from)] != 0 {
				return Value{}, fmt.Errorf("takes the ids of keys from value %d: only the model's input holds ids", n.In[len(from)])
			}
			a, q := n.Attrs, m.Values[n.In[0]]
			if q.Seq < 1 {
				return Value{}, fmt.Errorf("input is %v, need a sequence", q)
			}
			if a.Heads < 1 || a.Heads > q.C || a.KVHeads < 1 || a.Heads%a.KVHeads != 0 {
				return Value{}, fmt.Errorf("%d channels, %d query heads and %d key and value heads: queries need channels, and a multiple of the others' heads", q.C, a.Heads, a.KVHeads)
			}
			heads := a.Heads
			if len(from) == 1 {
				heads += 2 * a.KVHeads
			}
			if s := float64(a.Scale); !(s >= 0) || math.IsInf(s, 0) {
				return Value{}, fmt.Errorf("scores are scaled by %g, need a positive number", a.Scale)
			}
			d := q.C / heads
			if q.C != d*heads {
				return Value{}, fmt.Errorf("%d channels do not divide into %d heads", q.C, heads)
			}
			if x := m.Values[0]; len(from) < len(n.In) && (x.Seq != q.Seq || a.Pad < 0 || a.Pad >= 1<<24) {
				return Value{}, fmt.Errorf("leaves out keys with the id %d of %v ids for %d tokens", a.Pad, x.Seq, q.Seq)
			}
			for _, v := range from[1:] {
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
			from := keyed(n)
			for _, v := range from {
				d = append(d, b.room(v))
			}
			in := append(b.vals(from), b.Val(n.Out), b.saved[b.node], b.Grad(n.Out))
			in = append(in, b.vals(n.In[len(from):])...)
			b.Emit(device.Call{Kernel: device.AttentionDX, In: in, Out: d, Attn: attn(b, n)})
			for i, v := range from {
				b.give(v, d[i])
			}
		},
		Couple: func(c *Coupler, n *Node) {
			// A channel is one key and value head with the queries that share it.
			kv, d := n.Attrs.KVHeads, c.M.Values[n.Out].C/n.Attrs.Heads
			q := n.Attrs.Heads / kv * d
			t := c.heads(kv)
			if len(keyed(n)) == 1 {
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
	a := &device.Attn{Heads: n.Attrs.Heads, KVHeads: n.Attrs.KVHeads, Dim: d, Causal: n.Attrs.Causal, Scale: n.Attrs.Scale}
	if a.Scale == 0 {
		a.Scale = float32(1 / math.Sqrt(float64(d)))
	}
	if len(n.In)%2 == 0 {
		a.Pads, a.Pad = true, float32(n.Attrs.Pad)
	}
	return a
}

// keyed are the inputs of an attention node that hold queries, keys and values.
func keyed(n *Node) []int { return n.In[:len(n.In)-(len(n.In)+1)%2] }

// vals is Val of several values.
func (b *Builder) vals(vs []int) (l []int) {
	for _, v := range vs {
		l = append(l, b.Val(v))
	}
	return l
}

// rope: rotary positions. Channels i and i + D/2 of each of Heads heads of D
// channels turn by the angle t·Base^(−2i/D) for token t, or t·Freq[i]. The layout of Llama in
// Hugging Face's files; Su et al. 2021.
//
//	dx is dy turned back
func init() {
	turn := func(b *Builder, n *Node, in, out int, sign float32) {
		d := b.M.Values[n.Out].C / n.Attrs.Heads
		a := &device.Attn{Heads: n.Attrs.Heads, KVHeads: n.Attrs.Heads, Dim: d}
		a.Freq = n.Attrs.Angles(d)
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
			if f := n.Attrs.Freq; len(f) > 0 {
				if len(f) != x.C/h/2 || slices.ContainsFunc(f, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) {
					return Value{}, fmt.Errorf("%d angles for heads of %d channels: need one finite angle for each two channels", len(f), x.C/h)
				}
				return x, nil
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

// Angles are the angles per token by which rotary positions turn the pairs of
// channels of a head of d channels.
func (a Attrs) Angles(d int) []float64 {
	if len(a.Freq) > 0 {
		return a.Freq
	}
	f := make([]float64, d/2)
	for i := range f {
		f[i] = math.Pow(a.Base, -2*float64(i)/float64(d))
	}
	return f
}
