package interp

import (
	"slices"

	"pare/core/model/onnx"
)

// Graphs inside nodes.
func init() {
	op("If", 1, func(c *call) []*Tensor {
		name := "else_branch"
		if c.x(0).at(0) != 0 {
			name = "then_branch"
		}
		return c.s.inside(c.body(name), nil)
	})
	op("Loop", 1, func(c *call) []*Tensor {
		most, going, g := int64(1<<31), int64(1), c.body("body")
		if t := c.opt(0); t != nil {
			most = t.I[0]
		}
		if t := c.opt(1); t != nil {
			going = t.I[0]
		}
		carried := slices.Clone(c.in[min(2, len(c.in)):])
		n := len(carried)
		var rows [][]*Tensor
		for i := int64(0); i < most && going != 0; i++ {
			if i > int64(c.s.rounds) {
				fail("goes round more than %d times", c.s.rounds)
			}
			out := c.s.inside(g, append([]*Tensor{{Type: onnx.Int64, Shape: []int{}, I: []int64{i}}, {Type: onnx.Bool, Shape: []int{}, I: []int64{going}}}, carried...))
			if len(out) < 1+n {
				fail("its body has %d outputs, need %d", len(out), 1+n)
			}
			going = out[0].I[0]
			carried, rows = out[1:1+n], append(rows, out[1+n:])
		}
		out := slices.Clone(carried)
		for k := range len(g.Outputs) - 1 - n {
			var col []*Tensor
			for _, r := range rows {
				col = append(col, r[k])
			}
			out = append(out, c.stack(col, 0))
		}
		return out
	})
	op("Scan", 9, func(c *call) []*Tensor {
		g, m := c.body("body"), c.int("num_scan_inputs", 1)
		n := len(c.in) - m
		if n < 0 || m < 1 {
			fail("%d scan inputs of %d", m, len(c.in))
		}
		list := func(name string, count int) []int {
			if l := c.ints(name); l != nil {
				if len(l) != count {
					fail("%s has %d numbers, need %d", name, len(l), count)
				}
				return l
			}
			return make([]int, count)
		}
		outs := len(g.Outputs) - n
		inAxes, inBack := list("scan_input_axes", m), list("scan_input_directions", m)
		outAxes, outBack := list("scan_output_axes", outs), list("scan_output_directions", outs)
		state, steps := slices.Clone(c.in[:n]), -1
		for i := range m {
			x := c.x(n + i)
			d := x.Shape[axis(inAxes[i], len(x.Shape))]
			if steps >= 0 && d != steps {
				fail("scans %d and %d steps", steps, d)
			}
			steps = d
		}
		rows := make([][]*Tensor, outs)
		for t := range steps {
			in := slices.Clone(state)
			for i := range m {
				x, k := c.x(n+i), t
				if inBack[i] != 0 {
					k = steps - 1 - t
				}
				in = append(in, c.at(x, axis(inAxes[i], len(x.Shape)), k))
			}
			out := c.s.inside(g, in)
			state = out[:n]
			for k := range rows {
				rows[k] = append(rows[k], out[n+k])
			}
		}
		out := slices.Clone(state)
		for k, r := range rows {
			if outBack[k] != 0 {
				slices.Reverse(r)
			}
			a := outAxes[k]
			if a < 0 && len(r) > 0 {
				a += len(r[0].Shape) + 1
			}
			out = append(out, c.stack(r, a))
		}
		return out
	})
}

func (c *call) body(name string) *onnx.Graph {
	a := c.attr(name, onnx.AttrGraph)
	if a == nil || a.G == nil {
		fail("has no %s", name)
	}
	return a.G
}

// at is the entry k of an axis, which goes.
func (c *call) at(x *Tensor, a, k int) *Tensor {
	outer, n, inner := around(x.Shape, a)
	y := c.heap.make(x.Type, slices.Concat(x.Shape[:a], x.Shape[a+1:])...)
	for o := range outer {
		copyRun(y, o*inner, x, (o*n+k)*inner, inner)
	}
	return y
}

// stack joins tensors of one shape along a new axis.
func (c *call) stack(l []*Tensor, a int) *Tensor {
	if len(l) == 0 {
		return c.heap.make(onnx.Float, 0)
	}
	if a < 0 || a > len(l[0].Shape) {
		fail("axis %d of %d", a, len(l[0].Shape)+1)
	}
	y := c.heap.make(l[0].Type, slices.Insert(slices.Clone(l[0].Shape), a, len(l))...)
	outer, inner := volume(l[0].Shape[:a]), volume(l[0].Shape[a:])
	for k, x := range l {
		if !slices.Equal(x.Shape, l[0].Shape) || x.Type != l[0].Type {
			fail("stacks shapes %v and %v", l[0].Shape, x.Shape)
		}
		for o := range outer {
			copyRun(y, (o*len(l)+k)*inner, x, o*inner, inner)
		}
	}
	return y
}
