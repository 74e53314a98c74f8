package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"

	"pare/core/tensor"
)

// Float32 returns the values as float32, in a fresh slice. F32 is copied, F16
// and BF16 are exact, F64 is rounded to nearest; a finite F64 too large for
// float32 and every other dtype are errors.
func (t *Tensor) Float32() ([]float32, error) {
	data, err := t.bytes()
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	switch t.DType {
	case "F32":
		x := make([]float32, len(data)/4)
		for i := range x {
			x[i] = math.Float32frombits(le.Uint32(data[4*i:]))
		}
		return x, nil
	case "F64":
		x := make([]float32, len(data)/8)
		for i := range x {
			v := math.Float64frombits(le.Uint64(data[8*i:]))
			x[i] = float32(v)
			if math.IsInf(float64(x[i]), 0) && !math.IsInf(v, 0) {
				return nil, fmt.Errorf("tensor %q: element %d is %g, too large for float32: scale the tensor before saving", t.Name, i, v)
			}
		}
		return x, nil
	case "F16":
		x := make([]float32, len(data)/2)
		for i := range x {
			x[i] = tensor.Half(le.Uint16(data[2*i:]))
		}
		return x, nil
	case "BF16":
		x := make([]float32, len(data)/2)
		for i := range x {
			x[i] = math.Float32frombits(uint32(le.Uint16(data[2*i:])) << 16)
		}
		return x, nil
	}
	return nil, fmt.Errorf("tensor %q: is %s, needed as floating point: save it as F32, F16, BF16 or F64", t.Name, t.DType)
}

// Int64s returns the values of any integer or BOOL tensor in a fresh slice; a
// U64 above 2^63-1 is an error.
func (t *Tensor) Int64s() ([]int64, error) {
	data, err := t.bytes()
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	var size int
	var at func(b []byte) int64
	switch t.DType {
	case "BOOL", "U8":
		size, at = 1, func(b []byte) int64 { return int64(b[0]) }
	case "I8":
		size, at = 1, func(b []byte) int64 { return int64(int8(b[0])) }
	case "U16":
		size, at = 2, func(b []byte) int64 { return int64(le.Uint16(b)) }
	case "I16":
		size, at = 2, func(b []byte) int64 { return int64(int16(le.Uint16(b))) }
	case "U32":
		size, at = 4, func(b []byte) int64 { return int64(le.Uint32(b)) }
	case "I32":
		size, at = 4, func(b []byte) int64 { return int64(int32(le.Uint32(b))) }
	case "I64", "U64":
		size, at = 8, func(b []byte) int64 { return int64(le.Uint64(b)) }
	default:
		return nil, fmt.Errorf("tensor %q: is %s, needed as integers: save it as I64 or I32", t.Name, t.DType)
	}
	x := make([]int64, len(data)/size)
	for i := range x {
		x[i] = at(data[i*size:])
		if t.DType == "U64" && x[i] < 0 {
			return nil, fmt.Errorf("tensor %q: element %d is %d, larger than 2^63-1: save it as I64", t.Name, i, uint64(x[i]))
		}
	}
	return x, nil
}

// Uint8s returns the bytes of a U8 or BOOL tensor in a fresh slice.
func (t *Tensor) Uint8s() ([]uint8, error) {
	data, err := t.bytes()
	if err != nil {
		return nil, err
	}
	if t.DType != "U8" && t.DType != "BOOL" {
		return nil, fmt.Errorf("tensor %q: is %s, needed as bytes: save it as U8", t.Name, t.DType)
	}
	return append([]uint8{}, data...), nil
}

// Len is the number of elements; 1 for a scalar. It saturates on shapes that
// overflow, which no parsed tensor has.
func (t *Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		if d > 0 && n > math.MaxInt/d {
			return math.MaxInt
		}
		n *= d
	}
	return n
}
