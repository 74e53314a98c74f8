package interp

import (
	"math"
	"slices"

	"pare/core/model/onnx"
)

// Losses over classes in axis 1, and the optimisers of the training domain.
func init() {
	one("NegativeLogLikelihoodLoss", 12, func(c *call) *Tensor { return c.nll(c.x(0)) })
	op("SoftmaxCrossEntropyLoss", 12, func(c *call) []*Tensor {
		p := c.along(c.x(0), 1, func(v []float64) {
			m, s := slices.Max(v), 0.0
			for _, x := range v {
				s += math.Exp(x - m)
			}
			for i := range v {
				v[i] -= m + math.Log(s)
			}
		})
		return []*Tensor{c.nll(p), p}
	})
	// Inputs R, T, then all X, all G, and the state, in the order of the tensors.
	training := func(name string, states int, step func(c *call, r, t float64, x, g float64, s []float64) float64) {
		op(name, 1, func(c *call) []*Tensor {
			n := (len(c.in) - 2) / (2 + states)
			if n < 1 || len(c.in) != 2+n*(2+states) {
				fail("%d inputs", len(c.in))
			}
			r, t := c.x(0).at(0), c.x(1).at(0)
			out := make([]*Tensor, n*(1+states))
			for i := range n {
				x, g := c.x(2+i), c.x(2+n+i)
				for k := range 1 + states {
					out[k*n+i] = c.heap.make(x.Type, x.Shape...)
				}
				s := make([]float64, states)
				for e := range x.Len() {
					for k := range s {
						s[k] = c.x(2 + (2+k)*n + i).at(e)
					}
					out[i].put(e, step(c, r, t, x.at(e), g.at(e), s))
					for k := range s {
						out[(1+k)*n+i].put(e, s[k])
					}
				}
			}
			return out
		})
		table[name].training = true
	}
	training("Momentum", 1, func(c *call, r, t, x, g float64, s []float64) float64 {
		alpha, beta := c.float("alpha", 0), c.float("beta", 0)
		if t == 0 {
			beta = 1
		}
		g += c.float("norm_coefficient", 0) * x
		s[0] = alpha*s[0] + beta*g
		if c.text("mode", "standard") == "nesterov" {
			return x - r*(g+alpha*s[0])
		}
		return x - r*s[0]
	})
	training("Adagrad", 1, func(c *call, r, t, x, g float64, s []float64) float64 {
		r /= 1 + t*c.float("decay_factor", 0)
		g += c.float("norm_coefficient", 0) * x
		s[0] += g * g
		return x - r*g/(math.Sqrt(s[0])+c.float("epsilon", 1e-6))
	})
	training("Adam", 2, func(c *call, r, t, x, g float64, s []float64) float64 {
		a, b := c.float("alpha", 0.9), c.float("beta", 0.999)
		g += c.float("norm_coefficient", 0) * x
		s[0] = a*s[0] + (1-a)*g
		s[1] = b*s[1] + (1-b)*g*g
		if t > 0 {
			r *= math.Sqrt(1-math.Pow(b, t)) / (1 - math.Pow(a, t))
		}
		return (1 - c.float("norm_coefficient_post", 0)) * (x - r*s[0]/(math.Sqrt(s[1])+c.float("epsilon", 1e-6)))
	})
}

// nll is −w·p of each label's class, summed or averaged by the weights.
func (c *call) nll(p *Tensor) *Tensor {
	labels, w := c.x(1), c.opt(2)
	skip := int64(math.MinInt64)
	if a := c.attr("ignore_index", onnx.AttrInt); a != nil {
		skip = a.I
	}
	outer, n, inner := around(p.Shape, 1)
	loss := c.heap.make(p.Type, labels.Shape...)
	sum, weights := 0.0, 0.0
	for i, l := range labels.I {
		if l == skip {
			continue
		}
		k := 1.0
		if w != nil {
			k = w.at(place(int(l), n))
		}
		if i >= outer*inner {
			fail("%v labels for %v", labels.Shape, p.Shape)
		}
		v := -k * p.at((i/inner*n+place(int(l), n))*inner+i%inner)
		loss.put(i, v)
		sum, weights = sum+v, weights+k
	}
	switch c.text("reduction", "mean") {
	case "none":
		return loss
	case "mean":
		sum /= weights
	}
	y := c.heap.make(p.Type)
	y.put(0, sum)
	return y
}
