//go:build unix

package cli

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
)

// screen is the program in a terminal of 80×24: keys in, screen out.
type screen struct {
	t    *testing.T
	tty  *os.File
	cmd  *exec.Cmd
	done chan struct{}

	mu   sync.Mutex
	term *vt.Emulator
}

// onScreen starts the program with a screen.
func onScreen(t *testing.T, args ...string) *screen {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, term: vt.NewEmulator(80, 24), done: make(chan struct{})}
	s.cmd = exec.Command(exe, args...)
	s.cmd.Env = append(os.Environ(), "PARE_TEST_MAIN=1", "TERM=xterm-256color", "LANG=C.UTF-8", "XDG_CONFIG_HOME="+t.TempDir())
	if s.tty, err = pty.StartWithSize(s.cmd, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Skip("no pseudo terminals here:", err)
	}
	go func() { // what the terminal answers
		b := make([]byte, 256)
		for {
			n, err := s.term.Read(b)
			if err != nil {
				return
			}
			if _, err := s.tty.Write(b[:n]); err != nil {
				return
			}
		}
	}()
	go func() {
		defer close(s.done)
		b := make([]byte, 4096)
		for {
			n, err := s.tty.Read(b)
			s.mu.Lock()
			s.term.Write(b[:n]) //nolint:errcheck // an emulator in memory
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		s.cmd.Process.Kill() //nolint:errcheck // it may have left
		s.tty.Close()        //nolint:errcheck // done with it
		<-s.done
	})
	return s
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.term.String()
}

// sees waits until all words stand on the screen.
func (s *screen) sees(words ...string) {
	s.t.Helper()
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		text, missing := s.text(), ""
		for _, w := range words {
			if !strings.Contains(text, w) {
				missing = w
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("%q is not on the screen:\n%s", missing, text)
		}
	}
}

// types sends keys, each when the one before has been read.
func (s *screen) types(keys ...string) {
	s.t.Helper()
	for _, k := range keys {
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
	end := make(chan error, 1)
	go func() { end <- s.cmd.Wait() }()
	select {
	case <-end:
	case <-time.After(20 * time.Second):
		s.t.Fatalf("it does not leave:\n%s", s.text())
	}
}
