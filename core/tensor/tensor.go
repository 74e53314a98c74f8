// Package tensor owns shapes, element types, sparse formats and masks: what a
// weight is and how its bytes can be packed. It imports nothing of ours and
// knows no device, no graph and no file.
package tensor

import (
	"fmt"
	"strconv"
	"strings"
)

// Shape is the logical shape of a tensor, row-major, outermost axis first.
// Immutable once built.
type Shape []int

// Len is the number of elements; 1 for a scalar (empty shape).
func (s Shape) Len() int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// Equal reports whether both shapes have the same axes.
func (s Shape) Equal(o Shape) bool {
	if len(s) != len(o) {
		return false
	}
	for i := range s {
		if s[i] != o[i] {
			return false
		}
	}
	return true
}

// Clone returns a copy that shares nothing with s.
func (s Shape) Clone() Shape { return append(Shape(nil), s...) }

// String writes a shape as people do: 300×784.
func (s Shape) String() string {
	p := make([]string, len(s))
	for i, d := range s {
		p[i] = strconv.Itoa(d)
	}
	return strings.Join(p, "×")
}

// Check rejects axes below one and element counts that overflow an int32:
// kernels index with 32 bits.
func (s Shape) Check() error {
	n := int64(1)
	for _, d := range s {
		if d < 1 {
			return fmt.Errorf("shape %v has an axis of size %d: every axis must be at least 1", s, d)
		}
		if n *= int64(d); int64(d) > 1<<31-1 || n > 1<<31-1 {
			return fmt.Errorf("shape %v has more than 2^31-1 elements: too large for one tensor", s)
		}
	}
	return nil
}

// Elem is the element type of a tensor.
type Elem uint8

// Element types. Training is float32; the rest exists in files.
const (
	F32 Elem = iota
	BF16
	F16
	F64
	I64
	I32
	U8
)

// Format says how the values of a weight are stored on the device. It is a
// property of the bytes, never of the shape: a graph does not change when a
// layer changes format.
type Format uint8

// Formats. In blocks of R×1 a block is R neighbouring outputs of one input,
// kept or dropped as a whole; see Block.
const (
	Dense   Format = iota // every value
	Single                // single values, R = 1
	Block4                // R = 4
	Block8                // R = 8
	Block16               // R = 16
	NM24                  // every value, and the kept two of each four inputs once more, see TwoInFour
	formats               // count
)

// Blocks lists the formats that leave zeros out, the finer one first.
var Blocks = []Format{Single, Block4, Block8, Block16}

// Height is R, the number of outputs of a block; 0 for dense and 2:4 weights.
func (f Format) Height() int {
	if f >= formats {
		return 0
	}
	return [formats]int{0, 1, 4, 8, 16, 0}[f]
}

// String is the word used on the screen for a format.
func (f Format) String() string {
	switch {
	case f == Dense:
		return "dense"
	case f == NM24:
		return "2:4"
	case f < formats:
		return strconv.Itoa(f.Height()) + "×1"
	}
	return "format(" + strconv.Itoa(int(f)) + ")"
}
