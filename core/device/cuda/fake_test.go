package cuda_test

import (
	"unsafe"

	"pare/core/device/cuda/internal/cu"
	"pare/core/device/cuda/internal/cufake"
)

var errFull = cu.Fault("fake", cu.CodeOutOfMemory)

// fill puts count copies of a float32 into a fake card's memory.
func fill(card *cufake.Card, at uint64, count int64, v float32) error {
	b, err := card.Bytes(cu.Ptr(at))
	if err != nil {
		return err
	}
	x := unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), len(b)/4)[:count]
	for i := range x {
		x[i] = v
	}
	return nil
}
