package event

import (
	"math"
	"strings"
	"testing"
)

func TestAboveIdle(t *testing.T) {
	w := 10.0
	i := &Idle{Watts: &w, Tier: "B", Source: "rapl", Band: 2, Seconds: 3, At: "2026-11-26T01:00:00Z"}
	bill := StageCost{WallUS: 2e6, Energy: amount(50e6, "B", "rapl", 1)}
	a := i.Above(bill)
	if a.UJ == nil || *a.UJ != 30e6 || a.Tier != "B" || a.Source != "rapl" || *bill.Energy.UJ != 50e6 {
		t.Errorf("%+v", a)
	}
	if want := 100 * 0.4 / 30; math.Abs(a.Band-want) > 1e-9 { // 2 % of the 20 J idle
		t.Errorf("band %g, want %g", a.Band, want)
	}
	// Half covered: half of the idle power's joules are in it.
	bill.Energy = amount(50e6, "B", "rapl", 0.5)
	if a := i.Above(bill); *a.UJ != 40e6 {
		t.Errorf("%+v", a)
	}
	for name, c := range map[string]struct {
		i *Idle
		j Joules
	}{
		"no idle":        {nil, amount(1, "B", "rapl", 1)},
		"not measured":   {&Idle{Source: "rapl"}, amount(1, "B", "rapl", 1)},
		"no joules":      {i, Joules{}},
		"another source": {i, amount(1, "A", "wall meter x.csv", 1)},
		"two sources":    {i, amount(1, "B", "rapl, then nvml", 1)},
		"a model":        {i, amount(1, "D", "rapl", 1)},
	} {
		if a := c.i.Above(StageCost{WallUS: 1, Energy: c.j}); a.UJ != nil {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if got := i.Text(); got != "10 W B over 3 s (rapl)" {
		t.Error(got)
	}
	if got := (&Idle{Why: "no counter"}).Text(); got != "not measured: no counter" || strings.Contains(got, "0 W") {
		t.Error(got)
	}
}

// TestIdleFold: the newest figure stands; a failure to measure does not hide it.
func TestIdleFold(t *testing.T) {
	a, b := 1.0, 2.0
	if s := fold(&Idle{Why: "x"}, &Idle{Watts: &a}, &Idle{Why: "y"}, &Resumed{Stage: Baseline}); s.Idle == nil || s.Idle.Watts == nil || *s.Idle.Watts != 1 {
		t.Errorf("%+v", s.Idle)
	}
	if s := fold(&Idle{Watts: &a}, &Idle{Watts: &b}); *s.Idle.Watts != 2 {
		t.Errorf("%+v", s.Idle)
	}
	if s := fold(&Idle{Why: "x"}); s.Idle == nil || s.Idle.Why != "x" {
		t.Errorf("%+v", s.Idle)
	}
}
