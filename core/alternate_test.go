package core

import (
	"strings"
	"testing"

	"pare/core/energy"
	"pare/core/event"
)

// TestAlternateWarmsUp: a hot chip draws more at equal clocks, and a drift of the
// machine hits what runs later. So both sides have a window that does not count, and
// then take turns.
func TestAlternateWarmsUp(t *testing.T) {
	t.Setenv("PARE_ENERGY", "profile")
	m, err := energy.Open(energy.Options{GPU: energy.GPUNone})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // nothing is sampled
	r := &run{meter: m}
	var turns strings.Builder
	side := func(name string) func(int) error {
		return func(i int) error {
			if i == 0 { // the first of a window
				turns.WriteString(name)
			}
			return nil
		}
	}
	costs, err := r.alternate(side("d"), side("n"))
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("dn", 1+alternations); turns.String() != want || alternations < 5 {
		t.Errorf("turns %s, want %s", turns.String(), want)
	}
	for i, c := range costs {
		if len(c) != alternations {
			t.Errorf("side %d: %d windows count, want %d", i, len(c), alternations)
		}
	}
}

// TestMeanOfUnknownIsUnknown: one window that was not measured makes the mean
// unknown, not smaller.
func TestMeanOfUnknownIsUnknown(t *testing.T) {
	five, seven := int64(5), int64(7)
	known := []cost{{joules: event.Joules{UJ: &five, Tier: "B"}}, {joules: event.Joules{UJ: &seven, Tier: "B"}}}
	if j := meanJoules(known); j.UJ == nil || *j.UJ != 6 || j.Tier != "B" {
		t.Errorf("%+v", j)
	}
	if j := meanJoules(append(known, cost{})); j.UJ != nil {
		t.Errorf("%+v", j)
	}
	if j := meanJoules(append([]cost{{}}, known...)); j.UJ != nil {
		t.Errorf("%+v", j)
	}
}
