package cu

import (
	"time"
	"unsafe"
)

// spin is how long Sync asks before it sleeps: about what waking up costs.
const spin = 50 * time.Microsecond

// Sync waits for what was queued. Waiting as the driver does it by default keeps a
// core busy throughout, at its full power; so, past a moment, the thread sleeps until
// the card's interrupt.
func (c *card) Sync() error {
	const op = "wait for the card"
	for start := time.Now(); time.Since(start) < spin; {
		code, err := c.query(op)
		if code != notReady {
			return err
		}
	}
	if c.done == 0 {
		if err := c.do(op, fnEventCreate, uintptr(unsafe.Pointer(&c.done)), eventBlocking|eventNoTime); err != nil {
			return err
		}
	}
	if err := c.do(op, fnEventRecord, uintptr(c.done), c.stream); err != nil {
		return err
	}
	return c.do(op, fnEventSync, uintptr(c.done))
}

// query asks whether the stream is empty; notReady is no error.
func (c *card) query(op string) (code int, err error) {
	err = c.within(func() error {
		if code = c.lib.call(fnStreamQuery, c.stream); code == notReady {
			return nil
		}
		return driverFail(c.lib, op, code)
	})
	return code, err
}
