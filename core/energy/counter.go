package energy

import (
	"fmt"
	"math"
	"time"
)

const (
	// resetAfter is how many rejected values in a row, each a plausible step on
	// from the one before, show that the counter itself was reset.
	resetAfter = 3
	// updateSlack covers the counter's own update interval in the plausibility
	// test where the counter names none: RAPL moves about once a millisecond.
	updateSlack = 5 * time.Millisecond
	// unknownWrap is the wrap time assumed for a counter of unknown range: the
	// shortest published one (AMD, 65.5 kJ) at 1000 W, rounded down.
	unknownWrap = 60 * time.Second
	// maxGaps is how many gaps a counter remembers, the last ones.
	maxGaps = 256
)

// counter turns the raw values of one cumulative hardware counter into energy
// since it was anchored. It does no reading and knows no clock but the times it
// is given (nanoseconds, monotonic). See the package comment for the rules.
type counter struct {
	max   uint64  // value after which it wraps to 0, µJ; 0 = unknown
	wide  bool    // 64 bits: it never wraps, so a value that falls is a reset
	capW  float64 // no real power is above this
	slack int64   // ns by which a value may be old; updateSlack when 0
	stale int64   // ns without movement after which it is called stale
	// ns without movement after which it went on unseen; lossAfter when 0
	unseen int64

	last    uint64 // last accepted value
	movedAt int64  // when it was taken
	seenAt  int64  // last time the same value was read again

	gaps []gap // stretches that it went on through unseen, in order

	pend    uint64 // last rejected value that may be the start of a reset counter
	pendAt  int64
	pendRun int

	tally
}

// gap is a stretch in which a counter went on and was not read: its joules are known,
// when they were spent is not.
type gap struct {
	from, to      int64 // ns
	before, after tally
}

// at is the tally at a moment within the gap, on the straight line between what was
// read before it and after it, and by how much (µJ) that may be off.
func (g gap) at(t int64, most float64) (tally, float64) {
	part, span := t-g.from, g.to-g.from
	return g.before.toward(g.after, part, span), apart(g.after.uj-g.before.uj, part, span, most)
}

// apart is by how much (µJ) the straight line may be off at part of a span of uj µJ: up
// to there the power may have been anything from 0 to most, W, as long as the joules of
// the span hold. Near a reading that is little.
func apart(uj, part, span int64, most float64) float64 {
	if part == 0 || part == span {
		return 0
	}
	f := float64(part) / float64(span)
	return min(math.Max(f, 1-f)*float64(uj), most*float64(min(part, span-part))/1000)
}

// whole drops the last gap where it is no more than the stretch between the sample at
// before and the next: samples hold that themselves. A slow source, read once a second,
// would otherwise push the true gaps out within minutes.
func (c *counter) whole(before int64) {
	if n := len(c.gaps); n > 0 && c.gaps[n-1].from == before {
		c.gaps = c.gaps[:n-1]
	}
}

// within is the gap that holds a moment.
func (c *counter) within(t int64) (gap, bool) {
	for _, g := range c.gaps {
		if g.from < t && t < g.to {
			return g, true
		}
	}
	return gap{}, false
}

// anchor starts counting from v at time at.
func (c *counter) anchor(v uint64, at int64) {
	c.last, c.movedAt, c.seenAt, c.pendRun = v, at, at, 0
}

// sentinel values are what broken firmware or drivers return instead of energy.
func sentinel(v uint64) bool {
	return v == math.MaxUint32 || v == math.MaxUint64 || v == math.MaxUint32*1000
}

// wrapTime is the shortest time in which the counter can go round once.
func (c *counter) wrapTime() time.Duration {
	if c.wide {
		return math.MaxInt64 / 2
	}
	if c.max == 0 {
		return unknownWrap
	}
	return time.Duration(math.Min(float64(c.max)/(c.capW*1e6)*1e9, math.MaxInt64/2))
}

func (c *counter) plausible(uj uint64, ns int64) bool {
	slack := float64(updateSlack)
	if c.slack > 0 {
		slack = float64(c.slack)
	}
	return float64(uj) <= c.capW*1e6*(float64(ns)+slack)/1e9
}

// feed takes the value read at time at.
func (c *counter) feed(v uint64, at int64) {
	if sentinel(v) || (c.max > 0 && v > c.max) {
		c.rejected++
		return
	}
	if v == c.last {
		c.seenAt, c.pendRun = at, 0
		return
	}
	dt := at - c.movedAt
	if dt > int64(c.wrapTime()) {
		// It may have gone round unseen: nobody can tell how often.
		c.resets++
		c.anchor(v, at)
		return
	}
	d, wrapped, ok := v-c.last, false, v > c.last
	if !ok && c.max > 0 {
		d, wrapped, ok = c.max-c.last+v, true, true
	}
	if !ok || !c.plausible(d, dt) {
		c.reject(v, at)
		return
	}
	was := c.tally
	c.uj += int64(d)
	if wrapped {
		c.wraps++
	}
	if c.seenAt-c.movedAt <= c.stale { // not seen standing still for too long
		c.covered += dt
	}
	unseen := int64(lossAfter)
	if c.unseen > 0 {
		unseen = c.unseen
	}
	if dt > unseen {
		c.gaps = append(c.gaps[max(0, len(c.gaps)-maxGaps+1):], gap{c.movedAt, at, was, c.tally})
	}
	c.anchor(v, at)
}

// reject drops an impossible value and watches for a counter that was reset.
func (c *counter) reject(v uint64, at int64) {
	c.rejected++
	if c.pendRun > 0 && v == c.pend {
		return // it has not moved on: that shows nothing
	}
	if c.pendRun > 0 && v > c.pend && c.plausible(v-c.pend, at-c.pendAt) {
		c.pendRun++
	} else {
		c.pendRun = 1
	}
	c.pend, c.pendAt = v, at
	if c.pendRun >= resetAfter {
		c.resets++
		c.anchor(v, at)
	}
}

// standing says how long the counter has been seen not to move; 0 while it is
// within what is normal.
func (c *counter) standing() time.Duration {
	if d := c.seenAt - c.movedAt; d > c.stale {
		return time.Duration(d)
	}
	return 0
}

// every says how often the counter must be read at least: before it can have gone
// half round.
func (c *counter) every() time.Duration { return c.wrapTime() / 2 }

func (c *counter) total() tally { return c.tally }

func (c *counter) most() float64 { return limit(c.capW) }

// limit is a power limit of which 0 says that it is unknown.
func limit(w float64) float64 {
	if w <= 0 {
		return math.Inf(1)
	}
	return w
}

// parseMicrojoules reads the contents of an energy_uj or max_energy_range_uj
// file: one unsigned decimal number, µJ, with white space around it.
func parseMicrojoules(b []byte) (uint64, error) {
	i, j := 0, len(b)
	for i < j && isSpace(b[i]) {
		i++
	}
	for j > i && (isSpace(b[j-1]) || b[j-1] == 0) {
		j--
	}
	if i == j {
		return 0, fmt.Errorf("empty, want microjoules")
	}
	if j-i > 40 {
		return 0, fmt.Errorf("%q… is no number of microjoules", b[i:i+40])
	}
	var v uint64
	for _, ch := range b[i:j] {
		if ch < '0' || ch > '9' {
			return 0, fmt.Errorf("%q is no number of microjoules", b[i:j])
		}
		d := uint64(ch - '0')
		if v > (math.MaxUint64-d)/10 {
			return 0, fmt.Errorf("%q does not fit 64 bits", b[i:j])
		}
		v = v*10 + d
	}
	return v, nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }
