package cpu

import "unsafe"

// alloc returns n zero floats that start on a cache line, so that no row of 16
// is split over two. The heap never moves, so the alignment lasts; noinline
// keeps the array off the stack, which does move.
//
//go:noinline
func alloc(n int) []float32 {
	x := make([]float32, n+15)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(x)))/4) & 15
	return x[skip : skip+n : skip+n]
}
