package sessions

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"pare/core"
	"pare/core/event"
)

// Why a process ended, in run.json.
const (
	whyDone  = "done"
	whyStop  = "stop"
	whyError = "error"
)

// bugWords begin the message of a panic.
const bugWords = "pare has a bug"

// commandRoom is how many commands may wait for the next step.
const commandRoom = 32

// Main is the body of a run's own process: it locks and repairs the session,
// listens, and carries the run until it ends. It returns the exit code. What
// goes wrong is the last line on stderr, which is the session's run.log.
func Main(dir string, version string) int {
	signal.Ignore(syscall.SIGHUP) // the login may end, the run goes on
	lock, code, err := carry(dir, version)
	if err != nil {
		fmt.Fprintln(os.Stderr, "pare: "+oneLine(err))
	}
	if lock != nil { // who waits for the end of the run finds its last words
		lock.Close() //nolint:errcheck // it would go with the process
	}
	return code
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// carry carries the run, and leaves the session locked.
func carry(dir, version string) (lock *os.File, code int, err error) {
	s, err := Open(dir)
	if err != nil {
		return nil, core.ExitUsage, err
	}
	fmt.Fprintf(os.Stderr, "%s pare %s carries %s, pid %d\n", time.Now().UTC().Format(time.RFC3339), version, s.ID, os.Getpid())
	if lock, err = s.takeLock(lockWait, false); err != nil {
		return nil, core.ExitError, err
	}
	st, err := openStore(s)
	if err != nil {
		return lock, core.ExitError, err
	}
	defer func() {
		if e := st.close(); err == nil && e != nil {
			code, err = max(code, core.ExitError), fmt.Errorf("session %s: %w", s.ID, e)
		}
	}()
	code, err = s.run(st, version)
	return lock, code, err
}

// run carries the run; the session is locked and st is its store.
func (s *Session) run(st *store, version string) (int, error) {
	if st.h.state.Done != nil {
		return core.ExitUsage, s.notRunning()
	}
	r, err := s.recipeForRun(&st.h.state)
	if err != nil {
		return core.ExitError, err
	}
	st.recipe = r
	resume, warn := st.h.resume(s.Dir)
	if resume != nil {
		resume.Idle = os.Getenv(idleEnv) != ""
	}
	commands := make(chan core.Command, commandRoom)
	srv, err := serve(s, st, commands)
	if err != nil {
		return core.ExitError, fmt.Errorf("session %s: %w", s.ID, err)
	}
	defer srv.close()
	info := &runInfo{Pid: os.Getpid(), Boot: bootID(), Start: procStart(os.Getpid()), Begun: time.Now().UTC(), Socket: srv.path, Version: version}
	if err := info.write(s.Dir); err != nil {
		return core.ExitError, fmt.Errorf("session %s: %w", s.ID, err)
	}
	for i := range warn {
		fmt.Fprintf(os.Stderr, "pare: %s: %s\n", warn[i].Text, warn[i].Fix)
		if _, err := st.Emit(&warn[i]); err != nil && !errors.Is(err, core.ErrFull) {
			return core.ExitError, err
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	go obeySignals(ctx, cancel, signals, commands)
	code, err := caught(ctx, core.Config{
		Recipe: r, Store: st, Commands: commands, Session: s.ID, Version: version, Resume: resume,
	})
	st.mu.Lock()
	failed, done := st.h.failed, st.h.state.Done != nil
	st.mu.Unlock()
	if err != nil {
		code = max(code, core.ExitError)
		if !failed { // a panic, or core had no log to say it in
			_, _ = st.Emit(&event.Failure{Text: oneLine(err)}) // stderr has it in any case
		}
	}
	now := time.Now().UTC()
	info.Ended, info.Exit, info.Why = &now, code, whyError
	switch {
	case done:
		info.Why = whyDone
	case err == nil && code == core.ExitInterrupted:
		info.Why = whyStop
	}
	if err := info.write(s.Dir); errors.Is(err, core.ErrFull) {
		_ = info.writeOver(s.Dir) // else the lock tells at least that the process has ended
	}
	return code, err
}

// recipeForRun reads recipe.toml after bringing it up to the last recipe that
// took effect: a kill may have come between the log and the file.
func (s *Session) recipeForRun(st *event.State) (*core.Recipe, error) {
	for i := len(st.Decisions) - 1; i >= 0; i-- {
		if d := st.Decisions[i]; d.Cmd == core.CmdConfigure {
			if err := writeRecipe(s.Dir, d.Text); err != nil {
				return nil, fmt.Errorf("session %s: %w", s.ID, err)
			}
			break
		}
	}
	return s.Recipe()
}

// caught runs core and turns a panic into an error; its stack goes to stderr.
func caught(ctx context.Context, c core.Config) (code int, err error) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n%s\n", p, debug.Stack())
			code, err = core.ExitError, fmt.Errorf("%s: %v; the stack is in %s", bugWords, p, stderrFile)
		}
	}()
	return runner(ctx, c)
}

// obeySignals makes the first signal a stop (finish the step, leave a
// checkpoint), the second an end of the context. The log will say which signal it
// was.
func obeySignals(ctx context.Context, cancel context.CancelCauseFunc, signals <-chan os.Signal, commands chan<- core.Command) {
	again := func(g os.Signal) { cancel(errors.New(signalName(g) + ", the second one")) }
	var first os.Signal
	select {
	case <-ctx.Done():
		return
	case first = <-signals:
	}
	select {
	case commands <- core.Command{Cmd: core.CmdStop, Text: signalName(first)}: // at most commandRoom wait there
	case <-ctx.Done():
		return
	case g := <-signals:
		again(g)
		return
	}
	select {
	case <-ctx.Done():
	case g := <-signals:
		again(g)
	}
}

// signalName is a signal as people know it: "signal TERM".
func signalName(g os.Signal) string {
	switch g {
	case syscall.SIGTERM:
		return "signal TERM"
	case os.Interrupt:
		return "signal INT"
	}
	return "signal " + g.String()
}
