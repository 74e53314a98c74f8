package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWriteAside: a file is whole or as it was; what cannot be written is named by its own name,
// not by that of the file beside it, with the way out.
func TestWriteAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.html")
	put := func(s string, err error) error {
		return writeAside(path, func(w io.Writer) error { io.WriteString(w, s); return err }) //nolint:errcheck // read below
	}
	if err := put("old", nil); err != nil {
		t.Fatal(err)
	}
	err := put("new", &fs.PathError{Op: "write", Path: filepath.Join(filepath.Dir(path), ".pare-12"), Err: errors.New("no space left on device")})
	if want := path + " cannot be written: no space left on device: -o names another place"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := put("new", errors.New("it holds no epoch")); err == nil || err.Error() != "it holds no epoch" {
		t.Errorf("what was to be written says %v", err)
	}
	if err := writeAside(filepath.Dir(path), func(io.Writer) error { return nil }); err == nil || !strings.HasPrefix(err.Error(), filepath.Dir(path)+" cannot be written: ") || strings.Contains(err.Error(), ".pare-") {
		t.Errorf("onto a folder: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
		t.Errorf("%q, %v", b, err)
	}
	if l, _ := os.ReadDir(filepath.Dir(path)); len(l) != 1 {
		t.Errorf("left behind: %v", l)
	}
}
