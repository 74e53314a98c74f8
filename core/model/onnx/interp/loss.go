package interp

import (
	"math"
	"slices"

	"pare/core/model/onnx"
)

// Losses over classes in axis 1.
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
