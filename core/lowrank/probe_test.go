package lowrank

import (
	"testing"
	"time"

	"pare/core/device"
	"pare/core/device/cpu"
)

// even is an execution whose calls take a millisecond each.
type even struct {
	device.Exec
	n int
}

func (e even) Times() []time.Duration {
	l := make([]time.Duration, e.n)
	for i := range l {
		l[i] = time.Millisecond
	}
	return l
}

// TestProbeOfValuesMadeAgain: a product whose output a step makes twice counts twice, its
// gradients once.
func TestProbeOfValuesMadeAgain(t *testing.T) {
	least := func(made, between, rank int) time.Duration {
		x, err := open(cpu.New(), Setup{Batch: 4, Threads: 1, Made: made, Between: between}, 8, 8, rank)
		if err != nil {
			t.Fatal(err)
		}
		defer x.close()
		n := 0
		for _, r := range x.plan.Regions {
			n += len(r.Calls)
		}
		x.ex = even{x.ex, n}
		if err := x.take(); err != nil {
			t.Fatal(err)
		}
		return x.least
	}
	layer, factors := least(0, 0, 0), least(0, 0, 2)
	for _, c := range []struct {
		made, between, rank int
		more                time.Duration
	}{{1, 1, 0, 0}, {2, 2, 0, 1}, {1, 2, 2, 1}, {2, 2, 2, 2}} {
		was := layer
		if c.rank > 0 {
			was = factors
		}
		if got := least(c.made, c.between, c.rank); got != was+c.more*time.Millisecond {
			t.Errorf("made %d times, %d between factors of rank %d: %v, %v when made once", c.made, c.between, c.rank, got, was)
		}
	}
}
