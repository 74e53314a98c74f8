//go:build unix

package cli

import (
	"testing"

	"pare/sessions"
)

// TestDemoOfTheTour: `pare demo --tour` in a terminal of 80×24 leads through all five stages
// with enter alone. Every stop is waited for by its name and closed by one key, and the run
// is long enough that it cannot be over before the screen has looked: which stops show does
// not hang on who is quicker.
func TestDemoOfTheTour(t *testing.T) {
	root := endingRoot(t)
	s := onScreen(t, "demo", "--tour", "--epochs", "24", "--prune-epochs", "24", "--floor", "90", "--formats", "packed", "--sessions", root)
	s.sees("tour: welcome", "stop 1 of 7", "enter go on")
	l, err := sessions.List(root)
	if err != nil || len(l) != 1 {
		t.Fatal(l, err)
	}
	for _, stop := range []struct {
		sees []string // at the stop
		then string   // in the footer once it is closed, which enter does; "" where the run just goes on
	}{
		{[]string{"tour: welcome"}, "enter train"},
		{[]string{"tour: two curves", "stop 2 of 7", "paused", "the run holds here until you go on"}, ""},
		{[]string{"tour: the recipe", "stop 3 of 7"}, "enter sparsify"},
		{[]string{"tour: zeros", "stop 4 of 7", "paused"}, ""},
		{[]string{"tour: the test", "stop 5 of 7"}, "enter look at the test set"},
		{[]string{"tour: the verdict", "stop 6 of 7"}, "enter write the files"},
		{[]string{"tour: the end", "stop 7 of 7", "pare report"}, "q leave"},
	} {
		s.sees(stop.sees...)
		s.types(enter)
		if stop.then == "" {
			continue
		}
		s.sees(stop.then)
		if stop.then != "q leave" {
			s.types(enter)
		}
	}
	s.sees("✓ done", "pare predict")
	s.leaves()
}
