package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pare/hwprofiles"
)

// TestCalibrate: what calibrate measures becomes this machine's profile, with a
// source for every figure; a dry run writes nothing.
func TestCalibrate(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	var out bytes.Buffer
	e := &env{out: &out, err: &bytes.Buffer{}}
	if err := e.calibrate("this-machine", true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(hwprofiles.UserDir()); err == nil || !strings.Contains(out.String(), "[rates.f32") {
		t.Errorf("a dry run left a folder (%v) or printed no profile: %s", err, out.String())
	}
	if testing.Short() {
		return
	}
	if err := e.calibrate("my-box", false); err != nil {
		t.Fatal(err)
	}
	p := hwprofiles.Local()
	if hwprofiles.CPUModel() != "" && (p.Name != "my-box" || p.File != filepath.Join(hwprofiles.UserDir(), "my-box.toml")) {
		t.Errorf("this machine's profile is %s of %s", p.Name, p.File)
	}
	p, err := hwprofiles.Load("my-box")
	if err != nil {
		t.Fatal(err)
	}
	if r := p.Rates["f32"].Achievable; r == nil || !(r.Value > 0) || !strings.Contains(r.Source, "calibrate") || p.BandwidthGBs == nil || !(p.BandwidthGBs.Value > 0) {
		t.Errorf("rate %+v, bandwidth %+v", r, p.BandwidthGBs)
	}
	if s, ok := p.SparseFor(hwprofiles.Block4x1); !ok || s.Source == "" || s.Kernel && s.Efficiency == nil {
		t.Errorf("blocks: %+v", s)
	}
	if p.BusyCoreW == nil || p.BusyCoreW.Source == "" {
		t.Error("the watts of the profile before are lost")
	}
}

// TestCalibrateSaysWhichIsUsed: a profile that another comes before is not called the
// machine's.
func TestCalibrateSaysWhichIsUsed(t *testing.T) {
	if hwprofiles.CPUModel() == "" {
		t.Skip("the system gives no name of its CPU")
	}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	var said bytes.Buffer
	e := &env{out: &bytes.Buffer{}, err: &said}
	own := hwprofiles.Profile{Title: "a box", Kind: "cpu", Match: []string{"^" + regexp.QuoteMeta(hwprofiles.CPUModel()) + "$"}, Boundary: "CPU package"}
	for _, c := range []struct{ name, want string }{
		{"b", "b.toml; it is this machine's profile from now on"},
		{"c", "c.toml; but this machine's profile stays b: to use the new one, remove " + filepath.Join(hwprofiles.UserDir(), "b.toml")},
		{"a", "a.toml; it is this machine's profile from now on"},
	} {
		said.Reset()
		own.Name = c.name
		if err := e.keepProfile(own, false, e.say()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(said.String(), c.want) {
			t.Errorf("%q, want %q", said.String(), c.want)
		}
	}
}

// TestCalibrateNames: a name that no profile may have is refused before anything is
// measured, and nothing is written, least of all outside of the folder.
func TestCalibrateNames(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	for name, want := range map[string]string{
		"../x": "use lower-case letters", "a b/c": "use lower-case letters", "": "use lower-case letters", "..": "use lower-case letters",
		"h100-sxm": `name "h100-sxm" is that of the built-in profile of NVIDIA H100`,
	} {
		for _, more := range [][]string{nil, {"--dry-run"}} {
			code, out, err := call(t, append([]string{"hw", "calibrate", "--name", name}, more...)...)
			if code != 2 || out != "" || !strings.Contains(err, want) || strings.Count(err, "\n") != 1 {
				t.Errorf("%q: %d %q %q", name, code, out, err)
			}
		}
	}
	if l, _ := os.ReadDir(dir); len(l) != 0 {
		t.Errorf("%v was written", l)
	}
}

// TestBadProfileIsSaid: who looks at the machine or estimates for it is told that a profile
// of theirs is not used.
func TestBadProfileIsSaid(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if err := os.MkdirAll(hwprofiles.UserDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(hwprofiles.UserDir(), "my-box.toml"), []byte("kind = 'x'"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"doctor"}, {"doctor", "--json"}, {"hw", "list"}, {"hw", "estimate", "lenet-300-100"}} {
		code, out, err := call(t, args...)
		if s := out + err; code != 0 || !strings.Contains(strings.ReplaceAll(s, "_", " "), "left out") || !strings.Contains(s, "my-box.toml: kind ") {
			t.Errorf("%v: %d %s", args, code, s)
		}
	}
}

// TestDoctorOffersToCalibrate where figures are only assumed.
func TestDoctorOffersToCalibrate(t *testing.T) {
	_, out, _ := call(t, "doctor")
	if assumed, said := strings.Contains(out, "no profile for"), strings.Contains(out, "fix: pare hw calibrate measures this machine"); assumed != said {
		t.Errorf("assumed: %v, offered: %v:\n%s", assumed, said, out)
	}
}

// A window is a card's: without one it is refused, not ignored.
func TestCalibrateWindowIsForCards(t *testing.T) {
	code, _, err := call(t, "hw", "calibrate", "--dry-run", "--window", "1s")
	if code != 2 || !strings.Contains(err, "--window is for a card") {
		t.Errorf("%d %q", code, err)
	}
}
