// Package cufake is a card for tests on machines without one: its memory lies in host
// slices, copies are real and checked, kernels and products compute nothing but what packs
// 2:4 weights. It counts
// calls and can fail any of them, once or from then on, as a card that disappears does.
// It imports internal/cu and the standard library.
package cufake

import (
	"fmt"
	"iter"
	"slices"
	"sync"
	"unsafe"

	"pare/core/device/cuda/internal/cu"
)

// Card is a fake cu.Driver. NewBlas and NewSparse give its products. It may be used
// from several goroutines, of which one sets errors.
type Card struct {
	// OnLaunch, if set, is called for each launch that runs, so that a test may do a
	// kernel's work; name is the kernel's.
	OnLaunch func(name string, grid, block [3]int, shared int, args []unsafe.Pointer) error

	// Takes, if set, is how long a method or kernel takes by Elapsed, ms; what it does not
	// name takes no time. What is recorded takes it when its graph runs.
	Takes map[string]float32

	// Queues is how long the processor takes to queue a method or kernel, ms, for which the
	// card waits by Elapsed; a graph has that behind it.
	Queues map[string]float32

	// Algorithm is what products choose, "fake" if it is empty; Refuse, if set, says which
	// algorithms and products the library does not take.
	Algorithm string
	Refuse    func(product, algo string) bool

	// Hopper gives the card a copy engine (cu.Mapper), and so kernels of ours for 2:4 products.
	Hopper bool

	// Unsteady packs 2:4 weights in an order that changes from one to the next.
	Unsteady bool

	mu        sync.Mutex
	info      cu.Info
	limit     int64 // bytes
	used      int64
	next      cu.Ptr
	blocks    []block // by address
	hosts     map[*byte]int
	funcs     []string // by cu.Func - 1
	defines   map[string][]string
	graphs    map[cu.Graph][]func() error
	recording *[]func() error
	handles   uintptr
	events    map[cu.Event]float32 // when they were recorded
	clock     float32              // ms, by Takes
	modules   int
	products  int // prepared and not released
	packs     int // that were made
	calls     map[string]int
	faults    map[string]map[int]error // method → number of the call → what it answers
	lost      error
	closed    bool
}

// block is memory that was allocated.
type block struct {
	at cu.Ptr
	b  []byte
}

// New is a card of so many bytes.
func New(memory int64) *Card {
	return &Card{
		info: cu.Info{
			Name: "fake card", UUID: "GPU-00000000-0000-0000-0000-000000000000", Major: 9, Minor: 0, SMs: 4, Memory: memory, L2: 1 << 20,
			Shared: 227 << 10, Driver: 13000,
		},
		limit: memory, next: 1 << 32, hosts: map[*byte]int{}, defines: map[string][]string{}, graphs: map[cu.Graph][]func() error{}, events: map[cu.Event]float32{}, calls: map[string]int{}, faults: map[string]map[int]error{},
	}
}

// FailAt lets the k-th call of a method from now on (1: the next) answer err. Methods
// are those of cu.Driver by name, and "Prepare", "Run", "Compress", "RunSparse". After
// an error that is cu.ErrLost every call of any method answers it.
func (c *Card) FailAt(method string, k int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.faults[method] == nil {
		c.faults[method] = map[int]error{}
	}
	c.faults[method][c.calls[method]+k] = err
}

// Lose is FailAt with what a driver says of a card that fell off the bus.
func (c *Card) Lose(method string, k int) { c.FailAt(method, k, cu.Fault("fake", cu.CodeUnknown)) }

// Calls is how often a method was called, or a kernel queued or recorded.
func (c *Card) Calls(method string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[method]
}

// Used is the memory that is allocated, bytes.
func (c *Card) Used() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}

// Leaks lists what was allocated and not released: "3 device blocks", …
func (c *Card) Leaks() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, l := range []struct {
		n    int
		what string
	}{{len(c.blocks), "device blocks"}, {len(c.hosts), "host blocks"}, {len(c.graphs), "graphs"}, {len(c.events), "events"}, {c.products, "products"}} {
		if l.n > 0 {
			out = append(out, fmt.Sprintf("%d %s", l.n, l.what))
		}
	}
	return out
}

// Modules is how many images are loaded.
func (c *Card) Modules() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.modules
}

// Bytes is the card's memory from p on to the end of what was allocated there.
func (c *Card) Bytes(p cu.Ptr) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at(p, 0)
}

// Pieces are what is allocated of the card's memory, by address.
func (c *Card) Pieces() iter.Seq2[cu.Ptr, []byte] {
	return func(yield func(cu.Ptr, []byte) bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, b := range c.blocks {
			if !yield(b.at, b.b) {
				return
			}
		}
	}
}

// Defines are those of the program that a kernel was last found in.
func (c *Card) Defines(kernel string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.defines[kernel]
}

// enter counts a call and says whether it fails. The lock is held.
func (c *Card) enter(method string) error {
	c.calls[method]++
	c.spend(method)
	if c.closed {
		return fmt.Errorf("cuda: %s: %w", method, cu.ErrClosed)
	}
	if c.lost != nil {
		return c.lost
	}
	err, ok := c.faults[method][c.calls[method]]
	if !ok {
		return nil
	}
	delete(c.faults[method], c.calls[method])
	if isLost(err) {
		c.lost = err
	}
	return err
}

// spend adds what a method or kernel takes to the clock. The lock is held.
func (c *Card) spend(what string) {
	takes := c.Takes[what]
	if c.recording == nil {
		c.clock += takes + c.Queues[what]
	} else if takes > 0 {
		*c.recording = append(*c.recording, func() error { c.clock += takes; return nil })
	}
}

// queue runs f, or keeps it while a graph is recorded. The lock is held.
func (c *Card) queue(f func() error) error {
	if c.recording != nil {
		*c.recording = append(*c.recording, f)
		return nil
	}
	return f()
}

// at finds n bytes of memory. The lock is held.
func (c *Card) at(p cu.Ptr, n int64) ([]byte, error) {
	i, ok := slices.BinarySearchFunc(c.blocks, p, func(b block, p cu.Ptr) int {
		switch {
		case p < b.at:
			return 1
		case p >= b.at+cu.Ptr(len(b.b)):
			return -1
		}
		return 0
	})
	if !ok {
		return nil, c.stray(p, n)
	}
	b := c.blocks[i].b[p-c.blocks[i].at:]
	if n > int64(len(b)) {
		return nil, c.stray(p, n)
	}
	return b, nil
}

// stray is an access outside what was allocated, which loses the card.
func (c *Card) stray(p cu.Ptr, n int64) error {
	e := cu.Fault(fmt.Sprintf("%d bytes at %#x", n, uint64(p)), cu.CodeIllegalAddress)
	c.lost = e
	return e
}
