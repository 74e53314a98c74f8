package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWallFlag: a wall meter's file that cannot be read is one line and exit code 1,
// before a session exists; a flag goes before PARE_WALL.
func TestWallFlag(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.csv")
	if err := os.WriteFile(bad, []byte("a,b\n1,2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PARE_WALL", filepath.Join(dir, "elsewhere.csv"))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"run", "--wall", bad}, "bad.csv: columns"},
		{[]string{"demo", "--wall", filepath.Join(dir, "gone.csv"), "--plain"}, "gone.csv"},
		{[]string{"--wall", bad}, "bad.csv: columns"},
		{[]string{"run"}, "elsewhere.csv"},
	} {
		root := filepath.Join(dir, "sessions")
		code, out, errs := call(t, append(c.args, "--sessions", root)...)
		if code != 1 || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 || out != "" {
			t.Errorf("%v: exit %d, %q, %q", c.args, code, out, errs)
		}
		if _, err := os.Stat(root); err == nil {
			t.Errorf("%v left a session", c.args)
		}
	}
}

// TestDoctorTellsOfABadSource: what is wrong with PARE_ENERGY is a row with what helps, and
// doctor goes on; a run refuses.
func TestDoctorTellsOfABadSource(t *testing.T) {
	t.Setenv("PARE_RAPL", filepath.Join(t.TempDir(), "none")) // no counter here
	for source, why := range map[string]string{"joulemeter": "use auto, rapl, load, profile or battery", "rapl": "energy source rapl: "} {
		t.Setenv("PARE_ENERGY", source)
		code, out, errs := call(t, "doctor")
		if code != 0 || errs != "" || !strings.Contains(out, "\nsessions ") {
			t.Fatalf("%s: exit %d, %q\n%s", source, code, errs, out)
		}
		_, row, _ := strings.Cut(out, "\n  PARE_ENERGY ")
		row, _, _ = strings.Cut(row, "\n  wall meter ")
		for _, want := range []string{`"` + source + `"`, "a run refuses to start with it", why, "fix: unset PARE_ENERGY"} {
			if !strings.Contains(row, want) {
				t.Errorf("%s: no %q in %q", source, want, row)
			}
		}
		if code, out, errs := call(t, "doctor", "--json"); code != 0 || errs != "" || !strings.Contains(out, why) {
			t.Errorf("%s: exit %d, %q, %q", source, code, out, errs)
		}
	}
	t.Setenv("PARE_ENERGY", "profile")
	if code, out, errs := call(t, "doctor"); code != 0 || errs != "" || strings.Contains(out, "PARE_ENERGY ") {
		t.Errorf("a source that is there: exit %d, %q\n%s", code, errs, out)
	}
}

// TestDoctorTellsOfABadWallMeter: what is wrong with a wall meter's file is a row with what
// helps, and the rest of the machine is told, too.
func TestDoctorTellsOfABadWallMeter(t *testing.T) {
	dir := t.TempDir()
	bad, pipe := filepath.Join(dir, "bad.csv"), filepath.Join(dir, "folder")
	if err := os.WriteFile(bad, []byte("a,b\n1,2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(pipe, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, why := range map[string]string{bad: "one must be called timestamp", filepath.Join(dir, "gone.csv"): "no such file", pipe: "is no regular file"} {
		t.Setenv("PARE_WALL", file)
		code, out, errs := call(t, "doctor")
		if code != 0 || errs != "" || !strings.Contains(out, "\nsessions ") {
			t.Fatalf("%s: exit %d, %q\n%s", file, code, errs, out)
		}
		_, row, _ := strings.Cut(out, "\n  wall meter ")
		row, _, _ = strings.Cut(row, "\n  rapl ")
		for _, want := range []string{"a run refuses to start with it", why, file, "fix: name a file that the meter writes"} {
			if !strings.Contains(row, want) {
				t.Errorf("%s: no %q in %q", file, want, row)
			}
		}
		if code, out, errs := call(t, "doctor", "--json"); code != 0 || errs != "" || !strings.Contains(out, why) {
			t.Errorf("--json: exit %d, %q, %q", code, errs, out)
		}
	}
}
