package chart

import (
	"math"
	"slices"
	"sort"
)

// Point is a value at a step. Lo and Hi are its interval, drawn only where the
// series asks for it.
type Point struct{ X, Y, Lo, Hi float64 }

// finite is false for NaN and infinities, whose difference to themselves is NaN.
func finite(v float64) bool { return v-v == 0 }

// tame moves what is finite into the range that sums and logarithms of a
// chart can stand.
func tame(y float64) float64 {
	switch {
	case math.Abs(y) < 1e-99:
		return 0
	case y > 1e300:
		return 1e300
	case y < -1e300:
		return -1e300
	}
	return y
}

// ordered is points by ascending finite x. The slice is copied only if it is
// not so already; of equal steps the order stays.
func ordered(points []Point) []Point {
	ok := true
	for i := range points {
		if !finite(points[i].X) || i > 0 && points[i].X < points[i-1].X {
			ok = false
			break
		}
	}
	if ok {
		return points
	}
	out := make([]Point, 0, len(points))
	for _, p := range points {
		if finite(p.X) {
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b Point) int {
		switch {
		case a.X < b.X:
			return -1
		case a.X > b.X:
			return 1
		}
		return 0
	})
	return out
}

// ema smooths exponentially with weight w of the past, w in [0, 1), corrected
// for the start (as TensorBoard does, so that the first value is the first
// sample). Values that are not finite neither enter nor reset it.
type ema struct{ w, sum, norm float64 }

func (e *ema) next(y float64) float64 {
	if e.w <= 0 {
		return y
	}
	e.sum = e.w*e.sum + (1-e.w)*y
	e.norm = e.w*e.norm + (1 - e.w)
	return e.sum / e.norm
}

// axisY takes values to the axis they are drawn on: themselves, or log10.
type axisY struct{ log bool }

// to returns NaN for what the axis cannot show.
func (a axisY) to(y float64) float64 {
	if !finite(y) {
		return math.NaN()
	}
	y = tame(y)
	if !a.log {
		return y
	}
	if y <= 0 {
		return math.NaN()
	}
	return math.Log10(y)
}

// column is what one column of a chart knows of one series, on the axis.
type column struct {
	line     float64 // where the line passes, NaN in a gap
	min, max float64 // of the raw values; min > max when there are none
	n        int     // points that can be drawn
	broken   bool    // its last point is a gap
}

// trace is a series made ready for n columns.
type trace struct {
	cols []column
	bad  []float64 // steps in the window whose value is not finite
	any  bool      // something can be drawn
	last float64   // newest value of the line within the window
}

// Memo keeps what was made of a series last, for the next frame in which only a cursor has
// moved. Whoever holds one must not change points in place, but may add some at the end and
// must begin a new one where points were taken back. The points are in the order of their steps.
type Memo struct {
	of    memoKey
	t     trace
	whole bool // all steps in the frame are whole numbers
}

type memoKey struct {
	points   int
	last     Point
	f        Frame
	n        int
	a        axisY
	smooth   float64
	interval bool
}

// sample puts a series into n columns of frame f. Smoothing runs over the
// whole series, so that zooming does not change the curve.
func sample(s *Series, f Frame, n int, a axisY, smooth float64) trace {
	if s.Memo == nil || len(s.Points) == 0 {
		return sampled(s, f, n, a, smooth)
	}
	k := memoKey{len(s.Points), s.Points[len(s.Points)-1], f, n, a, smooth, s.Interval}
	if s.Memo.of != k { // one that is not a number is never the same
		*s.Memo = Memo{k, sampled(s, f, n, a, smooth), wholeSteps(s.Points, f)}
	}
	return s.Memo.t
}

func sampled(s *Series, f Frame, n int, a axisY, smooth float64) trace {
	t := trace{cols: make([]column, n), last: math.NaN()}
	for i := range t.cols {
		t.cols[i] = column{line: math.NaN(), min: math.Inf(1), max: math.Inf(-1)}
	}
	e := ema{w: smooth}
	var (
		px, py = 0.0, math.NaN() // last drawable point, NaN after a gap
		from   = -1              // column of the last drawable point inside
	)
	pts := s.Points
	switch {
	case s.Memo == nil:
		pts = ordered(pts)
	case smooth <= 0: // what lies far to the left matters to nothing that is drawn
		i := sort.Search(len(pts), func(i int) bool { return pts[i].X >= f.X0 })
		pts = pts[max(i-1, 0):]
	}
points:
	for _, p := range pts {
		y := a.to(p.Y)
		inside := f.Has(p.X)
		if !finite(y) {
			if !finite(p.Y) && inside {
				t.bad = append(t.bad, p.X)
			}
			if inside {
				t.cols[f.Col(p.X, n)].broken = true
			}
			py = math.NaN()
			continue
		}
		ly := y
		if smooth > 0 {
			ly = a.to(e.next(tame(p.Y)))
		}
		switch {
		case p.X < f.X0:
			px, py = p.X, ly
			continue
		case p.X > f.X1:
			t.bridge(f, px, py, p.X, ly, from+1, n)
			break points // the rest matters to nothing that is drawn
		}
		c := f.Col(p.X, n)
		t.bridge(f, px, py, p.X, ly, from+1, c)
		col := &t.cols[c]
		col.line, col.broken = ly, false
		col.n++
		col.min, col.max = min(col.min, y), max(col.max, y)
		if s.Interval {
			if lo := a.to(p.Lo); finite(lo) {
				col.min = min(col.min, lo)
			}
			if hi := a.to(p.Hi); finite(hi) {
				col.max = max(col.max, hi)
			}
		}
		px, py, from = p.X, ly, c
		t.any, t.last = true, ly
	}
	for i := range t.cols {
		t.any = t.any || finite(t.cols[i].line)
	}
	return t
}

// bridge draws the straight line from (x0, y0) to (x1, y1) into the columns
// from c0 up to but not c1. After a gap y0 is NaN and nothing is drawn.
func (t *trace) bridge(f Frame, x0, y0, x1, y1 float64, c0, c1 int) {
	if math.IsNaN(y0) || math.IsNaN(y1) {
		return
	}
	seg := Frame{x0, x1}
	for c := c0; c < c1; c++ {
		w := min(max(seg.share(f.X(c, len(t.cols))), 0), 1)
		t.cols[c].line = y0*(1-w) + y1*w
	}
}

// bounds are the least and the greatest value a trace draws.
func (t *trace) bounds() (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, c := range t.cols {
		if finite(c.line) {
			lo, hi = min(lo, c.line), max(hi, c.line)
		}
		if c.n > 0 {
			lo, hi = min(lo, c.min), max(hi, c.max)
		}
	}
	return lo, hi
}
