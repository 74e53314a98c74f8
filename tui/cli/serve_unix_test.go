//go:build unix

package cli

import (
	"bytes"
	"crypto/ed25519"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"pare/core/event"
)

// TestServe: a watcher over SSH sees a run that goes on and cannot drive it, whatever it
// types; ctrl+c ends the server and leaves the run.
func TestServe(t *testing.T) {
	run := started(t, longRun())
	waitFor(t, "the first epochs", func() bool { st, err := run.State(); return err == nil && len(st.Epochs) > 3 })
	_, k, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := gossh.NewSignerFromKey(k)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys")
	if err := os.WriteFile(keys, gossh.MarshalAuthorizedKey(key.PublicKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "serve", run.Dir, "--keys", keys, "--listen", "127.0.0.1:0", "--host-key", filepath.Join(dir, "host"))
	cmd.Env = append(os.Environ(), "PARE_TEST_MAIN=1")
	out := new(shared)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }() //nolint:errcheck // its code is looked at
	t.Cleanup(func() { cmd.Process.Kill() }) //nolint:errcheck // it may have ended
	said := regexp.MustCompile(`is shown at (\S+), read only; host key (SHA256:\S+)`)
	waitFor(t, "the server", func() bool { return said.MatchString(out.String()) })
	m := said.FindStringSubmatch(out.String())
	c, err := gossh.Dial("tcp", m[1], &gossh.ClientConfig{User: "ann", Auth: []gossh.AuthMethod{gossh.PublicKeys(key)}, HostKeyCallback: gossh.InsecureIgnoreHostKey(), Timeout: time.Minute})
	if err != nil {
		t.Fatal(err, out)
	}
	defer c.Close() //nolint:errcheck // done with it
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	screen := new(shared)
	s.Stdout = screen
	if err := s.RequestPty("xterm-256color", 24, 80, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Shell(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the run on the watcher's screen", func() bool {
		return strings.Contains(screen.String(), "watching only") && strings.Contains(screen.String(), "running")
	})
	for _, k := range []string{" ", "x", "s", "\r", "x", "n", "e", "9", "\r", "r", "\r", "R", "a", "A", "K", "b", "E", "S", "d"} {
		if _, err := io.WriteString(in, k); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Millisecond)
	}
	time.Sleep(500 * time.Millisecond)
	if l, err := run.Live(t.Context()); err != nil || l.DriverSince != nil {
		t.Errorf("a watcher has the driver's seat: %+v, %v", l, err)
	}
	st, err := run.State()
	if err != nil || st.Status != event.StatusRunning || len(st.Decisions) > 0 || st.Stage != event.Baseline {
		t.Errorf("after a watcher's keys the run is %s in stage %d, %d decisions, %v", st.Status, st.Stage, len(st.Decisions), err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatalf("the server does not end: %s", out)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the server ends with %d: %s", code, out)
	}
	if _, alive := run.Alive(); !alive {
		t.Error("the run has gone with the server")
	}
}

// shared is written by one goroutine and read by another.
type shared struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shared) Write(b []byte) (int, error) { s.mu.Lock(); defer s.mu.Unlock(); return s.b.Write(b) }
func (s *shared) String() string              { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }
