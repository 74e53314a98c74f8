package cpu

import "unsafe"

func alloc(n int) []float32 { return allocOf[float32](n) }

// allocOf returns n zeros that start on a cache line, so that no row of 64 bytes
// is split over two. The heap never moves, so the alignment lasts; noinline keeps
// the array off the stack, which does move.
//
//go:noinline
func allocOf[F float32 | float64](n int) []F {
	var f F
	size := int(unsafe.Sizeof(f))
	x := make([]F, n+64/size-1)
	huge(unsafe.Pointer(unsafe.SliceData(x)), len(x)*size)
	skip := (-int(uintptr(unsafe.Pointer(unsafe.SliceData(x)))) & 63) / size
	return x[skip : skip+n : skip+n]
}
