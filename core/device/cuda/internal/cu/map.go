package cu

import (
	"fmt"
	"unsafe"
)

// Map describes a matrix to the copy engine of a card (CUtensorMap). Kernels take it by value.
type Map [16]uint64

// Mapper is a Driver of a card whose blocks bring boxes of matrices by themselves, Hopper's and
// later ones, where the driver knows of it (CUDA 12).
type Mapper interface {
	Maps() bool
	// Map is of a row-major bf16 matrix [rows][cols] at p whose rows begin ld values apart, which
	// goes by boxes of 64 columns and `box` rows, at most 256; in shared memory their rows lie in 128
	// bytes, swizzled by 16. What of a box is outside of the matrix comes as zeros, and does not go.
	// p and the bytes of a row must be multiples of 16.
	Map(p Ptr, rows, cols, ld, box int) (Map, error)
}

// Values of enumerations in cuda.h.
const (
	mapBF16      = 9 // CU_TENSOR_MAP_DATA_TYPE_BFLOAT16
	mapSwizzle   = 3 // CU_TENSOR_MAP_SWIZZLE_128B
	mapPromotion = 2 // CU_TENSOR_MAP_L2_PROMOTION_L2_128B
	mapAlign     = 64
)

func (c *card) Maps() bool { return c.lib.has(fnMap) && c.info.Major >= 9 }

func (c *card) Map(p Ptr, rows, cols, ld, box int) (Map, error) {
	if !c.Maps() {
		return Map{}, fmt.Errorf("cuda: describe a matrix to the copy engine: %w", ErrUnsupported)
	}
	var room [unsafe.Sizeof(Map{}) + mapAlign]byte
	at := unsafe.Pointer(&room[-uintptr(unsafe.Pointer(&room))%mapAlign])
	sizes, stride := [2]uint64{uint64(cols), uint64(rows)}, uint64(2*ld)
	boxes, every := [2]uint32{64, uint32(box)}, [2]uint32{1, 1}
	err := c.do(fmt.Sprintf("describe [%d][%d] at %#x, rows %d apart, to the copy engine", rows, cols, uint64(p), ld), fnMap,
		uintptr(at), mapBF16, 2, uintptr(p), uintptr(unsafe.Pointer(&sizes)), uintptr(unsafe.Pointer(&stride)), uintptr(unsafe.Pointer(&boxes)),
		uintptr(unsafe.Pointer(&every)), 0, mapSwizzle, mapPromotion, 0)
	return *(*Map)(at), err
}
