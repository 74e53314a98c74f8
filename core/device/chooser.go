package device

import "errors"

// Chooser is a device that makes choices by the clock, such as by which algorithm a
// product runs. The last bits of results hang on them, so a run keeps them.
type Chooser interface {
	Device
	// Chooses names what its choices hold for: the hardware and the libraries.
	Chooses() string
	// Keeping returns the same device for a run, with the choices that the run knows, by
	// what each is for. One that the device cannot take any more is ErrKept when it is
	// needed; it is never made anew. told hears of all other choices before they take
	// effect, by which a resumed or repeated run has them; its error ends what needed them.
	Keeping(known map[string]string, told func(Chosen) error) Device
}

// Chosen is what a Chooser has to tell.
type Chosen struct {
	Choices map[string]string // new ones, by what each is for
	Said    []string          // what a person should know of, such as that a file cannot be written; each once
}

// Pairer is a compiled plan whose device chooses for each product of a 2:4 weight, by time,
// whether it leaves out two of each four inputs. The products that do have Call.Pairs.
type Pairer interface{ Pairs() []Paired }

// Paired is one product of a 2:4 weight, in a plan's largest batch.
type Paired struct {
	W      int    // of the bank
	Kernel Kernel // Linear, LinearDX
	Used   bool   // it leaves out two of each four
	// MS and Dense are its times on the device both ways, with all that each takes beside
	// the product: packing the weight where it moves in each run. 0: not measured.
	MS, Dense float64
	Why       string // it was not measured
}

// ErrKept says that a choice which a run keeps cannot be taken any more.
var ErrKept = errors.New("what this run chose is refused now")

// Sized is a bank or a compiled plan that says what it takes of its device's memory, bytes.
type Sized interface{ Takes() int64 }

// ErrMemory says that something does not fit the device's memory.
var ErrMemory = errors.New("the device's memory is too small")
