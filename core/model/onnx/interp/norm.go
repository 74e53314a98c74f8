package interp

import (
	"math"
	"slices"

	"pare/core/model/onnx"
)

// Normalisation, and what makes shares of scores.
func init() {
	op("BatchNormalization", 7, func(c *call) []*Tensor {
		x, scale, shift, mean, v := c.x(0), c.x(1), c.x(2), c.x(3), c.x(4)
		eps, ch, inner := c.float("epsilon", 1e-5), x.Shape[1], volume(x.Shape[2:])
		train := c.int("training_mode", 0) != 0
		var out []*Tensor
		if train {
			over := append([]int{0}, axes(nil, len(x.Shape))[2:]...)
			m := c.reduce(x, over, false, average)
			vr := c.reduce(x, over, false, func(v []float64) float64 {
				_, s := moments(v)
				return s
			})
			k := c.float("momentum", 0.9)
			blend := func(old, now float64) float64 { return old*k + now*(1-k) }
			out = []*Tensor{nil, c.arith(mean, m, blend, nil), c.arith(v, vr, blend, nil)}
			mean, v = m, vr
		}
		y := c.heap.make(x.Type, x.Shape...)
		for i := range y.Len() {
			k := i / inner % ch
			y.put(i, (x.at(i)-mean.at(k))/math.Sqrt(v.at(k)+eps)*scale.at(k)+shift.at(k))
		}
		if train {
			out[0] = y
			return out
		}
		return []*Tensor{y}
	})
	one("InstanceNormalization", 6, func(c *call) *Tensor {
		x, scale, shift := c.x(0), c.x(1), c.x(2)
		ch, inner := x.Shape[1], volume(x.Shape[2:])
		return c.groups(x, inner, c.float("epsilon", 1e-5), func(i int, v float64) float64 {
			k := i / inner % ch
			return v*scale.at(k) + shift.at(k)
		})
	})
	one("GroupNormalization", 18, func(c *call) *Tensor {
		x, scale, shift := c.x(0), c.x(1), c.x(2)
		g, ch, inner := c.int("num_groups", 1), x.Shape[1], volume(x.Shape[2:])
		if g < 1 || ch%g != 0 {
			fail("%d groups of %d channels", g, ch)
		}
		return c.groups(x, ch/g*inner, c.float("epsilon", 1e-5), func(i int, v float64) float64 {
			k := i / inner % ch
			if scale.Len() == g { // before operator set 21
				k /= ch / g
			}
			return v*scale.at(k) + shift.at(k)
		})
	})
	op("LayerNormalization", 17, func(c *call) []*Tensor {
		x, scale, shift := c.x(0), c.x(1), c.opt(2)
		a := axis(c.int("axis", -1), len(x.Shape))
		inner, eps := volume(x.Shape[a:]), c.float("epsilon", 1e-5)
		shape := slices.Clone(x.Shape)
		for i := a; i < len(shape); i++ {
			shape[i] = 1
		}
		stat := onnx.DataType(c.int("stash_type", 1))
		mean, inv := c.heap.make(stat, shape...), c.heap.make(stat, shape...)
		at := index(x.Shape[a:], scale.Shape)
		k := make([]int, inner)
		each(x.Shape[a:], func(i int, p []int) { k[i] = at(p) })
		y, v := c.heap.make(x.Type, x.Shape...), make([]float64, inner)
		for r := range mean.Len() {
			for i := range v {
				v[i] = x.at(r*inner + i)
			}
			m, s := moments(v)
			d := 1 / math.Sqrt(s+eps)
			mean.put(r, m)
			inv.put(r, d)
			for i := range v {
				z := (v[i] - m) * d * scale.at(k[i])
				if shift != nil {
					z += shift.at(k[i])
				}
				y.put(r*inner+i, z)
			}
		}
		return []*Tensor{y, mean, inv}
	})
	one("RMSNormalization", 23, func(c *call) *Tensor {
		x, scale := c.x(0), c.x(1)
		a := axis(c.int("axis", -1), len(x.Shape))
		inner, eps := volume(x.Shape[a:]), c.float("epsilon", 1e-5)
		y := c.heap.make(x.Type, x.Shape...)
		at := index(x.Shape[a:], scale.Shape)
		k := make([]int, inner)
		each(x.Shape[a:], func(i int, p []int) { k[i] = at(p) })
		for r := range x.Len() / max(inner, 1) {
			s := 0.0
			for i := range inner {
				v := x.at(r*inner + i)
				s += v * v
			}
			d := 1 / math.Sqrt(s/float64(inner)+eps)
			for i := range inner {
				y.put(r*inner+i, x.at(r*inner+i)*d*scale.at(k[i]))
			}
		}
		return y
	})
	one("LpNormalization", 1, func(c *call) *Tensor {
		x, p := c.x(0), c.int("p", 2)
		a := axis(c.int("axis", -1), len(x.Shape))
		n := c.reduce(x, []int{a}, true, func(v []float64) float64 {
			s := 0.0
			for _, x := range v {
				s += math.Pow(math.Abs(x), float64(p))
			}
			return math.Pow(s, 1/float64(p))
		})
		return c.arith(x, n, func(a, b float64) float64 {
			if b == 0 {
				return 0
			}
			return a / b
		}, nil)
	})
	one("MeanVarianceNormalization", 9, func(c *call) *Tensor {
		x, over := c.x(0), c.ints("axes")
		if over == nil {
			over = []int{0, 2, 3}
		}
		over = axes(over, len(x.Shape))
		mean := c.reduce(x, over, true, average)
		sd := c.reduce(x, over, true, func(v []float64) float64 {
			_, s := moments(v)
			return math.Sqrt(s)
		})
		d := c.arith(x, mean, func(a, b float64) float64 { return a - b }, nil)
		return c.arith(d, sd, func(a, b float64) float64 { return a / (b + 1e-9) }, nil)
	})
	one("LRN", 1, func(c *call) *Tensor {
		x, size := c.x(0), c.int("size", 1)
		alpha, beta, bias := c.float("alpha", 1e-4), c.float("beta", 0.75), c.float("bias", 1)
		outer, n, inner := around(x.Shape, 1)
		y := c.heap.make(x.Type, x.Shape...)
		for o := range outer {
			for k := range n {
				for in := range inner {
					s := 0.0
					for j := max(0, k-(size-1)/2); j <= min(n-1, k+size/2); j++ {
						v := x.at((o*n+j)*inner + in)
						s += v * v
					}
					i := (o*n+k)*inner + in
					y.put(i, x.at(i)/math.Pow(bias+alpha/float64(size)*s, beta))
				}
			}
		}
		return y
	})
	for name, f := range map[string]func(v []float64){"Softmax": softmax, "LogSoftmax": func(v []float64) {
		m := slices.Max(v)
		s := 0.0
		for _, x := range v {
			s += math.Exp(x - m)
		}
		for i := range v {
			v[i] -= m + math.Log(s)
		}
	}, "Hardmax": func(v []float64) {
		best := 0
		for i, x := range v {
			if x > v[best] {
				best = i
			}
		}
		clear(v)
		v[best] = 1
	}} {
		one(name, 1, func(c *call) *Tensor {
			x := c.x(0)
			if c.opset < 13 { // all axes from the given one on together
				a := c.int("axis", 1)
				if a < 0 {
					a += len(x.Shape)
				}
				return c.along(x.view(volume(x.Shape[:a]), volume(x.Shape[a:])), 1, f).view(x.Shape...)
			}
			return c.along(x, axis(c.int("axis", -1), len(x.Shape)), f)
		})
	}
}

func softmax(v []float64) {
	m := slices.Max(v)
	if math.IsInf(m, -1) { // nothing is allowed
		m = 0
	}
	s := 0.0
	for i := range v {
		v[i] = math.Exp(v[i] - m)
		s += v[i]
	}
	for i := range v {
		v[i] /= s
	}
}

// along changes the elements along an axis together.
func (c *call) along(x *Tensor, a int, f func(v []float64)) *Tensor {
	outer, n, inner := around(x.Shape, a)
	y := c.heap.make(x.Type, x.Shape...)
	if n == 0 {
		return y
	}
	v := make([]float64, n)
	for o := range outer {
		for in := range inner {
			for k := range v {
				v[k] = x.at((o*n+k)*inner + in)
			}
			f(v)
			for k := range v {
				y.put((o*n+k)*inner+in, v[k])
			}
		}
	}
	return y
}

func average(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s / float64(len(v))
}

// moments are the mean and the variance with n in the denominator.
func moments(v []float64) (mean, variance float64) {
	mean = average(v)
	for _, x := range v {
		variance += (x - mean) * (x - mean)
	}
	return mean, variance / float64(len(v))
}

// groups normalises each n elements in a row and lets f scale them.
func (c *call) groups(x *Tensor, n int, eps float64, f func(i int, v float64) float64) *Tensor {
	y, v := c.heap.make(x.Type, x.Shape...), make([]float64, n)
	for r := range x.Len() / max(n, 1) {
		for i := range v {
			v[i] = x.at(r*n + i)
		}
		m, s := moments(v)
		d := 1 / math.Sqrt(s+eps)
		for i := range v {
			y.put(r*n+i, f(r*n+i, (v[i]-m)*d))
		}
	}
	return y
}
