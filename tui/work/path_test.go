package work

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPathIsCompleted: while a path is typed its folder is listed, tab completes it, and
// hostile names break nothing.
func TestPathIsCompleted(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"digits.csv", "digests.csv", ".hidden.csv", "evil\x1b[2Jname"} {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "images"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, z := range [][2]int{{120, 40}, {80, 24}, {60, 20}} {
		d := testDesk(t, z[0], z[1], 0, false)
		work(d, d.begin())
		key(d, "tab", "/")
		work(d, d.press("", dir+"/"))
		sees(t, d, "digits.csv", "images/", "evil", "!hidden", "!\x1b[2J", "tab complete")
		key(d, "d", "tab")
		if want := dir + "/dig"; d.input.text != want {
			t.Errorf("completed to %q, want %q", d.input.text, want)
		}
		key(d, "i", "tab")
		if want := dir + "/digits.csv"; d.input.text != want {
			t.Errorf("completed to %q, want %q", d.input.text, want)
		}
		key(d, "ctrl+u")
		work(d, d.press("", filepath.Join(dir, "im")))
		key(d, "tab")
		if want := dir + "/images/"; d.input.text != want {
			t.Errorf("completed to %q, want %q", d.input.text, want)
		}
		key(d, "x")
		sees(t, d, "nothing here begins with x")
		key(d, "tab")
		if !strings.HasSuffix(d.input.text, "/images/x") {
			t.Errorf("completed to %q where nothing fits", d.input.text)
		}
		work(d, d.press("", "/y"))
		sees(t, d, "there is no folder")
		key(d, "backspace", "backspace", "backspace")
		sees(t, d, "!there is no folder")
		key(d, "esc", "/", ".")
		sees(t, d, "!"+dir)
	}
}
