package sessions

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"pare/core"
	"pare/core/event"
)

// stderrOf is the run.log of a session.
func stderrOf(t testing.TB, s *Session) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.Dir, stderrFile))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestStartStopResume is the ordinary life: started in its own process, asked,
// paused, stopped, resumed, done; and every status on the way.
func TestStartStopResume(t *testing.T) {
	ctx := t.Context()
	want := killAndResume(t, newSession(t, "fast", 300), 0, 1).Done.Weights
	s := newSession(t, "waits", 300) // for the commands: it would be done before they come
	status := func(want string) {
		t.Helper()
		if m := s.Summary(); m.Status != want || m.Damage != "" || (m.Pid != 0) != (want == Running || want == Paused) {
			t.Fatalf("summary %+v, want status %s", m, want)
		}
	}
	status(New)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	status(Running)
	pid, alive := s.Alive()
	if !alive || pid == os.Getpid() || pid < 1 {
		t.Fatalf("Alive = %d, %v", pid, alive)
	}
	if err := s.Start(); !errors.Is(err, ErrRunning) {
		t.Errorf("started twice: %v", err)
	}
	if err := s.Remove(); err == nil {
		t.Error("removed while it runs")
	}
	if l, err := s.Live(ctx); err != nil || l.Pid != pid {
		t.Errorf("live %+v, %v; want pid %d", l, err, pid)
	}
	if err := s.Send(ctx, core.Command{Cmd: core.CmdPause}); err != nil {
		t.Fatal(err)
	}
	await(t, "the pause", func() bool { return mustState(t, s).Status == event.StatusPaused })
	status(Paused)
	if err := s.Send(ctx, core.Command{Cmd: core.CmdStop}); err != nil {
		t.Fatal(err)
	}
	ended(t, s)
	status(Stopped)
	if st := mustState(t, s); st.Done != nil || st.Why != "stopped" || st.By != bySocket {
		t.Errorf("stopped, but %q %q by %q %+v", st.Status, st.Why, st.By, st.Done)
	}
	if r, err := readRun(s.Dir); err != nil || r.Ended == nil || r.Why != whyStop || r.Exit != core.ExitInterrupted {
		t.Errorf("run.json %+v, %v", r, err)
	}
	if p, err := socketPath(s.Dir); err != nil {
		t.Error(err)
	} else if _, err := os.Lstat(p); !errors.Is(err, os.ErrNotExist) {
		t.Error("its socket stays")
	}
	if err := s.Send(ctx, core.Command{Cmd: core.CmdGo}); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Send to a stopped run: %v", err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	ended(t, s)
	status(Done)
	st := mustState(t, s)
	if st.Done == nil || st.Done.Weights != want || st.Resumes != 0 {
		t.Errorf("done %+v after %d crashes, want weights %s", st.Done, st.Resumes, want)
	}
	if err := s.Start(); err == nil || !strings.Contains(err.Error(), "is done") || strings.Contains(err.Error(), "\n") {
		t.Errorf("started when done: %v", err)
	}
	if st := mustState(t, s); st.Done == nil {
		t.Error("the refused start changed the log")
	}
	if err := s.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(s.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("removed but there")
	}
}

// TestStartFails: a run that dies at once is an error with its last words.
func TestStartFails(t *testing.T) {
	s := newSession(t, "", 100)
	recipe := filepath.Join(s.Dir, recipeFile)
	if err := os.WriteFile(recipe, []byte("[prune]\ntarget = 1.2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := s.Start()
	if err == nil || !strings.Contains(err.Error(), "prune.target = 1.2") || strings.Contains(err.Error(), "\n") {
		t.Errorf("bad recipe: %v", err)
	}
	if _, alive := s.Alive(); alive {
		t.Error("alive")
	}
	if err := os.Remove(recipe); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(logOf(s), []byte("x\n"+`{"seq":1,"at":"2026-01-01T00:00:00Z","kind":"continued","body":{},"prev":""}`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err == nil || !strings.Contains(err.Error(), "damaged at line 1") {
		t.Errorf("damaged log: %v", err)
	}
}

// TestRunFails: an error of the run is in the log once and on stderr; a panic as
// well, with its stack.
func TestRunFails(t *testing.T) {
	for mode, want := range map[string]string{"fail": "the data is", "panic": "assignment to entry in nil map"} {
		s := newSession(t, mode, 100)
		if err := s.Start(); err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", mode, err)
		}
		ended(t, s)
		st := mustState(t, s)
		if st.Status != event.StatusFailed || len(st.Failures) != 1 || !strings.Contains(st.Failures[0].Text, want) {
			t.Errorf("%s: status %q, failures %+v", mode, st.Status, st.Failures)
		}
		text := stderrOf(t, s)
		lines := strings.Split(strings.TrimSpace(text), "\n")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, "pare: ") || !strings.Contains(last, want) {
			t.Errorf("%s: last line %q", mode, last)
		}
		if mode == "panic" && !strings.Contains(text, "fake_test.go:") {
			t.Errorf("no stack in %s", text)
		}
		if r, err := readRun(s.Dir); err != nil || r.Exit != core.ExitError || r.Why != whyError {
			t.Errorf("%s: run.json %+v, %v", mode, r, err)
		}
		if m := s.Summary(); m.Status != Failed || !m.Resumable() {
			t.Errorf("%s: summary %+v", mode, m)
		}
	}
}

// TestDeletedBinary: a program whose file is gone, as under `go run`, can still
// start runs.
func TestDeletedBinary(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere the program's file must stay")
	}
	if dir := os.Getenv("PARE_TEST_START"); dir != "" { // in the copy
		exe, err := os.Readlink("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(exe); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		return
	}
	s := newSession(t, "fast", 200)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	twin := filepath.Join(t.TempDir(), "twin")
	if err := copyFile(exe, twin); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(twin, "-test.run=^TestDeletedBinary$")
	cmd.Env = append(os.Environ(), "PARE_TEST_START="+s.Dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ended(t, s) // the starter has gone, the run goes on
	if st := mustState(t, s); st.Done == nil {
		t.Errorf("status %q\n%s", st.Status, stderrOf(t, s))
	}
}

func copyFile(from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	return w.Close()
}

// TestTwoStarts: of two that start the same session at once, one wins.
func TestTwoStarts(t *testing.T) {
	s := newSession(t, "", forever)
	errs := make(chan error, 2)
	for range 2 {
		go func() { errs <- s.Start() }()
	}
	won, lost := 0, 0
	for range 2 {
		if err := <-errs; err == nil {
			won++
		} else if strings.Contains(err.Error(), ErrRunning.Error()) {
			lost++
		} else {
			t.Error(err)
		}
	}
	if won != 1 || lost != 1 {
		t.Errorf("%d won, %d were told that it runs", won, lost)
	}
	if err := s.Send(t.Context(), core.Command{Cmd: core.CmdStop}); err != nil {
		t.Error(err)
	}
	ended(t, s)
}

// TestConfigure: recipe.toml follows what takes effect: what core fills in when
// it starts, and a configure command; a kill between log and file is made good.
func TestConfigure(t *testing.T) {
	s := newSession(t, "recipe", forever)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	recipe := func() *core.Recipe {
		t.Helper()
		r, err := s.Recipe()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	// The file is whole before the log begins.
	await(t, "the log", func() bool { return mustState(t, s).Started.Recipe != "" })
	if st := mustState(t, s); st.Started.Recipe != recipe().Hash() || len(recipe().Data.Mean) != 1 {
		t.Errorf("the log's hash %s, the file's %s, not filled: %v", st.Started.Recipe, recipe().Hash(), recipe().Data)
	}
	r := recipe()
	before, err := os.ReadFile(filepath.Join(s.Dir, recipeFile))
	if err != nil {
		t.Fatal(err)
	}
	r.Prune.Target = 0.77
	toml, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), core.Command{Cmd: core.CmdConfigure, Text: string(toml)}); err != nil {
		t.Fatal(err)
	}
	await(t, "the new recipe", func() bool { return recipe().Prune.Target == 0.77 })
	if err := s.Send(t.Context(), core.Command{Cmd: core.CmdStop}); err != nil {
		t.Fatal(err)
	}
	ended(t, s)
	if err := os.WriteFile(filepath.Join(s.Dir, recipeFile), before, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := s.recipeForRun(mustState(t, s)); err != nil || got.Prune.Target != 0.77 || recipe().Prune.Target != 0.77 {
		t.Errorf("after a kill between log and file: %+v, %v", got, err)
	}
	if _, err := s.RecipeUsed(); err != nil {
		t.Error(err)
	}
}

// TestRollback: a run that went back and was then killed goes on from where it
// went back to, not from the checkpoint it left.
func TestRollback(t *testing.T) {
	s := newSession(t, "waits", forever) // for the command: it drops its checkpoints soon
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	has := func(step int64) string {
		for _, c := range mustState(t, s).Checkpoints {
			if c.Step == step {
				return c.Name
			}
		}
		return ""
	}
	await(t, "three checkpoints", func() bool { return has(60) != "" })
	if err := s.Send(t.Context(), core.Command{Cmd: core.CmdRollback, Text: has(20)}); err != nil {
		t.Fatal(err)
	}
	var at int64
	var last int64 // step since the rollback
	since := func() bool {
		back := false
		for _, e := range events(t, s) {
			switch b := e.Body.(type) {
			case *event.Resumed:
				at, back = b.Step, true
			case *event.Metric:
				if back {
					last = b.Step
				}
			}
		}
		return back && last > 0
	}
	await(t, "the rollback", since)
	if at != 20 {
		t.Errorf("went back to step %d", at)
	}
	pid, _ := s.Alive()
	if p, err := os.FindProcess(pid); err != nil || p.Kill() != nil {
		t.Fatal("cannot kill")
	}
	ended(t, s)
	since()
	if m := s.Summary(); m.Status != Dead {
		t.Errorf("summary %+v", m)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer ended(t, s)
	defer s.Send(context.Background(), core.Command{Cmd: core.CmdStop}) //nolint:errcheck // clean-up
	var r *event.Resumed
	await(t, "the resume", func() bool {
		r = nil
		for _, e := range events(t, s) {
			if x, ok := e.Body.(*event.Resumed); ok && x.Why == "crash" {
				r = x
			}
		}
		return r != nil
	})
	if r.Step > last || last-r.Step > 20 {
		t.Errorf("resumed at step %d, killed after step %d", r.Step, last)
	}
	if got, err := s.Decisions(); err != nil || len(got) > 0 {
		t.Errorf("decisions %+v, %v: a run that went back did nothing that counts", got, err)
	}
}

func events(t testing.TB, s *Session) []event.Event {
	t.Helper()
	tl, err := s.Tail()
	if err != nil {
		t.Fatal(err)
	}
	defer tl.Close()
	es, err := tl.Next(0)
	if err != nil {
		t.Fatal(err)
	}
	return es
}

// TestSignals: the first is a stop, the second ends the run's context, also
// when the run does not take up the stop.
func TestSignals(t *testing.T) {
	for name, commands := range map[string]chan core.Command{"taken": make(chan core.Command, 1), "hanging": make(chan core.Command)} {
		ctx, cancel := context.WithCancelCause(t.Context())
		signals := make(chan os.Signal)
		gone := make(chan struct{})
		go func() { obeySignals(ctx, cancel, signals, commands); close(gone) }()
		signals <- os.Interrupt
		if cap(commands) > 0 {
			if c := <-commands; c.Cmd != core.CmdStop || c.Text != "signal INT" {
				t.Errorf("%s: came %+v", name, c)
			}
		}
		if ctx.Err() != nil {
			t.Errorf("%s: cancelled by the first signal", name)
		}
		signals <- os.Interrupt
		<-gone
		if ctx.Err() == nil {
			t.Errorf("%s: not cancelled by the second signal", name)
		} else if why := context.Cause(ctx).Error(); why != "signal INT, the second one" {
			t.Errorf("%s: cancelled by %q", name, why)
		}
		cancel(nil)
	}
}

// TestStartNamesTheSessionOnce: the process's last words may name it already.
func TestStartNamesTheSessionOnce(t *testing.T) {
	s := newSession(t, "fast", 100)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	ended(t, s)
	err := s.Start()
	if err == nil || strings.Count(err.Error(), "session "+s.ID) != 1 || !strings.HasPrefix(err.Error(), "session "+s.ID) {
		t.Errorf("%v", err)
	}
}
