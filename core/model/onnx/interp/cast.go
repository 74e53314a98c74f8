package interp

import (
	"math"
	"strconv"
	"strings"

	"pare/core/model/onnx"
)

// cast converts to another type: floating point to integers towards zero, texts as
// Python writes and reads them.
func (c *call) cast(x *Tensor, to onnx.DataType) *Tensor {
	if x.Type == to {
		return x
	}
	y := c.heap.make(to, x.Shape...)
	switch {
	case y.S != nil:
		for i := range y.S {
			y.S[i] = written(x, i)
		}
	case x.S != nil:
		for i, s := range x.S {
			v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
			if err != nil {
				fail("%q is not a number", s)
			}
			y.put(i, v)
		}
	case x.I != nil && y.I != nil:
		for i, v := range x.I {
			y.I[i] = wrap(to, v)
		}
	default:
		for i := range x.Len() {
			v := x.at(i)
			if y.I != nil && to != onnx.Bool && (v != v || math.IsInf(v, 0)) {
				v = math.MinInt64
			}
			y.put(i, v)
		}
	}
	return y
}

// written is element i as text.
func written(x *Tensor, i int) string {
	if x.I != nil {
		if x.Type == onnx.Uint64 {
			return strconv.FormatUint(uint64(x.I[i]), 10)
		}
		return strconv.FormatInt(x.I[i], 10)
	}
	bits := 32
	if x.D != nil {
		bits = 64
	}
	v := x.at(i)
	switch {
	case math.IsInf(v, 1):
		return "INF"
	case math.IsInf(v, -1):
		return "-INF"
	case v != v:
		return "NaN"
	}
	s := strconv.FormatFloat(v, 'g', -1, bits)
	if a := math.Abs(v); a != 0 && (a < 1e-4 || a >= 1e16) {
		return s
	}
	s = strconv.FormatFloat(v, 'f', -1, bits)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
