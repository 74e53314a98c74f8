// Package nvml reads NVIDIA's management library without cgo: only what an
// energy meter needs, and nothing that changes a card. The library is loaded when
// Open is called, never before; each function of it is looked up by name, and one
// that an old driver lacks gives ErrNotFound instead of a crash. It imports
// purego, x/sys on Windows, the standard library and nothing of ours.
//
// Figures of fields, the struct and the codes are those of NVIDIA's header
// (NVIDIA/go-nvml, pkg/nvml/nvml.h).
//
// Built with the tag static, or for a system without such a library, Open only
// says so.
package nvml

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
)

// Return is NVML's nvmlReturn_t.
type Return int32

// The codes that matter here.
const (
	Success        Return = 0
	NotInitialized Return = 1
	NotSupported   Return = 3
	NoPermission   Return = 4
	NotFound       Return = 6
	NoDriver       Return = 9
	NoFunction     Return = 13
	GPULost        Return = 15
)

func (r Return) Error() string {
	switch r {
	case NotInitialized:
		return "NVML is not initialised (was the driver reloaded?)"
	case NotSupported:
		return "not supported by this card"
	case NoPermission:
		return "NVML: no permission"
	case NotFound:
		return "NVML: not found"
	case NoDriver:
		return "the NVIDIA driver is not loaded"
	case NoFunction:
		return "this driver's NVML lacks the function"
	case GPULost:
		return "the GPU is lost (it fell off the bus or was reset)"
	}
	return fmt.Sprintf("NVML error %d", int32(r))
}

// Field is an id of nvmlDeviceGetFieldValues.
type Field uint32

// The fields that tell energy and power.
const (
	TotalEnergy     Field = 83  // mJ since the driver was loaded
	PowerAverage    Field = 185 // mW over 1 s; Ampere except GA100, and newer
	PowerInstant    Field = 186 // mW now
	PowerMinLimit   Field = 187 // mW
	PowerMaxLimit   Field = 188 // mW
	PowerDefaultCap Field = 189 // mW
)

// Scope says what a field's figure includes.
type Scope uint32

// The scopes of power and energy.
const (
	GPU    Scope = 0 // the GPU with its memory
	Module Scope = 1 // the module: on GH200 the Grace CPU too
)

func (s Scope) String() string {
	if s == Module {
		return "module"
	}
	return "GPU"
}

// Architectures of nvmlDeviceGetArchitecture that differ in what power usage is.
const (
	Volta  = 5
	Ampere = 7
	Hopper = 9
)

// API is the library. A fake implements it in tests.
type API interface {
	Driver() (string, error)            // version of the driver
	Count() (int, error)                // cards, in the order of the PCI bus
	ByIndex(i int) (Device, error)      //
	ByUUID(uuid string) (Device, error) // of a card ("GPU-…") or a slice ("MIG-…")
	Close()                             //
}

// Device is a card, or a slice of one that stands for it.
type Device interface {
	Name() (string, error)
	UUID() (string, error)
	// Energy in mJ since the driver was loaded; Volta and newer.
	Energy() (uint64, error)
	// Power in mW by nvmlDeviceGetPowerUsage: on Ampere (except GA100) and newer the
	// average of the last second, else instantaneous. See PowerIsAverage.
	Power() (uint32, error)
	// Field reads one field value as a whole number.
	Field(f Field, s Scope) (int64, error)
	// PowerSamples are those that the driver has taken since a time (µs since 1970; 0: all it
	// keeps, two seconds or so), oldest first. None is no error.
	PowerSamples(after uint64) ([]PowerSample, error)
	// Architecture as a number of NVML's list.
	Architecture() (int, error)
	// MIG reports whether the card is cut into slices.
	MIG() (bool, error)
	// Parent is the card of a slice; ErrNotSlice for a card.
	Parent() (Device, error)
}

// PowerSample is what a card drew at a time, as its driver noted it.
type PowerSample struct {
	At uint64 // µs since 1970, by the machine's clock
	MW int64
}

// ErrNotSlice is what Parent says of a whole card.
var ErrNotSlice = errors.New("nvml: the device is a whole card")

// fieldValue is nvmlFieldValue_t: 40 bytes.
type fieldValue struct {
	id      uint32
	scope   uint32
	at      int64 // µs since 1970
	latency int64 // µs
	kind    uint32
	ret     Return
	value   [8]byte // a union, in the machine's byte order
}

// sample is nvmlSample_t: 16 bytes.
type sample struct {
	at    uint64 // µs since 1970
	value [8]byte
}

// number decodes the union.
func (v *fieldValue) number() (int64, error) {
	n, err := number(v.kind, v.value)
	if err != nil {
		return 0, fmt.Errorf("nvml: field %d %w", v.id, err)
	}
	return n, nil
}

// number decodes an nvmlValue_t. Unsigned long has 4 bytes on Windows, else 8.
func number(kind uint32, value [8]byte) (int64, error) {
	b := value[:]
	u64, u32 := binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint32(b)
	switch kind {
	case 0: // double
		f := math.Float64frombits(u64)
		if !(f >= math.MinInt64 && f < math.MaxInt64) {
			return 0, fmt.Errorf("holds %g", f)
		}
		return int64(f), nil
	case 1: // unsigned int
		return int64(u32), nil
	case 2: // unsigned long
		if runtime.GOOS == "windows" {
			return int64(u32), nil
		}
		fallthrough
	case 3: // unsigned long long
		if u64 > math.MaxInt64 {
			return 0, fmt.Errorf("holds %d", u64)
		}
		return int64(u64), nil
	case 4: // signed long long
		return int64(u64), nil
	case 5: // signed int
		return int64(int32(u32)), nil
	case 6: // unsigned short
		return int64(binary.NativeEndian.Uint16(b)), nil
	}
	return 0, fmt.Errorf("is of the unknown type %d", kind)
}

// text cuts a C string out of a buffer.
func text(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

func (r Return) err() error {
	if r == Success {
		return nil
	}
	return r
}
