package bench

import (
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
