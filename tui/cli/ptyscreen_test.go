//go:build unix

package cli

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// screen is the program in a terminal: keys in, screen out.
type screen struct {
	t     *testing.T
	tty   *os.File
	cmd   *exec.Cmd
	done  chan struct{} // closed when all output has been read
	ended chan struct{} // closed when the process has ended

	bytes atomic.Int64 // that came through the terminal

	mu    sync.Mutex
	term  *vt.Emulator
	shown []string // what has stood on the screen since the last key, without repetitions
}

// onScreen starts the program with a screen of 80×24.
func onScreen(t *testing.T, args ...string) *screen {
	t.Helper()
	return onScreenOf(t, 80, 24, args...)
}

// onScreenOf starts the program with a screen of w×h.
func onScreenOf(t *testing.T, w, h int, args ...string) *screen {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, term: vt.NewEmulator(w, h), done: make(chan struct{}), ended: make(chan struct{})}
	s.cmd = exec.Command(exe, args...)
	s.cmd.Env = append(os.Environ(), "PARE_TEST_MAIN=1", "TERM=xterm-256color", "LANG=C.UTF-8", "XDG_CONFIG_HOME="+t.TempDir())
	if s.tty, err = terminal(s.cmd, uint16(w), uint16(h)); err != nil {
		t.Skip("no pseudo terminals here:", err)
	}
	go func() {
		defer close(s.ended)
		s.cmd.Wait() //nolint:errcheck // its state is looked at
	}()
	go func() { // what the terminal answers
		b := make([]byte, 256)
		for {
			n, err := s.term.Read(b)
			if err != nil {
				return
			}
			s.tty.Write(b[:n]) //nolint:errcheck // nobody asks any more; the emulator waits until it is read
		}
	}()
	go func() {
		defer close(s.done)
		b := make([]byte, 4096)
		for {
			n, err := s.tty.Read(b)
			s.bytes.Add(int64(n))
			s.mu.Lock()
			s.term.Write(b[:n]) //nolint:errcheck // an emulator in memory
			if now := s.term.String(); len(s.shown) == 0 || now != s.shown[len(s.shown)-1] {
				s.shown = append(s.shown, now)
			}
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		s.cmd.Process.Kill() //nolint:errcheck // it may have left
		s.tty.Close()        //nolint:errcheck // done with it
		s.within(s.ended, "its process does not end")
		s.within(s.done, "its output does not end")
	})
	return s
}

// terminal starts cmd in a terminal of w×h. Closing it hangs up at once: it is in the
// poller, where a read that waits does not hold the file open.
func terminal(cmd *exec.Cmd, w, h uint16) (*os.File, error) {
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: h, Cols: w})
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // its copy stays open
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// patience is how often a test looks, 20 ms apart, for what must come: in looks, as a machine
// that stands still for long stops a test and not the clock.
const patience = 6000

// within fails with the screen when c is not closed in time.
func (s *screen) within(c <-chan struct{}, what string) {
	s.t.Helper()
	for range patience {
		select {
		case <-c:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	s.t.Errorf("%s:\n%s", what, s.text())
}

// text is what stands on the screen. The emulator waits where its answers are not read.
func (s *screen) text() string {
	s.t.Helper()
	s.lock()
	defer s.mu.Unlock()
	return s.term.String()
}

func (s *screen) lock() {
	s.t.Helper()
	for range 30 * patience {
		if s.mu.TryLock() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	s.t.Fatal("the emulator is stuck: the program does not read what the terminal answers")
}

// sees waits until all words have stood on the screen together since the last key, and for
// those after a "!" until they do not stand there: what is said for some seconds is gone when a
// test that was held up looks.
func (s *screen) sees(words ...string) {
	s.t.Helper()
	missing, text, from := "", "", 0
	lacks := func(text string) string {
		for _, w := range words {
			if word, not := strings.CutPrefix(w, "!"); strings.Contains(text, word) == not {
				return w
			}
		}
		return ""
	}
	past := !slices.ContainsFunc(words, func(w string) bool { return w[0] == '!' })
	for range 2 * patience { // epochs may pass on the way
		s.lock()
		text = s.term.String()
		then := s.shown[min(from, len(s.shown)):]
		from = len(s.shown)
		s.mu.Unlock()
		if missing = lacks(text); missing == "" || past && slices.ContainsFunc(then, func(t string) bool { return lacks(t) == "" }) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.t.Fatalf("%q is not on the screen:\n%s", missing, text)
}

// types sends keys, each when the one before has been read.
func (s *screen) types(keys ...string) {
	s.t.Helper()
	for _, k := range keys {
		s.lock()
		s.shown = nil
		s.mu.Unlock()
		if _, err := s.tty.Write([]byte(k)); err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(60 * time.Millisecond)
	}
}

// leaves presses q and waits for the end of the program.
func (s *screen) leaves() {
	s.t.Helper()
	s.types("q")
	s.within(s.ended, "it does not leave")
}
