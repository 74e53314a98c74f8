package energy

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pare/core/energy/internal/nvml"
)

// pass lets time pass with a sample of every part at the end of each period.
func (f *fake) pass(m *Meter, d, period time.Duration) {
	for ; d > 0; d -= period {
		f.advance(min(period, d))
		f.sample(m)
	}
}

func (f *fake) sample(m *Meter) {
	for _, p := range m.parts {
		p.sample()
	}
}

func (f *fake) mark(m *Meter) Mark {
	f.sample(m)
	return m.Mark()
}

func (f *fake) window(m *Meter, d time.Duration) Reading {
	a := f.mark(m)
	f.pass(m, d, 100*time.Millisecond)
	return m.Between(a, f.mark(m))
}

func TestNVMLCounter(t *testing.T) {
	f := newFake()
	m := f.open(t, newFakeNVML(f, h100(0, 650), h100(1, 80)).with())
	r := f.window(m, 10*time.Second)
	g := r.Find("gpu")
	wantUJ(t, "10 s at 730 W", g, 7_300_000_000)
	if g.Tier != TierB || g.Source != "nvml" || g.Coverage != 1 || g.Boundary != "2 NVIDIA GPUs, whole cards, all processes" || g.Band < 2 || g.Band > 5 {
		t.Errorf("%+v", g)
	}
	// Each card has its own row (codecarbon#544).
	if len(g.Parts) != 2 || g.Parts[0].Part != "GPU 0" || g.Parts[1].Boundary != "GPU-10000000-aaaa" {
		t.Fatalf("%+v", g.Parts)
	}
	wantUJ(t, "card 0", g.Parts[0], 6_500_000_000)
	wantUJ(t, "card 1", g.Parts[1], 800_000_000)
	if s := row(t, m, "nvml GPU 0"); !s.Used || s.Tier != TierB || !strings.Contains(s.Value, "5000.") || !strings.Contains(s.Why, "limit at most 700 W") {
		t.Errorf("%+v", s)
	}
	if s := row(t, m, "nvml"); !s.Used || s.Tier != TierB || s.Value != "driver 580.159.04, 2 cards" {
		t.Errorf("%+v", s)
	}
}

// The CPU by profile (E), the GPU by counter (B): the sum is an estimate.
func TestSumHasTheWorstTier(t *testing.T) {
	f := newFake()
	m := f.open(t, newFakeNVML(f, h100(0, 500)).with())
	if m.Tier() != TierE || m.Measured() || m.Source() != "nvml + profile test-cpu" {
		t.Errorf("tier %s, source %q", m.Tier(), m.Source())
	}
	a := f.mark(m)
	f.cpuUS += 4_000_000
	f.pass(m, 10*time.Second, 100*time.Millisecond)
	r := m.Between(a, f.mark(m))
	wantUJ(t, "5 kJ of the GPU, 26 J of the CPU", r, 5_026_000_000)
	if r.Tier != TierE || r.Measured() || r.Source != m.Source() || r.Boundary != m.Boundary() || !strings.HasPrefix(Format(r), "≈5.0 kJ E") {
		t.Errorf("%s %+v", Format(r), r)
	}
	g, c := r.Find("gpu"), r.Find("cpu")
	wantUJ(t, "gpu", g, 5_000_000_000)
	wantUJ(t, "cpu", c, 26_000_000)
	if g.Tier != TierB || !g.Measured() || c.Tier != TierE || c.Measured() {
		t.Errorf("%+v %+v", g, c)
	}
	if s := combine([]Reading{c, g}); s.Tier != TierE || s.Measured() { // in either order
		t.Errorf("%+v", s)
	}
}

func TestSumOfCounters(t *testing.T) {
	f := newFake().add(pkg0, dram0)
	m := f.open(t, newFakeNVML(f, h100(0, 500)).with())
	r := f.window(m, 10*time.Second)
	wantUJ(t, "543 W", r, 5_430_000_000)
	if r.Tier != TierB || !r.Measured() || r.Source != "rapl + nvml" || r.Source != m.Source() || r.Coverage != 1 ||
		r.Boundary != "CPU package and memory, all processes + 1 NVIDIA GPU, the whole card, all processes" {
		t.Errorf("%+v", r)
	}
	if len(r.Find("cpu").Parts) != 0 || r.Find("npu").UJ != nil {
		t.Errorf("%+v", r.Parts)
	}
}

// Windows add up exactly, whenever marks and samples fall.
func TestGPUWindowsAddUp(t *testing.T) {
	f := newFake().add(pkg0)
	m := f.open(t, newFakeNVML(f, h100(0, 333.3), h100(1, 77.7)).with())
	var marks []Mark
	for i := range 60 {
		f.advance(time.Duration(37+i*13%90) * time.Millisecond)
		if i%3 == 0 {
			f.sample(m)
		}
		marks = append(marks, m.Mark())
	}
	all := m.Between(marks[0], marks[59])
	for _, k := range []int{15, 30, 44} {
		x, y := m.Between(marks[0], marks[k]), m.Between(marks[k], marks[59])
		if *x.UJ+*y.UJ != *all.UJ {
			t.Errorf("%d + %d != %d", *x.UJ, *y.UJ, *all.UJ)
		}
		g, h, s := x.Find("gpu"), y.Find("gpu"), all.Find("gpu")
		if *g.UJ+*h.UJ != *s.UJ || *s.Parts[0].UJ+*s.Parts[1].UJ != *s.UJ {
			t.Errorf("parts: %+v", s)
		}
	}
}

// The counter moves every 100 ms: read more often it says 0 in between. A window
// below twice that is nil, not zero, and the band of a longer one holds the truth.
func TestNVMLCounterMovesEvery100ms(t *testing.T) {
	f := newFake()
	m := f.open(t, newFakeNVML(f, h100(0, 600)).with(), func(o *Options) { o.Period = 10 * time.Millisecond })
	if m.Shortest() != 200*time.Millisecond {
		t.Errorf("shortest %v", m.Shortest())
	}
	a := f.mark(m)
	f.pass(m, 90*time.Millisecond, 10*time.Millisecond)
	r := m.Between(a, f.mark(m))
	if r.UJ != nil || r.Tier != TierNone || !strings.Contains(r.Note, "too short for nvml: at least 200ms") {
		t.Errorf("%+v", r)
	}
	for i := range 40 { // 250 ms windows at all phases
		f.pass(m, time.Duration(7*i%100)*time.Millisecond+1, 10*time.Millisecond)
		a := f.mark(m)
		f.pass(m, 250*time.Millisecond, 10*time.Millisecond)
		g := m.Between(a, f.mark(m)).Find("gpu")
		if g.UJ == nil {
			t.Fatalf("%+v", g)
		}
		if off := float64(*g.UJ) - 150e6; off < -float64(*g.UJ)*g.Band/100 || off > float64(*g.UJ)*g.Band/100 {
			t.Errorf("%d µJ ±%.0f %%, truth 150 J", *g.UJ, g.Band)
		}
	}
}

// Sentinels, spikes above twice the card's limit, values that fall: rejected and
// counted, and the next good value makes up for them.
func TestNVMLImpossibleValues(t *testing.T) {
	for name, bad := range map[string]uint64{
		"sentinel": 1<<64 - 1, "32 bits": 1<<32 - 1, "does not fit": 1 << 63, "64 kW": 5_000_000_000 + 64_826*1000*5, "fell": 17, "zero": 0,
	} {
		f := newFake()
		c := h100(0, 500)
		m := f.open(t, newFakeNVML(f, c).with())
		a := f.mark(m)
		f.pass(m, 5*time.Second, 100*time.Millisecond)
		c.setEnergy(func(int64) (uint64, error) { return bad, nil })
		f.pass(m, 300*time.Millisecond, 100*time.Millisecond)
		c.setEnergy(nil)
		f.pass(m, 5*time.Second, 100*time.Millisecond)
		g := m.Between(a, f.mark(m)).Find("gpu")
		wantUJ(t, name, g, 5_150_000_000)
		if g.Rejected != 3 || g.Resets != 0 || g.Wraps != 0 || g.Coverage != 1 {
			t.Errorf("%s: %+v", name, g)
		}
	}
}

// The driver was loaded anew: the counter starts from 0. It never wraps, so that
// is no wrap: anchored anew, the gap is not covered.
func TestNVMLReset(t *testing.T) {
	f := newFake()
	c := h100(0, 500)
	m := f.open(t, newFakeNVML(f, c).with())
	a := f.mark(m)
	f.pass(m, 5*time.Second, 100*time.Millisecond)
	zero := f.now()
	c.setEnergy(func(t int64) (uint64, error) { return c.counter(t-zero) - c.start + 1, nil })
	f.pass(m, 5*time.Second, 100*time.Millisecond)
	g := m.Between(a, f.mark(m)).Find("gpu")
	if g.UJ == nil || *g.UJ < 4_700_000_000 || *g.UJ >= 5_000_000_000 || g.Resets != 1 || g.Wraps != 0 || g.Coverage > 0.98 || g.Coverage < 0.94 {
		t.Errorf("%+v", g)
	}
}

// A pause of hours (a laptop asleep) loses nothing: 64 bits do not go round.
func TestNVMLLongPause(t *testing.T) {
	f := newFake()
	m := f.open(t, newFakeNVML(f, h100(0, 100)).with())
	a := f.mark(m)
	f.advance(10 * time.Hour)
	g := m.Between(a, f.mark(m)).Find("gpu")
	wantUJ(t, "10 h", g, 100*36_000*1_000_000)
	if g.Resets != 0 || g.Coverage != 1 {
		t.Errorf("%+v", g)
	}
}

func TestNVMLStandsStill(t *testing.T) {
	// From the start (a virtual card): the rung below is taken, and said.
	f := newFake()
	c := h100(0, 300)
	c.step, c.power = -1, flicker(300_000)
	m := f.open(t, newFakeNVML(f, c).with())
	g := f.window(m, 10*time.Second).Find("gpu")
	if g.Tier != TierC || g.Source != sourceInstant || g.UJ == nil || *g.UJ < 2_999_000_000 || *g.UJ > 3_001_000_000 {
		t.Errorf("%+v", g)
	}
	if s := row(t, m, "nvml GPU 0"); s.Tier != TierC || !strings.Contains(s.Why, "the energy counter stands still at 5000000000 mJ") {
		t.Errorf("%+v", s)
	}
	// Mid-run: not zero joules.
	f = newFake()
	c = h100(0, 300)
	m = f.open(t, newFakeNVML(f, c).with())
	stood := c.counter(f.now())
	c.setEnergy(func(int64) (uint64, error) { return stood, nil })
	f.sample(m)
	a := m.Mark()
	f.pass(m, 8*time.Second, 100*time.Millisecond)
	g = m.Between(a, f.mark(m)).Find("gpu")
	if g.UJ != nil || g.Coverage != 0 || !strings.Contains(g.Note, "GPU 0 stands still for 8s") {
		t.Errorf("%+v", g)
	}
}

// The card falls off the bus: its joules until then stay, the CPU goes on, the
// coverage and the note say what is missing.
func TestGPULostMidRun(t *testing.T) {
	f := newFake().add(pkg0)
	c := h100(0, 500)
	m := f.open(t, newFakeNVML(f, c).with())
	a := f.mark(m)
	f.pass(m, 5*time.Second, 100*time.Millisecond)
	c.setEnergy(func(int64) (uint64, error) { return 0, nvml.GPULost })
	f.pass(m, 5*time.Second, 100*time.Millisecond)
	b := f.mark(m)
	r := m.Between(a, b)
	wantUJ(t, "CPU 10 s, GPU 5 s", r, 2_900_000_000)
	if r.Coverage < 0.49 || r.Coverage > 0.51 || !strings.Contains(r.Note, "gpu: GPU 0 the GPU is lost") {
		t.Errorf("%+v", r)
	}
	if s := row(t, m, "nvml GPU 0"); s.OK || !strings.Contains(s.Why, "the GPU is lost") {
		t.Errorf("%+v", s)
	}
	r = f.window(m, 5*time.Second)
	wantUJ(t, "the CPU alone", r, 200_000_000)
	if r.Coverage != 0 || r.Find("gpu").UJ != nil || r.Find("cpu").Coverage != 1 || !strings.HasSuffix(Format(r), "(0 % covered)") {
		t.Errorf("%s %+v", Format(r), r)
	}
	c.setEnergy(nil) // it comes back: nothing is lost, the counter went on
	wantUJ(t, "all 20 s", m.Between(a, func() Mark { f.pass(m, 5*time.Second, 100*time.Millisecond); return f.mark(m) }()), 540*20_000_000)
}

// A driver that hangs takes neither the CPU's figure nor the run with it. Time is that of the
// test's own clock.
func TestNVMLHangs(t *testing.T) { synctest.Test(t, nvmlHangs) }

func nvmlHangs(t *testing.T) {
	start := time.Now()
	f := newFake().add(pkg0)
	f.set("intel-rapl:0/energy_uj", func(int64) string { return itoa(pkg0.at(int64(time.Since(start)))) })
	c := h100(0, 500)
	n := newFakeNVML(f, c)
	c.energy = func(int64) (uint64, error) {
		return c.counter(int64(time.Since(start))) + uint64(time.Since(start)/1e6), nil
	}
	m, err := Open(Options{files: f, Profile: testProfile(), Period: 10 * time.Millisecond, nvml: func() (nvml.API, error) { return n, nil }})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	release := make(chan struct{})
	n.mu.Lock()
	n.hang = release
	n.mu.Unlock()
	time.Sleep(50 * time.Millisecond)
	a := m.Mark()
	time.Sleep(250 * time.Millisecond)
	b := m.Mark()
	begin := time.Now()
	r := m.Between(a, b)
	if d := time.Since(begin); d > 2*patience+10*time.Millisecond { // the CPU's next reading
		t.Errorf("Between took %v", d)
	}
	if c, g := r.Find("cpu"), r.Find("gpu"); c.UJ == nil || c.Coverage < 0.9 || g.UJ != nil || r.Coverage != 0 || !strings.Contains(r.Note, "gpu: ") {
		t.Errorf("%+v", r)
	}
	close(release)
	if err := m.Close(); err != nil || n.closed != 1 {
		t.Error(err, n.closed)
	}
}

func TestNVMLCannotBeOpened(t *testing.T) {
	f := newFake()
	n := newFakeNVML(f)
	n.err = nvml.NoDriver
	m := f.open(t, n.with())
	if s := row(t, m, "nvml"); s.OK || s.Fix == "" || !strings.Contains(s.Why, "driver is not loaded") {
		t.Errorf("%+v", s)
	}
	if m.Source() != "profile test-cpu" || len(m.parts) != 0 {
		t.Errorf("%s", m.Source())
	}
	// One card of two is broken: it keeps its number and is said to be missing.
	bad := h100(0, 1)
	bad.handle = nvml.GPULost
	m = f.open(t, newFakeNVML(f, bad, h100(1, 300)).with(visibleDevices, "0,1"))
	wantUJ(t, "the other card", f.window(m, time.Second).Find("gpu"), 300_000_000)
	if s := row(t, m, "nvml"); !strings.Contains(s.Why, "not measured: 1 of 2 cards") {
		t.Errorf("%+v", s)
	}
	if s := row(t, m, "nvml GPU 0"); s.OK || !strings.Contains(s.Why, "the GPU is lost") {
		t.Errorf("%+v", s)
	}
	if _, err := Open(Options{GPU: "rocm"}); err == nil || !strings.Contains(err.Error(), "use auto, none, nvml or nvidia-smi") {
		t.Error(err)
	}
	if err := errors.Join(n.err); oneLine(err) != n.err.Error() {
		t.Error(oneLine(err))
	}
}

func TestGPUsLeftOut(t *testing.T) {
	f := newFake().add(pkg0)
	m := f.open(t, newFakeNVML(f, h100(0, 500)).with(), func(o *Options) { o.GPU = GPUNone })
	r := f.window(m, 10*time.Second)
	wantUJ(t, "CPU", r, 400_000_000)
	if r.Parts != nil || r.Source != "rapl" {
		t.Errorf("%+v", r)
	}
	if s := row(t, m, "nvml"); s.OK || !strings.Contains(s.Why, "left out") {
		t.Errorf("%+v", s)
	}
}
