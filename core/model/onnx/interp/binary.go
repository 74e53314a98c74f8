package interp

import (
	"math"

	"pare/core/model/onnx"
)

// Functions of two elements, and of any number; shapes are broadcast as in NumPy.
func init() {
	for name, f := range map[string]struct {
		from  int64
		real  func(a, b float64) float64
		whole func(a, b int64) int64
	}{
		"Add": {7, func(a, b float64) float64 { return a + b }, func(a, b int64) int64 { return a + b }},
		"Sub": {7, func(a, b float64) float64 { return a - b }, func(a, b int64) int64 { return a - b }},
		"Mul": {7, func(a, b float64) float64 { return a * b }, func(a, b int64) int64 { return a * b }},
		"Div": {7, func(a, b float64) float64 { return a / b }, func(a, b int64) int64 {
			if b == 0 {
				fail("divides by zero")
			}
			return a / b
		}},
		"BitwiseAnd": {18, nil, func(a, b int64) int64 { return a & b }},
		"BitwiseOr":  {18, nil, func(a, b int64) int64 { return a | b }},
		"BitwiseXor": {18, nil, func(a, b int64) int64 { return a ^ b }},
	} {
		one(name, f.from, func(c *call) *Tensor { return c.arith(c.x(0), c.x(1), f.real, f.whole) })
	}
	for name, f := range map[string]struct {
		real  func(a, b float64) float64
		whole func(a, b int64) int64
	}{
		"Max": {math.Max, func(a, b int64) int64 { return max(a, b) }},
		"Min": {math.Min, func(a, b int64) int64 { return min(a, b) }},
		"Sum": {func(a, b float64) float64 { return a + b }, func(a, b int64) int64 { return a + b }},
	} {
		one(name, 6, func(c *call) *Tensor {
			y := c.x(0)
			for i := 1; i < len(c.in); i++ {
				if y.Type == onnx.Uint64 {
					y = c.arith(y, c.x(i), f.real, func(a, b int64) int64 { return int64(uint64(f.real(float64(uint64(a)), float64(uint64(b))))) })
					continue
				}
				y = c.arith(y, c.x(i), f.real, f.whole)
			}
			return y
		})
	}
	one("Mean", 6, func(c *call) *Tensor {
		y := c.x(0)
		for i := 1; i < len(c.in); i++ {
			y = c.arith(y, c.x(i), func(a, b float64) float64 { return a + b }, nil)
		}
		n := float64(len(c.in))
		return c.map1(y, func(x float64) float64 { return x / n })
	})
	one("Pow", 7, func(c *call) *Tensor {
		a, b := c.x(0), c.x(1)
		shape := broadcast(a.Shape, b.Shape)
		y := c.heap.make(a.Type, shape...)
		pairs(shape, a.Shape, b.Shape, func(i, j, k int) { y.put(i, math.Pow(a.at(j), b.at(k))) })
		return y
	})
	one("Mod", 10, func(c *call) *Tensor {
		if c.int("fmod", 0) != 0 {
			return c.arith(c.x(0), c.x(1), math.Mod, func(a, b int64) int64 { return a % nonzero(b) })
		}
		return c.arith(c.x(0), c.x(1), nil, func(a, b int64) int64 { return (a%nonzero(b) + b) % b })
	})
	one("BitShift", 11, func(c *call) *Tensor {
		left := c.text("direction", "") == "LEFT"
		return c.arith(c.x(0), c.x(1), nil, func(a, b int64) int64 {
			if left {
				return a << uint64(b)
			}
			return int64(uint64(a) >> uint64(b))
		})
	})
	one("PRelu", 7, func(c *call) *Tensor {
		return c.arith(c.x(0), c.x(1), leaky, func(a, b int64) int64 {
			if a < 0 {
				return a * b
			}
			return a
		})
	})
	for name, f := range map[string]struct {
		from int64
		is   func(a, b float64) bool
	}{
		"Less":           {7, func(a, b float64) bool { return a < b }},
		"LessOrEqual":    {12, func(a, b float64) bool { return a <= b }},
		"Greater":        {7, func(a, b float64) bool { return a > b }},
		"GreaterOrEqual": {12, func(a, b float64) bool { return a >= b }},
		"And":            {7, func(a, b float64) bool { return a != 0 && b != 0 }},
		"Or":             {7, func(a, b float64) bool { return a != 0 || b != 0 }},
		"Xor":            {7, func(a, b float64) bool { return (a != 0) != (b != 0) }},
	} {
		one(name, f.from, func(c *call) *Tensor {
			a, b := c.x(0), c.x(1)
			shape := broadcast(a.Shape, b.Shape)
			y := c.heap.make(onnx.Bool, shape...)
			pairs(shape, a.Shape, b.Shape, func(i, j, k int) {
				if f.is(a.at(j), b.at(k)) {
					y.I[i] = 1
				}
			})
			return y
		})
	}
	one("Equal", 7, func(c *call) *Tensor {
		a, b := c.x(0), c.x(1)
		shape := broadcast(a.Shape, b.Shape)
		y := c.heap.make(onnx.Bool, shape...)
		pairs(shape, a.Shape, b.Shape, func(i, j, k int) {
			var same bool
			switch {
			case a.S != nil && b.S != nil:
				same = a.S[j] == b.S[k]
			case a.I != nil && b.I != nil:
				same = a.I[j] == b.I[k]
			default:
				same = a.at(j) == b.at(k)
			}
			if same {
				y.I[i] = 1
			}
		})
		return y
	})
	one("Where", 9, func(c *call) *Tensor {
		cond, a, b := c.x(0), c.x(1), c.x(2)
		shape := broadcast(cond.Shape, broadcast(a.Shape, b.Shape))
		y := c.heap.make(a.Type, shape...)
		if a.Type != b.Type {
			fail("chooses between %v and %v", a.Type, b.Type)
		}
		ic, ia, ib := index(shape, cond.Shape), index(shape, a.Shape), index(shape, b.Shape)
		each(shape, func(i int, at []int) {
			if cond.I[ic(at)] != 0 {
				copyElement(y, i, a, ia(at))
			} else {
				copyElement(y, i, b, ib(at))
			}
		})
		return y
	})
}

func nonzero(b int64) int64 {
	if b == 0 {
		fail("divides by zero")
	}
	return b
}

// broadcast is NumPy's rule: axes of 1 stretch, missing ones stand in front.
func broadcast(a, b []int) []int {
	if len(a) < len(b) {
		a, b = b, a
	}
	s := make([]int, len(a))
	copy(s, a)
	for i := range b {
		k := len(a) - len(b) + i
		switch {
		case s[k] == b[i] || b[i] == 1:
		case s[k] == 1:
			s[k] = b[i]
		default:
			fail("shapes %v and %v do not go together", a, b)
		}
	}
	return s
}

// index finds the element of a tensor of shape from at a place of the shape it is
// broadcast to.
func index(to, from []int) func(at []int) int {
	st := strides(from)
	skip := len(to) - len(from)
	for i, d := range from {
		if d == 1 {
			st[i] = 0
		}
	}
	return func(at []int) int {
		k := 0
		for i, s := range st {
			k += at[skip+i] * s
		}
		return k
	}
}

// pairs calls f for the elements of shape with those of a and b that meet there.
func pairs(shape, a, b []int, f func(i, j, k int)) {
	n := volume(shape)
	la, lb := volume(a), volume(b)
	switch {
	case la == n && lb == n:
		for i := range n {
			f(i, i, i)
		}
	case la == n && lb == 1:
		for i := range n {
			f(i, i, 0)
		}
	case la == 1 && lb == n:
		for i := range n {
			f(i, 0, i)
		}
	default:
		ia, ib := index(shape, a), index(shape, b)
		each(shape, func(i int, at []int) { f(i, ia(at), ib(at)) })
	}
}

// arith applies one of two functions, by the type of the operands; nil: not defined.
func (c *call) arith(a, b *Tensor, real func(a, b float64) float64, whole func(a, b int64) int64) *Tensor {
	if a.Type != b.Type {
		fail("operands are %v and %v", a.Type, b.Type)
	}
	shape := broadcast(a.Shape, b.Shape)
	y := c.heap.make(a.Type, shape...)
	switch {
	case y.F != nil && real != nil:
		pairs(shape, a.Shape, b.Shape, func(i, j, k int) { y.F[i] = float32(real(float64(a.F[j]), float64(b.F[k]))) })
	case y.D != nil && real != nil:
		pairs(shape, a.Shape, b.Shape, func(i, j, k int) { y.D[i] = real(a.D[j], b.D[k]) })
	case y.I != nil && whole != nil:
		pairs(shape, a.Shape, b.Shape, func(i, j, k int) { y.I[i] = wrap(y.Type, whole(a.I[j], b.I[k])) })
	default:
		fail("is not defined for %v", a.Type)
	}
	return y
}
