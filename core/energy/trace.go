package energy

import (
	"fmt"
	"math"
	"slices"
	"sort"
)

// Trace is what one training run spent and reached: any run, ours or of somebody
// else's log.
type Trace struct {
	Name string // how the log tells the run from others; empty when it is the only one
	Task string // what runs of one task have in common; empty when the log has none
	// Points in the order of Cost, which never falls.
	Points []TracePoint
}

// TracePoint is one row: after spending Cost the run was at Acc.
type TracePoint struct {
	Epoch float64 // or step; as the log has it
	Acc   float64 // in points: percent for a share, the metric's own unit otherwise
	Cost  float64 // spent up to here: J, or epochs where the log has no energy
}

// LastPoint says what the last N points of a run's accuracy cost.
type LastPoint struct {
	N float64 `json:"points"`
	// Share (0 to 1) of everything spent, after the smoothed curve first came
	// within N points of its end; nil when the log starts nearer than N points to
	// its end. Lo and Hi are the same taken at the two rows around the crossing:
	// where the log is coarse they are far apart.
	Share *float64 `json:"share"`
	Lo    *float64 `json:"share_lo"`
	Hi    *float64 `json:"share_hi"`
	Cost  *float64 `json:"cost"` // of these points, in the unit of the trace
}

// LastPointsOf is the analysis of one run.
type LastPointsOf struct {
	End   float64     `json:"end"`   // smoothed accuracy at the end, points
	Total float64     `json:"total"` // spent in all
	Last  []LastPoint `json:"last"`
	// Marginal is the cost of one point over the last point, MarginalHalf the same
	// around half of the rise; nil when the log cannot tell.
	Marginal     *float64 `json:"marginal"`
	MarginalHalf *float64 `json:"marginal_half"`
	lower        bool
}

// curve is accuracy against cost, smoothed and made monotone: the non-decreasing
// sequence nearest to the rows in least squares. sign is −1 where lower is better.
func (t Trace) curve(sign float64) (x, y []float64) {
	raw := make([]float64, 0, len(t.Points))
	for _, p := range t.Points {
		if n := len(x); n > 0 && x[n-1] == p.Cost { // several levels within one row: the last counts
			raw[n-1] = math.Max(raw[n-1], sign*p.Acc)
			continue
		}
		x, raw = append(x, p.Cost), append(raw, sign*p.Acc)
	}
	return x, monotone(raw, nil)
}

// LastPoints tells what the last points (each of ns, above 0) of a run cost.
// Lower says that the metric is better when lower. A run of fewer than two costs
// is an error.
func LastPoints(t Trace, lower bool, ns ...float64) (LastPointsOf, error) {
	x, y := t.curve(sign(lower))
	n := len(x)
	if n < 2 {
		return LastPointsOf{}, fmt.Errorf("%sonly %d row with a metric and a cost: at least 2 are needed", prefix(t.Name), n)
	}
	r := LastPointsOf{End: sign(lower) * y[n-1], Total: x[n-1], lower: lower}
	if r.Total <= 0 {
		return LastPointsOf{}, fmt.Errorf("%snothing was spent", prefix(t.Name))
	}
	for _, p := range ns {
		l := LastPoint{N: p}
		if at, lo, hi, ok := crossing(x, y, y[n-1]-p); ok {
			share := func(c float64) *float64 { v := 1 - c/r.Total; return &v }
			l.Share, l.Lo, l.Hi = share(at), share(hi), share(lo)
			c := r.Total - at
			l.Cost = &c
		}
		r.Last = append(r.Last, l)
	}
	if at, _, _, ok := crossing(x, y, y[n-1]-1); ok {
		c := r.Total - at
		r.Marginal = &c
	}
	mid := (y[0] + y[n-1]) / 2
	if a, _, _, ok := crossing(x, y, mid-0.5); ok {
		if b, _, _, ok := crossing(x, y, mid+0.5); ok {
			c := b - a
			r.MarginalHalf = &c
		}
	}
	return r, nil
}

func sign(lower bool) float64 {
	if lower {
		return -1
	}
	return 1
}

func prefix(name string) string {
	if name == "" {
		return ""
	}
	return name + ": "
}

// crossing finds where the monotone curve first reaches level, by a straight line
// between the rows lo and hi around it. Not ok when the curve starts at or above
// the level (the crossing lies before the first row) or never reaches it.
func crossing(x, y []float64, level float64) (at, lo, hi float64, ok bool) {
	i := sort.SearchFloat64s(y, level)
	if i == 0 || i == len(y) {
		return 0, 0, 0, false
	}
	f := (level - y[i-1]) / (y[i] - y[i-1])
	return x[i-1] + f*(x[i]-x[i-1]), x[i-1], x[i], true
}

// FinalStep is the last step between two levels that the runs of a task have in
// common, for logs that hold the cost of first reaching each of some levels.
type FinalStep struct {
	Task     string     `json:"task"`
	From     float64    `json:"from"` // levels, in points
	To       float64    `json:"to"`
	Runs     int        `json:"runs"`      // that reach To
	Of       int        `json:"of"`        // runs of the task
	Median   float64    `json:"median"`    // share (0 to 1) of a run's cost up to To that was spent between the levels
	Quartile [2]float64 `json:"quartiles"` // lower and upper
	Lower    bool       `json:"lower_is_better"`
}

// FinalStepOf finds the step and its cost. To is the best level that at least two
// thirds of the runs reach; From is the level nearest to points (2, say) below
// it. The log's first level is no start: all it tells is that it was reached by
// its first row.
func FinalStepOf(task string, ts []Trace, lower bool, points float64) (FinalStep, error) {
	s := FinalStep{Task: task, Of: len(ts), Lower: lower}
	count := map[float64]int{}
	for _, t := range ts {
		for _, l := range t.levels() {
			count[l]++
		}
	}
	levels := make([]float64, 0, len(count))
	for l := range count {
		levels = append(levels, l)
	}
	slices.SortFunc(levels, func(a, b float64) int { // from the easiest to the hardest
		if sign(lower)*a < sign(lower)*b {
			return -1
		}
		return 1
	})
	to := -1
	for i, l := range levels {
		if 3*count[l] >= 2*len(ts) {
			to = i
		}
	}
	if to < 2 {
		return s, fmt.Errorf("%stwo thirds of the %d runs share fewer than three levels", prefix(task), len(ts))
	}
	s.To = levels[to]
	best := math.Inf(1)
	for _, l := range levels[1:to] {
		if d := math.Abs(math.Abs(s.To-l) - points); d < best {
			s.From, best = l, d
		}
	}
	var shares []float64
	for _, t := range ts {
		a, okA := t.reached(s.From)
		b, okB := t.reached(s.To)
		if okA && okB && b > 0 {
			shares = append(shares, (b-a)/b)
		}
	}
	if len(shares) == 0 {
		return s, fmt.Errorf("%sno run tells the cost of both %g and %g", prefix(task), s.From, s.To)
	}
	s.Runs = len(shares)
	s.Quartile[0], s.Median, s.Quartile[1] = Quartiles(shares)
	return s, nil
}

func (t Trace) levels() []float64 {
	var out []float64
	seen := map[float64]bool{}
	for _, p := range t.Points {
		if !seen[p.Acc] {
			seen[p.Acc] = true
			out = append(out, p.Acc)
		}
	}
	return out
}

// reached is the cost of the first row with exactly this level.
func (t Trace) reached(level float64) (float64, bool) {
	for _, p := range t.Points {
		if p.Acc == level {
			return p.Cost, true
		}
	}
	return 0, false
}

// Quartiles of at least one value, by linear interpolation between order
// statistics (Hyndman and Fan's type 7).
func Quartiles(v []float64) (q1, median, q3 float64) {
	s := slices.Clone(v)
	slices.Sort(s)
	at := func(p float64) float64 {
		h := p * float64(len(s)-1)
		i := int(h)
		if i+1 >= len(s) {
			return s[len(s)-1]
		}
		return s[i] + (h-float64(i))*(s[i+1]-s[i])
	}
	return at(0.25), at(0.5), at(0.75)
}
