package event

import (
	"math"
	"testing"
)

func amount(uj int64, tier, source string, coverage float64) Joules {
	return Joules{UJ: &uj, Tier: tier, Source: source, Coverage: &coverage}
}

func TestPlus(t *testing.T) {
	old := amount(5, "B", "rapl", 1)
	old.Coverage = nil // of a log that did not know it
	busy := amount(30, "B", "rapl", 0.5)
	busy.Rejected, busy.Wraps, busy.Resets, busy.Band = 1, 2, 3, 4
	for name, c := range map[string]struct {
		a, b     StageCost
		uj       int64   // −1: none
		coverage float64 // −1: unknown
		tier     string
		source   string
	}{
		"weighted by wall time":      {StageCost{WallUS: 300, Energy: amount(10, "B", "rapl", 1)}, StageCost{WallUS: 100, Energy: busy}, 40, 0.875, "B", "rapl"},
		"nothing before":             {StageCost{}, StageCost{WallUS: 100, Energy: busy}, 30, 0.5, "B", "rapl"},
		"a piece without joules":     {StageCost{WallUS: 300, Energy: amount(10, "B", "rapl", 1)}, StageCost{WallUS: 100}, 10, 0.75, "B", "rapl"},
		"a first piece without any":  {StageCost{WallUS: 100}, StageCost{WallUS: 100, Energy: busy}, 30, 0.25, "B", "rapl"},
		"neither":                    {StageCost{WallUS: 100}, StageCost{WallUS: 100}, -1, -1, "", ""},
		"an old log":                 {StageCost{WallUS: 100, Energy: old}, StageCost{WallUS: 100, Energy: busy}, 35, -1, "B", "rapl"},
		"the worse tier, by sources": {StageCost{WallUS: 100, Energy: amount(1, "E", "profile x", 1)}, StageCost{WallUS: 100, Energy: amount(2, "B", "rapl", 1)}, 3, 1, "E", "profile x, then rapl"},
	} {
		x := c.a.Plus(c.b)
		e := x.Energy
		if x.WallUS != c.a.WallUS+c.b.WallUS || e.Tier != c.tier || e.Source != c.source {
			t.Errorf("%s: %+v", name, x)
		}
		if got := e.UJ; (got == nil) != (c.uj < 0) || got != nil && *got != c.uj {
			t.Errorf("%s: joules %v, want %d", name, got, c.uj)
		}
		if got := e.Coverage; (got == nil) != (c.coverage < 0) || got != nil && math.Abs(*got-c.coverage) > 1e-12 {
			t.Errorf("%s: coverage %v, want %g", name, got, c.coverage)
		}
	}
	x := StageCost{CPUUS: 1, Stage: Sparsify, Energy: busy}.Plus(StageCost{CPUUS: 2, Stage: Deploy, Energy: busy})
	if e := x.Energy; x.CPUUS != 3 || x.Stage != Sparsify || e.Rejected != 2 || e.Wraps != 4 || e.Resets != 6 || e.Band != 4 {
		t.Errorf("%+v", x)
	}
	if *busy.UJ != 30 {
		t.Error("Plus changed what it was given")
	}
}
