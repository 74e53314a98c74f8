package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/hwprofiles"
)

// TestHWList: every profile in one line, own ones marked, a bad file named once
// with file and field; with --json one object a line.
func TestHWList(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	own := filepath.Join(dir, "pare", "hw")
	if err := os.MkdirAll(own, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"my-box.toml": "kind='gpu'\ntitle='my card'\ntdp_w={value=123,source='sticker'}\n",
		"bad.toml":    "kind='gpu'\ntdp_w={value='much',source='sticker'}\n",
	} {
		if err := os.WriteFile(filepath.Join(own, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	code, out, errs := call(t, "hw", "list")
	if code != 0 || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "bad.toml:2: tdp_w: is of TOML type string, want a number") {
		t.Errorf("%d %q", code, errs)
	}
	for _, p := range hwprofiles.List() {
		if strings.Count(out, "\n"+p.Name+" ") != 1 {
			t.Errorf("%s is not in\n%s", p.Name, out)
		}
	}
	for _, want := range []string{"my card", "yours", "<6", "H200 SXM", "1745", "idle W"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	_, out, _ = call(t, "hw", "list", "--json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(hwprofiles.List()) {
		t.Errorf("%d lines", len(lines))
	}
	for _, l := range lines {
		var p hwprofiles.Profile
		if err := json.Unmarshal([]byte(l), &p); err != nil || p.Name == "" {
			t.Errorf("%v: %s", err, l)
		}
	}
}

// TestHWShow: every figure of every profile is printed with its source, what is
// unknown says so.
func TestHWShow(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	for _, p := range hwprofiles.List() {
		_, out, errs := call(t, "hw", "show", p.Name)
		if errs != "" {
			t.Fatalf("%s: %s", p.Name, errs)
		}
		var sources []string
		add := func(f *hwprofiles.Figure) {
			if f != nil {
				sources = append(sources, f.Source)
			}
		}
		for _, f := range []*hwprofiles.Figure{p.IdleW, p.FullW, p.TDPW, p.BusyCoreW, p.BandPct, p.BandwidthGBs, p.MemoryGB, p.CallUS} {
			add(f)
		}
		for _, r := range p.Rates {
			add(r.Peak)
			add(r.Achievable)
		}
		for _, s := range p.Sparse {
			sources = append(sources, s.Source, s.Gain)
			if s.Kernel {
				add(s.Efficiency)
			}
		}
		for _, s := range sources {
			if !strings.Contains(out, s) {
				t.Errorf("%s: no %q", p.Name, s)
			}
		}
		if p.IdleW == nil && !strings.Contains(out, "idle power") || !strings.Contains(out, "unknown") {
			t.Errorf("%s: unknown figures are not named:\n%s", p.Name, out)
		}
	}
	if _, out, _ := call(t, "hw", "show", "h200-sxm"); strings.Contains(out, "e+06") || !strings.Contains(out, "1979000 GFLOP/s") {
		t.Errorf("rates of millions:\n%s", out)
	}
	_, out, _ := call(t, "hw", "show", "epyc-9654")
	for _, want := range []string{"idle power", "2.25 W", "(assumed) rule: 1.2 x TDP", "7373 GFLOP/s", "f64, tf32, f16, fp8, fp4"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	_, out, _ = call(t, "hw", "show", "h200-sxm", "--json")
	var p hwprofiles.Profile
	if err := json.Unmarshal([]byte(out), &p); err != nil || p.MemoryGB == nil || strings.Count(out, "\n") != 1 {
		t.Errorf("%v: %s", err, out)
	}
}
