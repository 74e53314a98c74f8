package cli

import (
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestStoppedAndWoken: whatever a shell or another program has done to the terminal while
// the process was stopped, or beside it, the screen comes back whole; ctrl+z where no shell
// would have the terminal says so, and stops nothing.
func TestStoppedAndWoken(t *testing.T) {
	s := onScreen(t, "--sessions", endingRoot(t))
	s.sees("choose the model to pare")
	litter := func() {
		s.mu.Lock()
		s.term.Write([]byte("\x1b[2J\x1b[Hjunk of a shell")) //nolint:errcheck // an emulator in memory
		s.mu.Unlock()
		if !strings.Contains(s.text(), "junk") {
			t.Fatal("this test shows nothing")
		}
	}

	litter()
	s.types("\x0c") // ctrl+l
	s.sees("choose the model to pare", "!junk of a shell")

	s.types("\x1a") // ctrl+z
	s.sees("no shell with jobs has started this screen")

	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	litter()
	mode, err := unix.IoctlGetTermios(int(s.tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if mode.Lflag&(unix.ICANON|unix.ECHO) != 0 {
		t.Fatal("the screen has left the terminal to the line discipline")
	}
	mode.Lflag |= unix.ICANON | unix.ECHO | unix.ISIG // as a shell leaves it
	if err := unix.IoctlSetTermios(int(s.tty.Fd()), unix.TCSETS, mode); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	s.sees("> lenet-300-100", "!junk of a shell")
	s.types("j") // no line, a key
	s.sees("> lenet-5")
	s.leaves()
}

// TestHangUpIgnored: a screen whose terminal is gone ends also where SIGHUP is ignored, as
// under nohup, and however late it comes to look.
func TestHangUpIgnored(t *testing.T) {
	for _, late := range []bool{false, true} {
		signal.Ignore(syscall.SIGHUP)
		s := onScreen(t, "--sessions", endingRoot(t))
		signal.Reset(syscall.SIGHUP)
		s.sees("choose the model to pare")
		if late {
			if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
		}
		s.tty.Close() //nolint:errcheck // the terminal is hung up on
		if late {
			// The kernel wakes what it hangs up on, so it may have ended already.
			if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
		}
		s.within(s.ended, "it outlives its terminal")
	}
}
