package report

import (
	"strings"
	"testing"
)

// FuzzPrintable: whatever bytes a page would hold, what is written is UTF-8
// without control characters, and plain text stays as it is.
func FuzzPrintable(f *testing.F) {
	for _, s := range hostile {
		f.Add([]byte(s))
	}
	f.Add([]byte("plain ✓ −5 %\n\ttext"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got := string(printable(b))
		if _, err := wellFormed("<p>" + strings.NewReplacer("<", "", "&", "", ">", "").Replace(got) + "</p>"); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		if again := string(printable([]byte(got))); again != got {
			t.Fatalf("not stable: %q, %q", got, again)
		}
	})
}
