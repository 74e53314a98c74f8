package core

import (
	"strings"
	"testing"

	"pare/core/event"
)

// TestSavingsSayHowTheyAreKnown: "measured" stands beside tiers A to C alone, and
// only tier E's joules are CPU time by another name.
func TestSavingsSayHowTheyAreKnown(t *testing.T) {
	for tier, want := range map[string]string{
		"A": "J per step −50 %, measured, tier A", "B": "J per step −50 %, measured, tier B", "C": "measured, tier C",
		"D": "J per step −50 % by tier D: estimated by this machine's load curve, ±21 %", "E": "by tier E: busy power taken as constant, so it equals the saving in CPU time",
	} {
		side := func(uj int64) event.Side {
			return event.Side{StepCPUUS: 1, StepEnergy: event.Joules{UJ: &uj, Tier: tier, Band: 20.4}}
		}
		got := savings(&event.Ledger{Dense: side(200), Now: side(100), Rounds: 5}, tier <= "C")
		if !strings.Contains(got, want) || strings.Contains(got, "measured") != (tier <= "C") {
			t.Errorf("tier %s: %s", tier, got)
		}
	}
}
