package report

import (
	"os"
	"path/filepath"
	"testing"

	"pare/core/event"
)

// cases are the runs whose pages are kept.
func cases() map[string]*event.State {
	return map[string]*event.State{
		"finished-b": &whole("B", 0).st,
		"finished-e": &whole("E", 40).st,
		"no-joules":  &whole("", 0).st,
		"unfinished": &start("E", 40).configured().sparsified(7).st,
		"empty":      {},
	}
}

// TestGolden: the same run gives the same page. PARE_UPDATE=1 writes it anew;
// look at it in a browser, at phone and desktop width, before it is kept.
func TestGolden(t *testing.T) {
	for name, st := range cases() {
		got := render(t, st, recipe)
		if again := render(t, st, recipe); again != got {
			t.Errorf("%s: two different pages of one state", name)
		}
		file := filepath.Join("testdata", name+".html")
		if os.Getenv("PARE_UPDATE") != "" {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			i := 0
			for i < len(got) && i < len(want) && got[i] == want[i] {
				i++
			}
			t.Errorf("%s differs from byte %d: got %.120q, want %.120q (PARE_UPDATE=1 to take it)", name, i, got[i:], want[i:])
		}
	}
}
