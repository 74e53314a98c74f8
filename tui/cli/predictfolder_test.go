package cli

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTextsOfFile: a byte order mark and empty lines are no texts; what is no UTF-8 is refused.
func TestTextsOfFile(t *testing.T) {
	for text, want := range map[string][]string{
		"\ufeffhello\r\n\r\nthe cat\r\n": {"hello", "the cat"},
		"ok\n\xff\xfe\x00h\n":            nil,
	} {
		path := filepath.Join(t.TempDir(), "x.txt")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := benchTexts(path, math.MaxInt)
		if want == nil {
			if err == nil || !strings.Contains(err.Error(), "line 2 is no UTF-8") {
				t.Errorf("%q: %v", text, err)
			}
		} else if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q gives %q, %v", text, got, err)
		}
	}
}
