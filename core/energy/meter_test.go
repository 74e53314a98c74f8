package energy

import (
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestOpenOptions(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"source": {Options{Source: "nvml9"}, "use auto, rapl, load, profile or battery"},
		"period": {Options{Period: time.Millisecond}, "10 ms to 10 s"},
		"cap":    {Options{MaxWatts: -1}, "plausibility cap"},
	} {
		if _, err := Open(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProfileSource(t *testing.T) {
	f := newFake()
	m := f.open(t)
	a := m.Mark()
	f.advance(2 * time.Second)
	f.cpuUS += 3_000_000
	b := m.Mark()
	r := m.Between(a, b)
	wantUJ(t, "3 CPU s at 6.5 W", r, 19_500_000)
	if r.Tier != TierE || r.Measured() || m.Measured() || r.Band != 40 || r.Coverage != 1 || r.Source != "profile test-cpu" || r.WallUS != 2_000_000 {
		t.Errorf("%+v", r)
	}
	if r.Boundary != "CPU time of this process, watts of CPU package" {
		t.Errorf("boundary %q", r.Boundary)
	}
	if CPUMicros(a, b) != 3_000_000 || Wall(a, b) != 2*time.Second {
		t.Errorf("%d µs, %v", CPUMicros(a, b), Wall(a, b))
	}
	// 100 µs are enough, less is not.
	f.advance(shortest)
	f.cpuUS += 100
	c := m.Mark()
	wantUJ(t, "100 µs", m.Between(b, c), 650)
	f.advance(shortest - 1)
	if r := m.Between(c, m.Mark()); r.UJ != nil || !strings.Contains(r.Note, "too short") {
		t.Errorf("%+v", r)
	}
	// A window without CPU time is an honest zero of this model.
	f.advance(time.Second)
	wantUJ(t, "idle", m.Between(c, m.Mark()), 0)
}

func TestForcedProfileBesideACounter(t *testing.T) {
	f := newFake().add(pkg0)
	m := f.open(t, func(o *Options) { o.Source = SourceProfile })
	if m.Tier() != TierE || m.rapl != nil {
		t.Errorf("tier %s", m.Tier())
	}
	if s := row(t, m, "rapl"); !s.OK || s.Used || !strings.Contains(s.Why, "the profile was asked for") {
		t.Errorf("%+v", s)
	}
	if s := row(t, m, "rapl package-0"); !s.OK || s.Used {
		t.Errorf("%+v", s)
	}
}

func TestNoSourceIsNil(t *testing.T) {
	f := newFake()
	noCPU := func(o *Options) { o.CPU = func() (int64, bool) { return 0, false } }
	noBusy := func(o *Options) { o.Profile.BusyCoreW = nil }
	gpu := func(o *Options) { o.Profile.Kind = "gpu" }
	for name, change := range map[string]func(*Options){"CPU seconds": noCPU, "busy_core_w": noBusy, "no CPU": gpu} {
		m := f.open(t, change)
		a := m.Mark()
		f.advance(time.Second)
		r := m.Between(a, m.Mark())
		if r.UJ != nil || r.Tier != TierNone || m.Tier() != TierNone || m.Source() != "none" || !strings.Contains(r.Note, name) || Format(r) != "–" {
			t.Errorf("%s: %+v", name, r)
		}
		if s := row(t, m, "profile test-cpu"); s.OK || s.Used || !strings.Contains(s.Why, name) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestWindowTooShortForRAPL(t *testing.T) {
	f := newFake().add(pkg0)
	m := f.open(t)
	a := mark(m)
	f.advance(199 * time.Millisecond)
	r := m.Between(a, m.Mark())
	if r.UJ != nil || !strings.Contains(r.Note, "too short for RAPL: at least 200ms") {
		t.Errorf("%+v", r)
	}
	f.advance(time.Millisecond)
	wantUJ(t, "two periods", m.Between(a, m.Mark()), 8_000_000)
	if r := m.Between(m.Mark(), a); r.UJ != nil {
		t.Errorf("backwards: %+v", r)
	}
	if r := m.Between(Mark{}, m.Mark()); r.UJ != nil || !strings.Contains(r.Note, "not of this meter") {
		t.Errorf("empty mark: %+v", r)
	}
}

// An old mark does not keep the samples after it alive, and still resolves.
func TestOldMark(t *testing.T) {
	f := newFake().add(pkg0)
	m := f.open(t)
	f.run(m, time.Second, 100*time.Millisecond)
	f.advance(30 * time.Millisecond)
	a := m.Mark()
	f.advance(70 * time.Millisecond)
	f.run(m, time.Hour, 100*time.Millisecond)
	wantUJ(t, "an hour", m.Between(a, mark(m)), 40*(3600_000_000+70_000))
}

// Windows add up exactly and the truth lies within the band, whatever the power
// does and whenever samples and marks fall.
func TestBetweenProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFake().add(pkg0)
		// Power changes at random moments: a table of cumulative energy.
		type step struct {
			at int64
			uj float64
			w  float64
		}
		var steps []step
		at, uj := int64(0), 0.0
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			w := rapid.Float64Range(1, 900).Draw(t, "watts")
			steps = append(steps, step{at, uj, w})
			d := rapid.Int64Range(1e6, 700e6).Draw(t, "ns")
			at, uj = at+d, uj+w*float64(d)/1000
		}
		truth := func(t int64) float64 {
			s := steps[0]
			for _, x := range steps {
				if x.at <= t {
					s = x
				}
			}
			return s.uj + s.w*float64(t-s.at)/1000
		}
		f.set("intel-rapl:0/energy_uj", func(t int64) string { return itoa(uint64(truth(t))) })
		profile := rapid.Bool().Draw(t, "profile")
		o := f.options()
		if profile {
			o.Source = SourceProfile
		}
		m, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = m.Close() }()
		var marks []Mark
		for range rapid.IntRange(3, 40).Draw(t, "actions") {
			f.advance(time.Duration(rapid.Int64Range(1, 300e6).Draw(t, "advance")))
			f.cpuUS += rapid.Int64Range(0, 1e6).Draw(t, "cpu")
			if rapid.Bool().Draw(t, "mark") {
				marks = append(marks, m.Mark())
			} else if !profile {
				m.rapl.sample()
			}
		}
		for i := range marks {
			for j := i + 1; j < len(marks); j++ {
				r := m.Between(marks[i], marks[j])
				if r.UJ == nil {
					continue
				}
				if !profile {
					want := truth(marks[j].at) - truth(marks[i].at)
					if off := math.Abs(float64(*r.UJ) - want); off > float64(*r.UJ)*r.Band/100+3 {
						t.Fatalf("%d µJ ±%g %%, truth %g", *r.UJ, r.Band, want)
					}
					if r.Coverage < 0.999 {
						t.Fatalf("coverage %g", r.Coverage)
					}
				}
				for k := j + 1; k < len(marks); k++ {
					s, all := m.Between(marks[j], marks[k]), m.Between(marks[i], marks[k])
					if s.UJ == nil || all.UJ == nil {
						continue
					}
					if *r.UJ+*s.UJ != *all.UJ {
						t.Fatalf("%d + %d != %d µJ", *r.UJ, *s.UJ, *all.UJ)
					}
				}
			}
		}
	})
}

func itoa(v uint64) string {
	b := []byte{'\n'}
	for {
		b = append([]byte{byte('0' + v%10)}, b...)
		if v /= 10; v == 0 {
			return string(b)
		}
	}
}

// Reading ever slower stretches the period, but never beyond what wraps allow.
func TestSamplerAdapts(t *testing.T) {
	f := newFake().add(pkg0)
	m := f.open(t)
	period := func() time.Duration { return time.Duration(m.rapl.period.Load()) }
	for _, c := range []struct{ cost, want time.Duration }{
		{20 * time.Microsecond, 100 * time.Millisecond},
		{300 * time.Microsecond, 300 * time.Millisecond},
		{time.Second, time.Second},
		{50 * time.Microsecond, 100 * time.Millisecond},
	} {
		was := period()
		f.cost = int64(c.cost)
		for range len(m.rapl.costs) {
			f.advance(100 * time.Millisecond)
			m.rapl.sample()
			if p := period(); p != was && p != c.want {
				t.Errorf("reading takes %v: period %v on the way", c.cost, p)
			}
		}
		if period() != c.want {
			t.Errorf("reading takes %v: period %v, want %v", c.cost, period(), c.want)
		}
	}
	// One reading that was held up changes nothing.
	f.cost = int64(40 * time.Millisecond)
	f.advance(100 * time.Millisecond)
	m.rapl.sample()
	if period() != 100*time.Millisecond {
		t.Errorf("period %v after one slow reading", period())
	}
	// A counter that wraps every second at 1000 W must be read twice as often.
	f = newFake().add(rz{dir: "intel-rapl:0", name: "package-0", max: 1_000_000_000, watts: 300})
	m = f.open(t, func(o *Options) { o.Period = 2 * time.Second })
	if period() != 500*time.Millisecond {
		t.Errorf("period %v, want half the wrap time", period())
	}
}

// The real thing: one goroutine, a clock that goes by itself (the test's own, so that a busy
// machine holds nothing up), marks from several goroutines; nothing is left behind after Close.
func TestSamplerGoroutine(t *testing.T) { synctest.Test(t, samplerGoroutine) }

func samplerGoroutine(t *testing.T) {
	before := samplers()
	start := time.Now()
	f := newFake().add(pkg0, dram0)
	live := func(z rz) func(int64) string {
		return func(int64) string { return itoa(z.at(int64(time.Since(start)))) }
	}
	f.set("intel-rapl:0/energy_uj", live(pkg0))
	f.set("intel-rapl:0:2/energy_uj", live(dram0))
	m, err := Open(Options{files: f, Profile: testProfile(), Period: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if n := samplers(); n != before+1 {
		t.Errorf("%d goroutines for the meter, want 1", n-before)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			a := m.Mark()
			time.Sleep(150 * time.Millisecond)
			b := m.Mark()
			wantUJ(t, "150 ms", m.Between(a, b), 43*150_000)
			m.Sources()
		})
	}
	wg.Wait()
	a := m.Mark()
	time.Sleep(120 * time.Millisecond)
	b := m.Mark()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if r := m.Between(a, b); r.UJ == nil || r.Coverage < 0.99 {
		t.Errorf("a window that was open at Close: %+v", r)
	}
	if err := m.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	time.Sleep(20 * time.Millisecond)
	if r := m.Between(b, m.Mark()); r.UJ != nil && r.Coverage > 0.9 {
		t.Errorf("after Close nothing is read: %+v", r)
	}
	if n := samplers(); n != before {
		t.Errorf("%d goroutines for the meter after Close", n-before)
	}
}

// samplers counts the goroutines of this package that outlive a call.
func samplers() int {
	buf := make([]byte, 1<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), "created by pare/core/energy.startSampler")
}

// A mark made while the counters are being read is resolved by the reading after.
func TestMarkDuringReading(t *testing.T) {
	f := newFake().add(pkg0)
	m := f.open(t)
	a := mark(m)
	f.run(m, time.Second, 100*time.Millisecond)
	var b Mark
	f.advance(100 * time.Millisecond)
	f.set("intel-rapl:0/energy_uj", func(t int64) string {
		v := itoa(pkg0.at(t + int64(10*time.Millisecond))) // read in the middle of 20 ms
		f.advance(20 * time.Millisecond)
		b = m.Mark()
		return v
	})
	m.rapl.sample()
	f.set("intel-rapl:0/energy_uj", func(t int64) string { return itoa(pkg0.at(t)) })
	if b.at <= m.rapl.latest.Load().at || b.snaps[0] == m.rapl.latest.Load() {
		t.Fatal("the mark does not lie between the reading and its publication")
	}
	f.run(m, time.Second, 100*time.Millisecond)
	c := mark(m)
	r := m.Between(a, b)
	wantUJ(t, "until the mark", r, 40*1_120_000)
	if r.Coverage != 1 {
		t.Errorf("%+v", r)
	}
	wantUJ(t, "from the mark", m.Between(b, c), 40*1_000_000)
}

// hanging blocks in read from a given moment on.
type hanging struct {
	*fake
	mu    sync.Mutex
	until chan struct{}
	hangs atomic.Bool // a read does
}

func (h *hanging) read(p string, buf []byte) (int, error) {
	h.mu.Lock()
	c := h.until
	h.mu.Unlock()
	if c != nil {
		h.hangs.Store(true)
		<-c
	}
	return h.fake.read(p, buf)
}

// A source that hangs costs the caller at most its patience at either end of a window, and says
// so. Time is that of the test's own clock.
func TestSourceHangs(t *testing.T) { synctest.Test(t, sourceHangs) }

func sourceHangs(t *testing.T) {
	start := time.Now()
	h := &hanging{fake: newFake().add(pkg0)}
	h.set("intel-rapl:0/energy_uj", func(int64) string { return itoa(pkg0.at(int64(time.Since(start)))) })
	m, err := Open(Options{files: h, Profile: testProfile(), Period: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(30 * time.Millisecond)
	h.mu.Lock()
	h.until = make(chan struct{})
	h.mu.Unlock()
	soon(t, "a reading that hangs", h.hangs.Load)
	a := m.Mark()
	time.Sleep(40 * time.Millisecond)
	begin := time.Now()
	r := m.Between(a, m.Mark())
	if d := time.Since(begin); d > 2*patience {
		t.Errorf("Between took %v", d)
	}
	if r.UJ != nil || r.Note == "" {
		t.Errorf("%+v", r)
	}
	close(h.until)
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// The CPU clock of this system goes forward with work.
func TestCPUMicros(t *testing.T) {
	a, ok := cpuMicros()
	if !ok {
		t.Skip("not available on " + runtime.GOOS)
	}
	begin := time.Now()
	d := work(t, 30_000)
	if most := int64(runtime.NumCPU()) * (time.Since(begin).Microseconds() + 100_000); d > most { // some systems count in ticks
		t.Errorf("%d µs of CPU time, this machine has had %d", d, most)
	}
	if b, _ := cpuMicros(); b < a+d {
		t.Errorf("it has gone back, from %d to %d µs", a+d, b)
	}
}

// work computes until this process has had so many µs of CPU time, and returns what it has had:
// nothing where the system does not tell.
func work(t *testing.T, us int64) (had int64) {
	t.Helper()
	a, ok := cpuMicros()
	if !ok {
		return 0
	}
	soon(t, "CPU time", func() bool {
		x := 1.0
		for start := time.Now(); time.Since(start) < time.Millisecond; {
			x = math.Sqrt(x + 1)
		}
		b, _ := cpuMicros()
		had = b - a
		return had >= us && x > 0
	})
	return had
}

// This machine, whatever it has: a meter opens, names its source, and a reading
// without a counter is never called measured.
func TestThisMachine(t *testing.T) {
	m, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	a := m.Mark()
	for start := time.Now(); time.Since(start) < 250*time.Millisecond; {
		work(t, 10_000)
	}
	r := m.Between(a, m.Mark())
	t.Logf("source %s: %s; %d sources", m.Source(), Format(r), len(m.Sources()))
	if r.UJ == nil {
		t.Skipf("no source here: %s", r.Note)
	}
	if *r.UJ <= 0 || r.Measured() != strings.Contains("ABC", string(r.Tier)) || (r.Tier == TierE && r.Band <= 0) {
		t.Errorf("%+v", r)
	}
}

func BenchmarkMark(b *testing.B) {
	for _, c := range []struct{ name, source string }{{"profile", SourceProfile}, {"rapl", SourceRAPL}} {
		b.Run(c.name, func(b *testing.B) {
			f := newFake().add(pkg0, dram0)
			o := Options{files: f, sleep: f.advance, Profile: testProfile(), Source: c.source, manual: true}
			m, err := Open(o)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				m.Mark()
			}
		})
	}
}

// BenchmarkSample reads four zones from real files and reports what that costs
// at ten times a second, in % of one core.
func BenchmarkSample(b *testing.B) {
	root := b.TempDir()
	writeTree(b, root, pkg0, dram0, pkg1, dram1)
	zones, err := findZones(osFiles{}, root)
	if err != nil || len(zones) != 4 {
		b.Fatal(len(zones), err)
	}
	start := time.Now()
	o := Options{
		files: osFiles{}, now: func() int64 { return int64(time.Since(start)) }, Period: 100 * time.Millisecond,
		MaxWatts: 1000, Stale: time.Second, manual: true,
	}
	inputs, boundary := raplInputs(o, zones, 0)
	s := startSampler(o, boundary, inputs)
	b.ReportAllocs()
	for b.Loop() {
		s.sample()
	}
	perRead := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
	b.ReportMetric(perRead*10/1e9*100, "%core@10Hz")
}
