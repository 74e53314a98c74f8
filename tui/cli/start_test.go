package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/sessions"
)

// TestFailedStartLeavesNothing: a mistake found at the start is one line, and no
// session stays behind.
func TestFailedStartLeavesNothing(t *testing.T) {
	root := t.TempDir()
	csv := filepath.Join(t.TempDir(), "bad.csv")
	if err := os.WriteFile(csv, []byte("a,b\n1,x\n2,y\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, errs := call(t, "run", "--data", csv, "--label", "nobody", "--model", "mlp", "--sessions", root)
	if code != 1 || !strings.Contains(errs, "nobody") || strings.Count(errs, "\n") != 1 || strings.Contains(errs, "session") {
		t.Errorf("exit %d, %q", code, errs)
	}
	if l, err := sessions.ListAll(root); err != nil || len(l) != 0 {
		t.Errorf("left behind: %+v, %v", l, err)
	}
}
