package energy

import (
	"context"
	"fmt"
	"math"
	"time"
)

const (
	// IdleLength is how long the idle power is measured unless told otherwise: thirty
	// readings of a counter, short against a person's patience.
	IdleLength = 3 * time.Second
	// idleMost is the longest stretch a slow source may make of it.
	idleMost = 30 * time.Second
	// idlePieces is into how many pieces it is cut to see whether the machine was
	// steady.
	idlePieces = 5
	// idleOwn is the share of one CPU that this process may use meanwhile.
	idleOwn = 0.05
)

// Idle is the power of the meter's boundary while nothing of ours computes.
type Idle struct {
	Watts    *float64 // nil: not measured, Note says why
	Tier     Tier     // A to C
	Source   string
	Boundary string
	Band     float64       // ± %: of the window's edges, or half of what its pieces differ by
	Length   time.Duration // of the window
	At       time.Time     // its end
	Note     string
}

// Idle measures the idle power: it waits for d, at least the shortest window of the
// source (which may be 30 s), and reads. Call it before anything is computed. Other
// processes are in the figure, as they are in all of the meter's. Only tiers A to C
// are measured: an estimate by CPU time knows nothing of an idle machine. A ctx that
// ends, ends the wait; what was read until then is not used.
func (m *Meter) Idle(ctx context.Context, d time.Duration) Idle {
	i := Idle{Tier: m.Tier(), Source: m.Source(), Boundary: m.Boundary()}
	least := m.Shortest()
	d = max(d, least)
	switch {
	case !i.Tier.Known():
		i.Note = "this machine has no energy source"
	case !i.Tier.Measured():
		i.Note = fmt.Sprintf("there is no counter to read, only a model (%s, tier %s)", i.Source, i.Tier)
	case least > idleMost:
		i.Note = fmt.Sprintf("%s wants windows of at least %v", i.Source, least)
	}
	if i.Note != "" {
		i.Tier = TierNone
		return i
	}
	pieces := int(min(max(d/max(least, 1), 1), idlePieces))
	marks := []Mark{m.Edge()}
	for k := 1; k <= pieces; k++ {
		for end := marks[0].at + int64(d)*int64(k)/int64(pieces); m.now() < end; {
			if ctx.Err() != nil {
				i.Tier, i.Note = TierNone, "it was interrupted"
				return i
			}
			m.sleep(min(time.Duration(end-m.now()), 100*time.Millisecond))
		}
		marks = append(marks, m.Edge())
	}
	a, b := marks[0], marks[pieces]
	r := m.Between(a, b)
	i.Length, i.At, i.Band = Wall(a, b), m.utc(), r.Band
	if !r.Measured() || r.Coverage < 0.9 || *r.UJ <= 0 {
		i.Tier, i.Note = TierNone, joinNotes("the source gave no figure", r.Note)
		return i
	}
	w := r.watts()
	i.Watts, i.Note = &w, r.Note
	lo, hi := math.Inf(1), math.Inf(-1)
	for k := range pieces {
		if p := m.Between(marks[k], marks[k+1]); p.UJ != nil {
			lo, hi = min(lo, p.watts()), max(hi, p.watts())
		}
	}
	if hi > lo {
		i.Band = max(i.Band, 100*(hi-lo)/2/w)
	}
	if own := CPUMicros(a, b); float64(own)*1000 > idleOwn*float64(i.Length) {
		i.Note = joinNotes(i.Note, fmt.Sprintf("this process itself used %v of CPU time", (time.Duration(own)*time.Microsecond).Round(time.Millisecond)))
	}
	return i
}

// watts is the mean power while the reading was covered.
func (r Reading) watts() float64 { return float64(*r.UJ) / (float64(r.WallUS) * r.Coverage) }
