package chart

import (
	"math"
	"sort"
)

// Reading is what a series was at a step: its last point at or before it.
type Reading struct {
	Name   string
	X      float64 // step of that point
	Y      float64 // as measured, NaN or infinite if it was
	Smooth float64 // what the line shows; Y without EMA
	Lo, Hi float64 // interval of that point
	OK     bool    // there is such a point
}

// Readout reads every series at step x, in their order.
func (c Chart) Readout(x float64) []Reading {
	out := make([]Reading, len(c.Series))
	for i := range c.Series {
		s := &c.Series[i]
		r := Reading{Name: s.Name, Y: math.NaN(), Smooth: math.NaN()}
		pts := ordered(s.Points)
		k := sort.Search(len(pts), func(j int) bool { return pts[j].X > x }) - 1
		if k >= 0 && !math.IsNaN(x) {
			p := pts[k]
			r.X, r.Y, r.Smooth, r.Lo, r.Hi, r.OK = p.X, p.Y, p.Y, p.Lo, p.Hi, true
			if w := c.smoothing(s); w > 0 {
				e := ema{w: w}
				for _, p := range pts[:k+1] {
					if finite(p.Y) {
						r.Smooth = e.next(tame(p.Y))
					} else {
						r.Smooth = p.Y
					}
				}
			}
		}
		out[i] = r
	}
	return out
}

// EventNear is the event in the cursor's column of a chart w cells wide, the
// nearest one if there are several.
func (c Chart) EventNear(x float64, w int) (Event, bool) {
	f, n := c.frame(), PlotWidth(w)
	var best Event
	found := false
	for _, e := range c.Events {
		if finite(e.X) && f.Has(e.X) && f.Has(x) && f.Col(e.X, n) == f.Col(x, n) &&
			(!found || math.Abs(e.X-x) < math.Abs(best.X-x)) {
			best, found = e, true
		}
	}
	return best, found
}
