package graph

import (
	"fmt"
	"math"

	"pare/core/device"
)

// relu, gelu (exact), gelu_tanh (its approximation), silu, hardswish, tanh, sigmoid,
// hardsigmoid, leakyrelu, elu, clip, affine: y = f(x), element by element; the last five
// with constants Attrs.Alpha and Beta, see device.Act. The derivative is taken from y
// where device.Act.FromOutput says so, from x otherwise.
func init() {
	for name, row := range map[string]struct {
		fn   device.Act
		onnx string
	}{
		"relu": {device.ReLU, "Relu"}, "gelu": {device.GELU, "Gelu"}, "silu": {device.SiLU, "Sigmoid, Mul"},
		"hardswish": {device.HardSwish, "HardSwish"}, "tanh": {device.Tanh, "Tanh"},
		"gelu_tanh": {device.GELUTanh, "Gelu"}, "sigmoid": {device.Sigmoid, "Sigmoid"},
		"hardsigmoid": {device.HardSigmoid, "HardSigmoid"}, "leakyrelu": {device.LeakyReLU, "LeakyRelu"},
		"elu": {device.ELU, "Elu"}, "clip": {device.Clip, "Clip"}, "affine": {device.Affine, "Mul, Add"},
	} {
		register(&Op{
			Name: name, ONNX: row.onnx,
			Infer: func(m *Model, n *Node) (Value, error) {
				if err := want(n, 1); err != nil {
					return Value{}, err
				}
				return m.Values[n.In[0]], checkConstants(row.fn, n.Attrs.Alpha, n.Attrs.Beta)
			},
			Lower: func(b *Builder, n *Node) {
				b.Emit(device.Call{Kernel: device.ActFn, Act: row.fn, S: constants(n), In: []int{b.Val(n.In[0])}, Out: []int{b.Val(n.Out)}})
			},
			Grad: func(b *Builder, n *Node) {
				from := b.Val(n.In[0])
				if row.fn.FromOutput() {
					from = b.Val(n.Out)
				}
				dy := b.Grad(n.Out)
				b.Into(n.In[0], func(dst int) {
					b.Emit(device.Call{Kernel: device.ActDX, Act: row.fn, S: constants(n), In: []int{from, dy}, Out: []int{dst}})
				})
			},
			Couple: same,
		})
	}
}

func constants(n *Node) [2]float32 { return [2]float32{n.Attrs.Alpha, n.Attrs.Beta} }

// checkConstants tests the constants of an activation.
func checkConstants(f device.Act, a, b float32) error {
	for _, v := range []float32{a, b} {
		if v != v || math.IsInf(float64(v), 0) {
			return fmt.Errorf("has the constant %g, need a finite one", v)
		}
	}
	switch {
	case !f.Constants() && (a != 0 || b != 0):
		return fmt.Errorf("has constants %g and %g, takes none", a, b)
	case f == device.Clip && !(a < b):
		return fmt.Errorf("clips to %g and %g: the second must be larger", a, b)
	}
	return nil
}
