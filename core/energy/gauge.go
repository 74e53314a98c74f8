package energy

import "time"

// gauge turns raw values, fed with the time at which they were read, into energy.
// There are two: counter for cumulative hardware counters and integrator for
// power.
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
}

func (t *tally) add(o tally) {
	t.uj += o.uj
	t.covered += o.covered
	t.rejected += o.rejected
	t.wraps += o.wraps
	t.resets += o.resets
}

// since is t − o.
func (t tally) since(o tally) tally {
	return tally{t.uj - o.uj, t.covered - o.covered, t.rejected - o.rejected, t.wraps - o.wraps, t.resets - o.resets}
}

// toward is the tally at part/span of the way from t to n.
func (t tally) toward(n tally, part, span int64) tally {
	t.uj += scale(n.uj-t.uj, part, span)
	t.covered += scale(n.covered-t.covered, part, span)
	return t
}

// input is one gauge with what it is read from.
type input struct {
	gauge
	label string                 // "package-0", "GPU 0"
	path  string                 // file, or what names it in Status.Path
	tier  Tier                   // of its joules
	lag   int64                  // ns by which what is read may be old
	band  float64                // ± % of all its joules: of a model
	read  func() (uint64, error) // µJ of a counter, µW of power
	value uint64                 // the value to start from; scratch of a round
	found int64                  // ns: when that was read
	err   error                  // scratch of a round
	lost  error                  // the last round's error, for troubles
	good  int64                  // ns: when it last gave a figure
}
