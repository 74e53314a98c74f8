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
	always    bool // tests: 2:4 wherever it fits, by our kernel or cuSPARSELt
	byKind    kind // which of them
	plain     bool // tests: convolutions by the plain kernels
}

// card is an open card with what was loaded for it.
type card struct {
	mu       sync.Mutex // held by every method of devices, banks and plans: a driver is for one at a time
	driver   cu.Driver
	blas     cu.Blas
	sparse   func() (cu.Sparse, error) // opened when it is first asked for
	own      func() *own24             // products of ours with 2:4 weights, nil: this card has none
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
	c := &card{
		driver: d, blas: b, sparse: sync.OnceValues(func() (cu.Sparse, error) { return cu.NewSparse(d) }), info: d.Info(),
		programs: map[string]*program{}, machine: &machine{known: map[string]string{}},
	}
	c.own = sync.OnceValue(func() *own24 { return newOwn24(c) })
	return c
}

// WithPairs returns the device with a library of 2:4 products that is open.
func (d Device) WithPairs(s cu.Sparse) Device {
	d.sparse = func() (cu.Sparse, error) { return s, nil }
	return d
}

// Paired returns the same device for tests: it takes 2:4 wherever cuSPARSELt does, or with
// own our kernel, whatever the clock says.
func (d Device) Paired(own bool) Device {
	if d.always = true; own {
		d.byKind = ours
	}
	return d
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

// Supports is true for every kernel on dense weights, and in bf16 for the products of
// linear layers on 2:4 weights on Hopper, and where cuSPARSELt is found or the run chose
// with it.
func (d Device) Supports(k device.Kernel, f tensor.Format) bool {
	switch f {
	case tensor.Dense:
		return builderOf(k) != nil
	case tensor.NM24:
		switch k {
		case device.Linear, device.LinearDX, device.LinearDW, device.Update, device.Adapt, device.AdaptA, device.AdaptB:
			if d.precision == BF16 {
				_, kept, _ := d.ways()
				return len(kept) > 0
			}
		}
	}
	return false
}

// elem is the type of activations.
func (d Device) elem() cu.Type {
	if d.precision == BF16 {
		return cu.BF16
	}
	return cu.F32
}
