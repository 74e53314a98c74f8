package core

import (
	"strings"
	"testing"
	"testing/synctest"
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
	costs, _, err := r.alternate(side("d"), side("n"))
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

// TestStandstillIsMeasuredAgain: a process that was stopped for a while does not tell so as the
// time of an inference. Time here is that of the test's own clock.
func TestStandstillIsMeasuredAgain(t *testing.T) {
	t.Setenv("PARE_ENERGY", "profile")
	short := func(int) time.Duration { return 100 * time.Microsecond }
	for name, c := range map[string]struct {
		window time.Duration
		unit   func(i int) time.Duration
		stop   time.Duration
		in     func(turn, i int) bool
		want   stood
	}{
		"nearly a window":       {120 * time.Millisecond, short, 110 * time.Millisecond, func(turn, i int) bool { return turn == 3 && i == 5 || turn == 6 && i == 0 }, stood{again: 2}},
		"longer than a window":  {40 * time.Millisecond, short, 400 * time.Millisecond, func(turn, i int) bool { return turn == 3 && i == 0 || turn == 6 && i == 5 }, stood{again: 2}},
		"more than half of one": {2 * time.Second, short, 1100 * time.Millisecond, func(turn, i int) bool { return turn == 3 && i == 5 }, stood{again: 1}},
		"a scheduler's delay":   {40 * time.Millisecond, short, 45 * time.Millisecond, func(turn, i int) bool { return turn == 3 && i == 5 }, stood{}},
		"in each window":        {120 * time.Millisecond, short, 110 * time.Millisecond, func(_, i int) bool { return i == 5 }, stood{again: alternations, kept: alternations}},
		"units of unequal length": {120 * time.Millisecond, func(i int) time.Duration {
			if i%10 == 0 {
				return 50 * time.Millisecond
			}
			return 2 * time.Millisecond
		}, 0, nil, stood{}},
		"a clock of 1/64 s": {120 * time.Millisecond, func(i int) time.Duration {
			if i%100 == 99 {
				return time.Second / 64
			}
			return 0
		}, 0, nil, stood{}},
		"few units": {120 * time.Millisecond, func(int) time.Duration { return 90 * time.Millisecond }, 0, nil, stood{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, err := energy.Open(energy.Options{GPU: energy.GPUNone})
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close() //nolint:errcheck // nothing is sampled
				old := window
				defer func() { window = old }()
				window = c.window
				r := &run{meter: m, cfg: Config{Store: new(MemStore)}} // progress goes there
				turn := 0
				side := func(i int) error {
					if i == 0 {
						turn++
					}
					if c.in != nil && c.in(turn, i) {
						time.Sleep(c.stop)
					}
					time.Sleep(c.unit(i))
					return nil
				}
				costs, got, err := r.alternate(side, func(i int) error { time.Sleep(c.unit(i)); return nil })
				if err != nil || got != c.want {
					t.Errorf("%+v, %v; want %+v", got, err, c.want)
				}
				bad := 0
				for i := range costs[0] {
					if costs[0][i].wallUS > 1.1*costs[1][i].wallUS && c.stop >= standstill {
						bad++
					}
				}
				if bad != c.want.kept {
					t.Errorf("%d windows tell of a standstill: %+v", bad, costs[0])
				}
			})
		})
	}
}

// TestStoodIsTold: who reads the ledger learns of the windows in which the process stood still.
func TestStoodIsTold(t *testing.T) {
	for want, s := range map[string]stood{
		"": {},
		"in 1 window the process stood still: measured again":                                       {again: 1},
		"in 5 windows the process stood still: measured again; in 2 more it did, whose times count": {again: 5, kept: 2},
	} {
		if got := s.String(); got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
		// So does who reads what a step with adapters takes.
		text := fineTuneText(&event.FineTune{Trainable: 1, Of: 2}, "CPU time", s)
		if before, after, ok := strings.Cut(text, "1 of 2 values train"); !ok || before == "" || strings.TrimPrefix(after, "; ") != want {
			t.Errorf("%+v: %q", s, text)
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
