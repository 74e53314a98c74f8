package energy

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"time"
)

const (
	// wallGap is the longest stretch between two rows that is never a hole; beyond
	// it, one longer than wallGaps of the file's own periods is.
	wallGap  = 10 * time.Second
	wallGaps = 5
	// wallHold is by how many of its periods a file that is still being written may
	// lag behind a window's end: the last power is held for that long.
	wallHold = 2
	// wallMost is what no outlet, nor the feed of a row of racks, delivers, W.
	wallMost = 1e6
)

// WallLog is what a wall meter measured: cumulative energy at moments.
type WallLog struct {
	at   []int64 // UTC, ns since 1970, increasing
	uj   []int64 // µJ since the first row
	hole []bool  // hole[i]: nothing is known between row i-1 and row i
	bad  []int64 // times of rows that were thrown away as impossible, increasing

	period int64 // ns, the median distance of two rows
	kind   string
}

// finish computes the period and marks long gaps as holes.
func (w *WallLog) finish() {
	gaps := make([]int64, 0, len(w.at))
	for i := 1; i < len(w.at); i++ {
		gaps = append(gaps, w.at[i]-w.at[i-1])
	}
	slices.Sort(w.bad)
	sort.Slice(gaps, func(i, j int) bool { return gaps[i] < gaps[j] })
	w.period = gaps[len(gaps)/2]
	for i := 1; i < len(w.at); i++ {
		if w.at[i]-w.at[i-1] > max(int64(wallGap), wallGaps*w.period) {
			w.hole[i] = true
		}
	}
}

// Between is the energy from one moment to another, tier A. It is nil, with the
// reason, unless the file covers the window without holes. The last power is held
// for up to two of the file's periods behind its last row, and the band says so.
func (w *WallLog) Between(from, to time.Time) Reading {
	a, b := from.UnixNano(), to.UnixNano()
	r := Reading{WallUS: (b - a) / 1000, Boundary: "wall outlet: the whole machine with its power supply"}
	first, last := w.at[0], w.at[len(w.at)-1]
	switch {
	case b-a < 2*w.period:
		r.short = true
		r.Note = fmt.Sprintf("a window of %v is too short for a wall meter with a row every %v", time.Duration(b-a), time.Duration(w.period).Round(time.Millisecond))
		return r
	case a < first:
		r.Note = fmt.Sprintf("the file begins %v after the window's start", time.Duration(first-a).Round(time.Millisecond))
		return r
	case b > last+wallHold*w.period:
		r.Note = fmt.Sprintf("the file ends %s before the window's end", lasting(b-last))
		return r
	}
	for i := w.row(a) + 1; i < len(w.at) && w.at[i-1] < b; i++ {
		if w.hole[i] {
			r.Note = fmt.Sprintf("the file has a hole of %v at %s", time.Duration(w.at[i]-w.at[i-1]).Round(time.Millisecond), time.Unix(0, w.at[i-1]).UTC().Format(time.RFC3339))
			return r
		}
	}
	ea, sa := w.energy(a)
	eb, sb := w.energy(b)
	uj := eb - ea
	r.UJ, r.Tier, r.Coverage, r.Rejected = &uj, TierA, 1, upTo(w.bad, b)-upTo(w.bad, a)
	if uj > 0 {
		r.Band = 100 * (sa + sb) / float64(uj)
	}
	if b > last {
		r.Note = fmt.Sprintf("the last %v are held at the meter's last power", time.Duration(b-last).Round(time.Millisecond))
	}
	return r
}

// lasting is a time in ns for people: "198ms", "10s", "3 days".
func lasting(ns int64) string {
	d := time.Duration(ns)
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= time.Minute:
		return d.Round(time.Second).String()
	}
	return d.Round(time.Millisecond).String()
}

// row is the last one at or before t; 0 when there is none.
func (w *WallLog) row(t int64) int { return max(0, upTo(w.at, t)-1) }

// upTo is how many of the increasing times are at or before t.
func upTo(times []int64, t int64) int {
	return sort.Search(len(times), func(i int) bool { return times[i] > t })
}

// energy at t by a straight line between rows, and how much that may be off.
func (w *WallLog) energy(t int64) (uj int64, slack float64) {
	i := w.row(t)
	if w.at[i] == t {
		return w.uj[i], 0
	}
	held := i == len(w.at)-1
	if held {
		i--
	}
	d, span, part := w.uj[i+1]-w.uj[i], w.at[i+1]-w.at[i], t-w.at[i]
	if held { // beyond the last row
		e := int64(float64(d) / float64(span) * float64(part-span))
		return w.uj[i+1] + e, float64(e)
	}
	f := float64(part) / float64(span)
	return w.uj[i] + scale(d, part, span), math.Max(f, 1-f) * float64(d)
}
