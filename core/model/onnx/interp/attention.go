package interp

import (
	"math"
	"slices"

	"pare/core/model/onnx"
)

// Attention and rotary positions as operators, from operator set 23 on.
func init() {
	op("Attention", 23, func(c *call) []*Tensor {
		q, k, v := c.x(0), c.x(1), c.x(2)
		flat := len(q.Shape) == 3
		if flat {
			q, k, v = c.splitHeads(q, c.int("q_num_heads", 0)), c.splitHeads(k, c.int("kv_num_heads", 0)), c.splitHeads(v, c.int("kv_num_heads", 0))
		}
		if past := c.opt(4); past != nil {
			k, v = c.join(past, k, 2), c.join(c.x(5), v, 2)
		}
		b, h, s, d := q.Shape[0], q.Shape[1], q.Shape[2], q.Shape[3]
		kv, t, dv := k.Shape[1], k.Shape[2], v.Shape[3]
		if kv < 1 || h%kv != 0 {
			fail("%d query heads, %d key heads", h, kv)
		}
		scale := c.float("scale", 1/math.Sqrt(float64(d)))
		soft, causal := c.float("softcap", 0), c.int("is_causal", 0) != 0
		mask := c.opt(3)
		shape := []int{b, h, s, t}
		var at func([]int) int
		if mask != nil {
			if last := len(mask.Shape) - 1; mask.Shape[last] < t { // what is missing is not allowed
				wide := slices.Clone(mask.Shape)
				wide[last] = t
				m := c.heap.make(mask.Type, wide...)
				for i := range m.Len() {
					if j := i % t; j < mask.Shape[last] {
						copyElement(m, i, mask, i/t*mask.Shape[last]+j)
					} else if m.I == nil {
						m.put(i, math.Inf(-1))
					}
				}
				mask = m
			}
			at = index(shape, mask.Shape)
		}
		mode := c.int("qk_matmul_output_mode", 0)
		y, qk := c.heap.make(q.Type, b, h, s, dv), c.heap.make(q.Type, shape...)
		row := make([]float64, t)
		past := t - s
		for i := range b {
			for j := range h {
				kh := (i*kv + j/(h/kv)) * t
				for r := range s {
					base := ((i*h+j)*s + r)
					for m := range t {
						sum := 0.0
						for e := range d {
							sum += q.at(base*d+e) * k.at((kh+m)*d+e)
						}
						sum *= scale
						o := base*t + m
						if mode == 0 {
							qk.put(o, sum)
						}
						if mask != nil {
							if e := at([]int{i, j, r, m}); mask.Type != onnx.Bool {
								sum += mask.at(e)
							} else if mask.I[e] == 0 {
								sum = math.Inf(-1)
							}
						}
						offset := 0
						if c.opt(4) != nil {
							offset = past
						}
						if causal && m > r+offset {
							sum = math.Inf(-1)
						}
						if mode == 1 {
							qk.put(o, sum)
						}
						if soft > 0 {
							sum = soft * math.Tanh(sum/soft)
						}
						if mode == 2 {
							qk.put(o, sum)
						}
						row[m] = sum
					}
					softmax(row)
					for m, p := range row {
						if mode == 3 {
							qk.put(base*t+m, p)
						}
						for e := range dv {
							y.put(base*dv+e, y.at(base*dv+e)+p*v.at((kh+m)*dv+e))
						}
					}
				}
			}
		}
		if flat {
			y = c.transpose(y, []int{0, 2, 1, 3}).view(b, s, h*dv)
		}
		return []*Tensor{y, k, v, qk}
	})
	one("RotaryEmbedding", 23, func(c *call) *Tensor {
		x, cos, sin, ids := c.x(0), c.x(1), c.x(2), c.opt(3)
		shape := x.Shape
		if len(shape) == 3 {
			x = c.splitHeads(x, c.int("num_heads", 0))
		}
		b, h, s, d := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
		turn := c.int("rotary_embedding_dim", 0)
		if turn == 0 {
			turn = d
		}
		half := turn / 2
		inter := c.int("interleaved", 0) != 0
		y := c.copyOf(x)
		for i := range b {
			for j := range h {
				for t := range s {
					row := i*s + t
					if ids != nil {
						row = int(ids.at(i*s + t))
					} else if cos.Len() == s*half {
						row = t
					}
					for e := range half {
						p, q := e, e+half
						if inter {
							p, q = 2*e, 2*e+1
						}
						base := ((i*h+j)*s + t) * d
						u, v, co, si := x.at(base+p), x.at(base+q), cos.at(row*half+e), sin.at(row*half+e)
						y.put(base+p, u*co-v*si)
						y.put(base+q, u*si+v*co)
					}
				}
			}
		}
		if len(shape) == 3 {
			y = c.transpose(y, []int{0, 2, 1, 3}).view(shape...)
		}
		return y
	})
}

// splitHeads turns [B, T, h·D] into [B, h, T, D].
func (c *call) splitHeads(x *Tensor, h int) *Tensor {
	if h < 1 || x.Shape[2]%h != 0 {
		fail("%d heads of %v", h, x.Shape)
	}
	return c.transpose(x.view(x.Shape[0], x.Shape[1], h, x.Shape[2]/h), []int{0, 2, 1, 3})
}

// join puts b behind a along an axis.
func (c *call) join(a, b *Tensor, along int) *Tensor {
	shape := slices.Clone(a.Shape)
	shape[along] += b.Shape[along]
	y := c.heap.make(a.Type, shape...)
	outer, n, inner := around(shape, along)
	for o := range outer {
		la, lb := a.Shape[along]*inner, b.Shape[along]*inner
		copyRun(y, o*n*inner, a, o*la, la)
		copyRun(y, o*n*inner+la, b, o*lb, lb)
	}
	return y
}
