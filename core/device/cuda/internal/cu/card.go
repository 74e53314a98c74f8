package cu

import (
	"fmt"
	"runtime"
	"unsafe"
)

// do calls function f with the card's context current. CUDA keeps the current context
// for each thread of the system, and a goroutine moves between those, so the two calls
// are tied to one thread.
//
//go:uintptrescapes
func (c *card) do(op string, f int, args ...uintptr) error {
	if c.closed {
		return fmt.Errorf("cuda: %s: %w", op, ErrClosed)
	}
	runtime.LockOSThread()
	r := c.current()
	if r == 0 {
		r = c.lib.call(f, args...)
	}
	runtime.UnlockOSThread()
	if r != 0 {
		return driverFail(c.lib, op, r)
	}
	return nil
}

// current makes the card's context the thread's. Arguments lie ready, for a list of them
// written out at the call would be allocated.
func (c *card) current() int { return c.lib.call(fnSetCurrent, c.ready[:]...) }

// within runs calls of another library with the card's context current.
func (c *card) within(f func() error) error {
	if c.closed {
		return ErrClosed
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if r := c.current(); r != 0 {
		return driverFail(c.lib, "make the context current", r)
	}
	return f()
}

// driverFail is the error of a CUresult, nil for 0.
func driverFail(lib *library, op string, code int) error {
	if code == 0 {
		return nil
	}
	e := Fault(op, code)
	for _, s := range []struct {
		f  int
		to *string
	}{{fnErrorName, &e.Name}, {fnErrorText, &e.Text}} {
		var at *byte
		if lib.has(s.f) && lib.call(s.f, uintptr(code), uintptr(unsafe.Pointer(&at))) == 0 && at != nil {
			*s.to = cText(at)
		}
	}
	return e
}

// cText reads a C string that a library keeps, of at most 4096 bytes.
func cText(at *byte) string {
	b := unsafe.Slice(at, 4096)
	for i := range b {
		if b[i] == 0 {
			return string(b[:i])
		}
	}
	return ""
}

func (c *card) Info() Info { return c.info }

func (c *card) Free() (int64, error) {
	var free, total uintptr
	err := c.do("ask for free memory", fnMemInfo, uintptr(unsafe.Pointer(&free)), uintptr(unsafe.Pointer(&total)))
	return int64(free), err
}

// Workspace is what dense and sparse products share of the card's memory, taken once
// with the first of them, bytes.
const Workspace = 64 << 20

func (c *card) workspace() (Ptr, error) {
	if c.work == 0 {
		var err error
		if c.work, err = c.Alloc(Workspace); err != nil {
			return 0, fmt.Errorf("workspace of products: %w", err)
		}
	}
	return c.work, nil
}

// Close gives the stream and the context back; what was allocated goes with the last
// context of the process. It is the last call of a card, and may be repeated.
func (c *card) Close() error {
	if c.closed {
		return nil
	}
	if c.work != 0 {
		_ = c.Release(c.work) // a lost card releases nothing
	}
	if c.done != 0 {
		_ = c.ReleaseEvent(c.done) // likewise
	}
	err := c.do("close the stream", fnStreamDestroy, c.stream)
	c.closed = true
	c.lib.call(fnReleaseContext, uintptr(c.dev))
	return err
}
