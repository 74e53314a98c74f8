package hwprofiles

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Cost is what one call asks of a machine, for the whole batch.
type Cost struct {
	MACs    int64 // multiply-adds of the dense operation
	Skipped int64 // of these, the ones whose weight is zero
	Read    int64 // bytes
	Written int64 // bytes
	// Spared are the bytes, of Read and Written, that a kernel for the pattern need
	// not move: those of the skipped weights, less what says where the others are.
	// Negative when the places take more than is left out.
	Spared int64
	// Pattern of the zeros: Element, Block4x1, TwoFour, Neuron or Filter; empty
	// when there are none.
	Pattern string
	Elem    string // element type as in Profile.Rates; empty is f32
	// Edge is the time that a product of small matrices takes besides that of its multiply-adds
	// at the rate of large ones, as a share of that.
	Edge float64
}

// Estimate is a prediction. Seconds and Joules are nil when the profile lacks a
// figure for them; Note then names it. Tier is always "E".
type Estimate struct {
	Seconds, Joules *float64
	BandPct         float64 // ± of Joules; 0 when Joules is nil
	Tier            string
	AtLeast         bool   // Seconds are a lower limit: only a peak rate is known, or no cost of launches
	Moved           int64  // bytes read and written by the calls
	Bound           Bound  // what takes the time
	Note            string // what a reader must know: missing kernels, peak rates taken, …
}

// Bound is what the time of an estimate goes to, as shares that sum to 1 (all 0
// when the time is unknown). A call's roofline counts whole for the larger of its
// two sides.
type Bound struct {
	Arithmetic float64 `json:"arithmetic"`
	Memory     float64 `json:"memory"`
	Calls      float64 `json:"calls"` // call_us: launches on a GPU
}

// Estimate predicts the time and energy of the calls, one after the other, on
// the whole machine (on Visible CPUs when that is set).
//
// Time is a roofline per call, the larger of arithmetic and memory time with
// achievable rates (Williams, Waterman, Patterson 2009). Skipped multiply-adds and
// spared bytes count as left out only if the profile has a kernel for their pattern,
// the former at that kernel's efficiency; where the dense kernel would be as fast,
// it is taken. Energy is time × busy power: busy CPUs × busy_core_w, at most full_w,
// on a CPU; full_w, else the TDP, on a GPU. A call costs call_us besides, where that
// is known; idle gaps are not modelled.
func (p Profile) Estimate(calls []Cost) Estimate {
	e := Estimate{Tier: "E"}
	var notes []string
	say := func(format string, a ...any) {
		if s := fmt.Sprintf(format, a...); !slices.Contains(notes, s) {
			notes = append(notes, s)
		}
	}
	if len(calls) == 0 {
		say("no calls to estimate")
		return finish(e, notes)
	}
	var t Bound // seconds first
	moved := int64(0)
	for _, c := range calls {
		if c.MACs < 0 || c.Skipped < 0 || c.Skipped > c.MACs || c.Read < 0 || c.Written < 0 || c.Spared > c.Read+c.Written {
			say("a call's cost is inconsistent (MACs %d, skipped %d, bytes %d+%d, spared %d)", c.MACs, c.Skipped, c.Read, c.Written, c.Spared)
			return finish(e, notes)
		}
		arith, mem, n, ok := p.callSeconds(c, say)
		if !ok {
			return finish(e, notes)
		}
		moved += n
		if arith >= mem {
			t.Arithmetic += arith
		} else {
			t.Memory += mem
		}
	}
	switch {
	case p.CallUS != nil:
		t.Calls = float64(len(calls)) * p.CallUS.Value * 1e-6
	case p.LaunchesUnknown():
		say("what a launch costs is unknown, 0 taken: small models take longer")
	}
	e.AtLeast = p.LaunchesUnknown() || slices.ContainsFunc(calls, p.byPeak)
	sec := t.Arithmetic + t.Memory + t.Calls
	e.Seconds, e.Moved = &sec, moved
	if sec > 0 {
		e.Bound = Bound{t.Arithmetic / sec, t.Memory / sec, t.Calls / sec}
	}
	w, ok := p.busyWatts(say)
	if !ok {
		return finish(e, notes)
	}
	if p.BandPct == nil {
		say("no band, so no joules")
		return finish(e, notes)
	}
	if p.Kind == "gpu" && p.FullW != nil && e.Bound.Calls > 0.5 {
		say("mostly launches, at less than the full power taken: J are an upper limit")
	}
	j := w * sec
	e.Joules, e.BandPct = &j, p.BandPct.Value
	return finish(e, notes)
}

func finish(e Estimate, notes []string) Estimate {
	e.Note = strings.Join(notes, "; ")
	return e
}

// callSeconds are both sides of the roofline of one call, and the bytes it moves.
func (p Profile) callSeconds(c Cost, say func(string, ...any)) (arith, mem float64, moved int64, ok bool) {
	rate := 0.0
	if c.MACs > 0 {
		if rate, ok = p.rate(c.Elem, say); !ok {
			return 0, 0, 0, false
		}
		rate /= 1 + c.Edge
		arith = 2 * float64(c.MACs) / rate
	}
	moved = c.Read + c.Written
	mem = p.memSeconds(moved, say)
	if c.Skipped == 0 && c.Spared == 0 {
		return arith, mem, moved, true
	}
	name := c.Pattern
	if name == "" {
		name = "unnamed"
	}
	s, found := p.SparseFor(c.Pattern)
	if !found || !s.Kernel {
		say("%s zeros: no kernel on %s, no gain", name, p.Name)
		return arith, mem, moved, true
	}
	eff := 1.0
	if s.Efficiency != nil {
		eff = s.Efficiency.Value
	} else {
		say("%s zeros: the kernel's efficiency on %s is unknown, 1 taken: an upper limit", name, p.Name)
	}
	less := 0.0
	if c.MACs > 0 {
		less = 2 * float64(c.MACs-c.Skipped) / (rate * eff)
	}
	fewer := p.memSeconds(moved-c.Spared, say)
	if math.Max(less, fewer) < math.Max(arith, mem) {
		return less, fewer, moved - c.Spared, true
	}
	if less >= arith && c.Skipped > 0 {
		say("%s zeros: too few for a gain on %s, dense kernel taken", name, p.Name)
	}
	return arith, mem, moved, true
}

// byPeak reports whether a call's time comes from a peak rate.
func (p Profile) byPeak(c Cost) bool {
	elem := c.Elem
	if elem == "" {
		elem = "f32"
	}
	return c.MACs > 0 && p.Rates[elem].Achievable == nil
}

// memSeconds is the time to move n bytes, 0 where the bandwidth is unknown.
func (p Profile) memSeconds(n int64, say func(string, ...any)) float64 {
	switch {
	case n == 0:
		return 0
	case p.BandwidthGBs == nil:
		say("memory bandwidth is unknown: arithmetic time only")
		return 0
	}
	return float64(n) / (p.BandwidthGBs.Value * 1e9)
}

// rate is the arithmetic rate in FLOP/s on the CPUs the run may use.
func (p Profile) rate(elem string, say func(string, ...any)) (float64, bool) {
	if elem == "" {
		elem = "f32"
	}
	r := p.Rates[elem]
	f := r.Achievable
	if f == nil {
		if f = r.Peak; f == nil {
			say("%s rate is unknown", elem)
			return 0, false
		}
		say("only the peak %s rate is known: time is a lower limit", elem)
	}
	v := f.Value * 1e9
	switch n := p.CPUs(); {
	case p.RatesPerCPU && n == 0:
		say("rates are per CPU: say how many CPUs")
		return 0, false
	case p.RatesPerCPU:
		v *= float64(n)
	case p.Visible > 0 && p.Threads > p.Visible:
		v *= float64(p.Visible) / float64(p.Threads)
	}
	return v, true
}

// busyWatts is the power while the calls run.
func (p Profile) busyWatts(say func(string, ...any)) (float64, bool) {
	if p.Kind == "gpu" {
		switch {
		case p.FullW != nil:
			return p.FullW.Value, true
		case p.TDPW != nil:
			say("power under load is unknown, the TDP taken: J are an upper limit")
			return p.TDPW.Value, true
		}
		say("power is unknown")
		return 0, false
	}
	n := p.CPUs()
	if p.BusyCoreW == nil || n == 0 {
		say("power per busy CPU, or the number of CPUs, is unknown")
		return 0, false
	}
	w := float64(n) * p.BusyCoreW.Value
	if p.FullW != nil {
		w = math.Min(w, p.FullW.Value)
	}
	return w, true
}
