package energy

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestIntegratorTrapezoid(t *testing.T) {
	g := &integrator{capW: 1400}
	g.anchor(100e6, 0)
	g.feed(300e6, int64(100*time.Millisecond)) // 200 W · 0.1 s
	g.feed(300e6, int64(200*time.Millisecond)) // 300 W · 0.1 s
	if g.uj != 50e6 || g.covered != 200e6 || g.rejected != 0 {
		t.Errorf("%+v", g.tally)
	}
}

// Zeus: NVML polled too fast gives 0; amdsmi gives 0 or negative watts; a spike of
// 64 kW (powerstat#16). All are skipped and counted, none is zero joules.
func TestIntegratorSkipsWhatIsNoPower(t *testing.T) {
	minus := int64(-5)
	for name, bad := range map[string]uint64{
		"zero": 0, "negative": uint64(minus), "sentinel": math.MaxUint32, "spike": 64_826e6, "minimum": 1 << 63,
	} {
		g := &integrator{capW: 1400}
		g.anchor(200e6, 0)
		g.feed(bad, int64(100*time.Millisecond))
		g.feed(200e6, int64(200*time.Millisecond))
		if g.uj != 40e6 || g.covered != 200e6 || g.rejected != 1 {
			t.Errorf("%s: %+v", name, g.tally)
		}
	}
	g := &integrator{capW: 1400}
	g.anchor(0, 0) // nothing yet: the first valid sample starts
	g.feed(200e6, 100e6)
	g.feed(200e6, 200e6)
	if g.uj != 20e6 || g.covered != 100e6 {
		t.Errorf("%+v", g.tally)
	}
}

// A stretch without samples is not bridged: a straight line over it is a guess.
func TestIntegratorGap(t *testing.T) {
	g := &integrator{capW: 1400}
	g.anchor(200e6, 0)
	g.feed(200e6, int64(5*time.Second))
	g.feed(200e6, int64(5100*time.Millisecond))
	if g.uj != 20e6 || g.covered != 100e6 {
		t.Errorf("%+v", g.tally)
	}
}

// codecarbon#1097: a sensor that is frozen. Its time is not covered once that shows.
func TestIntegratorFrozen(t *testing.T) {
	g := &integrator{capW: 1400, stale: int64(time.Second)}
	g.anchor(200e6, 0)
	for i := int64(1); i <= 30; i++ {
		g.feed(200e6, i*100e6)
	}
	if g.covered != 1e9 || g.standing() != 3*time.Second {
		t.Errorf("%+v, standing %v", g.tally, g.standing())
	}
	g.feed(201e6, 31*100e6)
	if g.standing() != 0 {
		t.Errorf("standing %v", g.standing())
	}
}

// However often power is read, rounding loses nothing: at most a µJ in all.
func TestIntegratorRoundingProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &integrator{capW: 2000}
		p := rapid.Int64Range(1, 1_500e6).Draw(t, "µW")
		g.anchor(uint64(p), 0)
		at, sum := int64(0), 0.0
		for range rapid.IntRange(1, 200).Draw(t, "samples") {
			q := rapid.Int64Range(1, 1_500e6).Draw(t, "µW")
			dt := rapid.Int64Range(1, 1e9).Draw(t, "ns")
			at += dt
			sum += float64(p+q) / 2 * float64(dt) * 1e-9
			g.feed(uint64(q), at)
			p = q
		}
		if math.Abs(float64(g.uj)-sum) > 1.01+sum*1e-12 {
			t.Fatalf("%d µJ, want %g", g.uj, sum)
		}
	})
}
