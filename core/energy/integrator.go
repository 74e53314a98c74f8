package energy

import (
	"math/bits"
	"time"
)

const (
	// powerEvery is how often power must be read to be integrated.
	powerEvery = 100 * time.Millisecond
	// powerGap is the longest stretch between two valid samples of power that is
	// bridged by a straight line; a longer one is not covered.
	powerGap = time.Second
)

// integrator turns samples of power into energy by the trapezoid rule. Zero and
// negative samples are what drivers give when they have nothing (amdsmi, NVML
// polled too fast): they are skipped and counted, as are spikes above capW.
type integrator struct {
	capW  float64 // no real power is above this
	gap   int64   // ns; powerGap when 0
	stale int64   // ns with one and the same value after which it is called frozen; 0: never
	slow  int64   // ns: how often it must be read; powerEvery when 0

	last    int64 // µW, last accepted
	lastAt  int64
	movedAt int64
	started bool
	rest    uint64 // of the last division, in 2·10⁻⁹ µJ

	tally
}

// anchor starts from a sample of µW at time at; without a valid one, the first
// sample fed is the start.
func (g *integrator) anchor(v uint64, at int64) {
	if g.valid(v) {
		g.last, g.lastAt, g.movedAt, g.started = int64(v), at, at, true
	}
}

func (g *integrator) valid(v uint64) bool {
	return int64(v) > 0 && !sentinel(v) && float64(v) <= g.capW*1e6
}

func (g *integrator) feed(v uint64, at int64) {
	if !g.valid(v) {
		g.rejected++
		return
	}
	if !g.started {
		g.anchor(v, at)
		return
	}
	if int64(v) != g.last {
		g.movedAt = at
	}
	gap := g.gap
	if gap == 0 {
		gap = int64(powerGap)
	}
	if dt := at - g.lastAt; dt > 0 && dt <= gap {
		// (p₀ + p₁)/2 · dt: µW·ns is 10⁻⁹ µJ. The rest is carried, so that nothing
		// is lost to rounding however often power is read.
		hi, lo := bits.Mul64(uint64(g.last)+v, uint64(dt))
		lo, carry := bits.Add64(lo, g.rest, 0)
		q, r := bits.Div64(hi+carry, lo, 2e9) // hi is small: at most 2·10¹² µW over minutes
		g.uj += int64(q)
		g.rest = r
		if g.stale == 0 || at-g.movedAt <= g.stale {
			g.covered += dt
		}
	}
	g.last, g.lastAt = int64(v), at
}

func (g *integrator) total() tally { return g.tally }

func (g *integrator) most() float64 { return limit(g.capW) }

func (g *integrator) standing() time.Duration {
	if d := g.lastAt - g.movedAt; g.stale > 0 && d > g.stale {
		return time.Duration(d)
	}
	return 0
}

func (g *integrator) every() time.Duration {
	if g.slow > 0 {
		return time.Duration(g.slow)
	}
	return powerEvery
}
