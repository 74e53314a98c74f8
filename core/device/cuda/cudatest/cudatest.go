// Package cudatest gives tests a card on machines without one: it keeps memory, computes
// nothing and can be lost at a call of its driver. It imports the device and its fake.
package cudatest

import (
	"pare/core/device/cuda"
	"pare/core/device/cuda/internal/cu"
	"pare/core/device/cuda/internal/cufake"
)

// New is a device on a fake card of so many bytes, and the card.
func New(memory int64, p cuda.Precision) (cuda.Device, *cufake.Card) {
	c := cufake.New(memory)
	return cuda.With(c, cufake.NewBlas(c), p).WithPairs(cufake.NewSparse(c)), c
}

// Dense is New on a machine where nothing runs 2:4 products.
func Dense(memory int64, p cuda.Precision) (cuda.Device, *cufake.Card) {
	c := cufake.New(memory)
	return cuda.With(c, cufake.NewBlas(c), p), c
}

// ErrFull is what a driver says when the card's memory is full.
var ErrFull error = cu.Fault("a test", cu.CodeOutOfMemory)
