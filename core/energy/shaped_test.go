package energy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pare/core/energy/internal/nvml"
)

// costly is a card as the H100 is: reading the counter takes 4.3 ms, power 40 µs. It draws
// high and low watts in turns; its power sensor is off by a factor.
type costly struct {
	*fakeCard
	f         *fake
	high, low float64 // W
	turn      time.Duration
	gain      float64 // of the sensor
	err, dark error   // of the counter, of power
	frozen    int64   // ns from which the counter stands still; 0: it does not
	counters  int
	powers    int
	collected int
	deaf      error         // of the driver's samples
	held      time.Duration // in collecting them once
	utc       time.Duration
}

func newCostly(f *fake) *costly {
	c := &costly{fakeCard: h100(0, 0), f: f, high: 650, low: 90, turn: 1300 * time.Millisecond, gain: 1}
	c.energy = func(t int64) (uint64, error) {
		c.counters++
		f.advance(4300 * time.Microsecond)
		if c.frozen > 0 {
			t = min(t, c.frozen)
		}
		return c.start + uint64(c.truth(t/1e8*1e8)/1000), c.err
	}
	c.power = func(t int64) (int64, error) {
		c.powers++
		f.advance(40 * time.Microsecond)
		return int64(c.gain * c.watts(t) * 1000), c.dark
	}
	return c
}

// noted has the driver note power fifty times a second and keep it for 2.38 s, as an H100's
// does; to collect it takes 0.66 ms.
func (c *costly) noted() *costly {
	c.samples = func(t int64, after uint64) (out []nvml.PowerSample, err error) {
		c.collected++
		c.f.advance(660*time.Microsecond + c.held)
		c.held = 0
		if c.deaf != nil {
			return nil, c.deaf
		}
		const every = 20e6
		for at := max(0, (t-2380e6)/every*every); at <= t; at += every {
			s := nvml.PowerSample{At: uint64(wallStart.Add(time.Duration(at)).UnixMicro()), MW: int64(c.gain * c.watts(at) * 1000)}
			if s.At > after {
				out = append(out, s)
			}
		}
		return out, nil
	}
	return c
}

// live lets time pass with readings as often as the sampler itself would take them.
func (c *costly) live(m *Meter, d time.Duration) {
	for end := c.f.now() + int64(d); ; {
		next := m.parts[0].latest.Load().at + m.parts[0].period.Load()
		if next > end {
			c.f.advance(time.Duration(end - c.f.now()))
			return
		}
		c.f.advance(time.Duration(max(0, next-c.f.now())))
		m.parts[0].sample()
	}
}

func (c *costly) watts(t int64) float64 {
	if t/int64(c.turn)%2 == 0 {
		return c.high
	}
	return c.low
}

// truth is what the card has drawn up to t, µJ.
func (c *costly) truth(t int64) float64 {
	n, rest := t/int64(c.turn), t%int64(c.turn)
	full := float64((n+1)/2)*c.high + float64(n/2)*c.low
	return (full*float64(c.turn) + c.watts(t)*float64(rest)) / 1000
}

func (c *costly) open(t testing.TB) *Meter {
	c.f.advance(time.Minute) // the driver was there before
	m := c.f.open(t, newFakeNVML(c.f, c.fakeCard).with(), func(o *Options) {
		o.utc = func() time.Time { return wallStart.Add(time.Duration(c.f.now()) + c.utc) }
	})
	for range 8 { // a run opens the meter, then works for a while
		c.f.pass(m, 10*time.Second, 100*time.Millisecond)
	}
	c.counters, c.powers = 0, 0
	return m
}

// edge is what Meter.Edge does where a sampler runs by itself.
func (c *costly) edge(m *Meter) Mark {
	k := m.Mark()
	c.f.advance(time.Millisecond)
	m.parts[0].read(true)
	return k
}

// In ten minutes at 10 Hz the readings take less than a thousandth of a core.
func TestCostlyCounterIsReadSeldom(t *testing.T) {
	f := newFake()
	c := newCostly(f)
	m := c.open(t)
	const length = 10 * time.Minute
	f.pass(m, length, 100*time.Millisecond)
	took := time.Duration(c.counters)*4300*time.Microsecond + time.Duration(c.powers)*40*time.Microsecond
	if c.counters < 25 || c.powers < 5990 || took > length/1000 {
		t.Errorf("%d readings of the counter, %d of power, %v in %v", c.counters, c.powers, took, length)
	}
	if s := row(t, m, "nvml GPU 0"); s.Tier != TierB || !strings.Contains(s.Why, "instantaneous power between its readings") {
		t.Errorf("%+v", s)
	}
}

// A second between two marks, between two readings of the counter: power tells how much of
// the joules fall into it. Without power it was a straight line over ten seconds.
func TestPowerTellsWhen(t *testing.T) {
	f := newFake()
	c := newCostly(f)
	m := c.open(t)
	for f.now()/int64(c.turn)%2 == 1 || f.now()%int64(c.turn) > 2e8 { // the beginning of a high turn
		f.pass(m, 100*time.Millisecond, 100*time.Millisecond)
	}
	was := c.counters
	for _, want := range []float64{650, 90, 650} {
		a, from := m.Mark(), f.now()
		f.pass(m, 900*time.Millisecond, 100*time.Millisecond)
		b, to := m.Mark(), f.now()
		f.pass(m, 400*time.Millisecond, 100*time.Millisecond)
		r := m.Between(a, b).Find("gpu")
		if truth := c.truth(to) - c.truth(from); r.UJ == nil || r.Tier != TierB || !within100(float64(*r.UJ), truth, r.Band) {
			t.Fatalf("%+v, truth %.0f", r, truth)
		}
		if w := float64(*r.UJ) / float64(to-from) * 1000; w < want*0.9-20 || w > want*1.1+20 {
			t.Errorf("%.0f W, want %.0f", w, want)
		}
	}
	if c.counters-was > 1 {
		t.Errorf("the counter was read %d times", c.counters-was)
	}
}

func within100(x, truth, band float64) bool { return x >= truth-x*band/100 && x <= truth+x*band/100 }

// A sensor that is 4 % off: between edges the joules are the counter's, however long the run,
// and windows add up.
func TestPowersErrorDoesNotAddUp(t *testing.T) {
	for _, gain := range []float64{0.96, 1.04} {
		f := newFake()
		c := newCostly(f)
		c.gain = gain
		m := c.open(t)
		a, from := c.edge(m), f.now()
		var mid []Mark
		for range 60 {
			f.pass(m, 7300*time.Millisecond, 100*time.Millisecond)
			mid = append(mid, m.Mark())
		}
		b, to := c.edge(m), f.now()
		all := m.Between(a, b).Find("gpu")
		truth := c.truth(to) - c.truth(from)
		if off := float64(*all.UJ) - truth; off < -1.5e8 || off > 1.5e8 { // two steps of the counter
			t.Errorf("gain %g: off by %.0f µJ of %.0f", gain, off, truth)
		}
		if all.Band > 1 {
			t.Errorf("gain %g: band ±%g %%", gain, all.Band)
		}
		sum, last := int64(0), a
		for _, k := range append(mid[:len(mid)-1], b) {
			r := m.Between(last, k).Find("gpu")
			sum, last = sum+*r.UJ, k
		}
		if sum != *all.UJ {
			t.Errorf("windows add up to %d, the whole is %d", sum, *all.UJ)
		}
	}
}

// What stands for a counter must not hide that the counter is gone.
func TestPowerHidesNoLostCounter(t *testing.T) {
	for name, lose := range map[string]func(*costly){
		"fails":        func(c *costly) { c.err = errors.New("the GPU is lost") },
		"stands still": func(c *costly) { c.frozen = c.f.now() },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			c := newCostly(f)
			m := c.open(t)
			lose(c)
			lost := c.truth(f.now())
			f.pass(m, 30*time.Second, 100*time.Millisecond) // it is found out when the counter is due
			a := f.mark(m)
			was := c.counters
			f.pass(m, 60*time.Second, 100*time.Millisecond)
			r := m.Between(a, f.mark(m)).Find("gpu")
			if r.UJ != nil && (*r.UJ != 0 || r.Coverage > 0) || r.TooShort() {
				t.Errorf("%+v", r)
			}
			if n := c.counters - was; n < 50 || n > 70 {
				t.Errorf("the counter was tried %d times in a minute", n)
			}
			if l := m.Lost(); len(l) != 1 || l[0].For < 55*time.Second {
				t.Errorf("%+v", l)
			}
			if total := float64(m.parts[0].inputs[0].total().uj); total > lost+12e9 {
				t.Errorf("%.0f J were told, the counter said %.0f", total/1e6, lost/1e6)
			}
			c.err, c.frozen = nil, 0
			f.pass(m, 15*time.Second, 100*time.Millisecond)
			a, from := c.edge(m), f.now()
			f.pass(m, 30*time.Second, 100*time.Millisecond)
			b, to := c.edge(m), f.now()
			r = m.Between(a, b).Find("gpu")
			if truth := c.truth(to) - c.truth(from); r.UJ == nil || !within100(float64(*r.UJ), truth, r.Band) || len(m.Lost()) != 0 {
				t.Errorf("when it is back: %+v, truth %.0f", r, truth)
			}
		})
	}
}

// Without power the counter is read once a second, as where there never was any.
func TestCostlyCounterWithoutPower(t *testing.T) {
	f := newFake()
	c := newCostly(f)
	m := c.open(t)
	c.dark = errors.New("not supported")
	f.pass(m, 2*time.Second, 100*time.Millisecond)
	was := c.counters
	a, from := c.edge(m), f.now()
	f.pass(m, 60*time.Second, 100*time.Millisecond)
	b, to := c.edge(m), f.now()
	if n := c.counters - was; n < 55 || n > 70 {
		t.Errorf("the counter was read %d times in a minute", n)
	}
	r := m.Between(a, b).Find("gpu")
	if truth := c.truth(to) - c.truth(from); r.UJ == nil || r.Coverage < 0.995 || !within100(float64(*r.UJ), truth, r.Band) {
		t.Errorf("%+v, truth %.0f", r, truth)
	}
}

// Whatever the card draws and however wrong its sensor is within ±5 %: what was told never
// falls, and every window holds the truth within its band.
func TestShapedWindows(t *testing.T) {
	t.Run("power read", func(t *testing.T) { checkShapedWindows(t, false) })
	t.Run("power noted by the driver", func(t *testing.T) { checkShapedWindows(t, true) })
}

func checkShapedWindows(t *testing.T, noted bool) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFake()
		c := newCostly(f)
		if noted {
			c.noted()
		}
		c.high, c.low = rapid.Float64Range(100, 700).Draw(rt, "high"), rapid.Float64Range(60, 100).Draw(rt, "low")
		c.turn = time.Duration(rapid.IntRange(1000, 9000).Draw(rt, "turn")) * time.Millisecond
		c.gain = rapid.Float64Range(0.96, 1.04).Draw(rt, "gain")
		m := c.open(t)
		told := int64(0)
		type at struct {
			mark Mark
			t    int64
		}
		var marks []at
		for range rapid.IntRange(2, 40).Draw(rt, "marks") {
			for d := rapid.IntRange(10, 60).Draw(rt, "samples"); d > 0; d-- {
				if noted {
					c.live(m, time.Duration(rapid.IntRange(20, 180).Draw(rt, "ms"))*time.Millisecond)
				} else {
					f.pass(m, 100*time.Millisecond, 100*time.Millisecond)
				}
				now := m.parts[0].inputs[0].total().uj
				if now < told {
					rt.Fatalf("%d µJ told after %d", now, told)
				}
				told = now
			}
			t0 := f.now()
			if rapid.Bool().Draw(rt, "edge") {
				marks = append(marks, at{c.edge(m), t0})
			} else {
				marks = append(marks, at{m.Mark(), t0})
			}
		}
		f.pass(m, time.Second, 100*time.Millisecond)
		for i := range marks {
			for j := i + 1; j < len(marks); j++ {
				r := m.Between(marks[i].mark, marks[j].mark).Find("gpu")
				truth := c.truth(marks[j].t) - c.truth(marks[i].t)
				if r.UJ == nil && marks[j].t-marks[i].t < 1e10 && strings.Contains(r.Note, "lies between two readings") {
					continue // nothing but a band of over 100 % would hold it
				}
				if r.UJ == nil || !within100(float64(*r.UJ), truth, r.Band+0.01) {
					rt.Fatalf("%d to %d, %v: %s (%v), truth %.0f", i, j, time.Duration(marks[j].t-marks[i].t), Format(r), r, truth)
				}
			}
		}
	})
}
