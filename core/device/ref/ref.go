// Package ref is the scalar device: the definition of every kernel, and the
// oracle other devices are tested against. Read it to learn what a kernel does;
// do not use it to learn how fast anything is.
//
// One sample is one tile (T = 1) and one output one panel (P = 1), so an
// activation is [H][W][C] and its transpose is the same bytes. Weights lie
// row-major over their logical shape whatever their format. Values are stored
// as float32, every sum is accumulated in float64, and one goroutine does all
// the work, sample by sample in batch order.
//
// Memory is filled with NaN before each run: a kernel that reads what no kernel
// wrote shows it.
//
// It may import core/device and core/tensor, nothing above them.
package ref

import (
	"runtime"

	"pare/core/device"
	"pare/core/tensor"
)

// Device is the scalar device. The zero value is ready to use.
type Device struct{}

// New returns the scalar device.
func New() Device { return Device{} }

var _ device.Device = Device{}

// Name is "ref".
func (Device) Name() string { return "ref" }

// ISA is "go-" and the architecture: the compiler may fuse a multiplication and
// an addition on some of them, and math functions differ in the last bit.
func (Device) ISA() string { return "go-" + runtime.GOARCH }

// Tile is 1.
func (Device) Tile() int { return 1 }

// Panel is 1.
func (Device) Panel() int { return 1 }

// Supports is true for every kernel on dense weights, and for the products on
// blocks: these leave out the masked places one by one.
func (Device) Supports(k device.Kernel, f tensor.Format) bool {
	_, known := args[k]
	if f == tensor.Dense {
		return known
	}
	if f == tensor.NM24 { // as dense
		return k == device.Linear || k == device.LinearDX || k == device.LinearDW || k == device.Update || k == device.Adapt || k == device.AdaptA || k == device.AdaptB
	}
	switch k {
	case device.Linear, device.LinearDX, device.LinearDW, device.Conv, device.ConvDX, device.ConvDW, device.Update, device.Adapt, device.AdaptA, device.AdaptB:
		return f.Height() > 0
	}
	return false
}
