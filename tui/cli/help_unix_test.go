//go:build unix

package cli

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// typedAhead stands in the terminal before the program begins.
const typedAhead = "typed ahead\n"

// onSilent runs the command line on a terminal that answers nothing. It returns what was
// written to the terminal, and what of typedAhead nobody has read.
func onSilent(t testing.TB, args ...string) (said, unread string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	far, tty, err := pty.Open()
	if err != nil {
		t.Skip("no pseudo terminals here:", err)
	}
	defer far.Close() //nolint:errcheck // done with it
	if _, err := io.WriteString(far, typedAhead); err != nil {
		t.Fatal(err)
	}
	out := make(chan string)
	go func() {
		b, _ := io.ReadAll(far) // ends with an error when the terminal is closed
		out <- string(b)
	}()
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), "PARE_TEST_MAIN=1", "TERM=xterm-256color")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	cmd.Run() //nolint:errcheck // its exit code is another test's
	fd, b := int(tty.Fd()), make([]byte, 2*len(typedAhead))
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	n, _ := unix.Read(fd, b) // fails where nothing is left
	tty.Close()              //nolint:errcheck // done with it
	echo := strings.ReplaceAll(typedAhead, "\n", "\r\n")
	return strings.Replace(<-out, echo, "", 1), string(b[:max(n, 0)])
}

// TestHelpAsksTheTerminalNothing: help and a usage error send the terminal no query and read
// nothing from it, so there is nothing that they could wait for. BenchmarkHelp tells how long
// they take.
func TestHelpAsksTheTerminalNothing(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"run", "--nonsense"}} {
		said, unread := onSilent(t, args...)
		if strings.ContainsRune(said, '\x1b') {
			t.Errorf("pare %v sends escape sequences: %q", args, said)
		}
		if said == "" {
			t.Errorf("pare %v says nothing", args)
		}
		if unread != typedAhead {
			t.Errorf("pare %v reads the terminal: of %q there is left %q", args, typedAhead, unread)
		}
	}
}

// BenchmarkHelp is the time from the start of a process to its end, under 100 ms for a person
// not to wait.
func BenchmarkHelp(b *testing.B) {
	for name, args := range map[string][]string{"help": {"--help"}, "mistake": {"run", "--nonsense"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				onSilent(b, args...)
			}
		})
	}
}
