package cuda

import (
	"fmt"
	"sync"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
	"pare/core/tensor"
)

// Precision says how activations are kept and products are computed; see the package
// documentation.
type Precision uint8

// Precisions.
const (
	F32 Precision = iota
	TF32
	BF16
)

// String is the name in a recipe.
func (p Precision) String() string { return [...]string{"f32", "tf32", "bf16"}[p] }

// T is the number of rows whose sums make one part, where the batch is cut for sums.
const T = 32

// Device is one card.
type Device struct {
	*card
	choices   *choices
	precision Precision
	checked   bool // tests: memory is filled with NaN before each run
}

// card is an open card with what was loaded for it.
type card struct {
	mu       sync.Mutex // held by every method of devices, banks and plans: a driver is for one at a time
	driver   cu.Driver
	blas     cu.Blas
	info     cu.Info
	programs map[string]*program // by file and defines
	plans    int                 // that are open
	machine  *machine
}

var (
	_ device.Card    = Device{}
	_ device.Chooser = Device{}
)

// With returns the device of a card whose driver and library of products are open. What
// is chosen for it is kept nowhere.
func With(d cu.Driver, b cu.Blas, p Precision) Device {
	return Device{card: newCard(d, b), choices: newChoices(nil, nil), precision: p}
}

func newCard(d cu.Driver, b cu.Blas) *card {
	return &card{driver: d, blas: b, info: d.Info(), programs: map[string]*program{}, machine: &machine{known: map[string]string{}}}
}

// Checked returns the same device in a slow mode for tests: memory is filled with NaN
// before each run, so that a kernel that reads what none wrote shows it.
func (d Device) Checked() Device {
	d.checked = true
	return d
}

// Name is "cuda".
func (Device) Name() string { return "cuda" }

// ISA is the architecture and the precision, "sm_90-bf16": equal bits are promised on
// the same card with the same libraries.
func (d Device) ISA() string {
	return fmt.Sprintf("sm_%d%d-%v", d.info.Major, d.info.Minor, d.precision)
}

// Model is the card's name.
func (d Device) Model() string { return d.info.Name }

// UUID is the card's, as NVML writes it.
func (d Device) UUID() string { return d.info.UUID }

// Free is the memory that is left on the card, bytes.
func (d Device) Free() (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.driver.Free()
	return n, lost(err)
}

// Memory is all that the card has, bytes.
func (d Device) Memory() int64 { return d.info.Memory }

// Tile is T.
func (Device) Tile() int { return T }

// Panel is 1.
func (Device) Panel() int { return 1 }

// Supports is true for every kernel on dense weights.
func (Device) Supports(k device.Kernel, f tensor.Format) bool {
	return f == tensor.Dense && builderOf(k) != nil
}

// elem is the type of activations.
func (d Device) elem() cu.Type {
	if d.precision == BF16 {
		return cu.BF16
	}
	return cu.F32
}
