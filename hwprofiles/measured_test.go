package hwprofiles

import (
	"math"
	"testing"
)

// TestH100Roofline: fitted on products of 1024 and 4096 cubed, the estimate tells
// time within 15 % and energy within 20 % of what was measured at other sizes. µs
// and mJ of a bf16 product, one H100, NVML's counter, 2026-11-25.
func TestH100Roofline(t *testing.T) {
	roofline(t, "h100-sxm", []product{{2048, 26.55, 18.407}, {8192, 1653.39, 1142.629}, {3072, 89.31, 62.443}, {6144, 696.97, 484.080}})
}

// TestH200Roofline: the same of one H200, 2026-11-27, pare hw calibrate.
func TestH200Roofline(t *testing.T) {
	roofline(t, "h200-sxm", []product{{2048, 27.18, 18.68}, {8192, 1764.52, 1214.77}})
}

// product is a bf16 product of n cubed: µs and mJ of one, measured.
type product struct {
	n      int64
	us, mj float64
}

func roofline(t *testing.T, profile string, measured []product) {
	p, err := Load(profile)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range measured {
		e := p.Estimate([]Cost{{MACs: m.n * m.n * m.n, Read: 4 * m.n * m.n, Written: 2 * m.n * m.n, Elem: "bf16"}})
		if e.Seconds == nil || e.Joules == nil {
			t.Fatalf("%d: no estimate: %s", m.n, e.Note)
		}
		dt, dj := *e.Seconds*1e6/m.us-1, *e.Joules*1e3/m.mj-1
		t.Logf("%d cubed: time %+.1f %%, energy %+.1f %%", m.n, 100*dt, 100*dj)
		if math.Abs(dt) > 0.15 || math.Abs(dj) > 0.2 {
			t.Errorf("%d cubed: %.2f µs and %.2f mJ, measured %.2f and %.2f", m.n, *e.Seconds*1e6, *e.Joules*1e3, m.us, m.mj)
		}
	}
}
