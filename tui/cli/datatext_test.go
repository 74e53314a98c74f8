package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDataShowText: what became of text, by character and by byte, and no classes.
func TestDataShowText(t *testing.T) {
	code, out, errs := call(t, "data", "show", "kjv")
	for _, want := range []string{"running text", "char, 63 ids, 128 tokens a sample", "5193 train, 741 validation, 1482 test", "|", "sample 3"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("%d %q: no %q in\n%s", code, errs, want, out)
		}
	}
	file := filepath.Join(t.TempDir(), "a.txt")
	if err := os.WriteFile(file, []byte(strings.Repeat("Grüße, Welt!\n", 400)), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs = call(t, "data", "show", file, "--tokenizer", "byte", "--tokens", "16", "--json")
	if code != 0 || !strings.Contains(out, `"tokenizer":"byte","tokens":16,"vocab":256`) {
		t.Errorf("%d %q %s", code, errs, out)
	}
	if code, _, errs = call(t, "data", "show", file, "--tokenizer", "nosuch.json"); code != 1 || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "nosuch.json") {
		t.Errorf("%d %q", code, errs)
	}
}
