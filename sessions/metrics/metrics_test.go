package metrics

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"pare/core/event"
	"pare/sessions"
)

// session is the first n lines of the recorded session, all when n is 0, and the
// rest of them.
func session(t *testing.T, n int) (*sessions.Session, [][]byte) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "brisk-heron")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	from := "../testdata/brisk-heron"
	recipe, err := os.ReadFile(filepath.Join(from, "recipe.toml"))
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(from, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(bytes.TrimSuffix(log, []byte("\n")), []byte("\n"))
	lines[len(lines)-1] = append(lines[len(lines)-1], '\n')
	if n == 0 {
		n = len(lines)
	}
	if err := os.WriteFile(filepath.Join(dir, "recipe.toml"), recipe, 0o644); err != nil {
		t.Fatal(err)
	}
	s := &sessions.Session{ID: "brisk-heron", Dir: dir}
	grow(t, s, lines[:n]...)
	return s, lines[n:]
}

// grow appends lines to the log.
func grow(t *testing.T, s *sessions.Session, lines ...[]byte) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(s.Dir, "events.jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // a test
	if _, err := f.Write(bytes.Join(lines, nil)); err != nil {
		t.Fatal(err)
	}
}

func follow(t *testing.T, s *sessions.Session) (*Run, string) {
	t.Helper()
	r, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(r.Handler())
	t.Cleanup(func() {
		srv.Close()
		r.Close() //nolint:errcheck // only read from
	})
	return r, srv.URL
}

// scrape reads the text format as Prometheus does: "name{label="value",…}" to
// value, and the type of every name.
func scrape(t *testing.T, url string) (values map[string]float64, types map[string]dto.MetricType) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Fatalf("%d, %v, %s: %s", resp.StatusCode, err, resp.Header.Get("Content-Type"), b)
	}
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	values, types = map[string]float64{}, map[string]dto.MetricType{}
	for name, f := range families {
		types[name] = f.GetType()
		if f.GetHelp() == "" {
			t.Errorf("%s has no help", name)
		}
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			v := m.GetGauge().GetValue()
			if m.Counter != nil {
				v = m.Counter.GetValue()
			}
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("%s%v = %g", name, labels, v)
			}
			key := name
			if len(labels) > 0 {
				key += "{" + strings.Join(labels, ",") + "}"
			}
			values[key] = v
		}
	}
	return values, types
}

// TestScrape: the recorded run, done, with every figure; nothing for what was not
// measured (the joules of configure) or is over (its power).
func TestScrape(t *testing.T) {
	s, _ := session(t, 0)
	r, url := follow(t, s)
	got, types := scrape(t, url)
	want := map[string]float64{
		`pare_info{data="digits",device="cpu",hardware="generic-x86-cpu",model="lenet-300-100",session="brisk-heron"}`: 1,
		`pare_energy_joules_total{component="cpu",source="rapl",stage="baseline",tier="B"}`:                            19,
		`pare_energy_joules_total{component="cpu",source="rapl",stage="sparsify",tier="B"}`:                            7.5,
		`pare_energy_joules_total{component="cpu",source="rapl",stage="validate",tier="B"}`:                            5,
		`pare_energy_joules_total{component="cpu",source="rapl",stage="deploy",tier="B"}`:                              2.5,
		`pare_energy_budget_joules{state="spent"}`:                                                                     34,
		`pare_energy_budget_joules{state="left"}`:                                                                      16,
		`pare_estimated_ratio`:                      0,
		`pare_accuracy_ratio{split="train"}`:        0.8,
		`pare_accuracy_ratio{split="val"}`:          0.86,
		`pare_accuracy_ratio{split="test"}`:         0.84,
		`pare_zeros_ratio`:                          0.9,
		`pare_cpu_seconds_total{stage="baseline"}`:  7,
		`pare_cpu_seconds_total{stage="configure"}`: 0.02,
		`pare_cpu_seconds_total{stage="sparsify"}`:  2.5,
		`pare_cpu_seconds_total{stage="validate"}`:  2,
		`pare_cpu_seconds_total{stage="deploy"}`:    1,
		`pare_step`:                                 7,
	}
	for k, v := range want {
		if g, ok := got[k]; !ok || math.Abs(g-v) > 1e-9 {
			t.Errorf("%s = %g (there: %v), want %g", k, g, ok, v)
		}
		delete(got, k)
	}
	for k, v := range got {
		t.Errorf("%s = %g is too much", k, v)
	}
	for name, k := range types {
		if (k == dto.MetricType_COUNTER) != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %v", name, k)
		}
	}
	if text, done := r.Done(); !done || text != "verdict PASS" {
		t.Errorf("done %v, %q", done, text)
	}
}

// TestCountersNeverFall follows the log line by line.
func TestCountersNeverFall(t *testing.T) {
	s, rest := session(t, 1)
	_, url := follow(t, s)
	last, _ := scrape(t, url)
	if _, ok := last["pare_energy_joules_total"]; ok || len(last) != 1 {
		t.Errorf("a run that has only started tells %v", last)
	}
	for i, l := range rest {
		grow(t, s, l)
		now, _ := scrape(t, url)
		for k, v := range last {
			if strings.Contains(k, "_total") && !(now[k] >= v) {
				t.Errorf("after line %d %s fell from %g to %g", i+2, k, v, now[k])
			}
		}
		last = now
	}
}

// TestOtherMeter: what a resumed run's other meter counts is a series of its own.
func TestOtherMeter(t *testing.T) {
	s, _ := session(t, 1)
	r, url := follow(t, s)
	j := func(uj int64, tier, source string) event.Joules {
		return event.Joules{UJ: &uj, Tier: tier, Source: source}
	}
	r.apply(event.Event{Body: &event.Metric{Stage: event.Baseline, CPUUS: 1, WallUS: 1, Energy: j(6e6, "B", "rapl")}})
	r.apply(event.Event{Body: &event.Started{Boundary: "CPU time of this process, watts of CPU package"}})
	r.apply(event.Event{Body: &event.Metric{Stage: event.Baseline, CPUUS: 2, WallUS: 2, Energy: j(8e6, "E", "profile x")}})
	got, _ := scrape(t, url)
	for k, v := range map[string]float64{
		`pare_energy_joules_total{component="cpu",source="rapl",stage="baseline",tier="B"}`:      6,
		`pare_energy_joules_total{component="cpu",source="profile x",stage="baseline",tier="E"}`: 2,
		`pare_estimated_ratio`: 0.25,
	} {
		if got[k] != v {
			t.Errorf("%s = %g, want %g", k, got[k], v)
		}
	}
}

// TestPower: the mean of about the last second, only while the run trains.
func TestPower(t *testing.T) {
	s, _ := session(t, 1)
	r, url := follow(t, s)
	r.alive = func() bool { return true }
	now := time.Now()
	r.now = func() time.Time { return now }
	tell := func(at time.Time, b event.Body) { r.apply(event.Event{Seq: r.st.Seq + 1, At: at, Body: b}) }
	metric := func(wall int64, uj int64) *event.Metric {
		return &event.Metric{Stage: event.Baseline, Step: wall, Steps: 9, CPUUS: wall, WallUS: wall, Energy: event.Joules{UJ: &uj, Tier: "B", Source: "rapl"}}
	}
	const key = `pare_power_watts{component="cpu",source="rapl",tier="B"}`
	check := func(what string, want float64) {
		t.Helper()
		got, _ := scrape(t, url)
		w, ok := got[key]
		if ok != (want > 0) || math.Abs(w-want) > 1e-9 {
			t.Errorf("%s: %g W (there: %v), want %g", what, w, ok, want)
		}
	}
	tell(now, metric(500_000, 90_000_000))
	check("one metric", 0)
	tell(now, metric(600_000, 92_000_000))
	check("100 ms", 20)
	for i := int64(1); i <= 20; i++ { // 2 s at 10 W
		tell(now, metric(600_000+i*100_000, 92_000_000+i*1_000_000))
	}
	check("the last second", 10)
	tell(now, &event.Paused{Stage: event.Baseline})
	check("paused", 0)
	tell(now, &event.Continued{Stage: event.Baseline})
	tell(now, metric(2_700_000, 113_000_000))
	tell(now, metric(2_900_000, 117_000_000))
	check("going on", 20)
	tell(now.Add(-time.Minute), metric(3_000_000, 118_000_000))
	check("no news for a minute", 0)
	tell(now, metric(3_100_000, 119_000_000))
	r.alive = func() bool { return false }
	check("its process is gone", 0)
	r.alive = func() bool { return true }
	tell(now, &event.Metric{Stage: event.Baseline, Step: 1, Steps: 9, CPUUS: 4e6, WallUS: 4e6})
	check("joules not known", 0)
}

// TestDamage: a log that cannot be read on is an error; what was read is served.
func TestDamage(t *testing.T) {
	s, rest := session(t, 3)
	r, url := follow(t, s)
	grow(t, s, slices.Concat([]byte("no event\n"), rest[1]))
	if err := r.Update(); err == nil || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
	if got, _ := scrape(t, url); len(got) != 1 {
		t.Errorf("%v", got)
	}
	if _, err := New(s); err == nil {
		t.Error("a damaged log is followed")
	}
}
