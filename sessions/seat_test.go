package sessions

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pare/core"
)

// TestSeat: of two screens the first drives and the second watches and is told
// so, until the first has left.
func TestSeat(t *testing.T) {
	s, _, _, commands := serving(t)
	ctx := t.Context()
	first, second := s.Seat(), s.Seat()
	defer second.Close()
	if l, err := first.Live(ctx); err != nil || l.Pid == 0 {
		t.Fatalf("%+v, %v", l, err)
	}
	if l, err := second.Live(ctx); err != nil || l.Pid == 0 || l.DriverSince == nil {
		t.Fatalf("a watcher asks: %+v, %v", l, err)
	}
	if w := first.Watching(); w != "" {
		t.Errorf("the driver is told %q", w)
	}
	if w := second.Watching(); !strings.HasPrefix(w, "watching: another screen has been driving since ") || !strings.HasSuffix(w, "; ask it for the seat, or detach it") {
		t.Errorf("the watcher is told %q", w)
	}
	if r := refused(t, second.Send(ctx, core.Command{Cmd: core.CmdPause})); !r.Seat {
		t.Errorf("%+v", r)
	}
	if err := first.Send(ctx, core.Command{Cmd: core.CmdPause}); err != nil {
		t.Error(err)
	}
	if c := <-commands; c.Cmd != core.CmdPause {
		t.Errorf("came %+v", c)
	}
	first.Close()
	if err := first.Send(ctx, core.Command{Cmd: core.CmdGo}); err == nil {
		t.Error("who has left still drives")
	}
	await(t, "a free seat", func() bool { return second.Send(ctx, core.Command{Cmd: core.CmdGo}) == nil })
	if w := second.Watching(); w != "" {
		t.Errorf("the new driver is told %q", w)
	}
}

// TestSeatOutlivesTheProcess: a place is made anew when the connection broke.
func TestSeatOutlivesTheProcess(t *testing.T) {
	s, _, v, _ := serving(t)
	p := s.Seat()
	defer p.Close()
	if _, err := p.Live(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.mu.Lock()
	for c := range v.conns {
		c.Close()
	}
	v.mu.Unlock()
	if _, err := p.Live(t.Context()); err != nil {
		t.Errorf("after a broken connection: %v", err)
	}
}

// leavesAfter is when a driver of these tests leaves: later than a command looks for the
// first time, sooner than its patience ends.
const leavesAfter = 100 * time.Millisecond

// patient has commands wait longer for a seat: on a busy machine, who leaves may be late.
func patient(t *testing.T) {
	old := seatPatience
	t.Cleanup(func() { seatPatience = old })
	seatPatience = 20 * time.Second
}

// TestSendWaitsForWhoLeaves: a command that comes while a driver is just leaving is taken,
// not refused for a seat that is as good as free; one that comes while a driver stays is.
func TestSendWaitsForWhoLeaves(t *testing.T) {
	s, _, _, commands := serving(t)
	ctx := t.Context()
	d, err := s.Drive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if r := refused(t, s.Send(ctx, core.Command{Cmd: core.CmdPause})); !r.Seat {
		t.Errorf("while another one drives: %+v", r)
	}
	patient(t)
	left := time.AfterFunc(leavesAfter, func() { d.Close() })
	defer left.Stop()
	if err := s.Send(ctx, core.Command{Cmd: core.CmdPause}); err != nil {
		t.Errorf("while the driver leaves: %v", err)
	}
	if c := <-commands; c.Cmd != core.CmdPause {
		t.Errorf("came %+v", c)
	}
}

// TestSeatAfterAStandstill: a screen whose run did not answer in time comes back to its own
// seat, though the run learns late that the old connection is gone.
func TestSeatAfterAStandstill(t *testing.T) {
	s, _, _, commands := serving(t)
	ctx := t.Context()
	p := s.Seat()
	defer p.Close()
	if err := p.Send(ctx, core.Command{Cmd: core.CmdPause}); err != nil {
		t.Fatal(err)
	}
	<-commands
	old := p.d.k.c
	p.d.k.c = &silent{old} // the run is stopped: nothing comes
	patient(t)
	gone := time.AfterFunc(leavesAfter, func() { old.Close() })
	defer gone.Stop()
	if err := p.Send(ctx, core.Command{Cmd: core.CmdGo}); err != nil {
		t.Fatalf("its own seat is not given back: %v", err)
	}
	if c := <-commands; c.Cmd != core.CmdGo || p.Watching() != "" {
		t.Errorf("came %+v, %q", c, p.Watching())
	}
}

// TestSilenceIsSaid in words of what may be the matter, not of a clock.
func TestSilenceIsSaid(t *testing.T) {
	here, there := net.Pipe() // nobody reads there
	defer there.Close()
	for name, c := range map[string]net.Conn{"no answer until the context ends": here, "no answer in time": &silent{here}} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := (&client{s: &Session{ID: "brisk-heron", Dir: t.TempDir()}, c: c, r: bufio.NewReader(c)}).ask(ctx, request{})
		cancel()
		if !errors.Is(err, ErrSilent) || strings.Contains(err.Error(), "deadline") || !strings.Contains(err.Error(), "brisk-heron") {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(err.Error(), "try again") {
			t.Errorf("%s: no way on: %v", name, err)
		}
	}
	for _, want := range []string{"`kill -CONT 123` wakes", "`kill -9 123` and then `pare sessions resume brisk-heron`"} {
		if err := silence("brisk-heron", 123); !errors.Is(err, ErrSilent) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %q", err, want)
		}
	}
}

// TestUnreachableIsSaid: of a run that lives and cannot be reached one line says what is
// missing, where, and what to do; nothing speaks of a clock.
func TestUnreachableIsSaid(t *testing.T) {
	s, _, v, _ := serving(t)
	ask := func() (err error) {
		t.Helper()
		for range 100 { // that it is silent is what is true where 50 ms were not enough to try
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			_, err = s.Live(ctx)
			cancel()
			if !errors.Is(err, ErrSilent) {
				break
			}
		}
		return err
	}
	said := func(name string, err error, want ...string) {
		t.Helper()
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		for _, w := range append(want, "session "+s.ID+": ") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: no %q in: %v", name, w, err)
			}
		}
		for _, w := range []string{"deadline", "timeout", "dial", "connect:", "lstat", "\n"} {
			if strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q in: %v", name, w, err)
			}
		}
	}
	me := fmt.Sprintf("pid %d", os.Getpid())
	if err := os.Remove(v.path); err != nil {
		t.Fatal(err)
	}
	said("no socket", ask(), me, v.path, "try again")
	ln, err := net.Listen("unix", v.path) // another process has put its own there, and is gone
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	said("nobody listens", ask(), me, v.path, "remove that file")
	dir := filepath.Dir(v.path)
	if err := os.Rename(dir, dir+"-"); err != nil {
		t.Fatal(err)
	}
	said("no folder", ask(), me, v.path, "try again")
	if err := os.Remove(filepath.Join(s.Dir, runFile)); err != nil {
		t.Fatal(err)
	}
	said("elsewhere", ask(), v.path, "on the machine where it runs")
	if err := os.Rename(dir+"-", dir); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Live(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a person who leaves is told %v", err)
	}
}

// silent is a connection whose other end does not answer, and does not see it close.
type silent struct{ net.Conn }

func (silent) Write([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }
func (silent) Close() error              { return nil }
