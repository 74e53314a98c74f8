package work

import (
	"strings"
	"testing"

	"pare/core/event"
)

// TestOnce: the screen as text, without looks, of a run that is done and of one
// whose process is gone; nothing of it is changed.
func TestOnce(t *testing.T) {
	done := onDisk(t, t.TempDir(), whole())
	got, err := Once(Options{}, done, 80, 24, false)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(got, "\x1b") || !strings.Contains(got, "✓ done") || !strings.Contains(got, "PASS 88.4 %") || strings.Count(got, "\n") > 24 {
		t.Errorf("%s", got)
	}
	gone := onDisk(t, t.TempDir(), newStory().start("B").baselineDone("B").add(&event.StageChange{Stage: event.Sparsify, State: "started"}))
	if got, err = Once(Options{}, gone, 100, 30, true); err != nil || !strings.Contains(got, "dead") || strings.ContainsRune(got, '─') {
		t.Errorf("%v\n%s", err, got)
	}
}
