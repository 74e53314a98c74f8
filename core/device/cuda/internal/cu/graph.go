package cu

import (
	"errors"
	"unsafe"
)

func (c *card) Capture() error {
	err := c.do("begin a graph", fnBeginCapture, c.stream, captureRelaxed)
	c.capturing = err == nil
	return err
}

func (c *card) EndCapture() (Graph, error) {
	c.capturing = false
	var g uintptr
	if err := c.do("end a graph", fnEndCapture, c.stream, uintptr(unsafe.Pointer(&g))); err != nil {
		return 0, err
	}
	if g == 0 {
		return 0, errors.New("cuda: end a graph: nothing was recorded")
	}
	var x Graph
	err := c.do("make a graph", fnInstantiate, uintptr(unsafe.Pointer(&x)), g, 0)
	return x, errors.Join(err, c.do("drop a recorded graph", fnGraphDestroy, g))
}

func (c *card) RunGraph(g Graph) error {
	return c.do("run a graph", fnGraphLaunch, uintptr(g), c.stream)
}

func (c *card) ReleaseGraph(g Graph) error {
	if g == 0 {
		return nil
	}
	return c.do("release a graph", fnGraphExecDestroy, uintptr(g))
}

func (c *card) Event() (Event, error) {
	var e Event
	err := c.do("create an event", fnEventCreate, uintptr(unsafe.Pointer(&e)), 0)
	return e, err
}

func (c *card) Record(e Event) error {
	return c.do("record an event", fnEventRecord, uintptr(e), c.stream)
}

func (c *card) Elapsed(a, b Event) (float32, error) {
	if err := c.do("wait for an event", fnEventSync, uintptr(b)); err != nil {
		return 0, err
	}
	var ms float32
	err := c.do("read two events", fnEventElapsed, uintptr(unsafe.Pointer(&ms)), uintptr(a), uintptr(b))
	return ms, err
}

func (c *card) ReleaseEvent(e Event) error {
	if e == 0 {
		return nil
	}
	return c.do("release an event", fnEventDestroy, uintptr(e))
}
