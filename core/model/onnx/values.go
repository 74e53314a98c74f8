package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"pare/core/tensor"
)

var typeNames = map[DataType]string{
	Float: "float32", Uint8: "uint8", Int8: "int8", Uint16: "uint16", Int16: "int16", Int32: "int32", Int64: "int64",
	String: "string", Bool: "bool", Float16: "float16", Double: "float64", Uint32: "uint32", Uint64: "uint64", BFloat16: "bfloat16",
	14: "complex64", 15: "complex128", 17: "float8e4m3fn", 18: "float8e4m3fnuz", 19: "float8e5m2", 20: "float8e5m2fnuz",
	21: "uint4", 22: "int4", 23: "float4e2m1",
}

// String is the type's usual name.
func (t DataType) String() string {
	if s, ok := typeNames[t]; ok {
		return s
	}
	return fmt.Sprintf("type %d", int32(t))
}

// Len is the number of elements by Dims; negative axes and overflow are errors.
func (t *Tensor) Len() (int, error) {
	n := int64(1)
	for _, d := range t.Dims {
		if d < 0 {
			return 0, fmt.Errorf("tensor %q: shape %v has a negative axis", t.Name, t.Dims)
		}
		if d > 0 && n > math.MaxInt/d {
			return 0, fmt.Errorf("tensor %q: shape %v overflows", t.Name, t.Dims)
		}
		n *= d
	}
	return int(n), nil
}

// errCount: the values do not follow from the shape.
var errCount = errors.New("the file is damaged, export it again")

// count checks n stored values against the shape.
func (t *Tensor) count(n int) error {
	want, err := t.Len()
	if err != nil {
		return err
	}
	if n != want {
		return fmt.Errorf("tensor %q: %d values for shape %v: %w", t.Name, n, t.Dims, errCount)
	}
	return nil
}

// inFile refuses values that lie in another file and have not been fetched.
func (t *Tensor) inFile() error {
	if t.Location == 0 && len(t.External) == 0 {
		return nil
	}
	at := "another file"
	for _, kv := range t.External {
		if kv.Key == "location" {
			at = fmt.Sprintf("%q", kv.Value)
		}
	}
	return fmt.Errorf("tensor %q: its values lie in %s (external_data), which must stand beside the model", t.Name, at)
}

// raw cuts Raw into elements of size bytes.
func (t *Tensor) raw(size int) (int, error) {
	if len(t.Raw)%size != 0 {
		return 0, fmt.Errorf("tensor %q: %d bytes of %s: %w", t.Name, len(t.Raw), t.Type, errCount)
	}
	return len(t.Raw) / size, t.count(len(t.Raw) / size)
}

// Float32 returns the values of a float32, float64, float16 or bfloat16 tensor
// in a fresh slice; a finite float64 too large for float32 is an error.
func (t *Tensor) Float32() ([]float32, error) {
	if err := t.inFile(); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	typed := func(n int, at func(i int) float32) ([]float32, error) {
		if err := t.count(n); err != nil {
			return nil, err
		}
		x := make([]float32, n)
		for i := range x {
			x[i] = at(i)
		}
		return x, nil
	}
	fromRaw := func(size int, at func(b []byte) float32) ([]float32, error) {
		n, err := t.raw(size)
		if err != nil {
			return nil, err
		}
		return typed(n, func(i int) float32 { return at(t.Raw[i*size:]) })
	}
	var x []float32
	var err error
	switch t.Type {
	case Float:
		if t.Raw == nil {
			return typed(len(t.Floats), func(i int) float32 { return t.Floats[i] })
		}
		return fromRaw(4, func(b []byte) float32 { return math.Float32frombits(le.Uint32(b)) })
	case Double:
		big := -1
		narrow := func(v float64) float32 {
			f := float32(v)
			if math.IsInf(float64(f), 0) && !math.IsInf(v, 0) {
				big = 1
			}
			return f
		}
		if t.Raw == nil {
			x, err = typed(len(t.Doubles), func(i int) float32 { return narrow(t.Doubles[i]) })
		} else {
			x, err = fromRaw(8, func(b []byte) float32 { return narrow(math.Float64frombits(le.Uint64(b))) })
		}
		if err == nil && big > 0 {
			err = fmt.Errorf("tensor %q: holds values too large for float32", t.Name)
		}
		return x, err
	case Float16, BFloat16:
		widen := tensor.Half
		if t.Type == BFloat16 {
			widen = func(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }
		}
		if t.Raw == nil {
			return typed(len(t.Int32s), func(i int) float32 { return widen(uint16(t.Int32s[i])) })
		}
		return fromRaw(2, func(b []byte) float32 { return widen(le.Uint16(b)) })
	}
	return nil, fmt.Errorf("tensor %q: is %s, needed as floating point: export the model in float32", t.Name, t.Type)
}

// ToHalf rounds to binary16, ties to even; what is too large becomes infinite.
func ToHalf(f float32) uint16 {
	b := math.Float32bits(f)
	sign, x := uint16(b>>16)&0x8000, b&0x7fffffff
	switch {
	case x > 0x7f800000:
		return sign | 0x7e00
	case x >= 0x477ff000:
		return sign | 0x7c00
	case x < 0x38800000: // below 2⁻¹⁴: subnormal
		return sign | uint16(math.RoundToEven(math.Abs(float64(f))*0x1p24))
	}
	x += 0xfff + x>>13&1
	return sign | uint16((x-0x38000000)>>13)
}

// ToBFloat16 rounds to bfloat16, ties to even.
func ToBFloat16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// Float64 returns the values of a float64 tensor in a fresh slice.
func (t *Tensor) Float64() ([]float64, error) {
	if t.Type != Double {
		return nil, fmt.Errorf("tensor %q: is %s, needed as float64", t.Name, t.Type)
	}
	if err := t.inFile(); err != nil {
		return nil, err
	}
	if t.Raw == nil {
		return append([]float64{}, t.Doubles...), t.count(len(t.Doubles))
	}
	n, err := t.raw(8)
	if err != nil {
		return nil, err
	}
	x := make([]float64, n)
	for i := range x {
		x[i] = math.Float64frombits(binary.LittleEndian.Uint64(t.Raw[8*i:]))
	}
	return x, nil
}

// Int returns the values of an integer or bool tensor in a fresh slice.
func (t *Tensor) Int() ([]int64, error) {
	if err := t.inFile(); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	var size int
	var at func(b []byte) int64
	switch t.Type {
	case Int64:
		size, at = 8, func(b []byte) int64 { return int64(le.Uint64(b)) }
	case Int32:
		size, at = 4, func(b []byte) int64 { return int64(int32(le.Uint32(b))) }
	case Int16:
		size, at = 2, func(b []byte) int64 { return int64(int16(le.Uint16(b))) }
	case Uint16:
		size, at = 2, func(b []byte) int64 { return int64(le.Uint16(b)) }
	case Int8:
		size, at = 1, func(b []byte) int64 { return int64(int8(b[0])) }
	case Uint32:
		size, at = 4, func(b []byte) int64 { return int64(le.Uint32(b)) }
	case Uint8, Bool:
		size, at = 1, func(b []byte) int64 { return int64(b[0]) }
	default:
		return nil, fmt.Errorf("tensor %q: is %s, needed as integers", t.Name, t.Type)
	}
	if t.Raw != nil {
		n, err := t.raw(size)
		if err != nil {
			return nil, err
		}
		x := make([]int64, n)
		for i := range x {
			x[i] = at(t.Raw[i*size:])
		}
		return x, nil
	}
	if t.Type == Int64 {
		return append([]int64{}, t.Int64s...), t.count(len(t.Int64s))
	}
	x := make([]int64, len(t.Int32s))
	for i, v := range t.Int32s {
		x[i] = int64(v)
	}
	return x, t.count(len(x))
}

// FromFloat32 makes a float32 tensor with raw values; x is copied.
func FromFloat32(name string, dims []int64, x []float32) Tensor {
	b := make([]byte, 0, 4*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return Tensor{Name: name, Type: Float, Dims: dims, Raw: b}
}

// FromInt64 makes an int64 tensor with raw values; x is copied.
func FromInt64(name string, dims []int64, x []int64) Tensor {
	b := make([]byte, 0, 8*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return Tensor{Name: name, Type: Int64, Dims: dims, Raw: b}
}
