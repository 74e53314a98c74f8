package energy

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
)

// Reading is the energy of one window and all that is needed to judge it.
type Reading struct {
	UJ       *int64  `json:"uj"`       // microjoules; nil: not measured
	Tier     Tier    `json:"tier"`     // "" when UJ is nil
	Source   string  `json:"source"`   // "rapl", "nvml", "profile NAME"; of a sum "A + B"
	Boundary string  `json:"boundary"` // what the joules include
	Band     float64 `json:"band_pct"` // ± %; of a counter: from the window's edges only
	Coverage float64 `json:"coverage"` // share of the window with valid samples, 0 to 1
	Rejected int     `json:"rejected"` // values thrown away as impossible
	Wraps    int     `json:"wraps"`    // counter wraps put right
	Resets   int     `json:"resets"`   // times a counter had to be anchored anew
	WallUS   int64   `json:"wall_us"`  // length of the window, µs
	Note     string  `json:"note,omitempty"`

	// Parts are the readings that were added up ("cpu", "gpu"; below "gpu" each
	// card), each with its own tier, coverage and boundary; empty when there is one.
	// Where a part contains the others ("machine"), the reading is that one alone.
	Parts []Reading `json:"parts,omitempty"`
	Part  string    `json:"part,omitempty"` // which part this is; "" of the whole

	by       Apart
	short    bool // the window was too short for this part
	contains bool // includes the other parts
}

// Find is the part of that name, one level down; the reading itself when it has
// no parts, a nil reading when there is none of that name.
func (r Reading) Find(name string) Reading {
	if len(r.Parts) == 0 {
		return r
	}
	for _, p := range r.Parts {
		if p.Part == name {
			return p
		}
	}
	return Reading{Part: name, WallUS: r.WallUS, Note: "this meter has no part " + name}
}

// Apart are joules of a reading by what drew them, µJ; nil: not known apart.
type Apart struct{ CPU, GPU, Memory *int64 }

// Apart tells the joules of counters apart. What an estimate, a wall meter or a module with
// several chips gives is none of it.
func (r Reading) Apart() Apart { return r.by }

// plus adds what two parts of a meter know; each is of something else.
func (a Apart) plus(b Apart) Apart {
	add := func(x, y *int64) *int64 {
		if x == nil || y == nil {
			return cmp.Or(x, y)
		}
		s := *x + *y
		return &s
	}
	return Apart{add(a.CPU, b.CPU), add(a.GPU, b.GPU), add(a.Memory, b.Memory)}
}

// TooShort reports whether there are no joules only because the window was too short for a
// source: a longer one would have some.
func (r Reading) TooShort() bool { return r.UJ == nil && r.short }

// Measured reports whether the reading may be called measured.
func (r Reading) Measured() bool { return r.UJ != nil && r.Tier.Measured() }

// Format prints a reading with unit and tier: "12.4 kJ B", "≈12 kJ E ±40 %",
// "–" when nothing was measured. A counter reading shows its band from ±5 % on;
// a window that is not fully covered says how much of it is.
func Format(r Reading) string {
	if r.UJ == nil || !r.Tier.Known() {
		return "–"
	}
	var s string
	if r.Tier.Measured() {
		s = FormatJoules(*r.UJ, 3) + " " + string(r.Tier)
		if r.Band >= 5 {
			s += fmt.Sprintf(" ±%.0f %%", r.Band)
		}
	} else {
		s = "≈" + FormatJoules(*r.UJ, 2) + " " + string(r.Tier) + fmt.Sprintf(" ±%.0f %%", r.Band)
	}
	if r.Coverage < 0.995 {
		s += fmt.Sprintf(" (%.0f %% covered)", math.Floor(100*r.Coverage))
	}
	return s
}

var joulePrefixes = []struct {
	uj   float64
	unit string
}{{1, "µJ"}, {1e3, "mJ"}, {1e6, "J"}, {1e9, "kJ"}, {1e12, "MJ"}, {1e15, "GJ"}}

// FormatJoules prints microjoules with the given number of significant digits
// (at least 1) and the unit that leaves one to three digits before the point:
// 12.4 kJ. It has no tier; on a screen use Format.
func FormatJoules(uj int64, digits int) string {
	if uj == 0 {
		return "0 J"
	}
	digits = max(digits, 1)
	v, sign := float64(uj), ""
	if uj < 0 {
		v, sign = -v, "-"
	}
	// Round first, so that 999.6 J becomes 1.00 kJ and not 1000 J.
	scale := math.Pow(10, math.Floor(math.Log10(v))-float64(digits-1))
	v = math.Round(v/scale) * scale
	p := joulePrefixes[0]
	for _, q := range joulePrefixes {
		if v >= q.uj*(1-1e-9) {
			p = q
		}
	}
	x := v / p.uj
	decimals := max(0, digits-1-int(math.Floor(math.Log10(x)+1e-9)))
	if p.uj == 1 {
		decimals = 0 // there is nothing below a microjoule
	}
	return sign + strconv.FormatFloat(x, 'f', decimals, 64) + " " + p.unit
}
