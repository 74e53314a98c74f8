package interp

import (
	"math"
	"slices"

	"pare/core/model/onnx"
)

// What makes tensors, and what moves pixels between space and channels.
func init() {
	one("Constant", 1, func(c *call) *Tensor {
		for i := range c.n.Attrs {
			a := &c.n.Attrs[i]
			switch {
			case a.Name == "value" && a.T != nil:
				t, err := FromProto(a.T)
				check(err)
				return t
			case a.Name == "value_float":
				return &Tensor{Type: onnx.Float, Shape: []int{}, F: []float32{a.F}}
			case a.Name == "value_floats":
				return &Tensor{Type: onnx.Float, Shape: []int{len(a.Floats)}, F: slices.Clone(a.Floats)}
			case a.Name == "value_int":
				return &Tensor{Type: onnx.Int64, Shape: []int{}, I: []int64{a.I}}
			case a.Name == "value_ints":
				return &Tensor{Type: onnx.Int64, Shape: []int{len(a.Ints)}, I: slices.Clone(a.Ints)}
			case a.Name == "value_string":
				return &Tensor{Type: onnx.String, Shape: []int{}, S: []string{string(a.S)}}
			case a.Name == "value_strings":
				t := &Tensor{Type: onnx.String, Shape: []int{len(a.Strings)}}
				for _, s := range a.Strings {
					t.S = append(t.S, string(s))
				}
				return t
			}
		}
		fail("holds no value that is read")
		return nil
	})
	one("ConstantOfShape", 9, func(c *call) *Tensor {
		shape := c.x(0).ints()
		a := c.attr("value", onnx.AttrTensor)
		if a == nil {
			return c.heap.make(onnx.Float, shape...)
		}
		v, err := FromProto(a.T)
		check(err)
		y := c.heap.make(v.Type, shape...)
		for i := range y.Len() {
			copyElement(y, i, v, 0)
		}
		return y
	})
	one("Range", 11, func(c *call) *Tensor {
		a, b, d := c.x(0), c.x(1), c.x(2)
		if d.at(0) == 0 {
			fail("goes in steps of 0")
		}
		n := math.Ceil((b.at(0) - a.at(0)) / d.at(0))
		y := c.heap.make(a.Type, int(min(max(n, 0), Limit)))
		for i := range y.Len() {
			if a.I != nil {
				y.I[i] = a.I[0] + int64(i)*d.I[0]
			} else {
				y.put(i, a.at(0)+float64(i)*d.at(0))
			}
		}
		return y
	})
	one("EyeLike", 9, func(c *call) *Tensor {
		x := c.x(0)
		y := c.heap.make(onnx.DataType(c.int("dtype", int(x.Type))), x.Shape...)
		k := c.int("k", 0)
		for r := range x.Shape[0] {
			if j := r + k; j >= 0 && j < x.Shape[1] {
				y.put(r*x.Shape[1]+j, 1)
			}
		}
		return y
	})
	one("Trilu", 14, func(c *call) *Tensor {
		x, k := c.x(0), 0
		if t := c.opt(1); t != nil {
			k = t.ints()[0]
		}
		upper := c.int("upper", 1) != 0
		y := c.heap.make(x.Type, x.Shape...)
		rows, cols := x.Shape[len(x.Shape)-2], x.Shape[len(x.Shape)-1]
		for i := range x.Len() {
			r, j := i/max(cols, 1)%rows, i%cols
			if upper && j-r >= k || !upper && j-r <= k {
				copyElement(y, i, x, i)
			}
		}
		return y
	})
	one("DepthToSpace", 1, func(c *call) *Tensor {
		x, b := c.x(0), c.int("blocksize", 1)
		n, ch, h, w := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
		if b < 1 || ch%(b*b) != 0 {
			fail("blocks of %d in %d channels", b, ch)
		}
		if c.text("mode", "DCR") == "CRD" {
			return c.transpose(x.view(n, ch/(b*b), b, b, h, w), []int{0, 1, 4, 2, 5, 3}).view(n, ch/(b*b), h*b, w*b)
		}
		return c.transpose(x.view(n, b, b, ch/(b*b), h, w), []int{0, 3, 4, 1, 5, 2}).view(n, ch/(b*b), h*b, w*b)
	})
	one("SpaceToDepth", 1, func(c *call) *Tensor {
		x, b := c.x(0), c.int("blocksize", 1)
		n, ch, h, w := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
		if b < 1 || h%b != 0 || w%b != 0 {
			fail("blocks of %d in %d×%d", b, h, w)
		}
		return c.transpose(x.view(n, ch, h/b, b, w/b, b), []int{0, 3, 5, 1, 2, 4}).view(n, ch*b*b, h/b, w/b)
	})
}
