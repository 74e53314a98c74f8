package energy

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pare/hwprofiles"
)

// A machine that stands still for seconds does not fail tests of what answers in the end.
func init() { nvmlPatience, smiPatience, wallPatience = time.Minute, time.Minute, time.Minute }

// fake is a powercap tree in memory with a clock that moves only when told to.
type fake struct {
	mu    sync.Mutex
	t     int64            // ns
	cost  int64            // ns that reading one file takes
	cpuUS int64            // CPU time of the process
	files map[string]*file // by path
}

type file struct {
	text func(t int64) string
	err  error
}

const fakeRoot = "/sys/class/powercap"

func newFake() *fake { return &fake{files: map[string]*file{}} }

// rz is a zone as the kernel shows it: it draws watts from value start on and
// wraps at max.
type rz struct {
	dir, name string
	max       uint64 // 0: no max_energy_range_uj
	start     uint64
	watts     float64
}

const amdRange = 65_532_610_987 // µJ, as AMD machines give it

func (f *fake) add(zs ...rz) *fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, z := range zs {
		dir := path.Join(fakeRoot, z.dir)
		f.files[dir+"/name"] = &file{text: func(int64) string { return z.name + "\n" }}
		if z.max > 0 {
			f.files[dir+"/max_energy_range_uj"] = &file{text: func(int64) string { return fmt.Sprintln(z.max) }}
		}
		f.files[dir+"/energy_uj"] = &file{text: func(t int64) string { return fmt.Sprintln(z.at(t)) }}
	}
	return f
}

// energy drawn until t, µJ.
func (z rz) energy(t int64) uint64 { return uint64(z.watts * float64(t/1000)) }

func (z rz) at(t int64) uint64 {
	v := z.start + z.energy(t)
	if z.max > 0 {
		v %= z.max
	}
	return v
}

// set replaces what a file says.
func (f *fake) set(name string, text func(t int64) string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[path.Join(fakeRoot, name)] = &file{text: text}
}

func (f *fake) say(name, text string) { f.set(name, func(int64) string { return text }) }

func (f *fake) fail(name string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[path.Join(fakeRoot, name)].err = err
}

func (f *fake) remove(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.files {
		if strings.HasPrefix(p, path.Join(fakeRoot, dir)+"/") {
			delete(f.files, p)
		}
	}
}

func (f *fake) list(dir string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for p := range f.files {
		if rest, ok := strings.CutPrefix(p, dir+"/"); ok {
			n, _, _ := strings.Cut(rest, "/")
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	if names == nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	slices.Sort(names)
	return names, nil
}

func (f *fake) read(p string, buf []byte) (int, error) {
	f.mu.Lock()
	f.t += f.cost
	x, t, err := f.files[p], f.t, fs.ErrNotExist
	if x != nil {
		err = x.err
	}
	f.mu.Unlock() // text may move the clock
	if err != nil {
		return 0, &fs.PathError{Op: "open", Path: p, Err: err}
	}
	return copy(buf, x.text(t)), nil
}

func (f *fake) mode(p string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x := f.files[p]; x != nil && x.err != nil {
		return "0400"
	}
	return "0444"
}

func (f *fake) now() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.t
}

func (f *fake) advance(d time.Duration) {
	f.mu.Lock()
	f.t += int64(d)
	f.mu.Unlock()
}

func (f *fake) cpu() (int64, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cpuUS, true
}

func testProfile() *hwprofiles.Profile {
	return &hwprofiles.Profile{
		Name: "test-cpu", Kind: "cpu", Boundary: "CPU package", Threads: 4,
		BusyCoreW: &hwprofiles.Figure{Value: 6.5, Source: "test"},
		BandPct:   &hwprofiles.Figure{Value: 40, Source: "test"},
	}
}

func (f *fake) options() Options {
	return Options{files: f, now: f.now, sleep: f.advance, CPU: f.cpu, manual: true, Profile: testProfile()}
}

// open opens a meter on the tree whose samples the test takes itself.
func (f *fake) open(t testing.TB, change ...func(*Options)) *Meter {
	t.Helper()
	o := f.options()
	for _, c := range change {
		c(&o)
	}
	m, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// run lets time pass with a sample at the end of each period.
func (f *fake) run(m *Meter, d, period time.Duration) {
	for ; d > 0; d -= period {
		f.advance(min(period, d))
		m.rapl.sample()
	}
}

// mark samples and marks at the same instant, so that no interpolation is due.
func mark(m *Meter) Mark {
	m.rapl.sample()
	return m.Mark()
}

func row(t testing.TB, m *Meter, name string) Status {
	t.Helper()
	for _, s := range m.Sources() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no source %q in %+v", name, m.Sources())
	return Status{}
}

func wantUJ(t testing.TB, what string, r Reading, want int64) {
	t.Helper()
	if r.UJ == nil {
		t.Errorf("%s: nil (%s), want %d µJ", what, r.Note, want)
	} else if *r.UJ != want {
		t.Errorf("%s: %d µJ, want %d", what, *r.UJ, want)
	}
}
