package energy

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

var (
	pkg0  = rz{dir: "intel-rapl:0", name: "package-0", max: 262_143_328_850, start: 1000, watts: 40}
	core0 = rz{dir: "intel-rapl:0:0", name: "core", max: 262_143_328_850, watts: 30}
	unc0  = rz{dir: "intel-rapl:0:1", name: "uncore", max: 262_143_328_850, watts: 5}
	dram0 = rz{dir: "intel-rapl:0:2", name: "dram", max: amdRange, start: 7, watts: 3}
	pkg1  = rz{dir: "intel-rapl:1", name: "package-1", max: 262_143_328_850, start: 99, watts: 50}
	dram1 = rz{dir: "intel-rapl:1:0", name: "dram", max: amdRange, watts: 4}
	psys  = rz{dir: "intel-rapl:2", name: "psys", max: 262_143_328_850, watts: 100}
	mmio0 = rz{dir: "intel-rapl-mmio:0", name: "package-0", max: 262_143_328_850, start: 5, watts: 40}
)

// tenSeconds measures 10 s of the fake and returns the reading.
func tenSeconds(t testing.TB, f *fake, m *Meter) Reading {
	t.Helper()
	a := mark(m)
	f.run(m, 10*time.Second, 100*time.Millisecond)
	return m.Between(a, mark(m))
}

func TestRAPLWhichZonesCount(t *testing.T) {
	for _, c := range []struct {
		name     string
		zones    []rz
		watts    float64
		boundary string
	}{
		{"one package", []rz{pkg0}, 40, "CPU package, all processes"},
		{"parts and platform are not added", []rz{pkg0, core0, unc0, psys}, 40, "CPU package, all processes"},
		{"codecarbon PR #950, a Core Ultra 7 265H", []rz{
			{dir: "intel-rapl:0", name: "package-0", max: 262_143_328_850, start: 1, watts: 3.78},
			{dir: "intel-rapl:0:0", name: "core", max: 262_143_328_850, start: 2, watts: 0.84},
			{dir: "intel-rapl:0:1", name: "uncore", max: 262_143_328_850, start: 3, watts: 0.21},
			{dir: "intel-rapl:1", name: "psys", max: 262_143_328_850, start: 4, watts: 9.61},
			{dir: "intel-rapl-mmio:0", name: "package-0", max: 262_143_328_850, start: 5, watts: 3.78},
		}, 3.78, "CPU package, all processes"}, // not 14.44 W, nor 18.22
		{"memory is added", []rz{pkg0, core0, dram0}, 43, "CPU package and memory, all processes"},
		{"two packages with memory", []rz{pkg0, dram0, pkg1, dram1, psys}, 97, "2 CPU packages and memory, all processes"},
		{"the twin in memory-mapped registers counts once", []rz{pkg0, mmio0}, 40, "CPU package, all processes"},
		{"only the twin is there", []rz{mmio0}, 40, "CPU package, all processes"},
		{"dies", []rz{
			{dir: "intel-rapl:0", name: "package-0-die-0", max: amdRange, start: 1, watts: 20},
			{dir: "intel-rapl:1", name: "package-0-die-1", max: amdRange, start: 2, watts: 25},
			{dir: "intel-rapl:2", name: "package-1-die-0", max: amdRange, start: 3, watts: 30},
		}, 75, "3 CPU packages, all processes"},
		{"mirrored dies count once", []rz{
			{dir: "intel-rapl:0", name: "package-0-die-0", max: amdRange, start: 500, watts: 60},
			{dir: "intel-rapl:1", name: "package-0-die-1", max: amdRange, start: 500, watts: 60},
		}, 60, "CPU package, all processes"},
		{"nested folders", []rz{
			{dir: "intel-rapl/intel-rapl:0", name: "package-0", max: amdRange, watts: 40},
			{dir: "intel-rapl/intel-rapl:0/intel-rapl:0:0", name: "core", max: amdRange, watts: 30},
			{dir: "intel-rapl/intel-rapl:0/intel-rapl:0:1", name: "dram", max: amdRange, watts: 2},
		}, 42, "CPU package and memory, all processes"},
		{"flat and nested views of the same zones", []rz{
			pkg0, dram0,
			{dir: "intel-rapl:0/intel-rapl:0:2", name: "dram", max: amdRange, start: 7, watts: 3},
			{dir: "intel-rapl/intel-rapl:0", name: "package-0", max: 262_143_328_850, start: 1000, watts: 40},
		}, 43, "CPU package and memory, all processes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake().add(c.zones...)
			m := f.open(t)
			r := tenSeconds(t, f, m)
			wantUJ(t, "10 s", r, int64(c.watts*10_000_000))
			memory := int64(0)
			for _, z := range c.zones {
				if strings.Contains(c.boundary, "and memory") && z.name == "dram" && !strings.Contains(z.dir, "intel-rapl:0/intel-rapl:0:2") {
					memory += int64(z.watts * 10_000_000)
				}
			}
			if by := r.Apart(); by.CPU == nil || by.GPU != nil || (by.Memory != nil) != (memory > 0) || *by.CPU != *r.UJ-memory || memory > 0 && *by.Memory != memory {
				t.Errorf("apart %+v of %d µJ, want %d of memory", by, *r.UJ, memory)
			}
			if r.Tier != TierB || !r.Measured() || r.Source != "rapl" || r.Boundary != c.boundary || r.Coverage != 1 || r.Band != 0 {
				t.Errorf("%+v", r)
			}
			if s := row(t, m, "rapl"); !s.OK || !s.Used || s.Why != "" {
				t.Errorf("%+v", s)
			}
			if strings.HasPrefix(c.name, "flat") && row(t, m, "rapl dram").Path != fakeRoot+"/intel-rapl:0:2/energy_uj" {
				t.Errorf("the path people know: %+v", row(t, m, "rapl dram"))
			}
		})
	}
}

// zeus#146, scaphandre#351: in a container the zones lie where they were mounted. What
// the fix says to do is what works.
func TestRAPLInAContainer(t *testing.T) {
	f := newFake()
	if s := row(t, f.open(t), "rapl"); !strings.Contains(s.Fix, "-v /sys/devices/virtual/powercap:/powercap:ro -e PARE_RAPL=/powercap") {
		t.Errorf("%+v", s)
	}
	const d = "/powercap/intel-rapl/intel-rapl:0/"
	f.tree(d+"name", "package-0", d+"max_energy_range_uj", "262143328850")
	f.files[d+"energy_uj"] = &file{text: func(t int64) string { return itoa(pkg0.at(t)) }}
	m := f.open(t, func(o *Options) { o.env = environ("PARE_RAPL", "/powercap") })
	wantUJ(t, "10 s", tenSeconds(t, f, m), 400_000_000)
	if s := row(t, m, "rapl package-0"); s.Path != d+"energy_uj" {
		t.Errorf("%+v", s)
	}
}

// TestRAPLSaysItsValue: doctor has a value, its range and how often it moves of a counter
// that was watched, and none of one that cannot be read.
func TestRAPLSaysItsValue(t *testing.T) {
	f := newFake().add(pkg0)
	if s := row(t, f.open(t), "rapl package-0"); !strings.HasSuffix(s.Value, " kJ of 262.1") || s.Every == "" {
		t.Errorf("%+v", s)
	}
	f = newFake().add(pkg0)
	f.files[fakeRoot+"/intel-rapl:0/energy_uj"].err = fs.ErrPermission
	if s := row(t, f.open(t), "rapl package-0"); s.Value != "" || s.Every != "" {
		t.Errorf("%+v", s)
	}
}

// TestSourcesThatAreNotThere: doctor names every kind of source that was looked for.
func TestSourcesThatAreNotThere(t *testing.T) {
	m := newFake().open(t)
	for _, name := range []string{"wall meter", "rails", "battery", "nvml", "nvidia-smi", "hwmon", "rapl"} {
		if s := row(t, m, name); s.OK || s.Used || s.Why == "" {
			t.Errorf("%+v", s)
		}
	}
}

func TestRAPLSaysWhatIsNotAdded(t *testing.T) {
	f := newFake().add(pkg0, core0, psys, mmio0, rz{dir: "intel-rapl:7", name: "mystery", watts: 1})
	m := f.open(t)
	for name, want := range map[string]string{
		"rapl core":    "part of its package",
		"rapl psys":    "contains the packages",
		"rapl mystery": "not a zone we know",
	} {
		if s := row(t, m, name); s.Used || s.OK || !strings.Contains(s.Why, want) {
			t.Errorf("%+v, want …%s…", s, want)
		}
	}
	twins := 0
	for _, s := range m.Sources() {
		if s.Name == "rapl package-0" && strings.Contains(s.Path, "mmio") {
			twins++
			if s.Used || !strings.Contains(s.Why, "same counter as "+fakeRoot+"/intel-rapl:0, counted once") {
				t.Errorf("%+v", s)
			}
		}
	}
	if twins != 1 {
		t.Errorf("%d rows for the twin", twins)
	}
}

// A counter is off by nothing over a day of wraps, at whatever moments it is
// read, as long as it is read before it can go round.
func TestRAPLWrapsOverADay(t *testing.T) {
	// One wrap every 3 minutes: 65.5 kJ at 364 W.
	z := rz{dir: "intel-rapl:0", name: "package-0", max: amdRange, start: amdRange - 10, watts: float64(amdRange) / 180e6}
	f := newFake().add(z)
	m := f.open(t)
	rng := rand.New(rand.NewPCG(1, 2))
	a := mark(m)
	t0 := f.now()
	const day = 24 * time.Hour
	for f.now()-t0 < int64(day) {
		f.run(m, min(time.Duration(rng.Int64N(int64(30*time.Second))+1), day-time.Duration(f.now()-t0)), time.Hour)
	}
	b := mark(m)
	r := m.Between(a, b)
	wantUJ(t, "a day", r, int64(z.energy(b.at)-z.energy(a.at)))
	if r.Wraps != 480 && r.Wraps != 481 {
		t.Errorf("%d wraps, want 480", r.Wraps)
	}
	if r.Coverage != 1 || r.Rejected != 0 || r.Resets != 0 {
		t.Errorf("%+v", r)
	}
}

func TestRAPLOneWrap(t *testing.T) {
	z := rz{dir: "intel-rapl:0", name: "package-0", max: amdRange, start: amdRange - 100_000_000, watts: 40}
	f := newFake().add(z)
	m := f.open(t)
	r := tenSeconds(t, f, m)
	wantUJ(t, "across a wrap", r, 400_000_000)
	if r.Wraps != 1 || r.Rejected != 0 {
		t.Errorf("%+v", r)
	}
}

// A stretch in which the counter may have gone round unseen is not guessed.
func TestRAPLPauseLongerThanAWrap(t *testing.T) {
	f := newFake().add(rz{dir: "intel-rapl:0", name: "package-0", max: amdRange, watts: 364})
	m := f.open(t)
	a := mark(m)
	f.run(m, 10*time.Second, 100*time.Millisecond)
	f.advance(10 * time.Minute) // the process was stopped: three wraps nobody saw
	r := m.Between(a, mark(m))
	wantUJ(t, "the part that was watched", r, 3_640_000_000)
	if r.Resets != 1 || r.Coverage > 0.017 || r.Coverage < 0.015 {
		t.Errorf("%+v", r)
	}
	b := mark(m)
	f.run(m, 10*time.Second, 100*time.Millisecond)
	wantUJ(t, "afterwards", m.Between(b, mark(m)), 3_640_000_000)
}

func TestRAPLPermissionDenied(t *testing.T) {
	f := newFake().add(pkg0, core0)
	f.fail("intel-rapl:0/energy_uj", fs.ErrPermission)
	m := f.open(t)
	if m.Tier() != TierE || m.Measured() || m.Source() != "profile test-cpu" {
		t.Errorf("source %s, tier %s", m.Source(), m.Tier())
	}
	for _, name := range []string{"rapl", "rapl package-0"} {
		s := row(t, m, name)
		if s.OK || s.Used || !strings.Contains(s.Why, "permission denied") ||
			!strings.Contains(s.Fix, "sudo chmod a+r "+fakeRoot+"/intel-rapl:0/energy_uj  ") ||
			!strings.Contains(s.Fix, `RUN+="/bin/chmod a+r /sys%p/energy_uj"`) {
			t.Errorf("%+v", s)
		}
	}
	if s := row(t, m, "rapl package-0"); s.Mode != "0400" || s.Path != fakeRoot+"/intel-rapl:0/energy_uj" {
		t.Errorf("%+v", s)
	}
	if s := row(t, m, "profile test-cpu"); !s.OK || !s.Used || s.Tier != TierE {
		t.Errorf("%+v", s)
	}
	o := f.options()
	o.Source = SourceRAPL
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "chmod") {
		t.Errorf("RAPL was asked for: %v", err)
	}
}

// Memory readable, package not: memory alone is no figure.
func TestRAPLPackageDeniedMemoryReadable(t *testing.T) {
	f := newFake().add(pkg0, dram0)
	f.fail("intel-rapl:0/energy_uj", fs.ErrPermission)
	m := f.open(t)
	if m.Tier() != TierE {
		t.Errorf("tier %s", m.Tier())
	}
	if s := row(t, m, "rapl dram"); s.OK || !strings.Contains(s.Why, "memory alone") {
		t.Errorf("%+v", s)
	}
}

func TestRAPLPartlyDenied(t *testing.T) {
	f := newFake().add(pkg0, dram0)
	f.fail("intel-rapl:0:2/energy_uj", fs.ErrPermission)
	m := f.open(t)
	wantUJ(t, "package only", tenSeconds(t, f, m), 400_000_000)
	if s := row(t, m, "rapl"); !s.Used || !strings.Contains(s.Why, "not counted: package-0/dram") || s.Fix == "" {
		t.Errorf("%+v", s)
	}
}

func TestRAPLNoneAndStandingStill(t *testing.T) {
	f := newFake()
	m := f.open(t)
	if s := row(t, m, "rapl"); s.OK || !strings.Contains(s.Why, "does not exist") {
		t.Errorf("%+v", s)
	}
	f = newFake().add(rz{dir: "dtpm", name: "x"})
	m = f.open(t)
	if s := row(t, m, "rapl"); s.OK || !strings.Contains(s.Why, "holds no RAPL zone") || s.Fix == "" {
		t.Errorf("%+v", s)
	}
	f = newFake().add(rz{dir: "intel-rapl:0", name: "package-0", max: amdRange, start: 77})
	m = f.open(t)
	if s := row(t, m, "rapl"); s.OK || !strings.Contains(s.Why, "stands still at 77") {
		t.Errorf("%+v", s)
	}
	if m.Tier() != TierE {
		t.Errorf("tier %s", m.Tier())
	}
	f = newFake().add(psys)
	m = f.open(t)
	if s := row(t, m, "rapl"); s.OK || !strings.Contains(s.Why, "no package counter") {
		t.Errorf("%+v", s)
	}
	// The registers are frozen, the memory-mapped twin moves: take the twin.
	f = newFake().add(rz{dir: "intel-rapl:0", name: "package-0", max: amdRange}, mmio0)
	m = f.open(t)
	wantUJ(t, "twin", tenSeconds(t, f, m), 400_000_000)
}

func TestRAPLGarbageAtOpen(t *testing.T) {
	for _, text := range []string{"", "\n", "-5\n", "12 34\n", "1e6\n", "0x10\n", "999999999999999999999999\n", strings.Repeat("7", 200)} {
		f := newFake().add(pkg0)
		f.say("intel-rapl:0/energy_uj", text)
		m := f.open(t)
		if s := row(t, m, "rapl"); m.Tier() != TierE || s.OK || s.Why == "" {
			t.Errorf("%q: %+v", text, s)
		}
	}
	f := newFake().add(pkg0, pkg1)
	f.say("intel-rapl:0/name", "\x01\x02\n")
	m := f.open(t)
	wantUJ(t, "the zone without a name is left out", tenSeconds(t, f, m), 500_000_000)
	if s := row(t, m, "rapl intel-rapl:0"); s.OK || !strings.Contains(s.Why, "no zone name") {
		t.Errorf("%+v", s)
	}
}

func TestRAPLUnreadableRange(t *testing.T) {
	z := rz{dir: "intel-rapl:0", name: "package-0", max: amdRange, start: amdRange - 200_000_000, watts: 40}
	f := newFake().add(z)
	f.fail("intel-rapl:0/max_energy_range_uj", fs.ErrPermission)
	m := f.open(t)
	if s := row(t, m, "rapl package-0"); !s.Used || !strings.Contains(s.Why, "max_energy_range_uj is unreadable") {
		t.Errorf("%+v", s)
	}
	// 5 s before the wrap, 5 s after it; what lies around it is lost and said so.
	r := tenSeconds(t, f, m)
	if r.UJ == nil || *r.UJ >= 400_000_000 || *r.UJ < 380_000_000 || r.Resets != 1 || r.Wraps != 0 || r.Coverage >= 0.98 || r.Coverage < 0.95 {
		t.Errorf("%+v", r)
	}
}

func TestRAPLStale(t *testing.T) {
	f := newFake().add(pkg0, dram0)
	m := f.open(t)
	f.run(m, time.Second, 100*time.Millisecond)
	frozen := fmt.Sprintln(pkg0.at(f.now()))
	stuckAt := f.now()
	f.say("intel-rapl:0/energy_uj", frozen)
	f.say("intel-rapl:0:2/energy_uj", fmt.Sprintln(dram0.at(f.now())))
	m.rapl.sample()
	a := m.Mark()
	f.run(m, 8*time.Second, 100*time.Millisecond)
	r := m.Between(a, mark(m))
	if r.UJ != nil || r.Coverage != 0 || r.Tier != TierNone || !strings.Contains(r.Note, "package-0 stands still for 8s") {
		t.Errorf("a frozen counter is not zero joules: %+v", r)
	}
	if s := row(t, m, "rapl package-0"); !strings.Contains(s.Why, "stands still for 8s") {
		t.Errorf("%+v", s)
	}
	// It goes on from where it stood.
	stood := f.now() - stuckAt
	f.set("intel-rapl:0/energy_uj", func(t int64) string { return fmt.Sprintln(pkg0.at(t - stood)) })
	f.set("intel-rapl:0:2/energy_uj", func(t int64) string { return fmt.Sprintln(dram0.at(t - stood)) })
	f.run(m, 200*time.Millisecond, 100*time.Millisecond)
	r = tenSeconds(t, f, m)
	wantUJ(t, "moving again", r, 430_000_000)
	if r.Coverage != 1 || row(t, m, "rapl").Why != "" {
		t.Errorf("%+v %+v", r, row(t, m, "rapl"))
	}
}

func TestRAPLVanishesMidRun(t *testing.T) {
	f := newFake().add(pkg0, dram0)
	m := f.open(t)
	a := mark(m)
	f.run(m, 5*time.Second, 100*time.Millisecond)
	f.remove("intel-rapl:0:2")
	f.run(m, 5*time.Second, 100*time.Millisecond)
	r := m.Between(a, mark(m))
	wantUJ(t, "package 10 s, memory 5 s", r, 415_000_000)
	if r.Coverage < 0.74 || r.Coverage > 0.76 || !strings.Contains(r.Note, "dram vanished") {
		t.Errorf("%+v", r)
	}
	if s := row(t, m, "rapl dram"); s.OK || !strings.Contains(s.Why, "vanished") {
		t.Errorf("%+v", s)
	}
	f.fail("intel-rapl:0/energy_uj", fs.ErrPermission)
	b := mark(m)
	f.run(m, 5*time.Second, 100*time.Millisecond)
	r = m.Between(b, mark(m))
	if r.UJ != nil || !strings.Contains(r.Note, "became unreadable") {
		t.Errorf("everything is gone: %+v", r)
	}
	// The estimate is still there for who asks for it, with its own tier.
	if e := m.Estimate(b, m.Mark()); e.UJ == nil || e.Tier != TierE {
		t.Errorf("%+v", e)
	}
}

// A zone that comes back in time loses nothing: the counter went on.
func TestRAPLComesBack(t *testing.T) {
	f := newFake().add(pkg0)
	m := f.open(t)
	a := mark(m)
	f.run(m, time.Second, 100*time.Millisecond)
	f.fail("intel-rapl:0/energy_uj", errors.New("input/output error"))
	f.run(m, 2*time.Second, 100*time.Millisecond)
	gap := mark(m)
	f.run(m, time.Second, 100*time.Millisecond)
	if s := row(t, m, "rapl package-0"); s.OK || !strings.Contains(s.Why, "input/output error") {
		t.Errorf("%+v", s)
	}
	f.fail("intel-rapl:0/energy_uj", nil)
	f.run(m, time.Second, 100*time.Millisecond)
	b := mark(m)
	r := m.Between(a, b)
	wantUJ(t, "5 s", r, 200_000_000)
	if r.Coverage != 1 || r.Band != 0 || r.Note != "" {
		t.Errorf("%+v", r)
	}
	// A window that begins in the gap does not take the joules of before along: they
	// are laid on a line, and the band says that nobody saw when they were spent.
	head, tail := m.Between(a, gap), m.Between(gap, b)
	wantUJ(t, "until a moment in the gap", head, 120_000_000)
	wantUJ(t, "from it", tail, 80_000_000)
	if tail.Band < 80 || tail.Band > 130 || tail.Coverage != 1 {
		t.Errorf("%s %+v", Format(tail), tail)
	}
}

// The memory's counter alone is away for a while; the package's goes on.
func TestRAPLOneOfTwoComesBack(t *testing.T) {
	f := newFake().add(pkg0, dram0)
	m := f.open(t)
	a := mark(m)
	f.run(m, time.Second, 100*time.Millisecond)
	f.fail("intel-rapl:0:2/energy_uj", errors.New("input/output error"))
	f.run(m, 2*time.Second, 100*time.Millisecond)
	gap := mark(m)
	wantUJ(t, "while it is away", m.Between(a, gap), 3*40_000_000+3_000_000)
	f.run(m, 2*time.Second, 100*time.Millisecond)
	f.fail("intel-rapl:0:2/energy_uj", nil)
	f.run(m, time.Second, 100*time.Millisecond)
	b := mark(m)
	for what, c := range map[string]struct {
		from, to Mark
		s        int64
	}{"before": {a, gap, 3}, "after": {gap, b, 3}, "all": {a, b, 6}} {
		r := m.Between(c.from, c.to)
		wantUJ(t, what, r, c.s*43_000_000)
		if r.Coverage != 1 {
			t.Errorf("%s: %+v", what, r)
		}
	}
}

// The same on real files.
func TestRAPLRealFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("folder names with colons")
	}
	root := t.TempDir()
	dir := filepath.Join(root, "intel-rapl:0")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("name", "package-0\n")
	write("max_energy_range_uj", "262143328850\n")
	v := 0
	now := int64(0)
	step := func(d time.Duration) {
		now += int64(d)
		v += int(d.Microseconds()) * 20
		write("energy_uj", fmt.Sprintln(v))
	}
	step(time.Second)
	m, err := Open(Options{Root: root, Source: SourceRAPL, Profile: testProfile(), sleep: step, now: func() int64 { return now }, manual: true})
	if err != nil {
		t.Fatal(err)
	}
	step(time.Second)
	a := mark(m)
	step(2 * time.Second)
	wantUJ(t, "2 s at 20 W", m.Between(a, mark(m)), 40_000_000)
	if s := row(t, m, "rapl package-0"); s.Mode != "0644" {
		t.Errorf("%+v", s)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	b := m.Mark()
	now += int64(time.Second)
	if r := m.Between(b, mark(m)); r.UJ != nil || !strings.Contains(r.Note, "vanished") {
		t.Errorf("%+v", r)
	}
	if _, err := Open(Options{Root: filepath.Join(root, "none"), Source: SourceRAPL}); err == nil {
		t.Error("RAPL was asked for and is not there")
	}
}
