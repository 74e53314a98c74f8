//go:build unix

package plain

import (
	"context"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
)

// ended is a session whose run has told its end and whose lock is still held, until the lock is
// closed.
func ended(t *testing.T) (*sessions.Session, *os.File) {
	t.Helper()
	return carried(t, &event.Started{Format: event.Version}, &event.Done{Exit: core.ExitBudget})
}

// carried is a session whose log says so much and whose lock is held, until the lock is closed.
func carried(t *testing.T, log ...event.Body) (*sessions.Session, *os.File) {
	t.Helper()
	s, err := sessions.Create(t.TempDir(), core.DefaultRecipe())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "events.jsonl"), written(t, log...), 0o644); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(filepath.Join(s.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() }) //nolint:errcheck // it may be closed already
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, alive := s.Alive(); !alive {
		t.Fatal("nobody holds the session")
	}
	return s, lock
}

// TestFollowWaitsForTheProcess: a run that has told its end still writes beside its log
// for a moment; the session is free when Follow returns.
func TestFollowWaitsForTheProcess(t *testing.T) {
	s, lock := ended(t)
	time.AfterFunc(200*time.Millisecond, func() { lock.Close() }) //nolint:errcheck // it is let go
	if code, err := Follow(t.Context(), s, io.Discard, Options{}); code != core.ExitBudget || err != nil {
		t.Errorf("exit %d, %v", code, err)
	}
	if _, alive := s.Alive(); alive {
		t.Error("the session is still held")
	}
}

// TestFollowLeavesTheProcess: who does not want to wait for a process that will not end
// leaves, with how the run ended.
func TestFollowLeavesTheProcess(t *testing.T) {
	was := looks
	t.Cleanup(func() { looks = was })
	looks = math.MaxInt
	s, _ := ended(t)
	ctx, leave := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, leave)
	for _, stop := range []bool{false, true} { // one that goes on waiting does so for ever
		if code, err := Follow(ctx, s, io.Discard, Options{Stop: stop}); code != core.ExitBudget || err != nil {
			t.Errorf("exit %d, %v", code, err)
		}
	}
}

// late is a context that ends after it has been looked at so often.
type late struct {
	context.Context
	looks int
}

func (l *late) Err() error {
	if l.looks--; l.looks >= 0 {
		return nil
	}
	return context.Canceled
}

// Done is closed: whoever waits for the end need not.
func (l *late) Done() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// TestWatcherNeverStops: whenever the interrupt of one who only watches comes, the run is told
// nothing.
func TestWatcherNeverStops(t *testing.T) {
	s, _ := carried(t, &event.Started{Format: event.Version})
	for looks := range 8 {
		code, err := Follow(&late{t.Context(), looks}, s, io.Discard, Options{})
		if code != core.ExitInterrupted || err != nil { // nobody listens: a word to the run is an error
			t.Errorf("interrupted after %d looks: exit %d, %v", looks, code, err)
		}
	}
}
