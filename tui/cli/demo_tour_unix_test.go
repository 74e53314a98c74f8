//go:build unix

package cli

import (
	"context"
	"regexp"
	"slices"
	"testing"
	"time"

	"pare/core"
	"pare/sessions"
)

// TestDemoOfTheTour: `pare demo --tour` leads through all five stages with enter alone, and
// stops where there is something to explain.
func TestDemoOfTheTour(t *testing.T) {
	root := t.TempDir()
	s := onScreen(t, "demo", "--tour", "--epochs", "4", "--prune-epochs", "4", "--floor", "90", "--formats", "packed", "--sessions", root)
	s.sees("tour: welcome", "enter go on")
	l, err := sessions.List(root)
	if err != nil || len(l) != 1 {
		t.Fatal(l, err)
	}
	run, err := sessions.Open(l[0].Dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		run.Send(context.Background(), core.Command{Cmd: core.CmdStop}) //nolint:errcheck // it has ended
		waitFor(t, "the end of the run", func() bool { _, alive := run.Alive(); return !alive })
	})
	stop := regexp.MustCompile(`tour: ([a-z ]+[a-z])`)
	now := regexp.MustCompile(` enter (go on|train|sparsify|look at the test set|write the files)`)
	after := map[string]string{"train": "welcome", "sparsify": "the recipe", "look at the test set": "the test", "write the files": "the verdict"}
	var seen []string
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		text := s.text()
		if m := stop.FindStringSubmatch(text); m != nil && !slices.Contains(seen, m[1]) {
			seen = append(seen, m[1])
		}
		if slices.Contains(seen, "the end") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the tour does not end; seen %q:\n%s", seen, text)
		}
		m := now.FindStringSubmatch(text)
		if m != nil && (after[m[1]] == "" || slices.Contains(seen, after[m[1]])) { // who takes the tour reads first
			s.types(enter)
			time.Sleep(300 * time.Millisecond)
		}
	}
	for _, want := range []string{"welcome", "the recipe", "the test", "the verdict", "the end"} {
		if !slices.Contains(seen, want) {
			t.Errorf("no stop %q, only %q", want, seen)
		}
	}
	s.types(enter)
	s.sees("✓ done", "pare predict")
	s.leaves()
	t.Logf("stops: %q", seen)
}
