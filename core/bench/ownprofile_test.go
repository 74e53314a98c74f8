package bench

import (
	"math"
	"testing"

	"pare/core/energy"
	"pare/core/plan"
	"pare/hwprofiles"
)

// TestProfileLeavesOthersCurves: a curve published of some machine of the kind is not
// this machine's, so it must not make figures of tier D here.
func TestProfileLeavesOthersCurves(t *testing.T) {
	const name = "epyc-8024p"
	p, err := hwprofiles.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	if p.Load == nil {
		t.Fatalf("profile %s has no load curve any more: take another", name)
	}
	m := Machine{CPUs: 8, Bandwidth: 100, One: 50, All: 300}
	own := m.Profile(p, plan.DefaultPrices(), "this-machine", "test")
	own.File = "this-machine.toml"
	if c, err := energy.LoadCurveOf(own); err == nil {
		t.Errorf("a curve of tier D from another machine: %s", c)
	}
	own.Load = p.Load // taken here
	if again := m.Profile(own, plan.DefaultPrices(), "this-machine", "test"); again.Load == nil {
		t.Error("calibrating again without a counter lost the curve")
	}
}

// TestLoads: enough for a curve on every machine, from idle to full and ever more.
func TestLoads(t *testing.T) {
	for n := 1; n <= 256; n++ {
		l := loads(n)
		if len(l) < 4 || len(l) > 9 || l[0] != 0 || l[len(l)-1] != float64(n) {
			t.Errorf("%d CPUs: %v", n, l)
		}
		for i := range l[1:] {
			if l[i+1] <= l[i] || n > 2 && l[i] != math.Trunc(l[i]) {
				t.Errorf("%d CPUs: %v", n, l)
			}
		}
	}
}
