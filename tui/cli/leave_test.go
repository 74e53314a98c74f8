//go:build unix

package cli

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
)

// longRun is a recipe that is still in its baseline when a test looks.
func longRun() *core.Recipe {
	r := core.DefaultRecipe()
	r.Auto = true
	r.Model.Name, r.Data.Name = "mlp", "iris"
	r.Train.Epochs = 100000
	return r
}

// started begins a run and stops it when the test ends.
func started(t *testing.T, r *core.Recipe) *sessions.Session {
	t.Helper()
	root := endingRoot(t)
	s, err := sessions.Create(root, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// endingRoot is a folder for sessions whose runs end with the test, also where it fails
// before it knows them: they are stopped, and what does not stop is killed.
func endingRoot(t testing.TB) string {
	root := t.TempDir()
	t.Cleanup(func() {
		l, err := sessions.List(root)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		for _, m := range l {
			s := &sessions.Session{ID: m.ID, Dir: m.Dir}
			if _, alive := s.Alive(); !alive {
				continue
			}
			if err := s.Send(context.Background(), stop); err != nil {
				t.Log(err) // it may have been stopped
			}
			for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
				pid, alive := s.Alive()
				if !alive {
					break
				}
				if time.Now().After(end) {
					t.Errorf("run %s (pid %d) does not stop: it is killed", s.ID, pid)
					if pid > 1 { // it leads a group of its own
						syscall.Kill(-pid, syscall.SIGKILL) //nolint:errcheck // the last resort
					}
					break
				}
			}
		}
	})
	return root
}

// stop ends a run at its next step.
var stop = core.Command{Cmd: core.CmdStop}

// waitFor looks with patience.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range patience {
		if ok() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}

// program runs the command line in a process of its own and sends it sig once
// it has printed the word.
func program(t *testing.T, word string, sig os.Signal, args ...string) (code int, out, errs string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close() //nolint:errcheck // read by name
	var e bytes.Buffer
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), "PARE_TEST_MAIN=1")
	cmd.Stdout, cmd.Stderr = o, &e
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text := func() string {
		b, err := os.ReadFile(o.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	waitFor(t, "its first lines", func() bool { return strings.Contains(text(), word) })
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // its exit code is looked at
	return cmd.ProcessState.ExitCode(), text(), e.String()
}

// TestLeavingAttachLeavesTheRun: who only looks on cannot stop a run by going.
func TestLeavingAttachLeavesTheRun(t *testing.T) {
	s := started(t, longRun())
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		code, _, errs := program(t, "session", sig, "attach", s.Dir, "--plain")
		if code != core.ExitInterrupted || !strings.Contains(errs, "the run goes on") {
			t.Errorf("%v: exit %d, %q; want 130 and that the run goes on", sig, code, errs)
		}
	}
	time.Sleep(300 * time.Millisecond)
	st, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	if _, alive := s.Alive(); !alive || st.Status != event.StatusRunning {
		t.Errorf("the run is %s (%s) after its watchers left", st.Status, st.Why)
	}
}

// TestInterruptStopsAForegroundRun: Ctrl-C on `pare run` leaves a checkpoint.
func TestInterruptStopsAForegroundRun(t *testing.T) {
	root := endingRoot(t)
	code, _, errs := program(t, "session", syscall.SIGINT, "run", "--plain", "--model", "mlp", "--data", "iris", "--epochs", "100000", "--sessions", root)
	if code != core.ExitInterrupted || !strings.Contains(errs, "sessions resume") {
		t.Errorf("exit %d, %q; want 130 and the way back", code, errs)
	}
	l, err := sessions.List(root)
	if err != nil || len(l) != 1 || l[0].Status != sessions.Stopped {
		t.Errorf("%+v, %v; want one stopped session", l, err)
	}
}
