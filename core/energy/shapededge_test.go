package energy

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Epochs of 60 ms with four edges each: the counter may not be read at every one, that
// would take a third of a core. What such edges are off by is little beside the age of the
// counter's values, and the joules from the first edge to the last are the counter's.
func TestEdgesCostLittle(t *testing.T) {
	for _, gain := range []float64{0.96, 1, 1.04} {
		f := newFake()
		c := newCostly(f)
		c.gain = gain
		m := c.open(t)
		first, begin := c.edge(m), f.now()
		c.counters, c.powers = 0, 0
		for range 1000 {
			for range 3 {
				c.edge(m)
			}
			f.advance(53 * time.Millisecond)
			c.edge(m)
		}
		took := time.Duration(c.counters)*4300*time.Microsecond + time.Duration(c.powers)*40*time.Microsecond
		all := time.Duration(f.now() - begin)
		if took > all*15/1000 { // 1 % for the counter; power is read at every edge
			t.Errorf("%d readings of the counter, %d of power: %v in %v", c.counters, c.powers, took, all)
		}
		last, end := c.edge(m), f.now()
		r := m.Between(first, last).Find("gpu")
		if truth := c.truth(end) - c.truth(begin); r.UJ == nil || !within100(float64(*r.UJ), truth, r.Band) || r.Band > 2.5 {
			t.Errorf("gain %g: %s, band ±%.2f %%, truth %.0f", gain, Format(r), r.Band, truth)
		}
	}
}

// What is compared runs in windows of two seconds in turn, the end of one a moment before the
// beginning of the next: both are as sharp as when the counter was read at either.
func TestEdgesOfWindowsInTurn(t *testing.T) {
	f := newFake()
	c := newCostly(f)
	c.turn, c.low = 2*time.Second, 450
	c.gain = 1.03
	m := c.open(t)
	for f.now()%int64(c.turn) > 2e6 {
		f.advance(time.Millisecond)
		if f.now()/1e6%100 == 0 {
			f.sample(m)
		}
	}
	for range 10 {
		w := c.watts(f.now())
		from := c.edge(m)
		begin := f.now()
		for f.now()+101e6 < begin/int64(c.turn)*int64(c.turn)+int64(c.turn) {
			f.pass(m, 100*time.Millisecond, 100*time.Millisecond)
		}
		f.advance(time.Duration(begin/int64(c.turn)*int64(c.turn) + int64(c.turn) - f.now() - 8e6))
		to := c.edge(m)
		r := m.Between(from, to).Find("gpu")
		truth := w * float64(Wall(from, to)) / 1000
		if r.UJ == nil || !within100(float64(*r.UJ), truth, r.Band) {
			t.Errorf("%s, truth %.0f", Format(r), truth)
		}
		if w == c.high && r.Band > 25 { // 10 % are the age of the counter at both ends, 8 % the jumps of power there
			t.Errorf("%g W: band ±%.1f %%", w, r.Band)
		}
		for f.now()/int64(c.turn) == begin/int64(c.turn) {
			f.advance(time.Millisecond)
		}
	}
}

// A meter that was just opened, and marks that have nothing read: what power was before its
// first sample is unknown, that is no jump from nothing.
func TestShapedFromTheStart(t *testing.T) {
	f := newFake()
	f.advance(time.Minute)
	c := newCostly(f)
	c.turn = time.Hour
	m := f.open(t, newFakeNVML(f, c.fakeCard).with())
	f.pass(m, time.Second, 100*time.Millisecond)
	a, from := m.Mark(), f.now()
	f.pass(m, 4*time.Second, 100*time.Millisecond)
	b, to := m.Mark(), f.now()
	f.sample(m)
	r := m.Between(a, b).Find("gpu")
	if truth := c.truth(to) - c.truth(from); r.UJ == nil || !within100(float64(*r.UJ), truth, r.Band) || r.Band > 12 {
		t.Errorf("%+v, truth %.0f", r, truth)
	}
	if n := m.parts[0].inputs[0].total().rejected; n != 0 {
		t.Errorf("%d values rejected, none was given", n)
	}
}

// A counter that is cheap at times: power that was not read in a round is not fed in it.
func TestShapedFeedsNoOldPower(t *testing.T) {
	f := newFake()
	c := newCostly(f)
	c.turn = time.Hour
	m := c.open(t)
	in := m.parts[0].inputs[0]
	g := in.gauge.(*shaped)
	g.costs = [8]int64{} // cheap: power is not read
	f.pass(m, time.Second, 100*time.Millisecond)
	c.low, c.high = 90, 90 // and has fallen when the counter is costly again
	was := g.watts.lastAt
	for i := range g.costs {
		g.costs[i] = 1
	}
	in.take(f.now, true)
	for i := range g.costs {
		g.costs[i] = int64(4 * time.Millisecond)
	}
	in.give(f.now(), f.now()-1e8)
	if g.watts.lastAt != was {
		t.Errorf("fed %d µW of an earlier round", g.watts.last)
	}
}

// Power told too much, and then the counter is gone for a while: no window has negative
// joules, and neighbours add up, whenever they are asked for.
func TestGapAfterTooMuchWasTold(t *testing.T) {
	for name, lose := range map[string]func(*costly, bool){
		"the counter fails": func(c *costly, gone bool) {
			if c.err = nil; gone {
				c.err = errors.New("the GPU is lost")
			}
		},
		"power fails": func(c *costly, gone bool) {
			if c.dark = nil; gone {
				c.dark = errors.New("not supported")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			c := newCostly(f)
			c.turn, c.high = time.Hour, 400
			m := c.open(t)
			c.edge(m)
			c.gain = 1.3
			f.pass(m, 8*time.Second, 100*time.Millisecond)
			var marks []Mark
			mark := func(d time.Duration) {
				for range int(d / (300 * time.Millisecond)) {
					marks = append(marks, m.Mark())
					f.pass(m, 300*time.Millisecond, 100*time.Millisecond)
				}
			}
			mark(600 * time.Millisecond)
			marks = append(marks, c.edge(m)) // the counter says that it was too much
			lose(c, true)
			mark(25 * time.Second)
			lose(c, false)
			mark(25 * time.Second)
			c.edge(m)
			sum := int64(0)
			for i := 1; i < len(marks); i++ {
				d := m.parts[0].edge(marks[i].snaps[0], marks[i].at).uj - m.parts[0].edge(marks[i-1].snaps[0], marks[i-1].at).uj
				if d < 0 {
					t.Errorf("window %d, %v: %d µJ", i, Wall(marks[0], marks[i]), d)
				}
				sum += d
			}
			r := m.Between(marks[0], marks[len(marks)-1]).Find("gpu")
			if r.UJ == nil || *r.UJ != sum {
				t.Errorf("windows add up to %d, the whole is %+v", sum, r)
			}
		})
	}
}

// Power is dark and edges have the counter read more than once a second: a window between
// marks in between is a straight line from reading to reading, not a step.
func TestMarksBetweenEdgesWithoutPower(t *testing.T) {
	f := newFake()
	c := newCostly(f)
	c.turn = time.Hour
	m := c.open(t)
	c.dark = errors.New("not supported")
	f.pass(m, 3*time.Second, 100*time.Millisecond)
	c.edge(m)
	f.pass(m, 400*time.Millisecond, 100*time.Millisecond)
	a, from := m.Mark(), f.now()
	f.pass(m, 400*time.Millisecond, 100*time.Millisecond)
	c.edge(m)
	f.pass(m, 200*time.Millisecond, 100*time.Millisecond)
	b, to := m.Mark(), f.now()
	f.pass(m, 200*time.Millisecond, 100*time.Millisecond)
	c.edge(m)
	r := m.Between(a, b).Find("gpu")
	if truth := c.truth(to) - c.truth(from); r.UJ != nil && !within100(float64(*r.UJ), truth, r.Band) || r.UJ != nil && (float64(*r.UJ) > 1.2*truth || float64(*r.UJ) < 0.8*truth) {
		t.Errorf("%+v, truth %.0f", r, truth)
	}
}

// Whatever fails when, and however wrong power is: later edges are never below earlier ones.
func TestShapedEdgesNeverFall(t *testing.T) {
	t.Run("power read", func(t *testing.T) { checkNeverFall(t, false) })
	t.Run("power noted by the driver", func(t *testing.T) { checkNeverFall(t, true) })
}

func checkNeverFall(t *testing.T, noted bool) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFake()
		c := newCostly(f)
		if noted {
			c.noted()
		}
		c.turn = time.Duration(rapid.IntRange(500, 9000).Draw(rt, "turn")) * time.Millisecond
		m := c.open(t)
		var marks []Mark
		for range rapid.IntRange(2, 40).Draw(rt, "pieces") {
			c.gain = rapid.Float64Range(0.5, 1.5).Draw(rt, "gain")
			c.err, c.dark = nil, nil
			if rapid.IntRange(0, 3).Draw(rt, "counter") == 0 {
				c.err = errors.New("the GPU is lost")
			}
			if rapid.IntRange(0, 3).Draw(rt, "power") == 0 {
				c.dark = errors.New("not supported")
			}
			if c.deaf = nil; rapid.IntRange(0, 3).Draw(rt, "samples fail") == 0 {
				c.deaf = errors.New("not supported")
			}
			for n := rapid.IntRange(1, 60).Draw(rt, "samples"); n > 0; n-- {
				if noted {
					c.live(m, 100*time.Millisecond)
				} else {
					f.pass(m, 100*time.Millisecond, 100*time.Millisecond)
				}
				f.advance(time.Duration(rapid.IntRange(1, 99).Draw(rt, "ms")) * time.Millisecond)
				if rapid.IntRange(0, 9).Draw(rt, "edge") == 0 {
					marks = append(marks, c.edge(m))
				} else {
					marks = append(marks, m.Mark())
				}
			}
		}
		c.err, c.dark, c.deaf = nil, nil, nil
		f.pass(m, 20*time.Second, 100*time.Millisecond)
		c.edge(m)
		last := edge{}
		for i, k := range marks {
			e := m.parts[0].edge(k.snaps[0], k.at)
			if i > 0 && (e.uj < last.uj || e.covered < last.covered) {
				rt.Fatalf("mark %d: %d µJ, %d ns covered, after %d µJ, %d ns", i, e.uj, e.covered, last.uj, last.covered)
			}
			last = e
		}
	})
}
