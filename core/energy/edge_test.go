package energy

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// A card whose counter takes 2 ms to read is read once a second: a window of half a
// second between two marks says nothing, between two edges, which have it read, it
// holds the truth within a narrow band.
func TestEdgesOfASlowSource(t *testing.T) {
	f := newFake()
	m := f.open(t, newFakeNVML(f, h100(0, 600)).with(), func(o *Options) { o.Period = 100 * time.Millisecond })
	p := m.parts[0]
	for range p.costs {
		p.adapt(int64(2 * time.Millisecond))
	}
	if got := time.Duration(p.period.Load()); got != time.Second {
		t.Fatalf("period %v", got)
	}
	// As in a run: a sample each second, at 0.9 s after it a window of 0.5 s.
	window := func(edge bool) Reading {
		f.sample(m)
		f.advance(1100 * time.Millisecond)
		a := m.Mark()
		if edge {
			f.advance(2 * time.Millisecond)
			f.sample(m)
		}
		f.advance(500 * time.Millisecond)
		b := m.Mark()
		f.advance(2 * time.Millisecond)
		f.sample(m)
		f.advance(time.Second)
		f.sample(m)
		return m.Between(a, b).Find("gpu")
	}
	g := window(true)
	if g.UJ == nil || g.Band > 45 || g.Band < 40 { // 2 × 100 ms of 500 ms and 2 × 2 ms at up to 1400 W
		t.Fatalf("%+v", g)
	}
	if off := float64(*g.UJ) - 301e6; off < -float64(*g.UJ)*g.Band/100 || off > float64(*g.UJ)*g.Band/100 {
		t.Errorf("%d µJ ±%.0f %%, truth 301 J", *g.UJ, g.Band)
	}
	if g.TooShort() {
		t.Error("there are joules")
	}
	if g := window(false); g.UJ != nil || !g.TooShort() || g.Tier != TierNone || !strings.Contains(g.Note, "lies between two readings of nvml") {
		t.Errorf("%+v", g)
	}
	if w := m.Window(0.1); w != 2*time.Second {
		t.Errorf("window %v", w)
	}
}

// A mark just after a reading is followed by another reading soon: without one the next
// is a whole period away, and the joules until then are anybody's guess. That is what
// the second of two windows in turn begins with.
func TestEdgeAfterAReading(t *testing.T) {
	f := newFake().add(pkg0)
	m := f.open(t, func(o *Options) { o.Period = 100 * time.Millisecond })
	s := &sampler{now: f.now, base: m.rapl.base, kick: make(chan struct{}, 1)}
	s.period.Store(s.base)
	s.latest.Store(newSnapshot(point{at: f.now()}))
	f.advance(50 * time.Microsecond)
	if s.ask(); len(s.kick) != 0 {
		t.Error("it reads again within what a reading may take")
	}
	f.advance(2 * time.Millisecond)
	if s.ask(); len(s.kick) != 1 {
		t.Error("2 ms after a reading, with the next one 98 ms away, no reading was asked for")
	}
}

// The joules of a gap stay where they were laid, however long a source that is read
// less than once a second goes on afterwards: windows that meet there add up.
func TestGapIsRememberedBySlowSource(t *testing.T) {
	f := newFake().add(pkg0)
	m := f.open(t)
	a := mark(m)
	f.run(m, time.Second, 100*time.Millisecond)
	f.fail("intel-rapl:0/energy_uj", errors.New("input/output error"))
	f.run(m, 2*time.Second, 100*time.Millisecond)
	gap := m.Mark()
	f.run(m, time.Second, 100*time.Millisecond)
	f.fail("intel-rapl:0/energy_uj", nil)
	f.run(m, time.Second, 100*time.Millisecond)
	wantUJ(t, "before, at once", m.Between(a, gap), 120_000_000)
	f.run(m, 2*maxGaps*1100*time.Millisecond, 1100*time.Millisecond)
	b := mark(m)
	wantUJ(t, "before, later", m.Between(a, gap), 120_000_000)
	whole, tail := m.Between(a, b), m.Between(gap, b)
	wantUJ(t, "after", tail, *whole.UJ-120_000_000)
}

// TestSoFarReadsNothing: SoFar reads nothing: it tells the joules up to the newest sample, all of them covered,
// and Between afterwards the rest.
func TestSoFarReadsNothing(t *testing.T) {
	f := newFake()
	c := h100(0, 600)
	reads := 0
	api := newFakeNVML(f, c)
	c.setEnergy(func(at int64) (uint64, error) { reads++; return c.counter(at), nil })
	m := f.open(t, api.with())
	f.sample(m)
	a := m.Mark()
	f.pass(m, 3*time.Second, 100*time.Millisecond)
	f.advance(900 * time.Millisecond)
	was := reads
	_, x := m.SoFar(a)
	g := x.Find("gpu")
	if reads != was {
		t.Errorf("%d readings", reads-was)
	}
	if g.UJ == nil || g.Coverage < 0.995 || g.WallUS != 3_000_000 || *g.UJ < 1_740_000_000 || *g.UJ > 1_800_000_000 {
		t.Errorf("%+v", g)
	}
	if all := m.Between(a, m.Mark()).Find("gpu"); all.UJ == nil || reads == was || *all.UJ < *g.UJ+500_000_000 {
		t.Errorf("%+v after %d readings", all, reads-was)
	}
}
