package ref

import (
	"fmt"
	"math"

	"pare/core/device"
)

// mul: y = a·b.
func mul(e *exec, c *device.Call, i int) {
	a, b, y := e.val(c.In[0], i), e.val(c.In[1], i), e.val(c.Out[0], i)
	for j := range y.x {
		y.x[j] = a.x[j] * b.x[j]
	}
}

// layerNorm: y = (x − μ)·r·gamma + beta over the channels of a row; μ is 0 for
// RMSNorm.
func layerNorm(e *exec, c *device.Call, i int) {
	x, y := e.val(c.In[0], i), e.val(c.Out[0], i)
	mean, square := 0.0, 0.0
	if c.Kernel == device.LayerNorm {
		for _, v := range x.x {
			mean += float64(v) / float64(x.C)
		}
	}
	for _, v := range x.x {
		d := float64(v) - mean
		square += d * d / float64(x.C)
	}
	r := 1 / math.Sqrt(square+float64(c.S[0]))
	for j, v := range x.x {
		s := (float64(v) - mean) * r * float64(e.weight(c.W[0]).v[j])
		if len(c.W) > 1 {
			s += float64(e.weight(c.W[1]).v[j])
		}
		y.x[j] = float32(s)
	}
	if len(c.Out) > 1 {
		stat := e.val(c.Out[1], i)
		stat.x[0], stat.x[1] = float32(mean), float32(r)
	}
}

// layerNormDX: g = gamma·dy, dx = r·(g − mean g − x̂·mean(g·x̂)), without the
// first mean for RMSNorm; part = dy·x̂, and dy behind it for LayerNorm.
func layerNormDX(e *exec, c *device.Call, i int) {
	x, stat, dy := e.val(c.In[0], i), e.val(c.In[1], i), e.val(c.In[2], i)
	dx, part, gamma := e.val(c.Out[0], i), e.val(c.Out[1], i), e.weight(c.W[0]).v
	mean, r := float64(stat.x[0]), float64(stat.x[1])
	g, gx := 0.0, 0.0
	for j, d := range dy.x {
		hat := (float64(x.x[j]) - mean) * r
		part.x[j] = float32(float64(d) * hat)
		if c.Kernel == device.LayerNormDX {
			part.x[x.C+j] = d
			g += float64(d) * float64(gamma[j]) / float64(x.C)
		}
		gx += float64(d) * float64(gamma[j]) * hat / float64(x.C)
	}
	for j, d := range dy.x {
		hat := (float64(x.x[j]) - mean) * r
		dx.x[j] = float32(r * (float64(d)*float64(gamma[j]) - g - hat*gx))
	}
}

// partD: the gradient of a vector is the sum of its parts.
func partD(e *exec, c *device.Call) {
	w, from := e.weight(c.W[0]), int(c.S[0])
	sum := make([]float64, len(w.v))
	for i := range e.n {
		part := e.val(c.In[0], i)
		for j := range sum {
			sum[j] += float64(part.x[from+j])
		}
	}
	e.grad(c, w, sum)
}

// embed: y = w[id].
func embed(e *exec, c *device.Call, i int) {
	y, id := e.val(c.Out[0], i), int(e.val(c.In[0], i).x[0])
	copy(y.x, e.weight(c.W[0]).v[id*y.C:])
}

// embedD: dw[id] = Σ dy.
func embedD(e *exec, c *device.Call) {
	w := e.weight(c.W[0])
	sum := make([]float64, len(w.v))
	for i := range e.n {
		dy, id := e.val(c.In[1], i), int(e.val(c.In[0], i).x[0])
		if c.S[0] == 1 && float32(id) == c.S[1] {
			continue
		}
		for j, d := range dy.x {
			sum[id*dy.C+j] += float64(d)
		}
	}
	e.grad(c, w, sum)
}

// positions: y = x + w[t].
func positions(e *exec, c *device.Call, i int) {
	x, y, w := e.val(c.In[0], i), e.val(c.Out[0], i), e.weight(c.W[0]).v
	for j, v := range x.x {
		y.x[j] = v + w[i%e.p.Seq*x.C+j]
	}
}

// positionsD: dw[t] = Σ dy over the sequences.
func positionsD(e *exec, c *device.Call) {
	w := e.weight(c.W[0])
	sum := make([]float64, len(w.v))
	for i := range e.n {
		dy := e.val(c.In[0], i)
		for j, d := range dy.x {
			sum[i%e.p.Seq*dy.C+j] += float64(d)
		}
	}
	e.grad(c, w, sum)
}

// rope turns channels i and i + D/2 of each head by S[0]·t·Freq[i].
func rope(e *exec, c *device.Call, i int) {
	x, y := e.val(c.In[0], i), e.val(c.Out[0], i)
	half := c.Attn.Dim / 2
	for h := range c.Attn.Heads {
		for k := range half {
			sin, cos := math.Sincos(float64(c.S[0]) * float64(i%e.p.Seq) * c.Attn.Freq[k])
			a, b := h*c.Attn.Dim+k, h*c.Attn.Dim+k+half
			u, v := float64(x.x[a]), float64(x.x[b])
			y.x[a], y.x[b] = float32(u*cos-v*sin), float32(v*cos+u*sin)
		}
	}
}

// head is one head of a value that holds queries, keys or values.
type head struct {
	e    *exec
	v    int // value
	from int // first channel
	dim  int
}

// at is the head's channels for row i of the batch.
func (h head) at(i int) []float32 { return h.e.floats(h.v, i)[h.from : h.from+h.dim] }

// qkv are the heads that query head n works with, in three values or side by
// side in one; vals are three values or one.
func (e *exec) qkv(a *device.Attn, vals []int, n int) (q, k, v head) {
	kv := n / (a.Heads / a.KVHeads)
	if len(vals) == 3 {
		return head{e, vals[0], n * a.Dim, a.Dim}, head{e, vals[1], kv * a.Dim, a.Dim}, head{e, vals[2], kv * a.Dim, a.Dim}
	}
	at := func(i int) head { return head{e, vals[0], i * a.Dim, a.Dim} }
	return at(n), at(a.Heads + kv), at(a.Heads + a.KVHeads + kv)
}

// scores are the softmax over the keys of the query in row i, and the logarithm
// of its denominator. The keys are rows from, from + 1, …
// Keys whose id, in value ids, is that of padding get none of it.
func (e *exec) scores(c *device.Call, q, k head, i int) (p []float64, from int, lse float64) {
	a := c.Attn
	from = i - i%e.p.Seq
	keys := e.p.Seq
	if a.Causal {
		keys = i%e.p.Seq + 1
	}
	s, top := make([]float64, keys), math.Inf(-1)
	for j := range s {
		s[j] = float64(a.Scale) * dot(q.at(i), k.at(from+j))
		if a.Pads && e.floats(c.In[len(c.In)-1], from+j)[0] == a.Pad {
			s[j] = math.Inf(-1)
		}
		top = math.Max(top, s[j])
	}
	if math.IsInf(top, -1) { // no key is left
		return make([]float64, keys), from, 0
	}
	sum := 0.0
	for _, x := range s {
		sum += math.Exp(x - top)
	}
	for j, x := range s {
		s[j] = math.Exp(x-top) / sum
	}
	return s, from, top + math.Log(sum)
}

// keyed is the number of inputs of attention that hold queries, keys and values.
func keyed(c *device.Call) int {
	in := len(c.In)
	if c.Attn.Pads {
		in--
	}
	if c.Kernel == device.AttentionDX {
		in -= 3
	}
	return in
}

func dot(a, b []float32) (sum float64) {
	for j, v := range a {
		sum += float64(v) * float64(b[j])
	}
	return sum
}

// attention: y = softmax(scale·q·kᵀ)·v.
func attention(e *exec, c *device.Call) {
	for n := range c.Attn.Heads {
		q, k, v := e.qkv(c.Attn, c.In[:keyed(c)], n)
		y := head{e, c.Out[0], n * c.Attn.Dim, c.Attn.Dim}
		for i := range e.n {
			p, from, lse := e.scores(c, q, k, i)
			sum := make([]float64, c.Attn.Dim)
			for j, w := range p {
				for d, x := range v.at(from + j) {
					sum[d] += w * float64(x)
				}
			}
			round(y.at(i), sum)
			if len(c.Out) > 1 {
				e.val(c.Out[1], i).x[n] = float32(lse)
			}
		}
	}
}

// attentionDX: ds = p·(dy·vᵀ − Σ dy·y), dq = scale·ds·k, dk = scale·dsᵀ·q,
// dv = pᵀ·dy.
func attentionDX(e *exec, c *device.Call) {
	in := keyed(c)
	sums := map[int][]float64{} // of each output, [rows][C]
	for _, o := range c.Out {
		sums[o] = make([]float64, e.n*e.p.Vals[o].C)
	}
	add := func(h head, row int, w float64, x []float32) {
		to := sums[h.v][row*e.p.Vals[h.v].C+h.from:]
		for d, v := range x {
			to[d] += w * float64(v)
		}
	}
	for n := range c.Attn.Heads {
		q, k, v := e.qkv(c.Attn, c.In[:in], n)
		dq, dk, dv := e.qkv(c.Attn, c.Out, n)
		y, dy := head{e, c.In[in], n * c.Attn.Dim, c.Attn.Dim}, head{e, c.In[in+2], n * c.Attn.Dim, c.Attn.Dim}
		for i := range e.n {
			p, from, _ := e.scores(c, q, k, i)
			all := dot(dy.at(i), y.at(i))
			for j, w := range p {
				ds := w * (dot(dy.at(i), v.at(from+j)) - all) * float64(c.Attn.Scale)
				add(dq, i, ds, k.at(from+j))
				add(dk, from+j, ds, q.at(i))
				add(dv, from+j, w, dy.at(i))
			}
		}
	}
	for o, sum := range sums {
		for i := range e.n {
			x := e.floats(o, i)
			round(x, sum[i*len(x):(i+1)*len(x)])
		}
	}
}

// The shapes of these kernels.

func statShape(p *device.Plan, vals []int, c int) error {
	for _, v := range vals {
		if x := p.Vals[v]; x.C != c || x.H != 1 || x.W != 1 {
			return fmt.Errorf("value %s is %d×%d×%d, need %d×1×1", x.Name, x.C, x.H, x.W, c)
		}
	}
	return nil
}

func normDXShape(p *device.Plan, c *device.Call) error {
	x := p.Vals[c.In[0]]
	return first(vector(x), statShape(p, c.In[1:2], 2), same(x, p.Vals[c.In[2]]), same(x, p.Vals[c.Out[0]]))
}

func partShape(from float32, v device.Val, w device.Weight) error {
	if !(from >= 0) || from != float32(int(from)) || len(w.Shape) != 1 || int(from)+w.Shape[0] > v.C {
		return fmt.Errorf("weight %s of %v at %g of %d values", w.Name, w.Shape, from, v.C)
	}
	return nil
}

func tableShape(p *device.Plan, w device.Weight, ids, y device.Val) error {
	if ids.Name != p.Vals[p.Input].Name || ids.C > 2 || len(w.Shape) != 2 || w.Shape[1] != y.C || w.Shape[0] > 1<<24 {
		return fmt.Errorf("weight %s is %v for %d channels and %d ids of %s", w.Name, w.Shape, y.C, ids.C, ids.Name)
	}
	return first(vector(ids), vector(y))
}

func placesShape(p *device.Plan, w device.Weight, x device.Val) error {
	if p.Seq < 1 || x.Sample || len(w.Shape) != 2 || w.Shape[0] < p.Seq || w.Shape[1] != x.C {
		return fmt.Errorf("weight %s is %v for sequences of %d tokens of %d channels", w.Name, w.Shape, p.Seq, x.C)
	}
	return vector(x)
}

func ropeShape(p *device.Plan, a *device.Attn, x device.Val) error {
	if p.Seq < 1 || a == nil || a.Heads < 1 || a.Dim < 2 || len(a.Freq) != a.Dim/2 || a.Heads*a.Dim != x.C || a.Dim%2 != 0 {
		return fmt.Errorf("heads %+v for sequences of %d tokens of %d channels", a, p.Seq, x.C)
	}
	return vector(x)
}

func attentionShape(p *device.Plan, c *device.Call) error {
	a, forward := c.Attn, c.Kernel == device.Attention
	if a == nil {
		return fmt.Errorf("has no heads")
	}
	in := keyed(c)
	if p.Seq < 1 || a.Dim < 1 || a.KVHeads < 1 || a.Heads < 1 || a.Heads%a.KVHeads != 0 || in != 1 && in != 3 || !forward && len(c.Out) != in {
		return fmt.Errorf("heads %+v, %d inputs and %d outputs for sequences of %d tokens", a, len(c.In), len(c.Out), p.Seq)
	}
	heads := []int{a.Heads, a.KVHeads, a.KVHeads}
	if in == 1 {
		heads = []int{a.Heads + 2*a.KVHeads}
	}
	var err error
	if a.Pads {
		if last := c.In[len(c.In)-1]; last != p.Input || p.Vals[last].Sample {
			return fmt.Errorf("takes ids from value %s: only the plan's input holds ids", p.Vals[last].Name)
		}
	}
	for i, h := range heads {
		err = first(err, statShape(p, c.In[i:i+1], h*a.Dim))
		if !forward {
			err = first(err, statShape(p, c.Out[i:i+1], h*a.Dim))
		}
	}
	if forward {
		return first(err, statShape(p, c.Out[:1], a.Heads*a.Dim), statShape(p, c.Out[1:], a.Heads))
	}
	return first(err, statShape(p, c.In[in:in+1], a.Heads*a.Dim), statShape(p, c.In[in+1:in+2], a.Heads), statShape(p, c.In[in+2:in+3], a.Heads*a.Dim))
}
