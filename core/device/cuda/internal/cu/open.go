package cu

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"
)

// card is the Driver of a real one.
type card struct {
	lib       *library
	info      Info
	dev       int
	ready     [1]uintptr       // the device's primary context, as arguments of fnSetCurrent
	frame     [11]uintptr      // arguments of fnLaunch
	args      []unsafe.Pointer // of the kernel launched last
	stream    uintptr
	hosts     map[uintptr]int // page-locked memory: address → bytes
	done      Event           // what Sync sleeps on
	work      Ptr             // the workspace that all products share
	capturing bool
	closed    bool
}

// Open opens a card, by its place among those that the driver shows (which
// CUDA_VISIBLE_DEVICES chooses and orders): 0 is the first.
func Open(ordinal int) (Driver, error) {
	lib, err := driverOpen()
	if err != nil {
		return nil, err
	}
	n, err := deviceCount(lib)
	if err != nil {
		return nil, err
	}
	if ordinal < 0 || ordinal >= n {
		return nil, fmt.Errorf("cuda: card %d: %w: the driver shows %d%s", ordinal, ErrNoCard, n, visible())
	}
	c := &card{lib: lib, hosts: map[uintptr]int{}}
	if c.info, c.dev, err = describe(lib, ordinal); err != nil {
		return nil, err
	}
	if err := driverFail(lib, "take the context of card "+c.info.Name, lib.call(fnRetain, uintptr(unsafe.Pointer(&c.ready)), uintptr(c.dev))); err != nil {
		return nil, err
	}
	if err := c.do("create a stream", fnStreamCreate, uintptr(unsafe.Pointer(&c.stream)), streamNonBlocking); err != nil {
		c.lib.call(fnReleaseContext, uintptr(c.dev))
		return nil, err
	}
	return c, nil
}

// Cards describes those that the driver shows; it takes none of their memory.
func Cards() ([]Info, error) {
	lib, err := driverOpen()
	if err != nil {
		return nil, err
	}
	n, err := deviceCount(lib)
	if err != nil {
		return nil, err
	}
	list := make([]Info, n)
	for i := range list {
		if list[i], _, err = describe(lib, i); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// visible tells of a choice of cards by the environment.
func visible() string {
	if v, ok := os.LookupEnv("CUDA_VISIBLE_DEVICES"); ok {
		return fmt.Sprintf(" (CUDA_VISIBLE_DEVICES=%s)", v)
	}
	return ""
}

// driverOpen opens and initialises the driver.
func driverOpen() (*library, error) {
	lib, err := driverLibrary.open(0)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNoDriver, why(driverLibrary.name, err))
	}
	if err := driverFail(lib, "start the driver", lib.call(fnInit, 0)); err != nil {
		if errors.Is(err, ErrNoCard) && visible() != "" {
			err = fmt.Errorf("%w%s", err, visible())
		}
		return nil, err
	}
	return lib, nil
}

// driverVersion is what the driver supports, 13000 for CUDA 13.0; 0: no driver. It
// needs no card.
func driverVersion() int {
	lib, err := driverLibrary.open(0)
	if err != nil {
		return 0
	}
	var v int32
	if lib.call(fnDriverVersion, uintptr(unsafe.Pointer(&v))) != 0 {
		return 0
	}
	return int(v)
}

func deviceCount(lib *library) (int, error) {
	var n int32
	err := driverFail(lib, "count the cards", lib.call(fnDeviceCount, uintptr(unsafe.Pointer(&n))))
	if err == nil && n == 0 {
		err = fmt.Errorf("cuda: %w: the driver shows none%s", ErrNoCard, visible())
	}
	return int(n), err
}

// describe reads what a card says of itself, and its CUdevice.
func describe(lib *library, ordinal int) (Info, int, error) {
	var dev int32
	if err := driverFail(lib, fmt.Sprintf("find card %d", ordinal), lib.call(fnDeviceGet, uintptr(unsafe.Pointer(&dev)), uintptr(ordinal))); err != nil {
		return Info{}, 0, err
	}
	i := Info{Ordinal: ordinal, Driver: driverVersion()}
	var failed error
	read := func(what string, r int) {
		if err := driverFail(lib, fmt.Sprintf("read the %s of card %d", what, ordinal), r); err != nil && failed == nil {
			failed = err
		}
	}
	name, uuid := make([]byte, 256), make([]byte, 16)
	read("name", lib.call(fnDeviceName, uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)), uintptr(dev)))
	read("uuid", lib.call(fnDeviceUUID, uintptr(unsafe.Pointer(&uuid[0])), uintptr(dev)))
	var memory uintptr
	read("memory", lib.call(fnDeviceMemory, uintptr(unsafe.Pointer(&memory)), uintptr(dev)))
	attribute := func(what string, id uintptr) int {
		var v int32
		read(what, lib.call(fnDeviceAttribute, uintptr(unsafe.Pointer(&v)), id, uintptr(dev)))
		return int(v)
	}
	i.Name, i.UUID, i.Memory = text(name), uuidText(uuid, ordinal), int64(memory)
	i.Major, i.Minor = attribute("compute capability", attrMajor), attribute("compute capability", attrMinor)
	i.SMs, i.Shared, i.L2 = attribute("multiprocessors", attrSMs), attribute("shared memory", attrShared), int64(attribute("L2 cache", attrL2))
	return i, int(dev), failed
}

// uuidText writes a uuid as NVML does. A slice of a card has one of its own, which
// only the choice by CUDA_VISIBLE_DEVICES tells from a card's.
func uuidText(b []byte, ordinal int) string {
	h := hex.EncodeToString(b)
	kind := "GPU-"
	if list := strings.Split(os.Getenv("CUDA_VISIBLE_DEVICES"), ","); ordinal < len(list) && strings.HasPrefix(strings.TrimSpace(list[ordinal]), "MIG-") {
		kind = "MIG-"
	}
	return kind + strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// text cuts a C string out of a buffer.
func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}
