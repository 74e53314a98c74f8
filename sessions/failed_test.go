package sessions

import (
	"os"
	"path/filepath"
	"testing"

	"pare/core"
	"pare/core/event"
)

// TestFailedStart: a run that failed before its first step is not in the list,
// is not the latest one, and goes with all its files.
func TestFailedStart(t *testing.T) {
	root := t.TempDir()
	begun := &event.Started{Format: event.Version, Model: "lenet", Data: "fashion"}
	make := func(bodies ...event.Body) *Session {
		t.Helper()
		s, err := Create(root, core.DefaultRecipe())
		if err != nil {
			t.Fatal(err)
		}
		if len(bodies) > 0 {
			write(t, s, bodies...)
		}
		return s
	}
	good := make(begun, &event.Metric{Stage: event.Baseline, Step: 1}, &event.Failure{Text: "later"})
	bug := make(begun, &event.Failure{Text: bugWords + ": index out of range"})
	fresh := make()
	bad := []*Session{make(&event.Failure{Text: "no such column"}), make(begun, &event.StageChange{Stage: event.Baseline, State: "started"}, &event.Failure{Text: "too large"})}

	l, err := List(root)
	if err != nil || len(l) != 3 {
		t.Errorf("%d listed, %v; want 3", len(l), err)
	}
	if l, err = ListAll(root); err != nil || len(l) != 5 {
		t.Errorf("%d in all, %v; want 5", len(l), err)
	}
	for _, s := range bad {
		if !s.Summary().FailedStart {
			t.Errorf("%+v", s.Summary())
		}
		if x, err := Find(root, ""); err != nil || x.ID == s.ID {
			t.Errorf("the latest is a failed start: %v, %v", x, err)
		}
		if !s.RemoveFailedStart() {
			t.Error("a failed start stayed")
		}
		if _, err := os.Stat(s.Dir); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", s.Dir, err)
		}
	}
	for _, s := range []*Session{good, bug} {
		if s.RemoveFailedStart() {
			t.Errorf("%+v was removed", s.Summary())
		}
	}
	if !fresh.RemoveFailedStart() {
		t.Error("a session without one event stayed")
	}
	for _, s := range []*Session{good, bug} {
		if err := s.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	last := make(&event.Failure{Text: "x"}) // nothing else: it is found all the same
	if x, err := Find(root, ""); err != nil || x.ID != last.ID {
		t.Errorf("%v, %v", x, err)
	}
	if es, _ := filepath.Glob(filepath.Join(root, ".rm-*")); len(es) > 0 {
		t.Errorf("left behind: %v", es)
	}
}
