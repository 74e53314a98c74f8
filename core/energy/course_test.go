package energy

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Where the driver notes power by itself, the sampler sleeps for most of what it keeps: less
// than a thousandth of a core with every reading and, as dear as in a virtual machine, every
// wake; and there is a point of the ledger ten times a second all the same.
func TestCollectingCostsLittle(t *testing.T) {
	f := newFake()
	c := newCostly(f).noted()
	m := c.open(t)
	s := m.parts[0]
	c.collected = 0
	points, rounds, counters, powers := s.points.Load(), 0, c.counters, c.powers
	const length = 10 * time.Minute
	for end := f.now() + int64(length); f.now() < end; rounds++ {
		c.live(m, time.Duration(s.period.Load()))
	}
	took := time.Duration(c.counters-counters)*4300*time.Microsecond + time.Duration(c.powers-powers)*40*time.Microsecond +
		time.Duration(c.collected)*660*time.Microsecond + time.Duration(rounds)*300*time.Microsecond
	if took > length*8/10_000 || c.counters-counters < 25 {
		t.Errorf("%d wakes, %d readings of the counter, %d of power, %d collections: %v in %v", rounds, c.counters-counters, c.powers-powers, c.collected, took, length)
	}
	if n := s.points.Load() - points; n < 5990 {
		t.Errorf("%d points in %v", n, length)
	}
	if st := row(t, m, "nvml GPU 0"); !strings.Contains(st.Why, "the driver's own samples of it, collected every 2.1 s") {
		t.Errorf("%+v", st)
	}
}

// Marks that lie between two collections, with jumps of power between them: each window holds
// what was drawn in it, and nothing had to be read for them.
func TestCourseTellsWhen(t *testing.T) {
	f := newFake()
	c := newCostly(f).noted()
	c.turn = 900 * time.Millisecond
	m := c.open(t)
	type at struct {
		mark Mark
		t    int64
	}
	var marks []at
	for range 60 {
		marks = append(marks, at{m.Mark(), f.now()})
		c.live(m, 900*time.Millisecond)
	}
	c.live(m, 2*time.Second)
	nothing := 0
	for i := 1; i < len(marks); i++ {
		r := m.Between(marks[i-1].mark, marks[i].mark).Find("gpu")
		truth := c.truth(marks[i].t) - c.truth(marks[i-1].t)
		if r.UJ == nil {
			nothing++
			continue
		}
		if !within100(float64(*r.UJ), truth, r.Band) {
			t.Errorf("window %d: %s, truth %.0f", i, Format(r), truth)
		}
		if off := float64(*r.UJ) - truth; off > 30e6 || off < -30e6 { // half of what the counter may be late; 250 J without the course
			t.Errorf("window %d is off by %.1f J of %.1f", i, off/1e6, truth/1e6)
		}
	}
	if nothing > 32 { // 570 J and 80 J in turn: of the small ones too little is known
		t.Errorf("%d of 59 windows have no joules", nothing)
	}
}

// A sampler that was held up for longer than the driver remembers: what it did not see is the
// counter's all the same.
func TestCollectedTooLate(t *testing.T) {
	f := newFake()
	c := newCostly(f).noted()
	m := c.open(t)
	a, from := c.edge(m), f.now()
	c.live(m, 5*time.Second)
	f.advance(9 * time.Second)
	m.parts[0].sample()
	c.live(m, 30*time.Second)
	b, to := c.edge(m), f.now()
	r := m.Between(a, b).Find("gpu")
	if truth := c.truth(to) - c.truth(from); r.UJ == nil || !within100(float64(*r.UJ), truth, r.Band) || r.Band > 3 || r.Coverage < 0.995 {
		t.Errorf("%+v, truth %.0f", r, truth)
	}
}

// A collection that was held up once, as beside work on a full machine: the next is not left
// out for that, or what it would have brought is forgotten.
func TestCollectingHeldUp(t *testing.T) {
	f := newFake()
	c := newCostly(f).noted()
	m := c.open(t)
	c.live(m, 7*time.Second)
	c.held = 20 * time.Millisecond
	points, collected := m.parts[0].points.Load(), c.collected
	c.live(m, 20*time.Second)
	if n := m.parts[0].points.Load() - points; c.held != 0 || n < 180 { // those of the last 2.1 s may not be there yet
		t.Errorf("%d points in 20 s, %d collections", n, c.collected-collected)
	}
}

// Samples that cannot be had any more, and samples whose times are not this clock's: power is
// read ten times a second, as where there are none.
func TestCourseIsLost(t *testing.T) {
	for name, lose := range map[string]func(*costly){
		"not supported":      func(c *costly) { c.deaf = errors.New("not supported") },
		"the clock was set":  func(c *costly) { c.utc = 5 * time.Minute },
		"the clock was back": func(c *costly) { c.utc = -5 * time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			c := newCostly(f).noted()
			m := c.open(t)
			c.live(m, 5*time.Second)
			if p := time.Duration(m.parts[0].period.Load()); p < 1500*time.Millisecond {
				t.Fatalf("it collects every %v", p)
			}
			lose(c)
			c.live(m, 3*time.Second)
			if p := m.parts[0].period.Load(); p > 1e8 {
				t.Errorf("power is read every %v", time.Duration(p))
			}
			a, from := c.edge(m), f.now()
			c.live(m, 10*time.Second)
			b, to := c.edge(m), f.now()
			r := m.Between(a, b).Find("gpu")
			if truth := c.truth(to) - c.truth(from); r.UJ == nil || !within100(float64(*r.UJ), truth, r.Band) || len(m.Lost()) > 0 {
				t.Errorf("%+v, truth %.0f, lost %v", r, truth, m.Lost())
			}
			c.deaf, c.utc = nil, 0
			c.live(m, 3*time.Second)
			if p := time.Duration(m.parts[0].period.Load()); p < 1500*time.Millisecond {
				t.Errorf("when they are back, it collects every %v", p)
			}
		})
	}
}

// A card that falls off the bus is lost within two seconds or so, however seldom its counter
// is read and its samples are collected.
func TestLostCardIsToldSoon(t *testing.T) {
	for name, noted := range map[string]bool{"power read": false, "power noted by the driver": true} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			c := newCostly(f)
			if noted {
				c.noted()
			}
			m := c.open(t)
			c.live(m, 7*time.Second)
			c.err = errors.New("the GPU is lost")
			c.dark, c.deaf = c.err, c.err
			from := f.now()
			for len(m.Lost()) == 0 {
				c.live(m, 50*time.Millisecond)
				if f.now()-from > 60e9 {
					t.Fatal("not lost after a minute")
				}
			}
			if d := time.Duration(f.now() - from); d > 2500*time.Millisecond {
				t.Errorf("told after %v", d)
			}
		})
	}
}

// A reading that fails once is no loss.
func TestOneFailureIsNoLoss(t *testing.T) {
	f := newFake()
	c := newCostly(f).noted()
	m := c.open(t)
	c.live(m, 7*time.Second)
	c.err = errors.New("busy")
	c.dark, c.deaf = c.err, c.err
	m.parts[0].sample()
	if l := m.Lost(); len(l) > 0 {
		t.Errorf("%+v", l)
	}
	c.err, c.dark, c.deaf = nil, nil, nil
	c.live(m, 3*time.Second)
	if l := m.Lost(); len(l) > 0 {
		t.Errorf("%+v", l)
	}
}

// Eight cards: what their counters may cost at edges is for all of them together.
func TestEdgesOfManyCardsCostLittle(t *testing.T) {
	f := newFake()
	var cards []*costly
	var fakes []*fakeCard
	for i := range 8 {
		c := newCostly(f)
		c.uuid = h100(i, 0).uuid
		cards, fakes = append(cards, c), append(fakes, c.fakeCard)
	}
	f.advance(time.Minute)
	m := f.open(t, newFakeNVML(f, fakes...).with())
	f.pass(m, time.Minute, 100*time.Millisecond)
	read := func() (n int) {
		for _, c := range cards {
			n += c.counters
		}
		return n
	}
	was, begin := read(), f.now()
	for range 2000 {
		m.parts[0].read(true)
		f.advance(20 * time.Millisecond)
	}
	took, all := time.Duration(read()-was)*4300*time.Microsecond, time.Duration(f.now()-begin)
	if took > all*12/1000 || read() == was {
		t.Errorf("%d readings of the counters, %v in %v", read()-was, took, all)
	}
}
