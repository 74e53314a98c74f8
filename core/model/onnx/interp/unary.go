package interp

import (
	"math"

	"pare/core/model/onnx"
)

// Functions of one element.
func init() {
	for name, f := range map[string]func(x float64) float64{
		"Acos": math.Acos, "Acosh": math.Acosh, "Asin": math.Asin, "Asinh": math.Asinh, "Atan": math.Atan, "Atanh": math.Atanh,
		"Cos": math.Cos, "Cosh": math.Cosh, "Sin": math.Sin, "Sinh": math.Sinh, "Tan": math.Tan, "Tanh": math.Tanh,
		"Exp": math.Exp, "Log": math.Log, "Sqrt": math.Sqrt, "Erf": math.Erf, "Ceil": math.Ceil, "Floor": math.Floor, "Round": math.RoundToEven,
		"Reciprocal": func(x float64) float64 { return 1 / x },
		"Sigmoid":    sigmoid,
		"Softplus":   func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) },
		"Softsign":   func(x float64) float64 { return x / (1 + math.Abs(x)) },
		"HardSwish":  func(x float64) float64 { return x * min(max(x/6+0.5, 0), 1) },
		"Mish":       func(x float64) float64 { return x * math.Tanh(math.Log1p(math.Exp(x))) },
	} {
		one(name, 1, func(c *call) *Tensor { return c.real(c.x(0), f) })
	}
	for name, f := range map[string]struct {
		real  func(x float64) float64
		whole func(x int64) int64
	}{
		"Abs":  {math.Abs, func(x int64) int64 { return max(x, -x) }},
		"Neg":  {func(x float64) float64 { return -x }, func(x int64) int64 { return -x }},
		"Relu": {func(x float64) float64 { return max(x, 0) }, func(x int64) int64 { return max(x, 0) }},
		"Sign": {sign, func(x int64) int64 { return int64(sign(float64(x))) }},
	} {
		one(name, 1, func(c *call) *Tensor {
			x := c.x(0)
			if x.I == nil {
				return c.real(x, f.real)
			}
			y := c.heap.make(x.Type, x.Shape...)
			for i, v := range x.I {
				y.I[i] = wrap(x.Type, f.whole(v))
			}
			return y
		})
	}
	// With constants a, b, which attributes change.
	for name, f := range map[string]struct {
		a, b     string
		da, db   float64
		from     int64
		function func(x, a, b float64) float64
	}{
		"Celu":        {"alpha", "", 1, 0, 12, func(x, a, _ float64) float64 { return max(0, x) + min(0, a*math.Expm1(x/a)) }},
		"Elu":         {"alpha", "", 1, 0, 1, func(x, a, _ float64) float64 { return elu(x, a) }},
		"HardSigmoid": {"alpha", "beta", 0.2, 0.5, 1, func(x, a, b float64) float64 { return min(max(a*x+b, 0), 1) }},
		"LeakyRelu":   {"alpha", "", 0.01, 0, 1, func(x, a, _ float64) float64 { return leaky(x, a) }},
		"Selu":        {"alpha", "gamma", 1.67326319217681884765625, 1.05070102214813232421875, 1, func(x, a, g float64) float64 { return g * elu(x, a) }},
		"ThresholdedRelu": {"alpha", "", 1, 0, 10, func(x, a, _ float64) float64 {
			if x > a {
				return x
			}
			return 0
		}},
		"Shrink": {"lambd", "bias", 0.5, 0, 9, func(x, l, b float64) float64 {
			switch {
			case x < -l:
				return x + b
			case x > l:
				return x - b
			}
			return 0
		}},
		"Swish": {"alpha", "", 1, 0, 24, func(x, a, _ float64) float64 { return x * sigmoid(a*x) }},
	} {
		one(name, f.from, func(c *call) *Tensor {
			a, b := c.float(f.a, f.da), 0.0
			if f.b != "" {
				b = c.float(f.b, f.db)
			}
			return c.map1(c.x(0), func(x float64) float64 { return f.function(x, a, b) })
		})
	}
	one("Gelu", 20, func(c *call) *Tensor {
		f := func(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) }
		if c.text("approximate", "none") == "tanh" {
			f = func(x float64) float64 { return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) }
		}
		return c.real(c.x(0), f)
	})
	one("Not", 1, func(c *call) *Tensor {
		return c.toBool(c.x(0), func(x float64) bool { return x == 0 })
	})
	one("IsNaN", 9, func(c *call) *Tensor { return c.toBool(c.x(0), math.IsNaN) })
	one("IsInf", 10, func(c *call) *Tensor {
		up, down := c.int("detect_positive", 1) != 0, c.int("detect_negative", 1) != 0
		return c.toBool(c.x(0), func(x float64) bool { return up && math.IsInf(x, 1) || down && math.IsInf(x, -1) })
	})
	one("BitwiseNot", 18, func(c *call) *Tensor {
		x := c.x(0)
		x.ints()
		y := c.heap.make(x.Type, x.Shape...)
		for i, v := range x.I {
			y.I[i] = wrap(x.Type, ^v)
		}
		return y
	})
	one("Clip", 1, func(c *call) *Tensor {
		x := c.x(0)
		if x.I != nil {
			lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
			if t := c.opt(1); t != nil {
				lo = t.I[0]
			}
			if t := c.opt(2); t != nil {
				hi = t.I[0]
			}
			y := c.heap.make(x.Type, x.Shape...)
			for i, v := range x.I {
				y.I[i] = min(max(v, lo), hi)
			}
			return y
		}
		lo, hi := math.Inf(-1), math.Inf(1)
		if c.opset < 11 {
			lo, hi = c.float("min", lo), c.float("max", hi)
		}
		if t := c.opt(1); t != nil {
			lo = t.at(0)
		}
		if t := c.opt(2); t != nil {
			hi = t.at(0)
		}
		return c.map1(x, func(v float64) float64 {
			if v != v {
				return v
			}
			return min(max(v, lo), hi)
		})
	})
	one("Cast", 6, func(c *call) *Tensor { return c.cast(c.x(0), onnx.DataType(c.int("to", 0))) })
	one("CastLike", 15, func(c *call) *Tensor { return c.cast(c.x(0), c.x(1).Type) })
	one("Identity", 1, func(c *call) *Tensor { return c.x(0) })
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func elu(x, a float64) float64 {
	if x < 0 {
		return a * math.Expm1(x)
	}
	return x
}

func leaky(x, a float64) float64 {
	if x < 0 {
		return a * x
	}
	return x
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x
}

// real applies f to a floating-point tensor.
func (c *call) real(x *Tensor, f func(float64) float64) *Tensor {
	if x.F == nil && x.D == nil && x.Len() > 0 {
		fail("is over %v, needs floating point", x.Type)
	}
	return c.map1(x, f)
}

// map1 applies f to each element; the result has the type of x.
func (c *call) map1(x *Tensor, f func(float64) float64) *Tensor {
	y := c.heap.make(x.Type, x.Shape...)
	switch {
	case x.F != nil:
		for i, v := range x.F {
			y.F[i] = float32(f(float64(v)))
		}
	case x.D != nil:
		for i, v := range x.D {
			y.D[i] = f(v)
		}
	default:
		for i := range x.Len() {
			y.put(i, f(x.at(i)))
		}
	}
	return y
}

func (c *call) toBool(x *Tensor, f func(float64) bool) *Tensor {
	y := c.heap.make(onnx.Bool, x.Shape...)
	for i := range y.I {
		if f(x.at(i)) {
			y.I[i] = 1
		}
	}
	return y
}
