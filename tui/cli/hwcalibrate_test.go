package cli

import (
	"bytes"
	"os"
	"path/filepath"
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

// A window is a card's: without one it is refused, not ignored.
func TestCalibrateWindowIsForCards(t *testing.T) {
	code, _, err := call(t, "hw", "calibrate", "--dry-run", "--window", "1s")
	if code != 2 || !strings.Contains(err, "--window is for a card") {
		t.Errorf("%d %q", code, err)
	}
}
