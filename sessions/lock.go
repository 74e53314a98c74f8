package sessions

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// lockWait is how long a starting run waits for the lock: readers that look
// whether it is held hold it themselves for some microseconds.
const lockWait = 2 * time.Second

// lockPause lies between two tries to take the lock.
const lockPause = 5 * time.Millisecond

// takeLock makes this process the one that writes the session. The lock is the
// kernel's: it goes when the process does, however that ends. Close gives it
// back. While a living process has it, only the patient wait. Tries are counted, not the
// clock: a process that stood still for longer than wait has not looked meanwhile.
func (s *Session) takeLock(wait time.Duration, patient bool) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(s.Dir, lockFile), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("session %s: %w", s.ID, full(err))
	}
	for left := wait; ; left -= lockPause {
		held, err := flock(f, true)
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("session %s: cannot lock its folder (%w): keep sessions on a local disk with --sessions DIR", s.ID, err)
		}
		if !held {
			return f, nil
		}
		r, err := readRun(s.Dir)
		running := err == nil && r.lives()
		if running && !patient || left <= 0 {
			_ = f.Close()
			if running {
				return nil, fmt.Errorf("session %s: %w (pid %d): `pare attach %s` shows it", s.ID, ErrRunning, r.Pid, s.ID)
			}
			return nil, fmt.Errorf("session %s: %w (in a process that cannot be seen from here)", s.ID, ErrRunning)
		}
		time.Sleep(lockPause)
	}
}

// ErrRunning says that a process is carrying the run.
var ErrRunning = errors.New("is running already")

// locked reports whether some process holds the session. It takes the lock,
// shared, for a moment, so that lookers do not see each other.
func (s *Session) locked() (bool, error) {
	f, err := os.Open(filepath.Join(s.Dir, lockFile))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close() //nolint:errcheck // only read from
	return flock(f, false)
}

// Alive reports whether a process carries the run, and which. A held lock
// without a process that fits run.json (it is just starting, or on another
// machine that shares the disk) is alive with pid 0; a recycled pid is not
// alive.
func (s *Session) Alive() (pid int, alive bool) {
	held, err := s.locked()
	if err == nil && !held {
		return 0, false
	}
	r, rerr := readRun(s.Dir)
	if rerr == nil && r.lives() {
		return r.Pid, true
	}
	return 0, held
}
