package energy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"pare/core/energy/internal/nvml"
)

// The names of what an NVIDIA card is read by. Average and instantaneous power
// are different figures and are never mixed up (DCGM#157).
const (
	sourceCounter = "nvml"
	sourceInstant = "nvml instantaneous power"
	sourceAverage = "nvml average power"
)

// way is how one card is read.
type way struct {
	input  *input // nil: it cannot be
	source string
	scope  nvml.Scope
	first  uint64 // value when found
	moved  bool
	next   func() *way // the rung below, for a counter that stands still
	notes  []string
	why    error
}

// findWay walks the ladder for one card: energy counter, instantaneous power,
// average power; GPU scope before the scope of the module.
func findWay(o Options, c card) *way {
	w := &way{}
	type rung struct {
		what string
		read func() (uint64, error) // mJ
		s    nvml.Scope
	}
	for _, r := range []rung{
		{"energy counter", c.dev.Energy, nvml.GPU},
		{"energy counter (field 83)", field(c.dev, nvml.TotalEnergy, nvml.GPU), nvml.GPU},
		{"energy counter of the module (field 83)", field(c.dev, nvml.TotalEnergy, nvml.Module), nvml.Module},
	} {
		v, err := r.read()
		if err == nil && v == 0 {
			err = errors.New("it reads 0")
		}
		if err != nil {
			w.why = errors.Join(w.why, fmt.Errorf("%s: %w", r.what, err))
			continue
		}
		w.counter(o, c, r.read, v, r.s)
		return w
	}
	w.notes = []string{"no energy counter"}
	w.byPower(o, c)
	return w
}

func (w *way) counter(o Options, c card, read func() (uint64, error), first uint64, s nvml.Scope) {
	g := &counter{wide: true, capW: c.cap(o), slack: int64(3 * nvmlUpdate), stale: int64(o.Stale)}
	w.source, w.scope, w.first = sourceCounter, s, first
	w.input = &input{
		gauge: g, label: c.label, path: c.uuid, tier: TierB, lag: int64(nvmlUpdate),
		read: func() (uint64, error) { return scaled(read) },
	}
	w.input.value = first * 1000
	if watts := powerBeside(c, s); watts != nil {
		w.input.gauge = &shaped{counter: *g, lag: int64(nvmlUpdate), watts: integrator{capW: c.cap(o)}}
		w.input.watts = watts
		w.notes = append(w.notes, sourceInstant+" between its readings, which cost time")
		if s == nvml.GPU { // the driver keeps none of modules
			if w.input.way = newCourse(o, c.dev); w.input.way != nil {
				w.notes = append(w.notes, w.input.way.note())
			}
		}
	}
	w.next = func() *way {
		n := &way{notes: []string{fmt.Sprintf("the energy counter stands still at %d mJ", first)}}
		n.byPower(o, c)
		return n
	}
}

// powerBeside is the power that may stand for a counter between two readings: that of this
// moment, of the same scope. Averages are too late. nil where the card tells none.
func powerBeside(c card, s nvml.Scope) func() (uint64, error) {
	instant := field(c.dev, nvml.PowerInstant, s)
	if v, err := instant(); err == nil && int64(v) > 0 {
		return func() (uint64, error) { return scaled(instant) }
	}
	return nil
}

// byPower looks for a power to integrate.
func (w *way) byPower(o Options, c card) {
	average := sourceInstant
	if arch, err := c.dev.Architecture(); err == nil && arch >= nvml.Ampere && !isGA100(c.name) {
		average = sourceAverage
	}
	for _, r := range []struct {
		source string
		read   func() (uint64, error) // mW
		s      nvml.Scope
	}{
		{sourceInstant, field(c.dev, nvml.PowerInstant, nvml.GPU), nvml.GPU},
		{sourceInstant, field(c.dev, nvml.PowerInstant, nvml.Module), nvml.Module},
		{sourceAverage, field(c.dev, nvml.PowerAverage, nvml.GPU), nvml.GPU},
		{average, func() (uint64, error) { v, err := c.dev.Power(); return uint64(v), err }, nvml.GPU},
	} {
		v, err := r.read()
		if err == nil && int64(v) <= 0 {
			err = fmt.Errorf("%d mW", int64(v))
		}
		if err != nil {
			w.why = errors.Join(w.why, fmt.Errorf("%s: %w", r.source, err))
			continue
		}
		lag := nvmlUpdate
		if r.source == sourceAverage {
			lag = time.Second
		}
		w.source, w.scope, w.first, w.moved = r.source, r.s, v, true
		w.input = &input{
			gauge: &integrator{capW: c.cap(o), stale: int64(frozenPower)},
			label: c.label, path: c.uuid, tier: TierC, lag: int64(lag), value: v * 1000,
			read: func() (uint64, error) { return scaled(r.read) },
		}
		return
	}
}

// isGA100 reports whether a card of the Ampere generation has the one chip whose
// nvmlDeviceGetPowerUsage is instantaneous: A100, A800, A30.
func isGA100(name string) bool {
	for _, w := range strings.Fields(name) {
		if strings.HasPrefix(w, "A100") || strings.HasPrefix(w, "A800") || w == "A30" {
			return true
		}
	}
	return false
}

// row is the card's line for doctor.
func (w *way) row(c card) Status {
	s := Status{Name: "nvml " + c.label, Path: c.uuid, Why: joinNotes(append([]string{c.name}, w.notes...)...)}
	if c.mig {
		s.Why = joinNotes(s.Why, "MIG: NVML has no energy of a slice, the figure is the whole card's, shared")
	}
	if w.input == nil {
		s.Why = joinNotes(s.Why, oneLine(w.why))
		return s
	}
	s.OK, s.Used, s.Tier = true, true, w.input.tier
	what := w.source
	if w.input.tier == TierB {
		what, s.Value, s.Every = "energy counter", fmt.Sprintf("%.3f kJ since the driver was loaded", float64(w.first)/1e6), nvmlUpdate.String()
	} else {
		s.Value = fmt.Sprintf("%.1f W", float64(w.first)/1000)
	}
	s.Why = joinNotes(s.Why, what)
	if w.scope == nvml.Module {
		s.Why = joinNotes(s.Why, "scope module: the CPU on it is in the figure")
	}
	if c.maxW > 0 {
		s.Why = joinNotes(s.Why, fmt.Sprintf("limit at most %.0f W", c.maxW))
	}
	return s
}

// cap is what the card cannot really draw, W.
func (c card) cap(o Options) float64 {
	if c.maxW > 0 {
		return overLimit * c.maxW
	}
	return overLimit * o.MaxWatts
}

// watch waits until the counters have moved once, 400 ms at most, and takes the
// rung below for those that have not: a virtual machine may show a frozen one.
func watch(ways []*way, sleep func(time.Duration)) {
	const step = 25 * time.Millisecond
	still := func() (k int) {
		for _, w := range ways {
			if w == nil || w.input == nil || w.moved {
				continue
			}
			if v, err := w.input.read(); err == nil {
				w.moved, w.input.value = v != w.first*1000, v
			}
			if !w.moved {
				k++
			}
		}
		return k
	}
	for t := time.Duration(0); still() > 0 && t < 4*nvmlUpdate; t += step {
		sleep(step)
	}
	for i, w := range ways {
		if w == nil || w.input == nil {
			continue
		}
		if !w.moved {
			if n := w.next(); n.input != nil {
				ways[i] = n
			} else {
				w.notes = append(w.notes, fmt.Sprintf("the counter has not moved in %v", 4*nvmlUpdate))
			}
			continue
		}
		if v, err := w.input.read(); err == nil { // start from now, not from when it was found
			w.input.value = v
		}
	}
}

// field reads a field as an unsigned number; what is negative is no figure.
func field(d nvml.Device, f nvml.Field, s nvml.Scope) func() (uint64, error) {
	return func() (uint64, error) {
		v, err := d.Field(f, s)
		return uint64(v), err
	}
}

// scaled turns mJ into µJ, or mW into µW. What does not fit is a sentinel and
// stays one; what is negative stays so.
func scaled(read func() (uint64, error)) (uint64, error) {
	v, err := read()
	switch {
	case err != nil:
		return 0, err
	case v > 1<<63/1000: // an hour of 1 MW is 3.6e12 mJ
		return 1<<64 - 1, nil
	}
	return v * 1000, nil
}

func oneLine(err error) string {
	if err == nil {
		return ""
	}
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		var s []string
		for _, e := range many.Unwrap() {
			s = append(s, oneLine(e))
		}
		return joinNotes(s...)
	}
	return err.Error()
}

// broken stands for a card that NVML cannot open.
type broken struct{ err error }

func (b broken) Name() (string, error)                       { return "", b.err }
func (b broken) UUID() (string, error)                       { return "", b.err }
func (b broken) Energy() (uint64, error)                     { return 0, b.err }
func (b broken) Power() (uint32, error)                      { return 0, b.err }
func (b broken) Field(nvml.Field, nvml.Scope) (int64, error) { return 0, b.err }
func (b broken) PowerSamples(uint64) ([]nvml.PowerSample, error) {
	return nil, b.err
}
func (b broken) Architecture() (int, error)   { return 0, b.err }
func (b broken) MIG() (bool, error)           { return false, b.err }
func (b broken) Parent() (nvml.Device, error) { return nil, b.err }
