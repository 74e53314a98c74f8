package event

import (
	"fmt"
	"math"
)

// Idle is the power of what the meter reads while nothing of ours computed, measured
// once before the baseline. It is not billed.
type Idle struct {
	Watts    *float64 `json:"watts"` // nil: not measured, Why says why
	Tier     string   `json:"tier"`  // A to C only
	Source   string   `json:"source"`
	Boundary string   `json:"boundary"`
	Band     float64  `json:"band"`    // ± %: the window's edges, or how far its pieces differ
	Seconds  float64  `json:"seconds"` // length of the window
	At       string   `json:"at"`      // its end, RFC 3339 in UTC
	Why      string   `json:"why,omitempty"`
}

// Text is the figure in a few words: "12.3 W B ±6 % over 3 s (rapl)".
func (i *Idle) Text() string {
	if i.Watts == nil {
		return "not measured: " + i.Why
	}
	s := fmt.Sprintf("%.3g W %s", *i.Watts, i.Tier)
	if i.Band >= 5 {
		s += fmt.Sprintf(" ±%.0f %%", i.Band)
	}
	s += fmt.Sprintf(" over %.3g s (%s)", i.Seconds, i.Source)
	if i.Why != "" {
		s += "; " + i.Why
	}
	return s
}

// Above is what of a bill's joules is above the idle power: a second figure beside
// the total, never in its place. It is unknown (nil) unless both were measured by the
// same source. Where the bill is not covered by samples, nothing is taken off either.
func (i *Idle) Above(c StageCost) Joules {
	j := c.Energy
	if i == nil || i.Watts == nil || j.UJ == nil || j.Source != i.Source || j.Tier > "C" || j.Tier == "" {
		return Joules{}
	}
	covered := 1.0
	if j.Coverage != nil {
		covered = *j.Coverage
	}
	idle := *i.Watts * float64(c.WallUS) * covered // W·µs = µJ
	above := int64(math.Round(float64(*j.UJ) - idle))
	off := (float64(*j.UJ)*j.Band + idle*i.Band) / 100 // µJ; both may err the same way
	j.UJ, j.Band = &above, 0
	if above != 0 {
		j.Band = 100 * off / math.Abs(float64(above))
	}
	return j
}
