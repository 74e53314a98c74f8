package energy

import (
	"fmt"
	"sync"
	"time"

	"pare/core/energy/internal/nvml"
)

// fakeCard draws watts from the clock of its fake; its counter moves every 100 ms,
// as the real one does.
type fakeCard struct {
	uuid, name string
	watts      float64
	start      uint64        // mJ at time 0
	step       time.Duration // of the counter; 100 ms when 0, negative: frozen
	maxMW      int64         // largest limit
	arch       int
	mig        bool
	slices     []string // MIG UUIDs

	energy  func(t int64) (uint64, error) // mJ; replaces the counter
	power   func(t int64) (int64, error)  // mW, instantaneous
	average func(t int64) (int64, error)  // mW
	usage   func(t int64) (int64, error)  // mW, nvmlDeviceGetPowerUsage
	fields  map[[2]int]func(t int64) (int64, error)
	samples func(t int64, after uint64) ([]nvml.PowerSample, error)
	handle  error // opening it fails

	api *fakeNVML
}

type fakeNVML struct {
	f      *fake
	mu     sync.Mutex
	cards  []*fakeCard
	err    error // Open fails
	hang   chan struct{}
	closed int
}

func newFakeNVML(f *fake, cards ...*fakeCard) *fakeNVML {
	n := &fakeNVML{f: f, cards: cards}
	for _, c := range cards {
		c.api = n
		if c.maxMW == 0 {
			c.maxMW = 700_000
		}
		if c.arch == 0 {
			c.arch = nvml.Hopper
		}
	}
	return n
}

func h100(i int, watts float64) *fakeCard {
	return &fakeCard{uuid: fmt.Sprintf("GPU-%d0000000-aaaa", i), name: "NVIDIA H100 80GB HBM3", watts: watts, start: 5_000_000_000}
}

// with is an option of fake.open.
func (n *fakeNVML) with(env ...string) func(*Options) {
	return func(o *Options) {
		o.nvml = func() (nvml.API, error) { return n, n.err }
		o.env = environ(env...)
	}
}

// environ is an environment of pairs.
func environ(pairs ...string) func(string) (string, bool) {
	return func(k string) (string, bool) {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == k {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func (n *fakeNVML) Driver() (string, error) { return "580.159.04", nil }
func (n *fakeNVML) Count() (int, error)     { return len(n.cards), nil }
func (n *fakeNVML) Close() {
	n.mu.Lock()
	n.closed++
	n.mu.Unlock()
}

func (n *fakeNVML) ByIndex(i int) (nvml.Device, error) {
	return fakeDevice{n.cards[i], ""}, n.cards[i].handle
}

func (n *fakeNVML) ByUUID(u string) (nvml.Device, error) {
	for _, c := range n.cards {
		if c.uuid == u {
			return fakeDevice{c, ""}, nil
		}
		for _, s := range c.slices {
			if s == u {
				return fakeDevice{c, s}, nil
			}
		}
	}
	return nil, nvml.NotFound
}

type fakeDevice struct {
	c     *fakeCard
	slice string
}

func (d fakeDevice) Name() (string, error) { return d.c.name, nil }
func (d fakeDevice) UUID() (string, error) {
	if d.slice != "" {
		return d.slice, nil
	}
	return d.c.uuid, nil
}

// at is the time; it blocks while the driver hangs.
func (d fakeDevice) at() int64 {
	d.c.api.mu.Lock()
	h := d.c.api.hang
	d.c.api.mu.Unlock()
	if h != nil {
		<-h
	}
	return d.c.api.f.now()
}

func (c *fakeCard) counter(t int64) uint64 {
	step := int64(c.step)
	switch {
	case step < 0:
		return c.start
	case step == 0:
		step = int64(100 * time.Millisecond)
	}
	return c.start + uint64(c.watts*float64(t/step*step)/1e6)
}

func (d fakeDevice) Energy() (uint64, error) {
	t := d.at()
	d.c.api.mu.Lock()
	e := d.c.energy
	d.c.api.mu.Unlock()
	if e != nil {
		return e(t)
	}
	return d.c.counter(t), nil
}

func (c *fakeCard) setEnergy(e func(int64) (uint64, error)) {
	c.api.mu.Lock()
	c.energy = e
	c.api.mu.Unlock()
}

func (d fakeDevice) Power() (uint32, error) {
	t := d.at()
	if d.c.usage == nil {
		return 0, nvml.NotSupported
	}
	v, err := d.c.usage(t)
	return uint32(v), err
}

func (d fakeDevice) Field(f nvml.Field, s nvml.Scope) (int64, error) {
	t := d.at()
	if g := d.c.fields[[2]int{int(f), int(s)}]; g != nil {
		return g(t)
	}
	if s == nvml.Module {
		return 0, nvml.NotSupported
	}
	switch {
	case f == nvml.PowerMaxLimit && d.c.maxMW > 0:
		return d.c.maxMW, nil
	case f == nvml.PowerInstant && d.c.power != nil:
		return d.c.power(t)
	case f == nvml.PowerAverage && d.c.average != nil:
		return d.c.average(t)
	}
	return 0, nvml.NotSupported
}

func (d fakeDevice) PowerSamples(after uint64) ([]nvml.PowerSample, error) {
	t := d.at()
	if d.c.samples == nil {
		return nil, nvml.NotSupported
	}
	return d.c.samples(t, after)
}

func (d fakeDevice) Architecture() (int, error) { return d.c.arch, nil }
func (d fakeDevice) MIG() (bool, error)         { return d.c.mig, nil }
func (d fakeDevice) Parent() (nvml.Device, error) {
	if d.slice == "" {
		return nil, nvml.ErrNotSlice
	}
	return fakeDevice{d.c, ""}, nil
}

func noEnergy(int64) (uint64, error) { return 0, nvml.NotSupported }

// flicker is a constant power that no frozen sensor would show, mW.
func flicker(mw int64) func(int64) (int64, error) {
	return func(t int64) (int64, error) { return mw + t/int64(100*time.Millisecond)%2, nil }
}
