package energy

import (
	"fmt"
	"testing"
	"time"
)

// A counter that freezes is read seldom, and nobody knows for a while: until then power tells
// the joules, then nobody does. No window that says it is covered is wrong by more than its
// band, none has more than was drawn, whenever the counter froze and however it comes back.
func TestFrozenCounterTellsNothingWrong(t *testing.T) {
	type edge struct {
		Mark
		truth float64
	}
	run := func(t *testing.T, noted bool, gain float64, back string, phase time.Duration) {
		f := newFake()
		c := newCostly(f)
		c.gain = gain
		if noted {
			c.noted()
		}
		m := c.open(t)
		c.live(m, phase)
		es := []edge{{m.Mark(), c.truth(f.now())}}
		froze, told := int64(0), time.Duration(0)
		for i := range 60 {
			switch {
			case i == 10:
				c.frozen, froze = f.now(), f.now()
			case i == 30 && back != "never":
				if back == "goes on" {
					c.start -= uint64((c.truth(f.now()) - c.truth(c.frozen)) / 1000)
				}
				c.frozen = 0
			}
			c.live(m, 2*time.Second)
			es = append(es, edge{m.Mark(), c.truth(f.now())})
			if l := m.Lost(); froze > 0 && told == 0 && len(l) > 0 {
				if told = time.Duration(f.now() - froze); l[0].Why != "stands still" || l[0].For > told+time.Second {
					t.Errorf("after %v: %+v", told, l)
				}
			}
		}
		if told == 0 || told > 25*time.Second {
			t.Errorf("told after %v", told)
		}
		for _, w := range []int{1, 2, 5, 10, 25} {
			for i := 0; i+w < len(es); i++ {
				a, b := es[i], es[i+w]
				r, truth := m.Between(a.Mark, b.Mark).Find("gpu"), b.truth-a.truth
				if r.UJ == nil {
					continue
				}
				uj := float64(*r.UJ)
				if r.Coverage > 0.995 && !within100(uj, truth, r.Band) || uj > truth*(1+r.Band/100) {
					t.Errorf("%d to %d s: %.0f J ±%.0f %%, truth %.0f, coverage %.3f, %q", 2*i, 2*(i+w), uj/1e6, r.Band, truth/1e6, r.Coverage, r.Note)
				}
			}
		}
	}
	for _, noted := range []bool{false, true} {
		for _, gain := range []float64{1, 0.96, 1.04} {
			for _, back := range []string{"never", "goes on", "catches up"} {
				t.Run(fmt.Sprintf("noted %v, sensor %g, comes back: %s", noted, gain, back), func(t *testing.T) {
					for phase := time.Duration(0); phase < 24*time.Second; phase += time.Second {
						run(t, noted, gain, back, phase)
					}
				})
			}
		}
	}
}

// Power that was noted before the counter was read is in the counter's joules already.
func TestPowerBeforeTheCounterCountsOnce(t *testing.T) {
	g := &shaped{counter: counter{wide: true, capW: 1000, stale: 5e9}, watts: integrator{capW: 1000}, costs: [8]int64{4e6, 4e6, 4e6, 4e6, 4e6, 4e6, 4e6, 4e6}}
	g.anchor(0, 0)
	g.power(100e6, 1) // 100 W
	g.feed(100e6, 1e9)
	for at := int64(200e6); at <= 1600e6; at += 200e6 { // collected after that
		g.power(100e6, at)
	}
	if got, want := g.total().uj, int64(160e6); got < want-1e6 || got > want+1e6 {
		t.Errorf("%d µJ in 1.6 s at 100 W", got)
	}
}
