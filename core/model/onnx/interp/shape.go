package interp

import (
	"slices"

	"pare/core/model/onnx"
)

// Shapes: what moves elements or speaks of sizes.
func init() {
	one("Shape", 1, func(c *call) *Tensor {
		s := c.x(0).Shape
		clip := func(a int) int {
			if a < 0 {
				a += len(s)
			}
			return min(max(a, 0), len(s))
		}
		from, to := clip(c.int("start", 0)), clip(c.int("end", len(s)))
		return whole(s[from:max(from, to)]...)
	})
	one("Size", 1, func(c *call) *Tensor {
		t := whole(c.x(0).Len())
		t.Shape = []int{}
		return t
	})
	one("Reshape", 5, func(c *call) *Tensor {
		x, want := c.x(0), c.x(1).ints()
		shape, open, n := make([]int, len(want)), -1, 1
		for i, d := range want {
			switch {
			case d == -1 && open < 0:
				open = i
				continue
			case d == 0 && c.int("allowzero", 0) == 0:
				if i >= len(x.Shape) {
					fail("keeps axis %d of shape %v", i, x.Shape)
				}
				d = x.Shape[i]
			case d < 0:
				fail("to the shape %v", want)
			}
			shape[i] = d
			n *= d
		}
		if open >= 0 {
			if n == 0 || x.Len()%n != 0 {
				fail("%v cannot have the shape %v", x.Shape, want)
			}
			shape[open] = x.Len() / n
		}
		return x.view(shape...)
	})
	one("Flatten", 1, func(c *call) *Tensor {
		x := c.x(0)
		a := c.int("axis", 1)
		if a < 0 {
			a += len(x.Shape)
		}
		if a < 0 || a > len(x.Shape) {
			fail("axis %d of %v", a, x.Shape)
		}
		return x.view(volume(x.Shape[:a]), volume(x.Shape[a:]))
	})
	one("Squeeze", 1, func(c *call) *Tensor {
		x, over := c.x(0), c.listOf("axes", 1, 13)
		var shape []int
		gone := map[int]bool{}
		if over != nil {
			for _, a := range axes(over, len(x.Shape)) {
				if gone[a] = true; x.Shape[a] != 1 {
					fail("axis %d of %v is not 1", a, x.Shape)
				}
			}
		}
		for i, d := range x.Shape {
			if !gone[i] && (over != nil || d != 1) {
				shape = append(shape, d)
			}
		}
		return x.view(shape...)
	})
	one("Unsqueeze", 1, func(c *call) *Tensor {
		x, over := c.x(0), c.listOf("axes", 1, 13)
		n := len(x.Shape) + len(over)
		shape, k := make([]int, n), 0
		for _, a := range axes(append([]int{}, over...), n) {
			shape[a] = -1
		}
		for i := range shape {
			if shape[i] < 0 {
				shape[i] = 1
				continue
			}
			shape[i] = x.Shape[k]
			k++
		}
		return x.view(shape...)
	})
	one("Transpose", 1, func(c *call) *Tensor {
		x := c.x(0)
		perm := c.ints("perm")
		if perm == nil {
			for i := len(x.Shape) - 1; i >= 0; i-- {
				perm = append(perm, i)
			}
		}
		return c.transpose(x, perm)
	})
	one("Expand", 8, func(c *call) *Tensor {
		x := c.x(0)
		shape := broadcast(x.Shape, c.x(1).ints())
		y := c.heap.make(x.Type, shape...)
		at := index(shape, x.Shape)
		each(shape, func(i int, p []int) { copyElement(y, i, x, at(p)) })
		return y
	})
	one("Tile", 6, func(c *call) *Tensor {
		x, times := c.x(0), c.x(1).ints()
		shape := make([]int, len(x.Shape))
		for i, d := range x.Shape {
			shape[i] = d * times[i]
		}
		y, st := c.heap.make(x.Type, shape...), strides(x.Shape)
		each(shape, func(i int, p []int) {
			k := 0
			for a, v := range p {
				k += v % x.Shape[a] * st[a]
			}
			copyElement(y, i, x, k)
		})
		return y
	})
	one("Concat", 4, func(c *call) *Tensor {
		first := c.x(0)
		a := axis(c.int("axis", 0), len(first.Shape))
		shape := slices.Clone(first.Shape)
		shape[a] = 0
		for i := range c.in {
			x := c.x(i)
			if x.Type != first.Type || len(x.Shape) != len(shape) {
				fail("joins %v %v and %v %v", first.Type, first.Shape, x.Type, x.Shape)
			}
			for k, d := range x.Shape {
				if k != a && d != shape[k] {
					fail("joins shapes %v and %v along axis %d", first.Shape, x.Shape, a)
				}
			}
			shape[a] += x.Shape[a]
		}
		y := c.heap.make(first.Type, shape...)
		outer, n, inner := around(shape, a)
		at := 0
		for _, x := range c.in {
			run := x.Shape[a] * inner
			for o := range outer {
				copyRun(y, o*n*inner+at, x, o*run, run)
			}
			at += run
		}
		return y
	})
	op("Split", 2, func(c *call) []*Tensor {
		x := c.x(0)
		a := axis(c.int("axis", 0), len(x.Shape))
		sizes := c.listOf("split", 1, 13)
		if sizes == nil {
			parts := len(c.n.Outputs)
			if c.opset >= 18 {
				parts = c.int("num_outputs", parts)
			}
			size := (x.Shape[a] + parts - 1) / parts
			for left := x.Shape[a]; len(sizes) < parts; left -= size {
				sizes = append(sizes, min(size, max(left, 0)))
			}
		}
		outer, n, inner := around(x.Shape, a)
		var out []*Tensor
		at := 0
		for _, s := range sizes {
			shape := slices.Clone(x.Shape)
			shape[a] = s
			y := c.heap.make(x.Type, shape...)
			for o := range outer {
				copyRun(y, o*s*inner, x, (o*n+at)*inner, s*inner)
			}
			at += s
			out = append(out, y)
		}
		if at != n {
			fail("splits %d into %v", n, sizes)
		}
		return out
	})
	one("Slice", 1, func(c *call) *Tensor {
		x := c.x(0)
		starts, ends := c.listOf("starts", 1, 10), c.listOf("ends", 2, 10)
		over, steps := c.listOf("axes", 3, 10), []int(nil)
		if c.opset >= 10 && c.opt(4) != nil {
			steps = c.opt(4).ints()
		}
		from, step, shape := make([]int, len(x.Shape)), make([]int, len(x.Shape)), slices.Clone(x.Shape)
		for i := range step {
			step[i] = 1
		}
		for i := range starts {
			a := i
			if over != nil {
				a = over[i]
			}
			a = axis(a, len(x.Shape))
			n, s := x.Shape[a], 1
			if steps != nil {
				s = steps[i]
			}
			if s == 0 {
				fail("goes in steps of 0")
			}
			b, e := starts[i], ends[i]
			if b < 0 {
				b += n
			}
			if e < 0 {
				e += n
			}
			if s > 0 {
				b, e = min(max(b, 0), n), min(max(e, 0), n)
				shape[a] = max(0, (e-b+s-1)/s)
			} else {
				b, e = min(max(b, 0), n-1), min(max(e, -1), n-1)
				shape[a] = max(0, (b-e-s-1)/-s)
			}
			from[a], step[a] = b, s
		}
		y, st := c.heap.make(x.Type, shape...), strides(x.Shape)
		each(shape, func(i int, p []int) {
			k := 0
			for a, v := range p {
				k += (from[a] + v*step[a]) * st[a]
			}
			copyElement(y, i, x, k)
		})
		return y
	})
	one("Pad", 2, func(c *call) *Tensor {
		x := c.x(0)
		pads := c.listOf("pads", 1, 11)
		n := len(x.Shape)
		lo, hi := make([]int, n), make([]int, n)
		over := axes(nil, n)
		if t := c.opt(3); t != nil {
			over = nil
			for _, a := range t.ints() {
				over = append(over, axis(a, n))
			}
		}
		if len(pads) != 2*len(over) {
			fail("%d paddings for %d axes", len(pads), len(over))
		}
		for i, a := range over {
			lo[a], hi[a] = pads[i], pads[len(over)+i]
		}
		mode := c.text("mode", "constant")
		var v *Tensor
		if t := c.opt(2); t != nil {
			v = t
		} else {
			v = c.heap.make(x.Type, 1)
			if kindOf(x.Type) != texts {
				v.put(0, c.float("value", 0))
			}
		}
		shape := make([]int, n)
		for i, d := range x.Shape {
			if shape[i] = lo[i] + d + hi[i]; shape[i] < 0 {
				fail("cuts off more of axis %d than it has", i)
			}
		}
		y, st := c.heap.make(x.Type, shape...), strides(x.Shape)
		each(shape, func(i int, p []int) {
			k := 0
			for a, w := range p {
				w -= lo[a]
				d := x.Shape[a]
				if w < 0 || w >= d {
					switch mode {
					case "constant":
						copyElement(y, i, v, 0)
						return
					case "edge":
						w = min(max(w, 0), d-1)
					case "reflect":
						for w < 0 || w >= d {
							if d == 1 {
								w = 0
							} else if w < 0 {
								w = -w
							} else {
								w = 2*(d-1) - w
							}
						}
					case "wrap":
						w = (w%d + d) % d
					default:
						fail("mode %q", mode)
					}
				}
				k += w * st[a]
			}
			copyElement(y, i, x, k)
		})
		return y
	})
	op("Dropout", 7, func(c *call) []*Tensor {
		if t := c.opt(2); t != nil && t.at(0) != 0 {
			if r := c.opt(1); r == nil || r.at(0) != 0 {
				fail("is in training mode, where it drops at random, which is %w: export the model in eval mode", errType)
			}
		}
		mask := c.heap.make(onnx.Bool, c.x(0).Shape...)
		for i := range mask.I {
			mask.I[i] = 1
		}
		return []*Tensor{c.x(0), mask}
	})
}

// whole is a list of sizes as int64.
func whole(v ...int) *Tensor {
	t := &Tensor{Type: onnx.Int64, Shape: []int{len(v)}, I: make([]int64, len(v))}
	for i, x := range v {
		t.I[i] = int64(x)
	}
	return t
}

func (c *call) transpose(x *Tensor, perm []int) *Tensor {
	seen, shape, st := make([]bool, len(x.Shape)), make([]int, len(perm)), make([]int, len(perm))
	if len(perm) != len(x.Shape) {
		fail("perm %v of shape %v", perm, x.Shape)
	}
	for i, s := 0, strides(x.Shape); i < len(perm); i++ {
		a := axis(perm[i], len(perm))
		if seen[a] {
			fail("perm %v names axis %d twice", perm, a)
		}
		seen[a], shape[i], st[i] = true, x.Shape[a], s[a]
	}
	y := c.heap.make(x.Type, shape...)
	each(shape, func(i int, p []int) {
		k := 0
		for a, v := range p {
			k += v * st[a]
		}
		copyElement(y, i, x, k)
	})
	return y
}
