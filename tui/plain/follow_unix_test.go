//go:build unix

package plain

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
)

// TestFollowWaitsForTheProcess: a run that has told its end still writes beside its log
// for a moment; the session is free when Follow returns.
func TestFollowWaitsForTheProcess(t *testing.T) {
	s, err := sessions.Create(t.TempDir(), core.DefaultRecipe())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "events.jsonl"), written(t, &event.Started{Format: event.Version}, &event.Done{Exit: core.ExitBudget}), 0o644); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(filepath.Join(s.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, alive := s.Alive(); !alive {
		t.Fatal("nobody holds the session")
	}
	time.AfterFunc(200*time.Millisecond, func() { lock.Close() }) //nolint:errcheck // it is let go
	if code, err := Follow(t.Context(), s, io.Discard, Options{}); code != core.ExitBudget || err != nil {
		t.Errorf("exit %d, %v", code, err)
	}
	if _, alive := s.Alive(); alive {
		t.Error("the session is still held")
	}
}
