package energy

import (
	"strings"
	"testing"
	"time"

	"pare/core/energy/internal/nvml"
)

// codecarbon#1316: a card without a counter gives power, integrated, and says so;
// one that gives nothing at all is nil, never 0 kWh.
func TestNVMLPower(t *testing.T) {
	power := flicker(250_000)
	for _, c := range []struct {
		name   string
		card   fakeCard
		source string
		lag    float64 // band of 10 s, %
	}{
		{"instantaneous", fakeCard{name: "NVIDIA H100", power: power, average: flicker(999_000)}, sourceInstant, 2},
		{"average field only", fakeCard{name: "NVIDIA H100", average: power}, sourceAverage, 20},
		{"power usage of an A40 is an average", fakeCard{name: "NVIDIA A40", arch: nvml.Ampere, usage: power}, sourceAverage, 20},
		{"power usage of an A100 is instantaneous", fakeCard{name: "NVIDIA A100-SXM4-40GB", arch: nvml.Ampere, usage: power}, sourceInstant, 2},
		{"power usage of an RTX A3000 is an average", fakeCard{name: "NVIDIA RTX A3000", arch: nvml.Ampere, usage: power}, sourceAverage, 20},
		{"power usage of a V100 is instantaneous", fakeCard{name: "Tesla V100", arch: nvml.Volta, usage: power}, sourceInstant, 2},
	} {
		f := newFake()
		c.card.uuid, c.card.energy = "GPU-0", noEnergy
		m := f.open(t, newFakeNVML(f, &c.card).with())
		r := f.window(m, 10*time.Second)
		g := r.Find("gpu")
		if g.UJ == nil || *g.UJ < 2_500_000_000 || *g.UJ > 2_500_010_000 || g.Tier != TierC || !g.Measured() || g.Source != c.source || g.Coverage != 1 {
			t.Errorf("%s: %+v", c.name, g)
		}
		if g.Band < c.lag || g.Band > c.lag+2 {
			t.Errorf("%s: band %g %%", c.name, g.Band)
		}
		if s := row(t, m, "nvml GPU 0"); s.Tier != TierC || !strings.Contains(s.Why, "no energy counter; "+c.source) || s.Value != "250.0 W" {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
	f := newFake()
	m := f.open(t, newFakeNVML(f, &fakeCard{uuid: "GPU-0", name: "GeForce", energy: noEnergy}).with())
	if s := row(t, m, "nvml GPU 0"); s.OK || s.Used || !strings.Contains(s.Why, "energy counter: not supported by this card") {
		t.Errorf("%+v", s)
	}
	if s := row(t, m, "nvml"); s.OK || !strings.Contains(s.Why, "not measured: 1 of 1 cards") {
		t.Errorf("%+v", s)
	}
	o := f.options()
	newFakeNVML(f, &fakeCard{uuid: "GPU-0", energy: noEnergy}).with()(&o)
	if o.GPU = GPUNVML; true {
		if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "energy of the GPUs by nvml") {
			t.Error(err)
		}
	}
}

// Zeus: polled too fast, power reads 0; it may be missing for a while.
func TestNVMLPowerZerosAndGaps(t *testing.T) {
	f := newFake()
	mode := 0
	c := &fakeCard{uuid: "GPU-0", name: "H100", energy: noEnergy}
	c.power = func(t int64) (int64, error) {
		switch {
		case mode == 1 && t/int64(100*time.Millisecond)%2 == 1:
			return 0, nil
		case mode == 2:
			return -1, nil
		case mode == 3:
			return 0, nvml.NotSupported
		case mode == 4:
			return 64_826_000, nil
		}
		return 200_000, nil
	}
	m := f.open(t, newFakeNVML(f, c).with())
	mode = 1
	g := f.window(m, 10*time.Second).Find("gpu")
	wantUJ(t, "every other sample is 0", g, 2_000_000_000)
	if g.Rejected != 50 || g.Coverage != 1 {
		t.Errorf("%+v", g)
	}
	for mode = 2; mode <= 4; mode++ {
		g := f.window(m, 10*time.Second).Find("gpu")
		if g.UJ != nil || g.Coverage != 0 || (mode != 3) != (g.Rejected >= 100) {
			t.Errorf("mode %d: %+v", mode, g)
		}
	}
	if o := m.parts[0].longest; o != int64(powerEvery) {
		t.Errorf("power is read every %v at least", time.Duration(o))
	}
}

// Grace Hopper: the GPU's own figure fails, the module's contains the CPU. It is
// recorded, and the CPU is not added to it.
func TestModuleScope(t *testing.T) {
	f := newFake().add(pkg0)
	c := &fakeCard{uuid: "GPU-0", name: "NVIDIA GH200 480GB", energy: noEnergy, maxMW: -1}
	c.fields = map[[2]int]func(int64) (int64, error){
		{int(nvml.PowerInstant), int(nvml.Module)}: flicker(600_000),
	}
	m := f.open(t, newFakeNVML(f, c).with())
	r := f.window(m, 10*time.Second)
	if r.UJ == nil || *r.UJ < 6_000_000_000 || *r.UJ > 6_000_010_000 || r.Source != sourceInstant || !strings.Contains(r.Boundary, "with the CPU on the module") {
		t.Errorf("%+v", r)
	}
	wantUJ(t, "the CPU stays a part", r.Find("cpu"), 400_000_000)
	if m.Source() != sourceInstant || m.Tier() != TierC {
		t.Errorf("%s %s", m.Source(), m.Tier())
	}
	if s := row(t, m, "nvml GPU 0"); !strings.Contains(s.Why, "scope module") {
		t.Errorf("%+v", s)
	}
	c.fields[[2]int{int(nvml.TotalEnergy), int(nvml.Module)}] = func(t int64) (int64, error) { return int64(c.counter(t)) + 5, nil }
	c.watts = 600
	m = f.open(t, newFakeNVML(f, c).with())
	r = f.window(m, 10*time.Second)
	wantUJ(t, "counter of the module", r, 6_000_000_000)
	if r.Tier != TierB || r.Source != "nvml" || !strings.Contains(r.Boundary, "module") {
		t.Errorf("%+v", r)
	}
}
