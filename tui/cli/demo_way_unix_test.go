//go:build unix

package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"pare/sessions"
)

// TestDemoOfTheWay is the README's way through the five stages in a terminal of 80×24
// with real keys: the footer's keys alone lead from the picker to a deployed model; the
// screen is left and attached again, its terminal is hung up on, it is killed, and the
// run goes on; a checkpoint is gone back to; a second screen is given the seat.
func TestDemoOfTheWay(t *testing.T) {
	root := endingRoot(t)
	s := onScreen(t, "--sessions", root)
	s.sees("choose the model to pare", "enter take model")
	s.types("j", "j", "j", enter) // mlp
	s.sees("choose the data", "enter take data")
	s.types("j", "j", enter) // iris
	s.sees("mlp on iris", "enter start")
	s.types(enter)
	s.sees("waiting for you", "2 configure ○", "enter sparsify")
	l, err := sessions.List(root)
	if err != nil || len(l) != 1 {
		t.Fatal(l, err)
	}
	run, err := sessions.Open(l[0].Dir)
	if err != nil {
		t.Fatal(err)
	}
	s.leaves()
	lives := func(after string) {
		t.Helper()
		if _, alive := run.Alive(); !alive {
			t.Fatalf("the run is gone after %s", after)
		}
	}
	lives("q")

	s = onScreen(t, "attach", "--sessions", root)
	s.sees("2 configure ○", "enter sparsify")
	s.tty.Close() //nolint:errcheck // the terminal is hung up on
	s.within(s.ended, "it outlives its terminal")
	lives("a hang-up")

	s = onScreen(t, "attach", "--sessions", root)
	s.sees("2 configure ○", "enter sparsify")
	if err := s.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.within(s.ended, "it outlives kill -9")
	lives("kill -9 of the screen")

	s = onScreen(t, "attach", "--sessions", root)
	s.sees("enter sparsify")
	s.types("j", "j", "9", "9", enter) // accepted loss, so that the floor sends nothing back
	s.sees("accepted loss, pt  ")
	b := onScreen(t, "attach", "--sessions", root)
	b.sees("a ask to drive")
	b.types("a")
	s.sees("asks to drive", "A hand over")
	s.types("A")
	b.sees("you drive now")
	s.sees("a ask to drive")
	s.leaves()
	b.sees("enter sparsify")
	b.types(enter)
	b.sees("4 validate ○", "enter look at the test set")
	b.types("r")
	b.sees("roll back to a checkpoint", "b branch instead")
	b.types("j", enter)
	b.sees("paused")
	b.types(" ")
	b.sees("4 validate ○", "enter look at the test set")
	b.types(enter)
	b.sees("5 deploy ○", "enter write the files")
	b.types(enter)
	b.sees("5 deploy ✓", "pare predict", "packed.safetensors")
	b.leaves()
	if files, err := filepath.Glob(filepath.Join(run.Dir, "exports", "*")); err != nil || len(files) != 3 {
		t.Errorf("files written: %v %v", files, err)
	}
}

// TestManyAttach: screens that come and go, 1000 of them as a watcher and a driver would,
// leave the run unharmed and nothing open behind them.
func TestManyAttach(t *testing.T) {
	s := started(t, longRun())
	waitFor(t, "the run's first word", func() bool { st, err := s.State(); return err == nil && st.Seq > 3 })
	open := func() int {
		l, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			return 0
		}
		return len(l)
	}
	attach := func() {
		tail, err := s.Tail()
		if err != nil {
			t.Fatal(err)
		}
		seat := s.Seat()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := seat.Live(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := tail.Next(10); err != nil {
			t.Fatal(err)
		}
		if err := seat.Close(); err != nil {
			t.Fatal(err)
		}
		if err := tail.Close(); err != nil {
			t.Fatal(err)
		}
	}
	attach()
	files, routines := open(), runtime.NumGoroutine()
	n := 1000
	if testing.Short() {
		n = 50
	}
	for range n {
		attach()
	}
	waitFor(t, "everything to be closed", func() bool { return open() <= files+2 && runtime.NumGoroutine() <= routines+2 })
	pid, alive := s.Alive()
	if !alive {
		t.Fatal("the run is gone")
	}
	waitFor(t, "the run to close what screens that came and went had open", func() bool {
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		return err != nil || len(fds) <= 40
	})
}

// TestTerminalIsRestored: after each of ten screens that came and went the terminal has
// the modes it had before, by stty and by what was switched on and off.
func TestTerminalIsRestored(t *testing.T) {
	s := started(t, longRun())
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sh := exec.Command("sh", "-c", `before=$(stty -g); for i in 0 1 2 3 4 5 6 7 8 9; do "$0" attach "$1"; test "$before" = "$(stty -g)" && echo "as before $i"; done`, exe, s.Dir)
	sh.Env = append(os.Environ(), "PARE_TEST_MAIN=1", "TERM=xterm-256color", "LANG=C.UTF-8", "XDG_CONFIG_HOME="+t.TempDir())
	tty, err := terminal(sh, 80, 24)
	if err != nil {
		t.Skip("no pseudo terminals here:", err)
	}
	defer tty.Close()                                     //nolint:errcheck // done with it
	time.AfterFunc(6*time.Minute, func() { tty.Close() }) //nolint:errcheck // only where it hangs
	var seen, now strings.Builder
	buf := make([]byte, 4096)
	for n := 0; ; {
		k, err := tty.Read(buf)
		seen.Write(buf[:k])
		now.Write(buf[:k])
		if strings.Contains(now.String(), "baseline") { // it is drawn
			now.Reset()
			if _, err := tty.Write([]byte("q")); err != nil {
				t.Fatal(err)
			}
		}
		if strings.Contains(now.String(), fmt.Sprintf("as before %d", n)) {
			n++
			now.Reset()
		}
		if err != nil {
			break
		}
	}
	sh.Wait() //nolint:errcheck // what it printed is looked at
	out := seen.String()
	if n := strings.Count(out, "as before"); n != 10 {
		t.Errorf("%d of 10 screens left the terminal as it was: %q", n, out[max(0, len(out)-300):])
	}
	for _, mode := range []string{"1049", "2004", "25", "1000", "1002", "1003", "1006", "1004", "2026"} {
		on, off := "\x1b[?"+mode+"h", "\x1b[?"+mode+"l"
		if mode == "25" { // the cursor is hidden meanwhile
			on, off = off, on
		}
		if strings.LastIndex(out, on) > strings.LastIndex(out, off) {
			t.Errorf("the terminal is left with mode %s changed", mode)
		}
	}
}
