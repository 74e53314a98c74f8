package energy

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pare/hwprofiles"
)

// ownCurve is a person's own profile of 4 CPUs with a curve far from straight: 10 W
// idle, 40 at half load, 50 at full.
func ownCurve(o *Options) {
	o.Profile = testProfile()
	o.Profile.Name, o.Profile.File, o.Profile.Boundary = "my-box", "/home/u/.config/pare/hw/my-box.toml", "CPU package (RAPL)"
	o.Profile.Load = &hwprofiles.LoadCurve{Points: [][2]float64{{0, 10}, {25, 28}, {50, 40}, {75, 46}, {100, 50}}, Source: "calibrate"}
}

// stat is /proc/stat of a machine with cpus CPUs whose load is a function of time.
type stat struct {
	cpus int
	busy func(t int64) int64 // ns of all CPUs busy until t
}

func (s stat) text(t int64) string {
	const tick = int64(10 * time.Millisecond)
	busy := s.busy(t)
	idle := (t*int64(s.cpus) - busy) / tick
	busy /= tick
	// Spread over the columns; guests are in user, steal is nobody's.
	line := fmt.Sprintf(" %d %d %d %d %d %d %d 0 %d 0\n", 1000+busy/2, busy/4, busy-busy/2-busy/4, 7000+idle/2, idle-idle/2, 0, 0, busy/3)
	out := "cpu " + line
	for i := range s.cpus {
		out += fmt.Sprintf("cpu%d%s", i, line)
	}
	return out + "intr 5 1 2\nctxt 77\nbtime 1700000000\n"
}

// steadyLoad is a machine of 4 CPUs at one load.
func steadyLoad(load float64) stat {
	return stat{4, func(t int64) int64 { return int64(load * 4 * float64(t)) }}
}

func (f *fake) stat(s stat) *fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[procStat] = &file{text: s.text}
	return f
}

// runLoad lets time pass with a sample every 100 ms.
func (f *fake) runLoad(m *Meter, d time.Duration) {
	for ; d > 0; d -= 100 * time.Millisecond {
		f.advance(min(d, 100*time.Millisecond))
		m.load.sample()
	}
}

func TestLoadPart(t *testing.T) {
	for load, want := range map[float64]float64{0: 10, 0.25: 28, 0.5: 40, 1: 50} {
		f := newFake().stat(steadyLoad(load))
		m := f.open(t, ownCurve)
		if m.Tier() != TierD || m.Measured() || m.Source() != "load curve my-box" || m.Boundary() != "CPU package (RAPL), by the machine's load, all processes" {
			t.Fatalf("tier %s, %s, %s", m.Tier(), m.Source(), m.Boundary())
		}
		f.runLoad(m, time.Second)
		a := m.Mark()
		f.runLoad(m, 10*time.Second)
		r := m.Between(a, m.Mark())
		if r.UJ == nil || math.Abs(float64(*r.UJ)/1e7-want) > 0.01*want {
			t.Errorf("load %g: %+v, want %g W", load, r, want)
			continue
		}
		if r.Tier != TierD || r.Measured() || r.Source != "load curve my-box" || r.Band < LoadBandFloor || r.Band > LoadBandFloor+1 || r.Coverage != 1 || r.Note != "" || r.Boundary != m.Boundary() {
			t.Errorf("%+v", r)
		}
		if got := Format(r); !strings.HasPrefix(got, "≈") || !strings.Contains(got, " D ±2") {
			t.Error(got)
		}
	}
}

// TestLoadIsIntegrated: half a second at full load and half a second idle are 30 W,
// not the 40 W of half load.
func TestLoadIsIntegrated(t *testing.T) {
	const half = int64(500 * time.Millisecond)
	f := newFake().stat(stat{4, func(t int64) int64 { return 4 * (t/(2*half)*half + min(t%(2*half), half)) }})
	m := f.open(t, ownCurve)
	a := m.Mark()
	f.runLoad(m, 10*time.Second)
	r := m.Between(a, m.Mark())
	if r.UJ == nil || math.Abs(float64(*r.UJ)/1e7-30) > 0.3 {
		t.Errorf("%+v", r)
	}
	if w, _ := m.loads.curve.Watts(0.5); w != 40 {
		t.Errorf("the curve says %g W at half load", w)
	}
}

// TestLoadProperties: whenever samples fall, many of them too early to tell a load,
// windows add up exactly and the sum is right.
func TestLoadProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		load := rapid.SampledFrom([]float64{0, 0.3, 0.7, 1}).Draw(t, "load")
		f := newFake().stat(steadyLoad(load))
		o := f.options()
		ownCurve(&o)
		m, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close() //nolint:errcheck // a manual sampler
		for range 5 {   // the first stretch tells the power
			f.advance(100 * time.Millisecond)
			m.load.sample()
		}
		marks := []Mark{m.Mark()}
		for range rapid.IntRange(20, 60).Draw(t, "samples") {
			f.advance(time.Duration(rapid.Int64Range(1, 300).Draw(t, "ms")) * time.Millisecond)
			m.load.sample()
			if rapid.Bool().Draw(t, "mark") {
				f.advance(time.Duration(rapid.Int64Range(0, 50).Draw(t, "later")) * time.Millisecond)
				marks = append(marks, m.Mark())
			}
		}
		f.advance(250 * time.Millisecond)
		marks = append(marks, m.Mark())
		sum, last := int64(0), int64(-1)
		for i := 1; i < len(marks); i++ {
			eb, ea := m.load.edge(marks[i].snaps[0], marks[i].at), m.load.edge(marks[i-1].snaps[0], marks[i-1].at)
			if eb.uj < ea.uj || ea.uj < last {
				t.Fatalf("energy fell: %d after %d", eb.uj, ea.uj)
			}
			sum, last = sum+eb.uj-ea.uj, ea.uj
		}
		r := m.Between(marks[0], marks[len(marks)-1])
		if r.UJ == nil || *r.UJ != sum {
			t.Fatalf("%+v, the parts add up to %d", r, sum)
		}
		w, _ := m.loads.curve.Watts(load)
		wall := Wall(marks[0], marks[len(marks)-1]).Seconds()
		// A tick in 50 ms of 4 CPUs is 5 % of load: the curve's slope makes up to 4 W of it.
		if got := float64(*r.UJ) / 1e6 / wall; math.Abs(got-w) > 4 {
			t.Fatalf("%g W over %g s, want %g", got, wall, w)
		}
	})
}

// TestLoadTrouble: what tells no load costs coverage and is counted, and is never a
// guess.
func TestLoadTrouble(t *testing.T) {
	open := func() (*fake, *Meter, Mark) {
		f := newFake().stat(steadyLoad(0.5))
		m := f.open(t, ownCurve)
		f.runLoad(m, time.Second)
		return f, m, m.Mark()
	}
	check := func(name string, r Reading, coverage float64, rejected int, note string) {
		t.Helper()
		if r.UJ == nil || math.Abs(r.Coverage-coverage) > 0.02 || r.Rejected != rejected || !strings.Contains(r.Note, note) {
			t.Errorf("%s: %+v", name, r)
		}
	}

	f, m, a := open()
	f.runLoad(m, 4*time.Second)
	f.stat(stat{4, func(t int64) int64 { return t / 2 }}) // busy time falls: read of another machine
	f.runLoad(m, 100*time.Millisecond)
	f.stat(stat{4, func(t int64) int64 { return t * 2 }})
	f.runLoad(m, 5900*time.Millisecond)
	r := m.Between(a, m.Mark())
	if r.Rejected == 0 || r.Coverage > 0.995 || r.Coverage < 0.95 {
		t.Errorf("a count that fell: %+v", r)
	}

	f, m, a = open()
	f.runLoad(m, 5*time.Second)
	f.advance(5 * time.Second) // stopped
	m.load.sample()
	check("a pause", m.Between(a, m.Mark()), 0.5, 0, "")

	f, m, a = open()
	f.runLoad(m, 5*time.Second)
	f.mu.Lock()
	f.files[procStat].err = errors.New("input/output error")
	f.mu.Unlock()
	f.runLoad(m, 5*time.Second)
	check("unreadable", m.Between(a, m.Mark()), 0.5, 0, "input/output error")
	if s := row(t, m, "load curve my-box"); s.OK || !strings.Contains(s.Why, "input/output error") {
		t.Errorf("%+v", s)
	}

	// A curve without high loads says nothing of them.
	f = newFake().stat(steadyLoad(0.9))
	m = f.open(t, ownCurve, func(o *Options) { o.Profile.Load.Points = [][2]float64{{0, 10}, {10, 28}, {20, 40}, {30, 46}} })
	f.runLoad(m, time.Second)
	a = m.Mark()
	f.runLoad(m, 5*time.Second)
	if r := m.Between(a, m.Mark()); r.UJ != nil || r.Rejected == 0 {
		t.Errorf("outside of the curve: %+v", r)
	}
}

func TestLoadChoice(t *testing.T) {
	for name, c := range map[string]struct {
		f     *fake
		o     func(*Options)
		env   string
		tier  Tier
		why   string // of the row
		error string
	}{
		"a counter goes first":      {newFake().add(pkg0).stat(steadyLoad(0.5)), ownCurve, "", TierB, "not needed: a counter is read", ""},
		"unless it is asked for":    {newFake().add(pkg0).stat(steadyLoad(0.5)), ownCurve, "load", TierD, "", ""},
		"the profile was asked for": {newFake().stat(steadyLoad(0.5)), ownCurve, "profile", TierE, "the profile was asked for", ""},
		"no curve":                  {newFake().stat(steadyLoad(0.5)), func(*Options) {}, "", TierE, "no load curve", "energy source load: hardware profile test-cpu has no load curve"},
		"of another machine":        {newFake().stat(steadyLoad(0.5)), func(o *Options) { ownCurve(o); o.Profile.File = "built in: x.toml" }, "", TierE, "another machine", "another machine"},
		"no /proc/stat":             {newFake(), ownCurve, "", TierE, "the machine's load is not known: /proc/stat: ", "/proc/stat"},
		"another number of CPUs":    {newFake().stat(stat{64, func(t int64) int64 { return t }}), ownCurve, "", TierE, "taken on 4 CPUs, /proc/stat shows 64", "shows 64"},
	} {
		m := c.f.open(t, c.o, func(o *Options) { o.env = environ("PARE_ENERGY", c.env) })
		s := row(t, m, m.loads.source)
		if m.Tier() != c.tier || s.Used != (c.tier == TierD) || !strings.Contains(s.Why, c.why) || s.Path != procStat {
			t.Errorf("%s: tier %s, %+v", name, m.Tier(), s)
		}
		if s.Used && (s.Value != "5 loads from 0 to 100 %, D ±20 % (calibrate)" || s.Tier != TierD) {
			t.Errorf("%s: %+v", name, s)
		}
		if c.tier == TierD {
			if p := row(t, m, "profile my-box"); p.Used || !strings.Contains(p.Why, "the load curve is nearer") {
				t.Errorf("%s: %+v", name, p)
			}
			if r := row(t, m, "rapl"); r.Used || !strings.Contains(r.Why, "the load curve was asked for") {
				t.Errorf("%s: %+v", name, r)
			}
		}
		o := c.f.options()
		c.o(&o)
		o.env = environ("PARE_ENERGY", "load")
		m, err := Open(o)
		switch {
		case (err != nil) != (c.error != ""), err != nil && (!strings.Contains(err.Error(), c.error) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "energy source load: ")):
			t.Errorf("%s, asked for: %v", name, err)
		case err == nil && m.Tier() != TierD:
			t.Errorf("%s, asked for: tier %s", name, m.Tier())
		}
	}
}

func TestParseTicks(t *testing.T) {
	for text, want := range map[string]cpuTicks{
		"cpu  10 2 3 100 20 4 5 7 6 1\ncpu0 1\n": {24, 151},
		"cpu 10 2 3 100\n":                       {15, 115}, // before 2.6
		"cpu  0 0 0 0 0 0 0 0 0 0\n":             {0, 0},
	} {
		if got, err := parseTicks([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"": "no end of its first line", "cpu 1 2 3 4": "no end of its first line", "\n": `not "cpu"`, "cpu0 1 2 3 4\n": `not "cpu"`, "cpu 1 2 3\n": "4 columns",
		"cpu 1 2 x 4\n": `line 1, column 4: "x" is no number`, "cpu 1 -2 3 4\n": "column 3", "cpu 9223372036854775807 9223372036854775807 0 0\n": "more ticks than can be",
	} {
		if _, err := parseTicks([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	// Beyond 32 bits differences still hold.
	old, v := cpuTicks{1<<40 - 3, 1<<41 - 1}.packed(), cpuTicks{1<<40 + 4, 1<<41 + 9}.packed()
	if b, n, ok := ticksSince(old, v); !ok || b != 7 || n != 10 {
		t.Errorf("%d, %d, %v", b, n, ok)
	}
	if _, _, ok := ticksSince(v, old); ok {
		t.Error("counts that fall pass for ones that rise")
	}
}

// FuzzProcStat: no text of /proc/stat panics or makes more busy ticks than ticks,
// and what is refused says the line.
func FuzzProcStat(f *testing.F) {
	f.Add([]byte(steadyLoad(0.5).text(1e12)))
	f.Add([]byte("cpu  10132153 290696 3084719 46828483 16683 0 25195 0 175628 0\ncpu0 1393280 32966 572056 13343292 6130 0 17875 0 23933 0\n"))
	f.Add([]byte("cpu 1 2 3\n"))
	f.Add([]byte("cpu  18446744073709551615 1 1 1 1\n"))
	f.Add([]byte("\x00\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ticks, err := parseTicks(data)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		if ticks.busy > ticks.total {
			t.Errorf("%+v", ticks)
		}
		if n := countCPUs(data); n < 0 || n > len(data)/4 {
			t.Errorf("%d CPUs in %d bytes", n, len(data))
		}
		if _, _, ok := ticksSince(ticks.packed(), ticks.packed()); !ok {
			t.Error("no difference is none")
		}
	})
}

// TestLoadLost: a machine that tells its load no more is named by what it gave.
func TestLoadLost(t *testing.T) {
	f := newFake().stat(steadyLoad(0.5))
	m := f.open(t, ownCurve)
	f.runLoad(m, time.Second)
	if l := m.Lost(); len(l) != 0 {
		t.Errorf("%+v", l)
	}
	f.mu.Lock()
	delete(f.files, procStat)
	f.mu.Unlock()
	f.runLoad(m, 10*time.Second)
	if l := m.Lost(); len(l) != 1 || l[0].Name != "load curve my-box" || l[0].Why != "vanished" {
		t.Errorf("%+v", l)
	}
}

// TestSlowIsNotLost: a source whose reading is slow is read once a second; that it
// said nothing since is no loss.
func TestSlowIsNotLost(t *testing.T) {
	f := newFake().stat(steadyLoad(0.5))
	f.cost = int64(4 * time.Millisecond)
	m := f.open(t, ownCurve)
	for range 20 {
		f.advance(time.Second)
		m.load.sample()
	}
	if p := time.Duration(m.load.period.Load()); p != time.Second {
		t.Fatalf("read every %v", p)
	}
	f.advance(1100 * time.Millisecond) // the timer is late
	if l := m.Lost(); len(l) != 0 {
		t.Errorf("%+v", l)
	}
	f.advance(4 * time.Second)
	if l := m.Lost(); len(l) != 1 || l[0].Why != "does not answer" {
		t.Errorf("five periods: %+v", l)
	}
}
