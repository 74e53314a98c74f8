package interp

import (
	"math"

	"pare/core/model/onnx"
)

// Reductions: over axes, given as an attribute or, later, as an input.
func init() {
	sum := func(v []float64) float64 {
		s := 0.0
		for _, x := range v {
			s += x
		}
		return s
	}
	for name, f := range map[string]struct {
		since int64 // axes are an input from here on
		f     func(v []float64) float64
	}{
		"ReduceSum":  {13, sum},
		"ReduceMean": {18, func(v []float64) float64 { return sum(v) / float64(len(v)) }},
		"ReduceProd": {18, func(v []float64) float64 {
			p := 1.0
			for _, x := range v {
				p *= x
			}
			return p
		}},
		"ReduceMax": {18, func(v []float64) float64 {
			m := math.Inf(-1)
			for _, x := range v {
				m = math.Max(m, x)
			}
			return m
		}},
		"ReduceMin": {18, func(v []float64) float64 {
			m := math.Inf(1)
			for _, x := range v {
				m = math.Min(m, x)
			}
			return m
		}},
		"ReduceL1": {18, func(v []float64) float64 {
			s := 0.0
			for _, x := range v {
				s += math.Abs(x)
			}
			return s
		}},
		"ReduceSumSquare": {18, squares},
		"ReduceL2":        {18, func(v []float64) float64 { return math.Sqrt(squares(v)) }},
		"ReduceLogSum":    {18, func(v []float64) float64 { return math.Log(sum(v)) }},
		"ReduceLogSumExp": {18, func(v []float64) float64 {
			m := math.Inf(-1)
			for _, x := range v {
				m = math.Max(m, x)
			}
			if math.IsInf(m, 0) {
				return m
			}
			s := 0.0
			for _, x := range v {
				s += math.Exp(x - m)
			}
			return m + math.Log(s)
		}},
	} {
		one(name, 1, func(c *call) *Tensor {
			over := c.listOf("axes", 1, f.since)
			if len(over) == 0 {
				if over = nil; c.int("noop_with_empty_axes", 0) != 0 {
					return c.map1(c.x(0), func(x float64) float64 { return f.f([]float64{x}) })
				}
			}
			return c.reduce(c.x(0), axes(over, len(c.x(0).Shape)), c.int("keepdims", 1) != 0, f.f)
		})
	}
	one("ArgMax", 1, func(c *call) *Tensor { return c.arg(func(a, b float64) bool { return a > b }) })
	one("ArgMin", 1, func(c *call) *Tensor { return c.arg(func(a, b float64) bool { return a < b }) })
	one("CumSum", 11, func(c *call) *Tensor {
		x := c.x(0)
		outer, n, inner := around(x.Shape, axis(int(c.x(1).at(0)), len(x.Shape)))
		exclusive, reverse := c.int("exclusive", 0) != 0, c.int("reverse", 0) != 0
		y := c.heap.make(x.Type, x.Shape...)
		for o := range outer {
			for in := range inner {
				s := 0.0
				for k := range n {
					if reverse {
						k = n - 1 - k
					}
					i := (o*n+k)*inner + in
					v := x.at(i)
					if exclusive {
						y.put(i, s)
					}
					if s += v; !exclusive {
						y.put(i, s)
					}
				}
			}
		}
		return y
	})
}

func squares(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x * x
	}
	return s
}

// reduce applies f to the elements along the axes.
func (c *call) reduce(x *Tensor, over []int, keep bool, f func(v []float64) float64) *Tensor {
	gone := make([]bool, len(x.Shape))
	var run []int // shape of what is reduced
	for _, a := range over {
		gone[a] = true
		run = append(run, x.Shape[a])
	}
	var shape, rest, restStride, runStride []int
	st := strides(x.Shape)
	for i, d := range x.Shape {
		switch {
		case !gone[i]:
			shape, rest, restStride = append(shape, d), append(rest, d), append(restStride, st[i])
		default:
			if runStride = append(runStride, st[i]); keep {
				shape = append(shape, 1)
			}
		}
	}
	y := c.heap.make(x.Type, shape...)
	v := make([]float64, volume(run))
	each(rest, func(i int, at []int) {
		base := 0
		for k, a := range at {
			base += a * restStride[k]
		}
		each(run, func(j int, at []int) {
			e := base
			for k, a := range at {
				e += a * runStride[k]
			}
			v[j] = x.at(e)
		})
		y.put(i, f(v))
	})
	return y
}

// arg is the place of the best element along an axis.
func (c *call) arg(better func(a, b float64) bool) *Tensor {
	x := c.x(0)
	a := axis(c.int("axis", 0), len(x.Shape))
	last := c.int("select_last_index", 0) != 0
	outer, n, inner := around(x.Shape, a)
	shape := append([]int{}, x.Shape...)
	shape[a] = 1
	if c.int("keepdims", 1) == 0 {
		shape = append(shape[:a], shape[a+1:]...)
	}
	y := c.heap.make(onnx.Int64, shape...)
	if n == 0 {
		fail("looks for the best of nothing")
	}
	for o := range outer {
		for in := range inner {
			best := 0
			for k := 1; k < n; k++ {
				v, b := x.at((o*n+k)*inner+in), x.at((o*n+best)*inner+in)
				if better(v, b) || last && v == b {
					best = k
				}
			}
			y.I[o*inner+in] = int64(best)
		}
	}
	return y
}
