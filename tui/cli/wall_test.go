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
