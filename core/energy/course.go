package energy

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"pare/core/energy/internal/nvml"
)

const (
	// collectShare is the largest share of a core that collecting may take where it is asked
	// for (edges, windows that end now), one part in collectShare.
	collectShare = 200
	// collectLeast is how many samples a card must keep to be worth collecting from.
	collectLeast = 20
	// courseEvery is how far apart the points of a course are.
	courseEvery = 100 * time.Millisecond
)

// errClock says that samples lie in the future or long ago: the machine's clock was set.
var errClock = errors.New("the times of the samples are not those of this machine's clock")

// watt is what a source drew at a time.
type watt struct {
	at int64 // ns, the meter's clock
	uw uint64
}

// course is power that the driver notes by itself, 50 times a second on an H100, and keeps for
// a while. To collect it takes more than to read power once (0.66 and 0.03 ms there), but it
// is due every two seconds only, and it is the waking up for a reading that costs most. So a
// sampler that has it sleeps as long as the driver remembers and knows more than one that
// comes ten times a second.
type course struct {
	read func() ([]watt, error) // those that are new, oldest first
	keep int64                  // ns for which the driver keeps them

	cost  int64  // ns that the last collecting took
	tried int64  // ns: when that was
	ok    bool   // it gave samples
	spent int64  // scratch of a round: ns for collecting
	fresh []watt // scratch of a round: what was new
}

// every is how often it must be collected, with room for a sampler that is late.
func (c *course) every() int64 { return c.keep * 7 / 8 }

// collect takes what is new, unless that was done just now. What is due is collected, however
// long the last time took: it may have been held up, and the driver forgets.
func (c *course) collect(now func() int64) {
	t := now()
	if t-c.tried < max(int64(courseEvery), min(c.cost*collectShare, c.every()/2)) {
		return
	}
	c.tried = t
	fresh, err := c.read()
	c.cost = now() - t
	c.spent = c.cost
	c.fresh, c.ok = fresh, err == nil && len(fresh) > 0
}

// at is the power at a time that lies within the samples, on the line between its neighbours;
// false beyond them and in a hole.
func (c *course) at(t int64) (uint64, bool) {
	i, exact := slices.BinarySearchFunc(c.fresh, t, func(w watt, t int64) int { return cmp.Compare(w.at, t) })
	if exact {
		return c.fresh[i].uw, true
	}
	if i == 0 || i == len(c.fresh) {
		return 0, false
	}
	a, b := c.fresh[i-1], c.fresh[i]
	if b.at-a.at > int64(powerGap) {
		return 0, false
	}
	share := float64(t-a.at) / float64(b.at-a.at)
	return uint64(float64(a.uw) + share*(float64(b.uw)-float64(a.uw))), true
}

// newCourse looks whether a card's driver keeps samples of power; nil where it does not, or
// where they are no better than reading power ten times a second.
func newCourse(o Options, dev nvml.Device) *course {
	last := uint64(0)
	read := func() ([]watt, error) {
		raw, err := dev.PowerSamples(last)
		if err != nil {
			return nil, err
		}
		if len(raw) == 0 { // they come all the time: unless the clock was set back
			last = 0
			return nil, nil
		}
		now, wall := o.now(), uint64(o.utc().UnixMicro())
		if last = raw[len(raw)-1].At; last > wall+uint64(time.Second/time.Microsecond) || wall > last+uint64(time.Minute/time.Microsecond) {
			last = 0
			return nil, errClock
		}
		out := make([]watt, 0, len(raw))
		for _, s := range raw {
			w := watt{at: min(now-int64(wall-s.At)*1000, now)}
			if s.MW > 0 && (len(out) == 0 || w.at > out[len(out)-1].at) {
				w.uw = uint64(s.MW) * 1000
				out = append(out, w)
			}
		}
		return out, nil
	}
	first, err := read()
	if err != nil || len(first) < collectLeast {
		return nil
	}
	keep := first[len(first)-1].at - first[0].at
	if spacing := keep / int64(len(first)-1); spacing > int64(courseEvery) || keep < 10*int64(courseEvery) {
		return nil
	}
	return &course{read: read, keep: min(keep, int64(3*time.Second))}
}

// note is the course in a sentence.
func (c *course) note() string {
	return fmt.Sprintf("the driver's own samples of it, collected every %.1f s", float64(c.every())/1e9)
}

// passed are the points between two readings, where the course of every input is known: a
// point every courseEvery.
func (s *sampler) passed(from, to int64) (told []point) {
	for _, in := range s.inputs {
		if !in.line(to) {
			return nil
		}
	}
	for at := from + int64(courseEvery); at < to; at += int64(courseEvery) {
		for _, in := range s.inputs {
			in.pass(at)
		}
		told = append(told, s.sum(at))
	}
	return told
}

// rest is how long the sampler may sleep because the course of every input is being noted;
// 0: it is not.
func (s *sampler) rest() int64 {
	rest := int64(math.MaxInt64)
	for _, in := range s.inputs {
		g, ok := in.gauge.(*shaped)
		if !ok || in.way == nil || !in.way.ok || !in.lit || !g.bright || !g.shapes() || g.doubt.at > 0 {
			return 0
		}
		rest = min(rest, in.way.every())
	}
	return max(rest, s.base)
}

// line puts what was collected between what was known and what was read, as of at, and says
// whether it now reaches from one to the other.
func (in *input) line(at int64) bool {
	g, ok := in.gauge.(*shaped)
	if !ok || in.way == nil || !in.lit || len(in.way.fresh) == 0 || !g.watts.valid(in.power) || g.watts.lastAt == 0 {
		return false
	}
	all := []watt{{g.watts.lastAt, uint64(g.watts.last)}}
	for _, w := range in.way.fresh {
		switch {
		case !g.watts.valid(w.uw):
			g.rejected++
		case w.at > g.watts.lastAt && w.at < at:
			all = append(all, w)
		}
	}
	in.way.fresh = append(all, watt{at, in.power})
	return true
}

// pass tells the gauge the course of power up to a time before that of the reading.
func (in *input) pass(at int64) {
	g := in.gauge.(*shaped)
	in.follow(g, at)
	if v, ok := in.way.at(at); ok {
		g.power(v, at)
	}
}

// follow tells the gauge of the samples up to at, without it.
func (in *input) follow(g *shaped, at int64) {
	for _, w := range in.way.fresh {
		if w.at > g.watts.lastAt && w.at < at {
			g.follow(w.uw, w.at)
		}
	}
}
