package sessions

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pare/core"
	"pare/core/event"
)

// Recipe reads the session's recipe as it stands.
func (s *Session) Recipe() (*core.Recipe, error) {
	r, err := core.ReadRecipe(filepath.Join(s.Dir, recipeFile))
	if err != nil {
		return nil, fmt.Errorf("session %s: %w", s.ID, err)
	}
	return r, nil
}

// State folds the whole log. When the log is damaged (*DamageError) or of a
// newer pare (ErrNewer), the state up to there comes with the error; it is
// never nil.
func (s *Session) State() (*event.State, error) {
	st := new(event.State)
	t, err := s.Present()
	if err != nil {
		return st, err
	}
	defer t.Close() //nolint:errcheck // only read from
	err = t.each(func(e event.Event) { st.Apply(e) })
	if stale := t.settle(); stale != nil || t.past.past != nil && err != nil { // the lines decide
		st = new(event.State)
		err = s.each(func(e event.Event) { st.Apply(e) })
	}
	return st, err
}

// each calls f for every event of the log as it is now.
func (s *Session) each(f func(event.Event)) error {
	t, err := s.Tail()
	if err != nil {
		return err
	}
	defer t.Close() //nolint:errcheck // only read from
	return t.each(f)
}

func (t *Tail) each(f func(event.Event)) error {
	for {
		es, err := t.Next(1024)
		for _, e := range es {
			f(e)
		}
		if err != nil || len(es) == 0 {
			return err
		}
	}
}

// Decisions are the choices a person made that count in the end, in order, in the
// form a recipe carries: a new run repeats them at the same steps. Going back to a
// checkpoint undoes what was decided after it, so neither that nor the going back
// is among them. Whatever pare went back for (a floor, a crash) it does again.
func (s *Session) Decisions() ([]core.Decision, error) {
	var l []core.Decision
	at := map[string]int{} // decisions before each checkpoint
	seen := map[core.Decision]bool{}
	err := s.each(func(e event.Event) {
		switch b := e.Body.(type) {
		case *event.Checkpoint:
			at[b.Name] = len(l)
		case *event.Resumed:
			if n, ok := at[b.Checkpoint]; ok && b.Why == "rollback" && n <= len(l) {
				for _, d := range l[n:] {
					delete(seen, d)
				}
				l = l[:n:n]
			}
		case *event.Decision:
			// Others change nothing that is computed, or are in recipe.toml. When the
			// budget ends sparsifying hangs on the clock: it must be repeated.
			if b.Cmd != core.CmdSettle && (b.By == "pare" || b.Cmd != core.CmdTarget) {
				return
			}
			d := core.Decision{Stage: int(b.Stage), Step: b.Step, Cmd: b.Cmd, Value: b.Value, Text: b.Text, Pass: b.Pass}
			if b.By != "person" && seen[d] {
				return
			}
			seen[d] = true
			l = append(l, d)
		}
	})
	return l, err
}

// RecipeUsed is the recipe as really used, with the person's decisions and the devices'
// choices: running it again does the same.
func (s *Session) RecipeUsed() (*core.Recipe, error) {
	r, err := s.Recipe()
	if err != nil {
		return nil, err
	}
	chosen, err := s.chosen()
	if err != nil {
		return nil, err
	}
	r.Plan.With(chosen)
	if r.Decisions, err = s.Decisions(); err != nil {
		return nil, err
	}
	return r, nil
}

// chosen are the devices' choices in the log, by hardware and by what each is for; as far as
// the log can be read, with the error.
func (s *Session) chosen() (map[string]map[string]string, error) {
	var st event.State
	err := s.each(func(e event.Event) {
		if _, ok := e.Body.(*event.Chosen); ok {
			st.Apply(e)
		}
	})
	return st.Chosen, err
}

// Remove deletes the session. It refuses while a process carries the run.
func (s *Session) Remove() error {
	if !isSession(s.Dir) && !emptied(s.Dir) {
		return fmt.Errorf("session %s: %s does not look like a session: remove it by hand", s.ID, s.Dir)
	}
	// A run that has said its last word may take a moment to leave.
	done := s.Summary().Over()
	wait := time.Duration(0)
	if done {
		wait = lockWait
	}
	lock, err := s.takeLock(wait, done)
	if err != nil {
		if errors.Is(err, ErrRunning) {
			return fmt.Errorf("session %s is running: stop it first with `pare attach %s`", s.ID, s.ID)
		}
		return err
	}
	// Out of sight first, so that no half of a session is ever listed.
	gone := filepath.Join(filepath.Dir(s.Dir), ".rm-"+s.ID)
	_ = os.RemoveAll(gone)
	if err := os.Rename(s.Dir, gone); err != nil {
		gone = s.Dir // Windows: the lock is open in it
	}
	_ = lock.Close()
	if err := os.RemoveAll(gone); err != nil {
		return fmt.Errorf("session %s: %w", s.ID, err)
	}
	if p, err := socketPath(s.Dir); err == nil {
		_ = os.Remove(p) // of a run that was killed
	}
	return nil
}

// RemoveFailedStart deletes the session if its run failed before the first
// step, and reports whether it did. Its one error has been told by then, and it
// would only push others out of the list.
func (s *Session) RemoveFailedStart() bool {
	m := s.Summary()
	if m.Status == Running && m.Pid != 0 || !m.FailedStart && !s.neverLogged() {
		return false
	}
	lock, err := s.takeLock(lockWait, true) // it may take a moment to leave
	if err != nil {
		return false
	}
	_ = lock.Close()
	return s.Remove() == nil
}

// neverLogged reports whether no process wrote a single event.
func (s *Session) neverLogged() bool {
	st, err := os.Stat(filepath.Join(s.Dir, logFile))
	return errors.Is(err, os.ErrNotExist) || err == nil && st.Size() == 0
}

// emptied reports whether a folder holds nothing but what a session has: the
// remains of one whose making or removal was cut short.
func emptied(dir string) bool {
	es, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range es {
		switch n := e.Name(); {
		case n == checkpointDir, n == exportDir, n == lockFile, n == stderrFile, strings.HasPrefix(n, ".") && strings.Contains(n, ".tmp-"):
		default:
			return false
		}
	}
	return true
}

// Checkpoint reads a checkpoint of the session, checked against the hash in the log.
func (s *Session) Checkpoint(name string) (*core.Checkpoint, error) {
	sha := ""
	if err := s.each(func(e event.Event) {
		if c, ok := e.Body.(*event.Checkpoint); ok && c.Name == name {
			sha = c.SHA
		}
	}); err != nil {
		return nil, err
	}
	if sha == "" {
		return nil, fmt.Errorf("checkpoint %s is not in its log", name)
	}
	b, err := verifyFile(s.Dir, name, sha)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", name, err)
	}
	return readCheckpoint(b)
}
