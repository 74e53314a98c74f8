package interp

import (
	"math"

	"pare/core/model/onnx"
)

// Eight-bit integers that stand for numbers: (q − zero)·scale.
func init() {
	one("QuantizeLinear", 10, func(c *call) *Tensor {
		return c.quantize(c.x(0), c.x(1), c.opt(2), c.int("axis", 1))
	})
	one("DequantizeLinear", 10, func(c *call) *Tensor {
		x, scale, zero := c.x(0), c.x(1), c.opt(2)
		y := c.heap.make(scale.Type, x.Shape...)
		at := c.scaleOf(x, scale, c.int("axis", 1))
		for i := range y.Len() {
			k, z := at(i), 0.0
			if zero != nil {
				z = zero.at(k)
			}
			y.put(i, (x.at(i)-z)*scale.at(k))
		}
		return y
	})
	op("DynamicQuantizeLinear", 11, func(c *call) []*Tensor {
		x := c.x(0)
		lo, hi := 0.0, 0.0
		for i := range x.Len() {
			lo, hi = min(lo, x.at(i)), max(hi, x.at(i))
		}
		scale := &Tensor{Type: onnx.Float, Shape: []int{}, F: []float32{float32((hi - lo) / 255)}}
		if scale.F[0] == 0 {
			scale.F[0] = 1
		}
		zero := &Tensor{Type: onnx.Uint8, Shape: []int{}, I: []int64{int64(min(max(math.RoundToEven(-lo/float64(scale.F[0])), 0), 255))}}
		return []*Tensor{c.quantize(x, scale, zero, 1), scale, zero}
	})
	one("QLinearMatMul", 10, func(c *call) *Tensor {
		p := c.matmul(c.shifted(c.x(0), c.x(2), 0), c.shifted(c.x(3), c.x(5), 1))
		f := c.x(1).at(0) * c.x(4).at(0)
		return c.quantize(c.map1(c.cast(p, onnx.Double), func(v float64) float64 { return v * f }), c.x(6), c.x(7), 1)
	})
	one("QLinearConv", 10, func(c *call) *Tensor {
		w := c.x(3)
		shape := make([]int, len(w.Shape))
		for i := range shape {
			shape[i] = 1
		}
		z := c.x(5)
		shape[0] = z.Len()
		wide := c.arith(c.cast(w, onnx.Int32), c.cast(z, onnx.Int32).view(shape...), nil, func(a, b int64) int64 { return a - b })
		p := c.conv(c.shifted(c.x(0), c.x(2), 0), wide, c.opt(8))
		y, ws := c.heap.make(onnx.Double, p.Shape...), c.x(4)
		inner := volume(p.Shape[2:])
		for i := range y.D {
			y.D[i] = float64(p.I[i]) * c.x(1).at(0) * ws.at(i/inner%p.Shape[1]%ws.Len())
		}
		return c.quantize(y, c.x(6), c.x(7), 1)
	})
}

// scaleOf finds the scale of element i: one for all, one an entry of an axis, or one a
// block of them.
func (c *call) scaleOf(x, scale *Tensor, a int) func(i int) int {
	switch {
	case scale.Len() == 1:
		return func(int) int { return 0 }
	case len(scale.Shape) == 1:
		a = axis(a, len(x.Shape))
		_, n, inner := around(x.Shape, a)
		if scale.Len() != n {
			fail("%d scales for axis %d of %v", scale.Len(), a, x.Shape)
		}
		return func(i int) int { return i / inner % n }
	}
	a = axis(a, len(x.Shape))
	block := c.int("block_size", 0)
	if block < 1 || len(scale.Shape) != len(x.Shape) {
		fail("scales %v for %v", scale.Shape, x.Shape)
	}
	_, n, inner := around(x.Shape, a)
	return func(i int) int { return (i/(n*inner)*scale.Shape[a]+i/inner%n/block)*inner + i%inner }
}

// quantize is round(x/scale) + zero, kept within the type of zero.
func (c *call) quantize(x, scale, zero *Tensor, a int) *Tensor {
	t := onnx.Uint8
	if zero != nil {
		t = zero.Type
	} else if d := c.int("output_dtype", 0); d != 0 {
		t = onnx.DataType(d)
	}
	lo, hi := 0.0, 255.0
	switch t {
	case onnx.Uint8:
	case onnx.Int8:
		lo, hi = -128, 127
	case onnx.Uint16:
		hi = 65535
	case onnx.Int16:
		lo, hi = -32768, 32767
	default:
		fail("to %v is not supported", t)
	}
	y := c.heap.make(t, x.Shape...)
	at := c.scaleOf(x, scale, a)
	for i := range y.I {
		k, z := at(i), 0.0
		if zero != nil {
			z = zero.at(k)
		}
		v := x.at(i) / scale.at(k)
		if x.F != nil {
			v = float64(float32(v))
		}
		y.I[i] = int64(min(max(math.RoundToEven(v)+z, lo), hi))
	}
	return y
}
