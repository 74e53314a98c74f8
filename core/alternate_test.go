package core

import (
	"strings"
	"testing"
	"time"

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
			// The first of a window; of one that is measured again, since this process stood still, too.
			if i == 0 && !strings.HasSuffix(turns.String(), name) {
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

// TestStandstillIsMeasuredAgain: a process that was stopped for a while, in the middle of a
// window or at its begin, does not tell so as the time of an inference.
func TestStandstillIsMeasuredAgain(t *testing.T) {
	t.Setenv("PARE_ENERGY", "profile")
	m, err := energy.Open(energy.Options{GPU: energy.GPUNone})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // nothing is sampled
	old := window
	t.Cleanup(func() { window = old })
	window = 40 * time.Millisecond
	r := &run{meter: m, cfg: Config{Store: new(MemStore)}} // progress goes there
	work := func(int) error {                              // without sleep, which a busy machine makes long
		for begin := time.Now(); time.Since(begin) < 100*time.Microsecond; {
		}
		return nil
	}
	turns, stops := 0, 0
	side := func(i int) error {
		if i == 0 {
			turns++
		}
		if turns == 3 && i == 0 || turns == 6 && i == 5 {
			stops++
			time.Sleep(400 * time.Millisecond)
		}
		return work(i)
	}
	costs, err := r.alternate(side, work)
	if err != nil || stops != 2 {
		t.Fatalf("%v, %d stops", err, stops)
	}
	for _, c := range costs[0] {
		if c.wallUS > 30_000 {
			t.Errorf("one took %.0f µs in a window, of %d", c.wallUS, len(costs[0]))
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

// TestLayerTurns: a turn of the layers' timing is bounded by time, so that a large model's
// takes few steps.
func TestLayerTurns(t *testing.T) {
	old := window
	t.Cleanup(func() { window = old })
	window = 120 * time.Millisecond
	for first, want := range map[time.Duration]int{0: 20, time.Millisecond: 20, 10 * time.Millisecond: 12, 50 * time.Millisecond: 2, 3 * time.Second: 1} {
		if got := probeSteps(first); got != want {
			t.Errorf("the first step took %v: %d steps a turn, want %d", first, got, want)
		}
	}
}

// TestProgressIsTold: work that takes long says how far it is, once a second at most.
func TestProgressIsTold(t *testing.T) {
	var st MemStore
	r := &run{cfg: Config{Store: &st}}
	r.loop.Stage = event.Deploy
	p := r.progress("timing", 6)
	for i := range 3 {
		if err := p.at(i); err != nil {
			t.Fatal(err)
		}
	}
	p.last = p.last.Add(-2 * time.Second)
	for i := range 3 {
		if err := p.at(3 + i); err != nil {
			t.Fatal(err)
		}
	}
	if x := st.State.Progress; x == nil || x.Done != 3 || x.Of != 6 || x.Stage != event.Deploy {
		t.Errorf("told %+v, want 3 of 6, once", x)
	}
}
