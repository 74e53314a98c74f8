package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pare/core"
	"pare/sessions"
	"pare/sessions/metrics"
)

// recorded is a folder of sessions with the small recorded one.
func recorded(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "brisk-heron"), os.DirFS("../../sessions/testdata/brisk-heron")); err != nil {
		t.Fatal(err)
	}
	return root
}

// TestEnergyLog: the latest session's log to a file and to the standard output, and
// the check of its chain.
func TestEnergyLog(t *testing.T) {
	root, file := recorded(t), filepath.Join(t.TempDir(), "run.jsonl")
	want, err := os.ReadFile("../../sessions/testdata/energy.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	code, out, errs := call(t, "energy", "log", "--sessions", root, "-o", "-")
	if code != 0 || errs != "" || out != string(want) {
		t.Errorf("%d %q\n%s", code, errs, out)
	}
	code, wrote, errs := call(t, "energy", "log", "brisk", "--sessions", root, "-o", file)
	_, checked, _ := call(t, "energy", "log", "--verify", file)
	hash := wrote[max(strings.LastIndex(wrote, " "), 0):]
	if code != 0 || errs != "" || !strings.Contains(wrote, "9 lines; SHA-256 of the last: ") || len(hash) < 64 || !strings.HasSuffix(checked, hash) || !strings.Contains(checked, "the chain of 9 lines holds") {
		t.Errorf("%d %q %q, verify: %q", code, wrote, errs, checked)
	}

	_, out, _ = call(t, "energy", "log", "--sessions", root, "-o", "-", "--grid", "FRA", "--pue", "1.2", "--price", "0.21 EUR")
	for _, l := range strings.Split(strings.TrimSpace(out), "\n") {
		if !strings.Contains(l, `"pue":1.2,"gco2e_kwh":56.039,"grid_year":2023,"price_kwh":0.21,"price_unit":"EUR"`) {
			t.Errorf("a line without the grid: %s", l)
		}
	}
	if !strings.Contains(out, `"uj":8000000,`) {
		t.Error("the joules were multiplied")
	}

	if err := os.WriteFile(file, bytes.Replace(want, []byte(`"uj":8200000`), []byte(`"uj":7200000`), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, errs = call(t, "energy", "log", "--verify", file)
	if code != 1 || out != "" || !strings.Contains(errs, "run.jsonl: line 3: it does not carry the hash of line 2") {
		t.Errorf("tampered: %d %q %q", code, out, errs)
	}
}

func TestEnergyExportsJSON(t *testing.T) {
	root, dir := recorded(t), t.TempDir()
	file := filepath.Join(dir, "a.jsonl")
	for _, args := range [][]string{{"log", "-o", file}, {"log", "--verify", file}, {"gpai", "-o", filepath.Join(dir, "b.md")}} {
		_, out, errs := call(t, append([]string{"energy", "--sessions", root, "--json"}, args...)...)
		var v struct{ File string }
		if err := json.Unmarshal([]byte(out), &v); err != nil || v.File == "" || errs != "" {
			t.Errorf("%v: %v %q %q", args, err, out, errs)
		}
	}
}

func TestEnergyGPAI(t *testing.T) {
	root := recorded(t)
	code, out, errs := call(t, "energy", "gpai", "--sessions", root, "-o", "-")
	for _, want := range []string{
		"## Energy consumption (known or estimated)", "7.4×10⁻⁹ MWh (27 J) ±2 %, measured, tier B", // 19 + 7.5 J
		"1.1×10⁹ FLOPs, counted", "dense it would have been 1.6×10⁹ FLOPs", // 4 epochs of 199,650,000 multiply-adds, 260,000,000 skipped
		"covered 95 % of the time", "not measured in configure: the meter gave no figure", "| dense | 5.3×10⁵ | 19 µs ±6 % | 410 µJ ±2 %, measured, tier B |",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in the form", want)
		}
	}
	if code != 0 || errs != "" {
		t.Errorf("%d %q\n%s", code, errs, out)
	}
}

func TestEnergyExportMistakes(t *testing.T) {
	root := t.TempDir()
	if _, err := sessions.Create(root, core.DefaultRecipe()); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"--intensity -3: give":             {"log", "--intensity", "-3"},
		"perhaps FRA France":               {"log", "--grid", "Francce"},
		"--pue 0.5: give":                  {"log", "--pue", "0.5"},
		"--price \"cheap\": give":          {"log", "--price", "cheap"},
		"has no bill yet":                  {"log"},
		"no session \"nosuch\"":            {"log", "nosuch"},
		"nofile.jsonl does not exist":      {"log", "--verify", "nofile.jsonl"},
		"give no SESSION":                  {"log", "x", "--verify", "nofile.jsonl"},
		"no session \"zzz\"":               {"gpai", "zzz"},
		"--listen \"9464\": give":          {"metrics", "--listen", "9464"},
		"--listen 127.0.0.1:99999: listen": {"metrics", "--listen", "127.0.0.1:99999"},
		"no session \"none\"":              {"metrics", "none"},
	} {
		code, out, errs := call(t, append([]string{"energy", "--sessions", root}, args...)...)
		if code == 0 || out != "" || !strings.Contains(errs, want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: %d %q %q", args, code, out, errs)
		}
	}
}

// metricsAt are the recorded session's, and an address to serve them at.
func metricsAt(t *testing.T, addr string) (*sessions.Session, *metrics.Run, net.Listener) {
	t.Helper()
	s, err := sessions.Find(recorded(t), "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := metrics.New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() }) //nolint:errcheck // only read from
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return s, r, l
}

// TestServeMetrics: serves, says that the run is done, and ends with the context.
func TestServeMetrics(t *testing.T) {
	s, r, l := metricsAt(t, "127.0.0.1:0")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, outw := io.Pipe()
	var errs bytes.Buffer
	e := &env{out: outw, err: &errs}
	end := make(chan error, 1)
	go func() { end <- e.serveMetrics(ctx, l, s, r) }()
	var said []byte
	for b := make([]byte, 512); !bytes.Contains(said, []byte("until Ctrl-C\n")); {
		n, err := out.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, b[:n]...)
	}
	if want := "session brisk-heron at http://" + l.Addr().String() + "/metrics; Ctrl-C ends it\nthe run is done (verdict PASS); its final values are served until Ctrl-C\n"; string(said) != want {
		t.Errorf("said %q, want %q", said, want)
	}
	for path, code := range map[string]int{"/metrics": 200, "/": 404} {
		resp, err := http.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close() //nolint:errcheck // read to its end
		if err != nil || resp.StatusCode != code || (code == 200) != bytes.Contains(b, []byte(`pare_energy_joules_total{component="cpu",source="rapl",stage="baseline",tier="B"} 19`)) {
			t.Errorf("%s: %d, %v\n%s", path, resp.StatusCode, err, b)
		}
	}
	cancel()
	select {
	case err := <-end:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
	if errs.Len() > 0 {
		t.Errorf("%q", errs.String())
	}
}

// TestServeMetricsWarns: an address that others can reach is said.
func TestServeMetricsWarns(t *testing.T) {
	s, r, l := metricsAt(t, ":0")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errs bytes.Buffer
	e := &env{out: io.Discard, err: &errs}
	if err := e.serveMetrics(ctx, l, s, r); err != nil {
		t.Error(err)
	}
	if !strings.Contains(errs.String(), "warning: whoever reaches") || strings.Count(errs.String(), "\n") != 1 {
		t.Errorf("%q", errs.String())
	}
}
