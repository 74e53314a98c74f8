package interp

import (
	"cmp"
	"slices"

	"pare/core/model/onnx"
)

// Elements by their places: gathering, scattering, choosing.
func init() {
	one("Gather", 1, func(c *call) *Tensor {
		x, ids := c.x(0), c.x(1)
		a := axis(c.int("axis", 0), len(x.Shape))
		shape := slices.Concat(x.Shape[:a], ids.Shape, x.Shape[a+1:])
		y := c.heap.make(x.Type, shape...)
		outer, n, inner := around(x.Shape, a)
		at := ids.ints()
		for o := range outer {
			for j, k := range at {
				copyRun(y, (o*len(at)+j)*inner, x, (o*n+place(k, n))*inner, inner)
			}
		}
		return y
	})
	one("GatherElements", 11, func(c *call) *Tensor {
		x, ids := c.x(0), c.x(1)
		a := axis(c.int("axis", 0), len(x.Shape))
		y, st := c.heap.make(x.Type, ids.Shape...), strides(x.Shape)
		at := ids.ints()
		each(ids.Shape, func(i int, p []int) {
			k := place(at[i], x.Shape[a]) * st[a]
			for b, v := range p {
				if b != a {
					k += v * st[b]
				}
			}
			copyElement(y, i, x, k)
		})
		return y
	})
	one("GatherND", 11, func(c *call) *Tensor {
		x, ids, b := c.x(0), c.x(1), c.int("batch_dims", 0)
		last := ids.Shape[len(ids.Shape)-1]
		shape := slices.Concat(ids.Shape[:len(ids.Shape)-1], x.Shape[b+last:])
		y, st := c.heap.make(x.Type, shape...), strides(x.Shape)
		inner := volume(x.Shape[b+last:])
		batch := volume(ids.Shape[:b])
		at := ids.ints()
		rows := len(at) / max(last, 1)
		for r := range rows {
			k := 0
			if b > 0 {
				k = r / (rows / batch) * st[b-1]
			}
			for j := range last {
				k += place(at[r*last+j], x.Shape[b+j]) * st[b+j]
			}
			copyRun(y, r*inner, x, k, inner)
		}
		return y
	})
	scatter := func(c *call) *Tensor {
		x, ids, up := c.x(0), c.x(1), c.x(2)
		a := axis(c.int("axis", 0), len(x.Shape))
		y, st := c.copyOf(x), strides(x.Shape)
		at := ids.ints()
		join := joiner(c.text("reduction", "none"))
		each(ids.Shape, func(i int, p []int) {
			k := place(at[i], x.Shape[a]) * st[a]
			for b, v := range p {
				if b != a {
					k += v * st[b]
				}
			}
			join(y, k, up, i)
		})
		return y
	}
	one("Scatter", 9, scatter)
	one("ScatterElements", 11, scatter)
	one("ScatterND", 11, func(c *call) *Tensor {
		x, ids, up := c.x(0), c.x(1), c.x(2)
		last := ids.Shape[len(ids.Shape)-1]
		y, st := c.copyOf(x), strides(x.Shape)
		inner := volume(x.Shape[last:])
		at := ids.ints()
		join := joiner(c.text("reduction", "none"))
		for r := range len(at) / max(last, 1) {
			k := 0
			for j := range last {
				k += place(at[r*last+j], x.Shape[j]) * st[j]
			}
			for i := range inner {
				join(y, k+i, up, r*inner+i)
			}
		}
		return y
	})
	one("OneHot", 9, func(c *call) *Tensor {
		ids, depth, values := c.x(0), int(c.x(1).at(0)), c.x(2)
		a := axis(c.int("axis", -1), len(ids.Shape)+1)
		shape := slices.Insert(slices.Clone(ids.Shape), a, depth)
		y := c.heap.make(values.Type, shape...)
		outer, n, inner := around(shape, a)
		for o := range outer {
			for in := range inner {
				k := int(ids.at(o*inner + in))
				if k < 0 {
					k += depth
				}
				for j := range n {
					v := 0
					if j == k {
						v = 1
					}
					copyElement(y, (o*n+j)*inner+in, values, v)
				}
			}
		}
		return y
	})
	one("NonZero", 9, func(c *call) *Tensor {
		x := c.x(0)
		var at [][]int
		each(x.Shape, func(i int, p []int) {
			if x.at(i) != 0 {
				at = append(at, slices.Clone(p))
			}
		})
		y := c.heap.make(onnx.Int64, len(x.Shape), len(at))
		for j, p := range at {
			for a, v := range p {
				y.I[a*len(at)+j] = int64(v)
			}
		}
		return y
	})
	op("TopK", 1, func(c *call) []*Tensor {
		x, k := c.x(0), c.int("k", 1)
		if c.opset >= 10 {
			k = c.x(1).ints()[0]
		}
		a := axis(c.int("axis", -1), len(x.Shape))
		outer, n, inner := around(x.Shape, a)
		if k < 0 || k > n {
			fail("the first %d of %d", k, n)
		}
		largest := c.int("largest", 1) != 0
		shape := slices.Clone(x.Shape)
		shape[a] = k
		y, ids := c.heap.make(x.Type, shape...), c.heap.make(onnx.Int64, shape...)
		order := make([]int, n)
		for o := range outer {
			for in := range inner {
				for j := range order {
					order[j] = j
				}
				at := func(j int) int { return (o*n+j)*inner + in }
				slices.SortStableFunc(order, func(i, j int) int {
					d := cmp.Compare(x.at(at(i)), x.at(at(j)))
					if largest {
						d = -d
					}
					return d
				})
				for j := range k {
					e := (o*k+j)*inner + in
					copyElement(y, e, x, at(order[j]))
					ids.I[e] = int64(order[j])
				}
			}
		}
		return []*Tensor{y, ids}
	})
	one("Compress", 9, func(c *call) *Tensor {
		x, cond := c.x(0), c.x(1)
		a := 0
		if c.attr("axis", onnx.AttrInt) == nil {
			x = x.view(x.Len())
		} else {
			a = axis(c.int("axis", 0), len(x.Shape))
		}
		outer, n, inner := around(x.Shape, a)
		var keep []int
		for j, v := range cond.I {
			if v != 0 && j < n {
				keep = append(keep, j)
			}
		}
		shape := slices.Clone(x.Shape)
		shape[a] = len(keep)
		y := c.heap.make(x.Type, shape...)
		for o := range outer {
			for i, j := range keep {
				copyRun(y, (o*len(keep)+i)*inner, x, (o*n+j)*inner, inner)
			}
		}
		return y
	})
	one("ReverseSequence", 10, func(c *call) *Tensor {
		x, lens := c.x(0), c.x(1).ints()
		b, t := c.int("batch_axis", 1), c.int("time_axis", 0)
		y, st := c.heap.make(x.Type, x.Shape...), strides(x.Shape)
		each(x.Shape, func(i int, p []int) {
			k := i
			if n := lens[p[b]]; p[t] < n {
				k += (n - 1 - 2*p[t]) * st[t]
			}
			copyElement(y, i, x, k)
		})
		return y
	})
	op("Unique", 11, func(c *call) []*Tensor {
		x, a := c.x(0), 0
		flat := c.attr("axis", onnx.AttrInt) == nil
		if flat {
			x = x.view(x.Len())
		} else {
			a = axis(c.int("axis", 0), len(x.Shape))
		}
		outer, n, inner := around(x.Shape, a)
		compare := func(i, j int) int {
			for o := range outer {
				for in := range inner {
					if d := cmp.Compare(x.at((o*n+i)*inner+in), x.at((o*n+j)*inner+in)); d != 0 {
						return d
					}
				}
			}
			return 0
		}
		order := axes(nil, n)
		slices.SortStableFunc(order, compare)
		var first, count []int // of each different one
		group := make([]int, n)
		for k, j := range order {
			if k == 0 || compare(order[k-1], j) != 0 {
				first, count = append(first, j), append(count, 0)
			}
			count[len(count)-1]++
			group[j] = len(first) - 1
		}
		if c.int("sorted", 1) == 0 {
			by := axes(nil, len(first))
			slices.SortFunc(by, func(i, j int) int { return first[i] - first[j] })
			f2, c2, to := make([]int, len(by)), make([]int, len(by)), make([]int, len(by))
			for k, j := range by {
				f2[k], c2[k], to[j] = first[j], count[j], k
			}
			first, count = f2, c2
			for j := range group {
				group[j] = to[group[j]]
			}
		}
		shape := slices.Clone(x.Shape)
		shape[a] = len(first)
		y := c.heap.make(x.Type, shape...)
		for o := range outer {
			for k, j := range first {
				copyRun(y, (o*len(first)+k)*inner, x, (o*n+j)*inner, inner)
			}
		}
		return []*Tensor{y, whole(first...), whole(group...), whole(count...)}
	})
}

// place is an index that may count from the end.
func place(k, n int) int {
	if k < 0 {
		k += n
	}
	if k < 0 || k >= n {
		fail("index %d of %d", k, n)
	}
	return k
}

func (c *call) copyOf(x *Tensor) *Tensor {
	y := c.heap.make(x.Type, x.Shape...)
	copyRun(y, 0, x, 0, x.Len())
	return y
}

// joiner puts an update where there is something already.
func joiner(how string) func(dst *Tensor, i int, src *Tensor, j int) {
	var f func(a, b float64) float64
	switch how {
	case "none", "":
		return copyElement
	case "add":
		f = func(a, b float64) float64 { return a + b }
	case "mul":
		f = func(a, b float64) float64 { return a * b }
	case "max":
		f = func(a, b float64) float64 { return max(a, b) }
	case "min":
		f = func(a, b float64) float64 { return min(a, b) }
	default:
		fail("reduction %q", how)
	}
	return func(dst *Tensor, i int, src *Tensor, j int) { dst.put(i, f(dst.at(i), src.at(j))) }
}
