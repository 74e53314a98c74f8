package work

import (
	"math"
	"testing"
	"time"

	"pare/core/event"
)

// TestPaceSpread: the rate is that of the whole window, its spread that of its thirds; of
// too few steps no spread is told.
func TestPaceSpread(t *testing.T) {
	for name, c := range map[string]struct {
		secs         []float64 // between metrics of ten steps each
		rate, spread float64
		text         string
	}{
		"one metric":  {nil, 0, -1, ""},
		"two":         {[]float64{2}, 5, -1, "5 steps/s  "},
		"steady":      {[]float64{1, 1, 1, 1, 1, 1}, 10, 0, "10 steps/s ±0 %  "},
		"slower":      {[]float64{1, 1, 2}, 7.5, 0.3333, "7.5 steps/s ±34 %  "},
		"a small net": {[]float64{0.006, 0.006, 0.006}, 1666.667, 0, "1,670 steps/s ±0 %  "},
		"no time":     {[]float64{0, 0, 0}, 0, -1, ""},
		"a burst":     {[]float64{0, 1, 1}, 15, -1, "15 steps/s  "},
		"long window": {[]float64{100, 1, 1, 1}, 10, 0, "10 steps/s ±0 %  "},
	} {
		var p pace
		at := begun
		p.fold(event.Event{At: at, Body: &event.Metric{Stage: event.Sparsify, Step: 10, Steps: 1000}})
		for i, s := range c.secs {
			at = at.Add(time.Duration(s * float64(time.Second)))
			p.fold(event.Event{At: at, Body: &event.Metric{Stage: event.Sparsify, Step: int64(20 + 10*i), Steps: 1000}})
		}
		if r, s := p.rate(); math.Abs(r-c.rate) > 1e-3 || math.Abs(s-c.spread) > 1e-3 || p.text() != c.text {
			t.Errorf("%s: %g steps/s, spread %g, %q; want %g, %g, %q", name, r, s, p.text(), c.rate, c.spread, c.text)
		}
	}
}
