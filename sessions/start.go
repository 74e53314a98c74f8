package sessions

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Verb is the hidden word of the command line that leads to Main: the run's
// process is this program started again as `pare __run DIR`.
const Verb = "__run"

// idleEnv is set for a run's process that is to measure the idle power anew.
const idleEnv = "PARE_IDLE_ANEW"

// env is the environment of the run's process: this one's, with a relative PARE_WALL
// made absolute, as the run has its own working directory.
func (s *Session) env() ([]string, error) {
	env := os.Environ()
	if w := os.Getenv("PARE_WALL"); w != "" && !filepath.IsAbs(w) {
		abs, err := filepath.Abs(w)
		if err != nil {
			return nil, fmt.Errorf("PARE_WALL: %w", err)
		}
		env = append(env, "PARE_WALL="+abs)
	}
	if s.IdleAnew {
		env = append(env, idleEnv+"=1")
	}
	return env, nil
}

// startLimit bounds the wait for a run's process to come up; repairing a log
// of a million events takes seconds.
const startLimit = 2 * time.Minute

// Start begins the run, or goes on with it, in a process of its own that
// outlives this one and its terminal. It returns when that process has the
// session, or with its last words when it died.
func (s *Session) Start() error {
	pid, alive := s.Alive()
	for end := time.Now().Add(lockWait); alive && pid == 0 && time.Now().Before(end); pid, alive = s.Alive() {
		if r, err := readRun(s.Dir); err != nil || r.Ended == nil {
			break
		}
		time.Sleep(5 * time.Millisecond) // the last run is just leaving
	}
	if alive {
		if pid == 0 {
			return fmt.Errorf("session %s: %w (in a process that cannot be seen from here)", s.ID, ErrRunning)
		}
		return fmt.Errorf("session %s: %w (pid %d): `pare attach %s` shows it", s.ID, ErrRunning, pid, s.ID)
	}
	exe, err := selfExe()
	if err != nil {
		return fmt.Errorf("session %s: finding this program to start it again: %w", s.ID, err)
	}
	out, err := os.OpenFile(filepath.Join(s.Dir, stderrFile), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("session %s: %w", s.ID, full(err))
	}
	defer out.Close() //nolint:errcheck // the child has its own handle
	st, err := out.Stat()
	if err != nil {
		return fmt.Errorf("session %s: %w", s.ID, err)
	}
	cmd := exec.Command(exe, Verb, s.Dir)
	cmd.Args[0] = "pare"
	cmd.Dir = s.Dir
	cmd.Stdout, cmd.Stderr = out, out // stdin stays the null device
	cmd.SysProcAttr = detached()
	if cmd.Env, err = s.env(); err != nil {
		return fmt.Errorf("session %s: %w", s.ID, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("session %s: starting its process: %w", s.ID, err)
	}
	died := make(chan error, 1)
	go func() { died <- cmd.Wait() }() // so that it leaves no zombie either
	return s.awaitRun(cmd.Process.Pid, died, st.Size())
}

// awaitRun waits until process pid has the session. from is where its words
// begin in run.log.
func (s *Session) awaitRun(pid int, died <-chan error, from int64) error {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	begun := time.Now().Add(-time.Second)
	for end := time.Now().Add(startLimit); ; {
		select {
		case err := <-died:
			r, e := readRun(s.Dir)
			if e == nil && r.Pid == pid && r.Begun.After(begun) && r.Ended != nil && r.Why != whyError {
				return nil // a short run: it came and ended as it should
			}
			words := lastWords(filepath.Join(s.Dir, stderrFile), from, err)
			if strings.HasPrefix(words.Error(), "session "+s.ID) {
				return words // it names itself
			}
			return fmt.Errorf("session %s: %w", s.ID, words)
		case <-t.C:
		}
		if r, err := readRun(s.Dir); err == nil && r.Pid == pid && r.lives() {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("session %s: its process (pid %d) has not come up within %v: see %s", s.ID, pid, startLimit, filepath.Join(s.Dir, stderrFile))
		}
	}
}

// lastWords is the last line a process wrote to its stderr.
func lastWords(path string, from int64, exit error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("its process died (%v)", exit)
	}
	defer f.Close() //nolint:errcheck // only read from
	if st, err := f.Stat(); err == nil {
		from = max(from, st.Size()-8<<10)
	}
	b, _ := io.ReadAll(io.NewSectionReader(f, from, 8<<10))
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	last := strings.TrimPrefix(strings.TrimSpace(lines[len(lines)-1]), "pare: ")
	if last == "" {
		return fmt.Errorf("its process died without a word (%v)", exit)
	}
	return errors.New(last)
}
