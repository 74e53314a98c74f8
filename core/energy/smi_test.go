package energy

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestParseSMI(t *testing.T) {
	r, err := parseSMI("2, 1, GPU-aaaa, NVIDIA H100 80GB HBM3, Disabled, 700.00, 123.45, 120.10", smiQueries[0])
	if err != nil || r.count != 2 || r.index != 1 || r.uuid != "GPU-aaaa" || r.mig || r.maxW != 700 || r.instant != 123.45 || r.average != 120.1 {
		t.Errorf("%+v %v", r, err)
	}
	r, err = parseSMI("1, 0, GPU-b, A, Enabled, [N/A], [Not Supported], [GPU is lost]", smiQueries[0])
	if err != nil || !r.mig || !math.IsNaN(r.maxW) || !math.IsNaN(r.instant) || !math.IsNaN(r.average) {
		t.Errorf("%+v %v", r, err)
	}
	r, err = parseSMI("1, 0, GPU-b, Tesla V100, 300.00, 55.00", smiQueries[1])
	if err != nil || !math.IsNaN(r.instant) || r.average != 55 {
		t.Errorf("%+v %v", r, err)
	}
	for _, bad := range []string{"", "No devices were found", "x, 0, GPU-a, n, D, 1, 1, 1", "1, 0, 7, n, D, 1, 1, 1", `Field "power.draw.instant" is not a valid field to query.`} {
		if _, err := parseSMI(bad, smiQueries[0]); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// fakeSMI prints lines when told to, on the fake's clock.
func fakeSMI(f *fake, lines ...string) (*smi, func(...string)) {
	s := newSMI(func() time.Time { return time.Unix(0, f.now()) })
	say := func(lines ...string) { s.follow(strings.NewReader(strings.Join(lines, "\n")+"\n"), smiQueries[0]) }
	say(lines...)
	return s, say
}

func withSMI(s *smi, env ...string) func(*Options) {
	return func(o *Options) {
		o.smi = func() (*smi, error) { return s, nil }
		o.env = environ(env...)
	}
}

func TestSMIRung(t *testing.T) {
	f := newFake()
	s, say := fakeSMI(f, "2, 1, GPU-b, H100, Disabled, 700.00, 300.00, 290.00", "2, 0, GPU-a, H100, Disabled, 700.00, 100.00, 90.00")
	m := f.open(t, withSMI(s, visibleDevices, "GPU-b"))
	if m.Shortest() != 2*time.Second {
		t.Errorf("shortest %v", m.Shortest())
	}
	second := func(w string) {
		say("2, 0, GPU-a, H100, Disabled, 700.00, 100.00, 90.00", "2, 1, GPU-b, H100, Disabled, 700.00, "+w+", 290.00")
		f.pass(m, time.Second, 100*time.Millisecond)
	}
	a := f.mark(m)
	for range 10 {
		second("300.00")
	}
	g := m.Between(a, f.mark(m)).Find("gpu")
	wantUJ(t, "10 s at 300 W", g, 3_000_000_000)
	if g.Tier != TierC || g.Source != sourceSMI || g.Coverage != 1 || g.Band < 20 {
		t.Errorf("%+v", g)
	}
	if s := row(t, m, "nvidia-smi GPU 1"); !s.Used || s.Value != "300.0 W" || s.Every != "1s" {
		t.Errorf("%+v", s)
	}
	if s := row(t, m, "nvidia-smi GPU 0"); s.Used || !strings.Contains(s.Why, "hidden") {
		t.Errorf("%+v", s)
	}
	// It dies: what it said last holds for a moment, then nothing is made up.
	s.end(errors.New("nvidia-smi ended: signal: killed"))
	f.pass(m, 5*time.Second, 100*time.Millisecond)
	b := f.mark(m)
	f.pass(m, 10*time.Second, 100*time.Millisecond)
	g = m.Between(b, f.mark(m)).Find("gpu")
	if g.UJ != nil || g.Coverage != 0 || !strings.Contains(g.Note, "GPU 1 nvidia-smi ended") {
		t.Errorf("%+v", g)
	}
}

func TestSMIAverageAndNothing(t *testing.T) {
	f := newFake()
	s, _ := fakeSMI(f, "2, 0, GPU-a, V100, [N/A], 300.00, [N/A], 90.00", "2, 1, GPU-b, M40, [N/A], [N/A], [N/A], [N/A]")
	stopped := false
	s.stop = func() { stopped = true }
	m := f.open(t, withSMI(s))
	if m.parts[0].source != sourceSMIAverage || m.parts[0].lag != int64(2*time.Second) {
		t.Errorf("%+v", m.parts[0])
	}
	if s := row(t, m, "nvidia-smi GPU 1"); s.OK || !strings.Contains(s.Why, "tells no power") {
		t.Errorf("%+v", s)
	}
	if err := m.Close(); err != nil || !stopped {
		t.Error("nvidia-smi was left running", err)
	}
	// The library answered and hides all: nvidia-smi is not asked behind its back.
	n := newFakeNVML(f, h100(0, 1))
	m = f.open(t, n.with(visibleDevices, ""), func(o *Options) { o.smi = func() (*smi, error) { t.Error("asked"); return nil, nil } })
	if len(m.parts) != 0 {
		t.Error(m.Source())
	}
}

// The real process: a script in its place.
func TestSMIProcess(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a shell script")
	}
	dir := t.TempDir()
	t.Setenv("PATH", dir+":/bin:/usr/bin")
	write := func(script string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(`case "$1" in *instant*) echo 'Field "power.draw.instant" is not a valid field to query.'; exit 2;; esac
while :; do echo "1, 0, GPU-a, Tesla V100, 300.00, 55.25"; sleep 0.05; done`)
	s, err := startSMI()
	if err != nil {
		t.Fatal(err)
	}
	if r := s.list(); len(r) != 1 || r[0].average != 55.25 {
		t.Errorf("%+v", r)
	}
	s.stop()
	soon(t, "the end of what was stopped", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.ended != nil
	})
	write(`exec sleep 1000`)
	if _, err := runSMI(filepath.Join(dir, "nvidia-smi"), smiQueries[0], 50*time.Millisecond); !errors.Is(err, errSilent) {
		t.Error(err)
	}
	write(`echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."; exit 9`)
	if _, err := startSMI(); err == nil || !strings.Contains(err.Error(), "couldn't communicate") {
		t.Error(err)
	}
}

// On a machine with nvidia-smi: its lines come once a second, not in blocks.
func TestSMIOnThisMachine(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	t0 := time.Now()
	s, err := startSMI()
	if err != nil {
		t.Skip(err)
	}
	defer s.stop()
	t.Logf("first lines after %v", time.Since(t0).Round(time.Millisecond))
	for range 3 {
		time.Sleep(smiPeriod)
		for _, r := range s.list() {
			age := time.Since(r.at)
			t.Logf("%s %s: instantaneous %g W, average %g W, limit at most %g W, MIG %v, %v old", r.uuid, r.name, r.instant, r.average, r.maxW, r.mig, age.Round(time.Millisecond))
			if age > 2*smiPeriod {
				t.Errorf("%s: %v old: the lines are held back", r.uuid, age)
			}
		}
	}
}
