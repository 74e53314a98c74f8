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
	// Pattern of the zeros: Element, Block4x1, TwoFour, Neuron or Filter; empty
	// when there are none.
	Pattern string
	Elem    string // element type as in Profile.Rates; empty is f32
}

// Estimate is a prediction. Seconds and Joules are nil when the profile lacks a
// figure for them; Note then names it. Tier is always "E".
type Estimate struct {
	Seconds, Joules *float64
	BandPct         float64 // ± of Joules; 0 when Joules is nil
	Tier            string
	Note            string // what a reader must know: missing kernels, peak rates taken, …
}

// Estimate predicts the time and energy of the calls, one after the other, on
// the whole machine (on Visible CPUs when that is set).
//
// Time is a roofline per call, the larger of arithmetic and memory time with
// achievable rates (Williams, Waterman, Patterson 2009). Skipped multiply-adds
// count as left out only if the profile has a kernel for their pattern, and then
// at that kernel's efficiency; where the dense kernel would be faster, it is
// taken. Energy is time × busy power: busy CPUs × busy_core_w, at most full_w,
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
	sec := 0.0
	for _, c := range calls {
		if c.MACs < 0 || c.Skipped < 0 || c.Skipped > c.MACs || c.Read < 0 || c.Written < 0 {
			say("a call's cost is inconsistent (MACs %d, skipped %d, bytes %d+%d)", c.MACs, c.Skipped, c.Read, c.Written)
			return finish(e, notes)
		}
		t, ok := p.callSeconds(c, say)
		if !ok {
			return finish(e, notes)
		}
		sec += t
	}
	e.Seconds = &sec
	w, ok := p.busyWatts(say)
	if !ok {
		return finish(e, notes)
	}
	if p.BandPct == nil {
		say("%s gives no band, so no joules", p.Name)
		return finish(e, notes)
	}
	j := w * sec
	e.Joules, e.BandPct = &j, p.BandPct.Value
	return finish(e, notes)
}

func finish(e Estimate, notes []string) Estimate {
	e.Note = strings.Join(notes, "; ")
	return e
}

// callSeconds is the roofline of one call.
func (p Profile) callSeconds(c Cost, say func(string, ...any)) (float64, bool) {
	arith := 0.0
	if c.MACs > 0 {
		rate, ok := p.rate(c.Elem, say)
		if !ok {
			return 0, false
		}
		arith = 2 * float64(c.MACs) / rate
		if c.Skipped > 0 {
			arith = p.sparseSeconds(c, arith, rate, say)
		}
	}
	mem := 0.0
	if c.Read+c.Written > 0 {
		if p.BandwidthGBs == nil {
			say("memory bandwidth of %s is unknown: arithmetic time only", p.Name)
		} else {
			mem = float64(c.Read+c.Written) / (p.BandwidthGBs.Value * 1e9)
		}
	}
	call := 0.0
	if p.CallUS != nil {
		call = p.CallUS.Value * 1e-6
	}
	return math.Max(arith, mem) + call, true
}

// sparseSeconds is the arithmetic time when zeros may be skipped; dense is the
// time without skipping.
func (p Profile) sparseSeconds(c Cost, dense, rate float64, say func(string, ...any)) float64 {
	name := c.Pattern
	if name == "" {
		name = "unnamed"
	}
	s, ok := p.SparseFor(c.Pattern)
	if !ok || !s.Kernel {
		say("%s zeros: no kernel on %s, no gain", name, p.Name)
		return dense
	}
	eff := 1.0
	if s.Efficiency != nil {
		eff = s.Efficiency.Value
	} else {
		say("%s zeros: the kernel's efficiency on %s is unknown, 1 taken: an upper limit", name, p.Name)
	}
	t := 2 * float64(c.MACs-c.Skipped) / (rate * eff)
	if t >= dense {
		say("%s zeros: too few for a gain on %s, dense kernel taken", name, p.Name)
		return dense
	}
	return t
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
			say("%s rate of %s is unknown", elem, p.Name)
			return 0, false
		}
		say("only the peak %s rate of %s is known: time is a lower limit", elem, p.Name)
	}
	v := f.Value * 1e9
	switch n := p.CPUs(); {
	case p.RatesPerCPU && n == 0:
		say("%s gives rates per CPU: say how many CPUs", p.Name)
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
			say("power under load of %s is unknown, the TDP taken: an upper limit", p.Name)
			return p.TDPW.Value, true
		}
		say("power of %s is unknown", p.Name)
		return 0, false
	}
	n := p.CPUs()
	if p.BusyCoreW == nil || n == 0 {
		say("power per busy CPU of %s, or the number of CPUs, is unknown", p.Name)
		return 0, false
	}
	w := float64(n) * p.BusyCoreW.Value
	if p.FullW != nil {
		w = math.Min(w, p.FullW.Value)
	}
	return w, true
}
