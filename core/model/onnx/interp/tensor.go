package interp

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"pare/core/model/onnx"
	"pare/core/tensor"
)

// Tensor is a value. The slice that belongs to its type holds the elements,
// row-major; the others are nil.
type Tensor struct {
	Type  onnx.DataType
	Shape []int
	F     []float32 // Float, Float16, BFloat16
	D     []float64 // Double
	I     []int64   // integers and Bool (0, 1); of Uint64 the bits
	S     []string
	// Seq makes the value a list of tensors, inside a graph.
	Seq []*Tensor
}

// failure is an error on its way out of an operator.
type failure struct{ err error }

func fail(format string, a ...any) { panic(failure{fmt.Errorf(format, a...)}) }

func check(err error) {
	if err != nil {
		panic(failure{err})
	}
}

// Len is the number of elements.
func (t *Tensor) Len() int { return volume(t.Shape) }

func volume(shape []int) int {
	n := 1
	for _, d := range shape {
		if d < 0 || d > 0 && n > math.MaxInt32*64/d {
			fail("shape %v is too large", shape)
		}
		n *= d
	}
	return n
}

// Limit is how many elements one run may allocate.
const Limit = 1 << 29

// heap counts what a run allocates.
type heap struct{ left int }

// make is a tensor of zeros.
func (h *heap) make(t onnx.DataType, shape ...int) *Tensor {
	n := volume(shape)
	if h.left -= n; h.left < 0 {
		fail("needs more than %d elements of memory", Limit)
	}
	x := &Tensor{Type: t, Shape: slices.Clone(shape)}
	switch kindOf(t) {
	case floats:
		x.F = make([]float32, n)
	case doubles:
		x.D = make([]float64, n)
	case ints:
		x.I = make([]int64, n)
	case texts:
		x.S = make([]string, n)
	default:
		fail("tensors of %v: %w", t, errType)
	}
	return x
}

// kind is how elements are held.
type kind int

const (
	unknown kind = iota
	floats
	doubles
	ints
	texts
)

func kindOf(t onnx.DataType) kind {
	switch t {
	case onnx.Float, onnx.Float16, onnx.BFloat16:
		return floats
	case onnx.Double:
		return doubles
	case onnx.String:
		return texts
	case onnx.Bool, onnx.Int8, onnx.Int16, onnx.Int32, onnx.Int64, onnx.Uint8, onnx.Uint16, onnx.Uint32, onnx.Uint64:
		return ints
	}
	return unknown
}

// view is x with another shape of as many elements; the elements are shared.
func (t *Tensor) view(shape ...int) *Tensor {
	if volume(shape) != t.Len() {
		fail("%d elements cannot have the shape %v", t.Len(), shape)
	}
	v := *t
	v.Shape = slices.Clone(shape)
	return &v
}

// at is element i as a number.
func (t *Tensor) at(i int) float64 {
	switch {
	case t.F != nil:
		return float64(t.F[i])
	case t.D != nil:
		return t.D[i]
	case t.I != nil && t.Type == onnx.Uint64:
		return float64(uint64(t.I[i]))
	case t.I != nil:
		return float64(t.I[i])
	}
	fail("needs numbers, has %v", t.Type)
	return 0
}

// put sets element i, rounded to the type.
func (t *Tensor) put(i int, v float64) {
	switch {
	case t.F != nil:
		t.F[i] = float32(v)
	case t.D != nil:
		t.D[i] = v
	case t.I != nil && t.Type == onnx.Bool:
		t.I[i] = 0
		if v != 0 {
			t.I[i] = 1
		}
	case t.I != nil && t.Type == onnx.Uint64 && v >= math.MaxInt64:
		t.I[i] = int64(uint64(v))
	case t.I != nil:
		t.I[i] = wrap(t.Type, int64(v))
	default:
		fail("needs numbers, has %v", t.Type)
	}
}

// copyElement sets dst[i] = src[j]; both are of one type.
func copyElement(dst *Tensor, i int, src *Tensor, j int) {
	switch {
	case dst.F != nil:
		dst.F[i] = src.F[j]
	case dst.D != nil:
		dst.D[i] = src.D[j]
	case dst.I != nil:
		dst.I[i] = src.I[j]
	case dst.S != nil:
		dst.S[i] = src.S[j]
	}
}

// copyRun sets n elements from i to those from j.
func copyRun(dst *Tensor, i int, src *Tensor, j, n int) {
	switch {
	case dst.F != nil:
		copy(dst.F[i:i+n], src.F[j:j+n])
	case dst.D != nil:
		copy(dst.D[i:i+n], src.D[j:j+n])
	case dst.I != nil:
		copy(dst.I[i:i+n], src.I[j:j+n])
	case dst.S != nil:
		copy(dst.S[i:i+n], src.S[j:j+n])
	}
}

// wrap brings an integer into the range of its type, as C does.
func wrap(t onnx.DataType, v int64) int64 {
	switch t {
	case onnx.Bool:
		if v != 0 {
			return 1
		}
		return 0
	case onnx.Int8:
		return int64(int8(v))
	case onnx.Int16:
		return int64(int16(v))
	case onnx.Int32:
		return int64(int32(v))
	case onnx.Uint8:
		return int64(uint8(v))
	case onnx.Uint16:
		return int64(uint16(v))
	case onnx.Uint32:
		return int64(uint32(v))
	}
	return v
}

// settle rounds the elements of a half-precision tensor to their type.
func (t *Tensor) settle() *Tensor {
	switch t.Type {
	case onnx.Float16:
		for i, v := range t.F {
			t.F[i] = tensor.Half(onnx.ToHalf(v))
		}
	case onnx.BFloat16:
		for i, v := range t.F {
			t.F[i] = math.Float32frombits(uint32(onnx.ToBFloat16(v)) << 16)
		}
	}
	return t
}

// ints are the elements of an integer tensor.
func (t *Tensor) ints() []int {
	if t.I == nil && t.Len() > 0 {
		fail("needs integers, has %v", t.Type)
	}
	l := make([]int, len(t.I))
	for i, v := range t.I {
		if v > math.MaxInt32 { // "to the end"
			v = math.MaxInt32
		}
		l[i] = int(max(v, math.MinInt32))
	}
	return l
}

// FromProto reads a tensor of a file.
func FromProto(p *onnx.Tensor) (t *Tensor, err error) {
	defer catch(&err)
	n, err := p.Len()
	check(err)
	t = &Tensor{Type: p.Type, Shape: make([]int, len(p.Dims))}
	for i, d := range p.Dims {
		t.Shape[i] = int(d)
	}
	switch kindOf(p.Type) {
	case floats:
		t.F, err = p.Float32()
	case doubles:
		t.D, err = p.Float64()
	case ints:
		if p.Type == onnx.Uint32 || p.Type == onnx.Uint64 {
			t.I, err = unsigned(p)
		} else {
			t.I, err = p.Int()
		}
	case texts:
		if len(p.Strings) != n {
			fail("tensor %q: %d texts for shape %v", p.Name, len(p.Strings), p.Dims)
		}
		t.S = make([]string, n)
		for i, s := range p.Strings {
			t.S[i] = string(s)
		}
	default:
		fail("tensor %q: %v: %w", p.Name, p.Type, errType)
	}
	check(err)
	return t, nil
}

// unsigned reads uint32 and uint64, which stand in a list of their own.
func unsigned(p *onnx.Tensor) ([]int64, error) {
	n, err := p.Len()
	if err != nil {
		return nil, err
	}
	size := 4
	if p.Type == onnx.Uint64 {
		size = 8
	}
	x := make([]int64, 0, min(n, len(p.Raw)/size+len(p.Uint64s)))
	for _, v := range p.Uint64s {
		x = append(x, int64(v))
	}
	for b := p.Raw; len(b) >= size; b = b[size:] {
		if size == 4 {
			x = append(x, int64(binary.LittleEndian.Uint32(b)))
		} else {
			x = append(x, int64(binary.LittleEndian.Uint64(b)))
		}
	}
	if len(x) != n {
		return nil, fmt.Errorf("tensor %q: %d values for shape %v", p.Name, len(x), p.Dims)
	}
	return x, nil
}

// catch turns a failure into an error.
func catch(err *error) {
	switch r := recover().(type) {
	case nil:
	case failure:
		*err = r.err
	case error: // an index out of range: sizes that do not fit together
		*err = fmt.Errorf("its sizes do not fit together (%w)", r)
	default:
		panic(r)
	}
}
