package energy

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// idleMeter is a meter on a counter whose sampler runs while Idle waits.
func idleMeter(t *testing.T, f *fake, change ...func(*Options)) *Meter {
	t.Helper()
	var m *Meter
	m = f.open(t, append(change, func(o *Options) {
		o.utc = func() time.Time { return wallStart.Add(time.Duration(f.now())) }
		o.sleep = func(d time.Duration) {
			f.advance(d)
			if m != nil && m.rapl != nil {
				m.rapl.sample()
			}
		}
	})...)
	return m
}

func TestIdle(t *testing.T) {
	f := newFake().add(pkg0) // 40 W
	m := idleMeter(t, f)
	i := m.Idle(context.Background(), 3*time.Second)
	if i.Watts == nil || math.Abs(*i.Watts-40) > 0.01 || i.Tier != TierB || i.Source != "rapl" || i.Length != 3*time.Second || i.Band > 0.1 || i.Note != "" || i.Boundary != m.Boundary() {
		t.Fatalf("%+v", i)
	}
	if want := wallStart.Add(time.Duration(f.now())); !i.At.Equal(want) {
		t.Errorf("dated %v, want %v", i.At, want)
	}
	// Asked for less than the source can tell: as long as it needs.
	if i := m.Idle(context.Background(), time.Millisecond); i.Watts == nil || i.Length != m.Shortest() {
		t.Errorf("%+v", i)
	}
}

// TestIdleUnsteady: a machine that was not at rest shows in the band.
func TestIdleUnsteady(t *testing.T) {
	f := newFake().add(pkg0)
	m := idleMeter(t, f)
	begun := f.now()
	f.set(pkg0.dir+"/energy_uj", func(t int64) string {
		busy := min(max(t-begun, 0), int64(time.Second)) // 40 W more in the first second
		return fmt.Sprintln(pkg0.at(t) + uint64(40*busy/1000))
	})
	f.cpuUS = 0
	m.cpu = func() (int64, bool) { return f.now() / 2000, true } // half a CPU
	i := m.Idle(context.Background(), 5*time.Second)
	if i.Watts == nil || math.Abs(*i.Watts-48) > 1 || i.Band < 35 || i.Band > 50 || !strings.Contains(i.Note, "this process itself used 2.5s") {
		t.Errorf("%+v, %v W", i, *i.Watts)
	}
}

func TestIdleNotMeasured(t *testing.T) {
	gone, stop := context.WithCancel(context.Background())
	stop()
	for name, c := range map[string]struct {
		f    *fake
		o    func(*Options)
		ctx  context.Context
		want string
	}{
		"profile":     {newFake(), func(*Options) {}, context.Background(), "only a model (profile test-cpu, tier E)"},
		"nothing":     {newFake(), func(o *Options) { o.Profile.BusyCoreW = nil }, context.Background(), "no energy source"},
		"interrupted": {newFake().add(pkg0), func(*Options) {}, gone, "interrupted"},
		"slow": {newFake().add(pkg0), func(o *Options) {
			o.Wall = wallFile(t, "timestamp,watts\n2026-01-31T12:00:00Z,5\n2026-01-31T12:01:00Z,5\n")
		}, context.Background(), "at least 2m0s"},
		"old file": {newFake().add(pkg0), func(o *Options) { o.Wall = wallFile(t, "timestamp,watts\n"+wallRows(5, -60, -40)) }, context.Background(), "before the window's end"},
	} {
		m := idleMeter(t, c.f, c.o)
		before := c.f.now()
		i := m.Idle(c.ctx, time.Second)
		if i.Watts != nil || i.Tier != TierNone || !strings.Contains(i.Note, c.want) {
			t.Errorf("%s: %+v", name, i)
		}
		if name != "old file" && c.f.now() != before {
			t.Errorf("%s: waited %v for nothing", name, time.Duration(c.f.now()-before))
		}
	}
}

// TestIdleOfAVanishedCounter: a counter that goes away meanwhile gives no figure.
func TestIdleOfAVanishedCounter(t *testing.T) {
	f := newFake().add(pkg0)
	m := idleMeter(t, f)
	f.remove(pkg0.dir)
	if i := m.Idle(context.Background(), time.Second); i.Watts != nil || !strings.Contains(i.Note, "no figure") || !strings.Contains(i.Note, "vanished") {
		t.Errorf("%+v", i)
	}
}
