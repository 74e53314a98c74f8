package energy

import (
	"math"
	"time"
)

// gauge turns raw values, fed with the time at which they were read, into energy.
// There are three: counter for cumulative hardware counters, integrator for power,
// and shaped for a counter that is read seldom, with power in between.
type gauge interface {
	// anchor starts counting from value v at time at.
	anchor(v uint64, at int64)
	// feed takes the value read at time at (ns, monotonic).
	feed(v uint64, at int64)
	// total since the first value.
	total() tally
	// standing says how long the value has been seen not to move; 0 while that is
	// within what is normal.
	standing() time.Duration
	// every is how often it must be read at least.
	every() time.Duration
	// most is a power that the source is never above, W; infinite when unknown.
	most() float64
}

// tally is what a gauge, or several, have added up.
type tally struct {
	uj                      int64 // µJ
	covered                 int64 // ns with valid samples, summed over the gauges
	rejected, wraps, resets int

	// Where power stands for a counter.
	off   int64   // µJ by which uj may be off because the sensor is
	over  int64   // µJ that were told too early
	rough float64 // µJ², squares of what may be off since power jumped between two samples
	reads int     // twice the readings of the counter; odd: between two samples with one at the later
}

func (t *tally) add(o tally) {
	t.uj += o.uj
	t.covered += o.covered
	t.rejected += o.rejected
	t.wraps += o.wraps
	t.resets += o.resets
	t.off += o.off
	t.over += o.over
	t.rough += o.rough
	t.reads += o.reads
}

// since is t − o. Power that stands for a counter is off by the same share all the way from
// one reading of the counter to the next; beyond that the errors at both ends count.
func (t tally) since(o tally) tally {
	d := tally{uj: t.uj - o.uj, covered: t.covered - o.covered, rejected: t.rejected - o.rejected, wraps: t.wraps - o.wraps, resets: t.resets - o.resets}
	if d.reads = t.reads - o.reads; d.reads == 0 {
		d.off, d.over, d.rough = abs(t.off-o.off), abs(t.over-o.over), math.Abs(t.rough-o.rough)
	} else {
		d.off, d.over, d.rough = t.off+o.off, t.over+o.over, t.rough+o.rough
	}
	return d
}

// unsure is by how much (µJ) the joules of a window may be off because power stood for a
// counter at its ends.
func (t tally) unsure() float64 {
	return float64(t.off+t.over) + math.Sqrt(3*t.rough) // three σ of errors anywhere within ± each
}

func abs(x int64) int64 { return max(x, -x) }

// toward is the tally at part/span of the way from t to n.
func (t tally) toward(n tally, part, span int64) tally {
	t.uj += scale(n.uj-t.uj, part, span)
	t.covered += scale(n.covered-t.covered, part, span)
	if n.reads != t.reads && part > 0 {
		t.off, t.over, t.rough, t.reads = max(t.off, n.off), max(t.over, n.over), max(t.rough, n.rough), n.reads-1
	}
	return t
}
