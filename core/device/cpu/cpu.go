package cpu

import (
	"pare/core/device"
	"pare/core/tensor"
)

// Device is the processor this program runs on.
type Device struct {
	checked bool
	apart   bool // values share no memory
}

// New returns the processor.
func New() device.Device { return Device{} }

// Checked returns the processor in a slow mode for tests: memory is filled with
// NaN before each run, so that a kernel that reads what no kernel wrote shows
// it, and a run that writes outside of its memory ends in an error.
func Checked() device.Device { return Device{checked: true} }

// Separated is Checked with a place of its own for every value of a plan and guard
// words between them, so that a kernel that writes behind its value is found even
// where the next value would hide it. Results have the same bits as Checked's,
// unless values share memory that must not.
func Separated() device.Device { return Device{checked: true, apart: true} }

var _ device.Device = Device{}

// Name is "cpu".
func (Device) Name() string { return "cpu" }

// ISA is "avx512", "avx2" or "neon" for the assembly and "go" for plain Go.
func (Device) ISA() string { return isa }

// Tile is 16 samples.
func (Device) Tile() int { return T }

// Panel is 16 outputs.
func (Device) Panel() int { return P }

// Supports is true for every kernel on dense weights, and for the products on
// blocks of every height. (Grouped convolutions are dense: see NewBank.)
func (Device) Supports(k device.Kernel, f tensor.Format) bool {
	known := tileKernels[k] != nil || taskKernels[k] != nil || serialKernels[k] != nil
	if f == tensor.Dense {
		return known
	}
	if f == tensor.NM24 {
		return k == device.Linear || k == device.LinearDX || k == device.LinearDW || k == device.Update || k == device.Adapt || k == device.AdaptA || k == device.AdaptB
	}
	switch k {
	case device.Linear, device.LinearDX, device.LinearDW, device.Conv, device.ConvDX, device.ConvDW, device.Update, device.Adapt, device.AdaptA, device.AdaptB:
		return f.Height() > 0
	}
	return false
}

// Few is the most samples whose values have no lanes in plans like p, see flat.go.
func (Device) Few(p *device.Plan, b device.Bank) int {
	bk, ok := b.(*bank)
	if !ok {
		return 0
	}
	return few(p, bk)
}

// NewBank makes room for weights, gradients and state, all zero. Weights that
// do not train have neither gradient nor state.
func (d Device) NewBank(ws []device.Weight, slots int) (device.Bank, error) {
	b, err := newBank(ws, slots, d.checked)
	if err != nil {
		return nil, err
	}
	return b, nil
}
