package energy

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"pare/core/energy/internal/nvml"
)

// countedNVML counts what a meter asks the library's cards for, and what that takes of the
// thread that asks, by a clock in ns.
type countedNVML struct {
	nvml.API
	clock func() int64

	mu    sync.Mutex
	calls map[string]asked
}

type asked struct{ n, ns int64 }

func (c *countedNVML) ByIndex(i int) (nvml.Device, error) {
	d, err := c.API.ByIndex(i)
	return countedDevice{d, c}, err
}

// count is deferred with the time at which the call began.
func (c *countedNVML) count(what string, from int64) {
	took := c.clock() - from
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.calls[what]
	c.calls[what] = asked{a.n + 1, a.ns + took}
}

// since takes what was counted and begins anew.
func (c *countedNVML) since() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for what, a := range c.calls {
		out = append(out, fmt.Sprintf("%s %d times, %.0f µs each", what, a.n, float64(a.ns)/float64(a.n)/1e3))
	}
	c.calls = map[string]asked{}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

type countedDevice struct {
	nvml.Device
	c *countedNVML
}

func (d countedDevice) Energy() (uint64, error) {
	defer d.c.count("energy counter", d.c.clock())
	return d.Device.Energy()
}

func (d countedDevice) Power() (uint32, error) {
	defer d.c.count("nvmlDeviceGetPowerUsage", d.c.clock())
	return d.Device.Power()
}

func (d countedDevice) Field(f nvml.Field, s nvml.Scope) (int64, error) {
	defer d.c.count(fmt.Sprintf("field %d", f), d.c.clock())
	return d.Device.Field(f, s)
}

func (d countedDevice) PowerSamples(after uint64) ([]nvml.PowerSample, error) {
	defer d.c.count("samples of power", d.c.clock())
	return d.Device.PowerSamples(after)
}
