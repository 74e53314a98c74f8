package core

import (
	"strings"
	"testing"

	"pare/core/energy"
)

func TestNextHalfPoint(t *testing.T) {
	if s := nextHalf(energy.Forecast{}); s != "" {
		t.Errorf("no forecast: %q", s)
	}
	tr := energy.Trace{}
	for i, a := range []float64{60, 70, 75, 78, 80, 81.5, 82.5, 83.3, 84, 84.5} {
		tr.Points = append(tr.Points, energy.TracePoint{Acc: a, Cost: float64(i + 1)})
	}
	f := energy.NextPoints(tr, false, 0.5)
	if s := nextHalf(f); !strings.Contains(s, "half a point more should cost ") || !strings.Contains(s, " to ") {
		t.Errorf("%q of %+v", s, f)
	}
	f.Hi = nil
	if s := nextHalf(f); !strings.Contains(s, "at least") {
		t.Errorf("%q", s)
	}
	lo := f.Total / 1000
	f.Lo = &lo
	if s := nextHalf(f); !strings.Contains(s, "cannot tell") || strings.Contains(s, " 0 %") {
		t.Errorf("a bound of 0 %% is none: %q", s)
	}
	f.Lo, f.More = nil, nil
	if s := nextHalf(f); !strings.Contains(s, "never") {
		t.Errorf("%q", s)
	}
}
