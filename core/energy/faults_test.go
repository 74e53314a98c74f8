package energy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pare/core/energy/internal/nvml"
)

// rig is one source that draws 100 W and can be broken in every way in which such
// sources break.
type rig struct {
	name    string
	part    string // of the reading
	counter bool   // cumulative: what is missed is made up for
	frozen  time.Duration
	open    func(t *testing.T) *bench
	// breaks are the faults by name; "" mends. One that a source cannot have is not
	// there, and cannot says why.
	breaks map[string]func(b *bench)
	cannot map[string]string
}

// bench is an open rig.
type bench struct {
	*fake
	m    *Meter
	pass func(d time.Duration) // lets time pass
	raw  func(text string)     // what its file says; "" mends
	err  func(error)           // what reading its file gives
	nv   *fakeCard
}

const drawn = 100 // W

// every fault that is known of others; see others_test.go for where.
var faults = []string{"unreadable", "vanished", "garbage", "sentinel", "spike", "zero", "negative", "frozen"}

// values are the files that hold the figure itself.
var values = []string{"energy_uj", "energy1_input", "power1_average", "in_power0_input", "power_now"}

// files is a source of files below /sys.
func files(paths map[string]func(t int64) string, open ...func(*Options)) func(t *testing.T) *bench {
	return func(t *testing.T) *bench {
		b := &bench{fake: newFake()}
		mend := func() {
			for p, text := range paths {
				b.files[p] = &file{text: text}
			}
		}
		mend()
		b.raw = func(text string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if mend(); text != "" {
				for p := range paths {
					if slices.Contains(values, path.Base(p)) {
						b.files[p] = &file{text: func(int64) string { return text }}
					}
				}
			}
		}
		b.err = func(err error) {
			b.raw("?")
			b.mu.Lock()
			defer b.mu.Unlock()
			for p, x := range b.files {
				if x.text(0) == "?" {
					b.files[p].err = err
				}
			}
		}
		b.m = b.fake.open(t, open...)
		b.pass = func(d time.Duration) { b.fake.pass(b.m, d, 100*time.Millisecond) }
		return b
	}
}

func steady(text string) func(int64) string { return func(int64) string { return text + "\n" } }

// flickering µW, as no frozen sensor gives them.
func flickering(t int64) string {
	return fmt.Sprintln(drawn*1_000_000 + t/int64(100*time.Millisecond)%2)
}

func raws(pairs ...string) map[string]func(*bench) {
	m := map[string]func(*bench){
		"unreadable": func(b *bench) { b.err(fs.ErrPermission) },
		"vanished":   func(b *bench) { b.err(fs.ErrNotExist) },
		"garbage":    func(b *bench) { b.raw("12 apples\n") },
		"sentinel":   func(b *bench) { b.raw("4294967295\n") },
		"":           func(b *bench) { b.raw("") },
	}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = func(b *bench) { b.raw(pairs[i+1] + "\n") }
	}
	return m
}

func rigs() []rig {
	const hw, bat, ina = hwmonRoot + "/hwmon0/", supplyRoot + "/BAT0/", railsRoot + "/1-0040/iio:device0/"
	return []rig{
		{
			name: "rapl", part: "cpu", counter: true, frozen: 5 * time.Second,
			open: files(map[string]func(int64) string{
				fakeRoot + "/intel-rapl:0/name":                steady("package-0"),
				fakeRoot + "/intel-rapl:0/max_energy_range_uj": steady("262143328850"),
				fakeRoot + "/intel-rapl:0/energy_uj":           func(t int64) string { return fmt.Sprintln(1000 + drawn*t/1000) },
			}),
			breaks: raws("spike", "200000000000", "zero", "0", "negative", "-1", "frozen", "1000000"),
		},
		{
			name: "nvml counter", part: "gpu", counter: true, frozen: 5 * time.Second,
			open: func(t *testing.T) *bench {
				b := &bench{fake: newFake(), nv: h100(0, drawn)}
				b.m = b.fake.open(t, newFakeNVML(b.fake, b.nv).with())
				b.pass = func(d time.Duration) { b.fake.pass(b.m, d, 100*time.Millisecond) }
				return b
			},
			breaks: nvmlBreaks(func(c *fakeCard, v uint64, err error) {
				c.setEnergy(func(int64) (uint64, error) { return v, err })
			}, 5_000_000_000+64_826*1000*60, func(c *fakeCard) { c.setEnergy(nil) }, func(c *fakeCard) {
				v := c.counter(c.api.f.now())
				c.setEnergy(func(int64) (uint64, error) { return v, nil })
			}),
			cannot: map[string]string{"garbage": "numbers come by a call, not as text"},
		},
		{
			name: "nvml power", part: "gpu", frozen: frozenPower,
			open: func(t *testing.T) *bench {
				c := &fakeCard{uuid: "GPU-0", name: "H100", energy: noEnergy, power: flicker(drawn * 1000)}
				b := &bench{fake: newFake(), nv: c}
				b.m = b.fake.open(t, newFakeNVML(b.fake, c).with())
				b.pass = func(d time.Duration) { b.fake.pass(b.m, d, 100*time.Millisecond) }
				return b
			},
			breaks: nvmlBreaks(func(c *fakeCard, v uint64, err error) {
				c.power = func(int64) (int64, error) { return int64(v), err }
			}, 64_826_000, func(c *fakeCard) { c.power = flicker(drawn * 1000) }, func(c *fakeCard) {
				c.power = func(int64) (int64, error) { return drawn * 1000, nil }
			}),
			cannot: map[string]string{"garbage": "numbers come by a call, not as text"},
		},
		smiRig(),
		{
			name: "hwmon amdgpu", part: "gpu", frozen: frozenCoarse,
			open: files(map[string]func(int64) string{
				hw + "name": steady("amdgpu"), hw + "power1_average": flickering, hw + "power1_cap_max": steady("300000000"),
			}),
			breaks: raws("spike", "64826000000", "zero", "0", "negative", "-1000000", "frozen", "100000000"),
		},
		{
			name: "hwmon xe", part: "gpu", counter: true, frozen: 5 * time.Second,
			open: files(map[string]func(int64) string{
				hw + "name":          steady("xe"),
				hw + "energy1_input": func(t int64) string { return fmt.Sprintln(1000 + drawn*t/1000) },
			}),
			breaks: raws("spike", "20000000000000", "zero", "0", "negative", "-1", "frozen", "1000000"),
		},
		{
			name: "ina3221", part: "machine", frozen: frozenCoarse,
			open: files(map[string]func(int64) string{
				ina + "rail_name_0":     steady("POM_5V_IN"),
				ina + "in_power0_input": func(t int64) string { return fmt.Sprintln(drawn*1000 + t/int64(100*time.Millisecond)%2) },
			}),
			breaks: raws("spike", "64826000", "zero", "0", "negative", "-40", "frozen", "100000", "sentinel", "18446744073709551615"),
		},
		{
			name: "battery", part: "machine", frozen: frozenCoarse,
			open: files(map[string]func(int64) string{
				bat + "type": steady("Battery"), bat + "status": steady("Discharging"), bat + "power_now": flickering,
			}, func(o *Options) { o.Source = SourceBattery }),
			breaks: raws("spike", "64826000000", "zero", "0", "negative", "-1", "frozen", "100000000"),
		},
	}
}

func nvmlBreaks(set func(*fakeCard, uint64, error), spike uint64, mend, freeze func(*fakeCard)) map[string]func(*bench) {
	say := func(v uint64, err error) func(*bench) { return func(b *bench) { set(b.nv, v, err) } }
	return map[string]func(*bench){
		"unreadable": say(0, nvml.NoPermission), "vanished": say(0, nvml.GPULost), "sentinel": say(1<<32-1, nil), "spike": say(spike, nil),
		"zero": say(0, nil), "negative": say(1<<64-1, nil),
		"":       func(b *bench) { mend(b.nv) },
		"frozen": func(b *bench) { freeze(b.nv) },
	}
}

func smiRig() rig {
	var cell string
	var dead error
	var process *smi
	flick := func(b *bench) string { return fmt.Sprintf("%d.%02d", drawn, b.now()/int64(time.Second)%2) }
	set := func(text string) func(*bench) { return func(*bench) { cell = text } }
	return rig{
		name: "nvidia-smi", part: "gpu", frozen: frozenPower,
		open: func(t *testing.T) *bench {
			cell, dead = "", nil
			b := &bench{fake: newFake()}
			line := func() string {
				w := cell
				if w == "" {
					w = flick(b)
				}
				return "1, 0, GPU-a, H100, Disabled, 700.00, " + w + ", 90.00"
			}
			s, say := fakeSMI(b.fake, line())
			process = s
			b.m = b.fake.open(t, withSMI(s))
			b.pass = func(d time.Duration) {
				for ; d > 0; d -= time.Second {
					if dead == nil {
						say(line())
					}
					b.fake.pass(b.m, time.Second, 100*time.Millisecond)
				}
			}
			return b
		},
		breaks: map[string]func(*bench){
			"unreadable": set("[Insufficient Permissions]"), "garbage": set("12 apples"), "sentinel": set("4294967.295"), "spike": set("64826.00"),
			"zero": set("0.00"), "negative": set("-1.00"), "frozen": set("100.00"),
			"vanished": func(*bench) {
				dead = errors.New("nvidia-smi ended: signal: killed")
				process.end(dead)
			},
			"": func(*bench) { cell, dead = "", nil },
		},
	}
}

// TestFaultsOfSources goes through every fault of every source: a minute that is
// good, a fault, a minute that is good. While the fault lasts nothing is measured:
// nil, neither zero nor a guess. Counters make up for it afterwards; of power only
// what lies beside the fault is billed.
func TestFaultsOfSources(t *testing.T) {
	for _, r := range rigs() {
		for _, fault := range faults {
			brk := r.breaks[fault]
			if brk == nil {
				if r.cannot[fault] == "" {
					t.Errorf("%s: no test of %s", r.name, fault)
				}
				continue
			}
			t.Run(r.name+"/"+fault, func(t *testing.T) {
				b := r.open(t)
				of := func(x Reading) Reading { return x.Find(r.part) }
				a := b.fake.mark(b.m)
				b.pass(time.Minute)
				if g := of(b.m.Between(a, b.fake.mark(b.m))); g.UJ == nil || !near(*g.UJ, 60*drawn, 0.03) || g.Coverage < 0.97 {
					t.Fatalf("before: %+v", g)
				}
				if l := b.m.Lost(); l != nil {
					t.Errorf("before: %+v", l)
				}
				brk(b)
				settle := 5 * time.Second // what was there is held that long at most
				if fault == "frozen" {
					settle += r.frozen
				}
				b.pass(settle)
				c := b.fake.mark(b.m)
				b.pass(20 * time.Second)
				g := of(b.m.Between(c, b.fake.mark(b.m)))
				if fault == "frozen" && g.UJ != nil && g.Coverage > 0 { // the value may be true, and nobody knows
					t.Errorf("frozen: %+v", g)
				}
				if fault != "frozen" && (g.UJ != nil || g.Coverage != 0 || g.Tier != TierNone) {
					t.Errorf("while it lasts: %+v", g)
				}
				if g.Note == "" {
					t.Error("the reading does not say why")
				}
				if l := b.m.Lost(); len(l) != 1 || l[0].Why == "" || l[0].For < 20*time.Second {
					t.Errorf("lost: %+v", l)
				}
				r.breaks[""](b)
				b.pass(10 * time.Second)
				if l := b.m.Lost(); l != nil {
					t.Errorf("mended: %+v", l)
				}
				d := b.fake.mark(b.m)
				b.pass(time.Minute)
				end := b.fake.mark(b.m)
				if g := of(b.m.Between(d, end)); g.UJ == nil || !near(*g.UJ, 60*drawn, 0.03) || g.Coverage < 0.97 {
					t.Errorf("after: %+v", g)
				}
				all := of(b.m.Between(a, end))
				whole := float64(end.at-a.at) / 1e9
				low, high := drawn*whole, drawn*whole
				if !r.counter {
					low = drawn * (whole - 25 - 1 - 3)
					if fault == "frozen" {
						low -= settle.Seconds()
					}
				}
				if all.UJ == nil || float64(*all.UJ) < low*1e6*0.99 || float64(*all.UJ) > high*1e6*1.01 {
					t.Errorf("in all: %+v, want %g to %g J", all, low, high)
				}
				if r.counter && fault != "frozen" && all.Resets != 0 {
					t.Errorf("a glitch taken for a reset: %+v", all)
				}
			})
		}
	}
}

func near(uj int64, joules, share float64) bool {
	d := float64(uj)/1e6 - joules
	return d <= share*joules && -d <= share*joules
}

// TestEverySourceMayHang: a source whose reading does not return costs the caller
// its patience at either end of a window, gives nil, and is called lost; the run and the other
// parts go on. Time is that of the test's own clock.
func TestEverySourceMayHang(t *testing.T) {
	for _, r := range rigs() {
		if strings.HasPrefix(r.name, "nv") { // TestNVMLHangs, TestSMISilent
			continue
		}
		mayHang := func(t *testing.T) {
			calm := r.open(t) // for its files
			h := &hanging{fake: calm.fake}
			start := time.Now()
			o := Options{files: h, Profile: testProfile(), Period: 10 * time.Millisecond, now: func() int64 { return int64(time.Since(start)) }}
			if r.name == "battery" {
				o.Source = SourceBattery
			}
			over, clock := make(chan struct{}), sync.WaitGroup{}
			clock.Go(func() { // the tree's own
				for {
					select {
					case <-over:
						return
					case <-time.After(time.Millisecond):
						calm.fake.advance(time.Millisecond)
					}
				}
			})
			defer clock.Wait()
			defer close(over)
			m, err := Open(o)
			if err != nil {
				t.Fatal(err)
			}
			if len(m.parts) != 1 {
				t.Fatalf("%s", m.Source())
			}
			h.mu.Lock()
			h.until = make(chan struct{})
			h.mu.Unlock()
			soon(t, "a reading that hangs", h.hangs.Load)
			a := m.Mark()
			time.Sleep(20 * time.Millisecond)
			b := m.Mark()
			b.at += m.parts[0].shortest() // as if the window were long enough
			begin := time.Now()
			g := m.Between(a, b).Find(r.part)
			if d := time.Since(begin); d > 2*patience {
				t.Errorf("Between took %v", d)
			}
			if g.UJ != nil || g.Note == "" {
				t.Errorf("%+v", g)
			}
			p := m.parts[0]
			if l := p.lostInputs(p.now() + int64(hangAfter)); len(l) != 1 || l[0].Why != "does not answer" {
				t.Errorf("%+v", l)
			}
			close(h.until)
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
		t.Run(r.name, func(t *testing.T) { synctest.Test(t, mayHang) })
	}
}

// TestSMISilent: nvidia-smi that runs on and prints nothing.
func TestSMISilent(t *testing.T) {
	b := smiRig().open(t)
	b.pass(5 * time.Second)
	b.fake.pass(b.m, 5*time.Second, 100*time.Millisecond)
	a := b.fake.mark(b.m)
	b.fake.pass(b.m, 10*time.Second, 100*time.Millisecond)
	g := b.m.Between(a, b.fake.mark(b.m)).Find("gpu")
	if g.UJ != nil || !strings.Contains(g.Note, "nvidia-smi has said nothing for 1") {
		t.Errorf("%+v", g)
	}
	if l := b.m.Lost(); len(l) != 1 || l[0].Name != "GPU 0" {
		t.Errorf("%+v", l)
	}
}

// TestNVMLHangsAtOpen: a driver that hangs when the cards are first read does not
// keep a run from starting.
func TestNVMLHangsAtOpen(t *testing.T) {
	defer func(d time.Duration) { nvmlPatience = d }(nvmlPatience)
	nvmlPatience = 30 * time.Millisecond
	f := newFake().add(pkg0)
	n := newFakeNVML(f, h100(0, 500))
	n.hang = make(chan struct{})
	m := f.open(t, n.with())
	if s := row(t, m, "nvml"); s.OK || !strings.Contains(s.Why, "did not answer within 30ms") || m.Source() != "rapl" {
		t.Errorf("%+v %s", s, m.Source())
	}
	close(n.hang)
	soon(t, "the library to be closed that came late", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.closed == 1
	})
}

// soon waits for what happens in another goroutine.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestCounterWrapTwice: a range so small that a counter goes round twice between two
// readings. It cannot be seen, so it is not counted.
func TestCounterWrapTwice(t *testing.T) {
	f := newFake().add(rz{dir: "intel-rapl:0", name: "package-0", max: 10_000_000_000, watts: 900})
	m := f.open(t)
	a := mark(m)
	f.run(m, 10*time.Second, 100*time.Millisecond)
	f.advance(2 * 10_000_000_000 / 900 * time.Microsecond) // 22 s: twice round
	f.run(m, 10*time.Second, 100*time.Millisecond)
	r := m.Between(a, mark(m))
	wantUJ(t, "20 of 42 s", r, 18_000_000_000-90_000_000)
	if r.Resets != 1 || r.Coverage > 0.48 {
		t.Errorf("%+v", r)
	}
}

// TestResets: after a reload of the driver or a sleep a counter starts from 0.
func TestResets(t *testing.T) {
	for _, r := range rigs() {
		if !r.counter {
			continue
		}
		b := r.open(t)
		a := b.fake.mark(b.m)
		b.pass(10 * time.Second)
		zero := b.now()
		b.restart(zero)
		b.pass(20 * time.Second)
		g := b.m.Between(a, b.fake.mark(b.m)).Find(r.part)
		if g.UJ == nil || !near(*g.UJ, 30*drawn, 0.05) || *g.UJ > 30*drawn*1e6 || g.Resets != 1 || g.Wraps != 0 || g.Coverage > 0.99 {
			t.Errorf("%s: %+v", r.name, g)
		}
	}
}

// restart has the counter start from 0 now.
func (b *bench) restart(zero int64) {
	if b.nv != nil {
		b.nv.setEnergy(func(t int64) (uint64, error) { return uint64(drawn * (t - zero) / 1e6), nil })
		return
	}
	for p := range b.files {
		if strings.HasSuffix(p, "/energy_uj") || strings.HasSuffix(p, "energy1_input") {
			b.files[p] = &file{text: func(t int64) string { return fmt.Sprintln(drawn * (t - zero) / 1000) }}
		}
	}
}

// TestWallFaults: the faults of a wall meter's file, which is read as a whole.
func TestWallFaults(t *testing.T) {
	at := func(s int) time.Time { return wallStart.Add(time.Duration(s) * time.Second) }
	stamp := func(s int, v string) string { return at(s).Format(time.RFC3339) + "," + v + "\n" }
	joules := func(a, b, from int) (s string) {
		for i := a; i <= b; i++ {
			s += stamp(i, fmt.Sprint(from+drawn*(i-a)))
		}
		return s
	}
	for name, c := range map[string]struct {
		text     string
		uj       int64 // of 60 s; −1: nil
		rejected int
		note     string
	}{
		"spike of watts":      {"timestamp,watts\n" + wallRows(drawn, 0, 30) + stamp(31, "64826000000") + wallRows(drawn, 32, 60), 6_000_000_000, 1, ""},
		"sentinel of watts":   {"timestamp,watts\n" + wallRows(drawn, 0, 30) + stamp(31, "4294967295") + stamp(32, "18446744073709551615") + wallRows(drawn, 33, 60), 6_000_000_000, 2, ""},
		"spikes for long":     {"timestamp,watts\n" + wallRows(drawn, 0, 20) + wallRows(5e9, 21, 40) + wallRows(drawn, 41, 60), -1, 0, "a hole of 21s"},
		"joules were reset":   {"timestamp,joules\n" + joules(0, 30, 1000) + joules(31, 60, 0), -1, 0, "a hole"},
		"spike of joules":     {"timestamp,joules\n" + joules(0, 30, 1000) + stamp(31, "4294967295000") + joules(32, 60, 4200), -1, 0, "a hole"},
		"stands still":        {"timestamp,joules\n" + joules(0, 60, 1000), 6_000_000_000, 0, ""},
		"ends in the window":  {"timestamp,watts\n" + wallRows(drawn, 0, 40), -1, 0, "the file ends 20s before"},
		"a line is half done": {"timestamp,watts\n" + wallRows(drawn, 0, 60) + at(61).Format(time.RFC3339) + ",1", 6_000_000_000, 0, ""},
	} {
		w, err := ReadWall(wallFile(t, c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r := w.Between(at(0), at(60))
		if (c.uj < 0) != (r.UJ == nil) || r.UJ != nil && *r.UJ != c.uj || r.Rejected != c.rejected || !strings.Contains(r.Note, c.note) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	dir := t.TempDir()
	if _, err := ReadWall(dir); err == nil || !strings.Contains(err.Error(), dir+" is no regular file") {
		t.Error(err)
	}
}

// TestWallLostMidRun: the meter's file stops, vanishes, is spoilt, hangs. The
// windows it covers stand, the others are nil, and the source is called lost. Time is that of
// the test's own clock.
func TestWallLostMidRun(t *testing.T) { synctest.Test(t, wallLostMidRun) }

func wallLostMidRun(t *testing.T) {
	for _, fault := range []string{"stops", "vanishes", "is spoilt", "hangs"} {
		f := newFake().add(pkg0)
		path := wallFile(t, "timestamp,watts\n"+wallRows(drawn, -5, 12))
		m := f.open(t, func(o *Options) {
			o.Wall, o.utc = path, func() time.Time { return wallStart.Add(time.Duration(f.now())) }
		})
		r := f.window(m, 10*time.Second)
		wantUJ(t, fault, r, 10*drawn*1_000_000)
		hang := make(chan struct{})
		want := ""
		switch fault {
		case "stops":
			want = "has no row after 2026-01-31T12:00:12Z"
		case "vanishes":
			want = "no such file"
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		case "is spoilt":
			want = "is no number of watts"
			if err := os.WriteFile(path, []byte("timestamp,watts\n"+wallRows(drawn, -5, 12)+"2026-01-31T12:00:13Z,?\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		case "hangs":
			want = "the file does not answer"
			stat := m.wall.stat
			m.wall.stat = func(p string) (int64, error) { <-hang; return stat(p) }
		}
		f.pass(m, 10*time.Second, time.Second)
		a := f.mark(m)
		f.pass(m, 10*time.Second, time.Second)
		t0 := time.Now()
		for range 20 {
			if r := m.Between(a, f.mark(m)); r.UJ != nil || r.Tier != TierNone || r.Note == "" || r.Find("cpu").UJ == nil {
				t.Fatalf("%s: %+v", fault, r)
			}
		}
		if d := time.Since(t0); d > wallPatience { // once, not for each window
			t.Errorf("%s: the caller waited %v", fault, d)
		}
		if l := m.Lost(); len(l) != 1 || l[0].Name != "wall meter wall.csv" || !strings.Contains(l[0].Why, want) || l[0].For < 15*time.Second {
			t.Errorf("%s: %+v", fault, l)
		}
		close(hang)
		if err := os.WriteFile(path, []byte("timestamp,watts\n"+wallRows(drawn, -5, 60)), 0o644); err != nil {
			t.Fatal(err)
		}
		soon(t, fault+", back", func() bool { return m.Lost() == nil }) // what hung comes late, and is taken
		wantUJ(t, fault+", the window that was lost", m.Between(a, f.mark(m)), int64(f.now()-a.at)/1000*drawn)
	}
}
