package report

import (
	"fmt"
	"math"
	"strings"
)

// scale maps lo…hi to 0…100 percent of a chart's side.
type scale struct{ lo, hi float64 }

// at is v's place; what lies outside stays at the edge.
func (s scale) at(v float64) float64 {
	if !(s.hi > s.lo) {
		return 0
	}
	return 100 * min(max((v-s.lo)/(s.hi-s.lo), 0), 1)
}

// step is the roundest distance (1, 2, 2.5 or 5 times a power of ten) that
// gives at most n marks over span.
func step(span float64, n int) float64 {
	if !(span > 0) || math.IsInf(span, 0) {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(span/float64(n))))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if span/(m*p) <= float64(n)+1e-9 {
			return m * p
		}
	}
	return 10 * p
}

// widen moves both ends out to whole steps, so that nothing touches the frame.
func (s scale) widen(by float64) scale {
	return scale{math.Floor(s.lo/by+1e-9) * by, math.Ceil(s.hi/by-1e-9) * by}
}

// marks are the multiples of by inside s.
func (s scale) marks(by float64) []float64 {
	var out []float64
	// The ends are multiples themselves, but for what their rounding is worth.
	near := func(v float64) float64 { return 1e-9 + 4e-16*math.Abs(v) }
	first, last := s.lo/by, s.hi/by
	for i := math.Ceil(first - near(first)); i <= last+near(last) && len(out) < 100; i++ {
		out = append(out, i*by+0) // +0: never −0
	}
	return out
}

// digits after the point that tell the multiples of by apart.
func digits(by float64) int {
	for d := 0; d < 9; d++ {
		x := by * math.Pow(10, float64(d))
		if math.Abs(x-math.Round(x)) < 1e-6*x {
			return d
		}
	}
	return 9
}

// coordinate writes a place in percent or in the units of a path.
func coordinate(v float64) string {
	s := fmt.Sprintf("%.2f", v)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "-0" {
		return "0"
	}
	return s
}
