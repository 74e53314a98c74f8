package interp

import (
	"slices"

	"pare/core/model/onnx"
)

// Lists of tensors, inside a graph: they are no inputs or outputs of files.
func init() {
	one("SequenceEmpty", 11, func(*call) *Tensor { return listOf(nil) })
	one("SequenceConstruct", 11, func(c *call) *Tensor {
		for i := range c.in {
			c.x(i)
		}
		return listOf(c.in)
	})
	one("SequenceLength", 11, func(c *call) *Tensor {
		return &Tensor{Type: onnx.Int64, Shape: []int{}, I: []int64{int64(len(c.list()))}}
	})
	one("SequenceAt", 11, func(c *call) *Tensor {
		l := c.list()
		return l[place(c.x(1).ints()[0], len(l))]
	})
	one("SequenceInsert", 11, func(c *call) *Tensor {
		l, at := c.list(), len(c.list())
		if t := c.opt(2); t != nil {
			if at = t.ints()[0]; at < 0 {
				at += len(l)
			}
		}
		if at < 0 || at > len(l) {
			fail("place %d of %d", at, len(l))
		}
		if c.heap.left -= len(l) + 1; c.heap.left < 0 {
			fail("needs more than %d elements of memory", Limit)
		}
		return listOf(slices.Insert(slices.Clone(l), at, c.x(1)))
	})
	one("SequenceErase", 11, func(c *call) *Tensor {
		l := slices.Clone(c.list())
		at := len(l) - 1
		if t := c.opt(1); t != nil {
			at = t.ints()[0]
		}
		at = place(at, len(l))
		return listOf(slices.Delete(l, at, at+1))
	})
	one("ConcatFromSequence", 11, func(c *call) *Tensor {
		l := c.list()
		if len(l) == 0 {
			fail("joins nothing")
		}
		if c.int("new_axis", 0) != 0 {
			return c.stack(l, axis(c.int("axis", 0), len(l[0].Shape)+1))
		}
		d := *c
		d.in = l
		return table["Concat"].run(&d)[0]
	})
	one("SplitToSequence", 11, func(c *call) *Tensor {
		x := c.x(0)
		a, keep := axis(c.int("axis", 0), len(x.Shape)), true
		sizes := slices.Repeat([]int{1}, x.Shape[a])
		if t := c.opt(1); t == nil {
			keep = c.int("keepdims", 1) != 0
		} else if len(t.Shape) > 0 {
			sizes = t.ints()
		} else if n := t.ints()[0]; n > 0 {
			sizes = nil
			for left := x.Shape[a]; left > 0; left -= n {
				sizes = append(sizes, min(n, left))
			}
		}
		outer, n, inner := around(x.Shape, a)
		var l []*Tensor
		at := 0
		for _, s := range sizes {
			shape := slices.Clone(x.Shape)
			if shape[a] = s; at+s > n || s < 0 {
				fail("splits %d into %v", n, sizes)
			}
			y := c.heap.make(x.Type, shape...)
			for o := range outer {
				copyRun(y, o*s*inner, x, (o*n+at)*inner, s*inner)
			}
			if !keep {
				y = y.view(slices.Delete(shape, a, a+1)...)
			}
			l, at = append(l, y), at+s
		}
		return listOf(l)
	})
}

// listOf is a value that holds tensors.
func listOf(l []*Tensor) *Tensor { return &Tensor{Seq: append([]*Tensor{}, l...)} }

// list is the first input, which must be a list.
func (c *call) list() []*Tensor {
	t := c.x(0)
	if t.Seq == nil {
		fail("input 0 is a tensor, needs a list of them")
	}
	return t.Seq
}
