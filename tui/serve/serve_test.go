package serve

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	gossh "golang.org/x/crypto/ssh"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
	"pare/tui/work"
)

// served is a server on a session that has ended, and keys: one is let in.
type served struct {
	t       *testing.T
	s       *sessions.Session
	v       *Server
	o       Options
	addr    string
	in, out gossh.Signer // let in, not let in
	log     *safe
}

type safe struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safe) Write(b []byte) (int, error) { s.mu.Lock(); defer s.mu.Unlock(); return s.b.Write(b) }
func (s *safe) String() string              { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

func newKey(t *testing.T) gossh.Signer {
	t.Helper()
	_, k, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := gossh.NewSignerFromKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// session writes a short log of a run whose process is gone.
func session(t *testing.T) *sessions.Session {
	t.Helper()
	s, err := sessions.Create(t.TempDir(), core.DefaultRecipe())
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	prev := ""
	for i, b := range []event.Body{
		&event.Started{Format: 1, Session: s.ID, Model: "lenet-300-100", Data: "fashion-mnist", Tier: "E"},
		&event.Model{Name: "lenet-300-100", Params: 266610, Layers: []event.Layer{{Name: "fc1", Op: "linear", Shape: []int{300, 784}, Params: 235200, Prunable: true}}},
		&event.StageChange{Stage: event.Baseline, State: "started"},
		&event.Eval{Stage: event.Baseline, Epoch: 1, Step: 100, Split: "val", Correct: 80, N: 100, Lo: 0.7, Hi: 0.9},
		&event.EpochCost{Stage: event.Baseline, Epoch: 1, Step: 100, Steps: 100, CPUUS: 1000, WallUS: 1000},
		&event.StageChange{Stage: event.Baseline, State: "waiting", Evidence: "ready"},
	} {
		line, err := event.Encode(event.Event{Seq: int64(i + 1), At: time.Unix(1767225600+int64(i), 0).UTC(), Prev: prev, Body: b})
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(line)
		prev = hex.EncodeToString(sum[:8])
		log.Write(append(line, '\n'))
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "events.jsonl"), log.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}

func start(t *testing.T, change func(*Options)) *served {
	t.Helper()
	dir := t.TempDir()
	x := &served{t: t, s: session(t), in: newKey(t), out: newKey(t), log: new(safe)}
	keys := filepath.Join(dir, "keys")
	if err := os.WriteFile(keys, append([]byte("# who may watch\n\n"), gossh.MarshalAuthorizedKey(x.in.PublicKey())...), 0o600); err != nil {
		t.Fatal(err)
	}
	x.o = Options{Keys: keys, HostKey: filepath.Join(dir, "host", "key"), Version: "test", Most: 20, Minute: 100, Log: x.log}
	if change != nil {
		change(&x.o)
	}
	var err error
	if x.v, err = New(x.s, x.o); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- x.v.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Error("the server does not end")
		}
	})
	return x
}

func (x *served) dial(auth ...gossh.AuthMethod) (*gossh.Client, error) {
	return gossh.Dial("tcp", x.addr, &gossh.ClientConfig{User: "ann", Auth: auth, HostKeyCallback: gossh.FixedHostKey(x.v.host.PublicKey()), Timeout: time.Minute})
}

func (x *served) client() *gossh.Client {
	x.t.Helper()
	c, err := x.dial(gossh.PublicKeys(x.in))
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { c.Close() })
	return c
}

// TestOnlyKnownKeys: without a key, with a password, or with another key nobody comes in;
// a key that was taken out of the file is another one.
func TestOnlyKnownKeys(t *testing.T) {
	x := start(t, nil)
	for name, auth := range map[string][]gossh.AuthMethod{
		"none": nil, "another key": {gossh.PublicKeys(x.out)}, "password": {gossh.Password("")},
		"questions": {gossh.KeyboardInteractive(func(string, string, []string, []bool) ([]string, error) { return nil, nil })},
	} {
		if c, err := x.dial(auth...); err == nil {
			c.Close()
			t.Errorf("%s is let in", name)
		}
	}
	x.client()
	if err := os.WriteFile(x.o.Keys, gossh.MarshalAuthorizedKey(x.out.PublicKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := x.dial(gossh.PublicKeys(x.in)); err == nil {
		c.Close()
		t.Error("a key that was taken out is let in")
	}
	if err := os.Remove(x.o.Keys); err != nil {
		t.Fatal(err)
	}
	if c, err := x.dial(gossh.PublicKeys(x.out)); err == nil {
		c.Close()
		t.Error("without a file of keys somebody is let in")
	}
}

// TestNothingButTheScreen: no command, no shell without a terminal, no subsystem, no
// forwarding either way, no second screen.
func TestNothingButTheScreen(t *testing.T) {
	x := start(t, nil)
	with := func(what string, try func(*gossh.Session) error) {
		t.Helper()
		s, err := x.client().NewSession()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := try(s); err == nil {
			t.Errorf("%s is granted", what)
		}
	}
	with("a command", func(s *gossh.Session) error { return s.Run("id") })
	with("a command on a terminal", func(s *gossh.Session) error {
		if err := s.RequestPty("xterm", 24, 80, nil); err != nil {
			t.Fatal(err)
		}
		return s.Run("sh")
	})
	with("a shell without a terminal", func(s *gossh.Session) error { return s.Shell() })
	with("sftp", func(s *gossh.Session) error { return s.RequestSubsystem("sftp") })
	for _, r := range []string{"x11-req", "signal-me"} {
		with(r, func(s *gossh.Session) error {
			ok, err := s.SendRequest(r, true, nil)
			if err == nil && !ok {
				err = fmt.Errorf("refused")
			}
			return err
		})
	}
	c := x.client()
	if n, err := c.Dial("tcp", x.addr); err == nil {
		n.Close()
		t.Error("a port here is reached")
	}
	if n, err := c.Dial("unix", "/tmp/x"); err == nil {
		n.Close()
		t.Error("a socket here is reached")
	}
	if l, err := c.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
		t.Error("a port is listened on for a watcher")
	}
	if _, err := c.NewSession(); err != nil {
		t.Fatal(err)
	}
	if s, err := c.NewSession(); err == nil {
		s.Close()
		t.Error("a second screen on one connection")
	}
}

// files are the hashes of all files under the folders.
func files(t *testing.T, dirs ...string) string {
	t.Helper()
	var out strings.Builder
	for _, d := range dirs {
		err := filepath.WalkDir(d, func(p string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			b, err := os.ReadFile(p)
			fmt.Fprintf(&out, "%s %x\n", p, sha256.Sum256(b))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// TestWatcher sees the session, in the size of its terminal, and whatever it types changes
// no file of this machine; other sessions are closed to it.
func TestWatcher(t *testing.T) {
	home := t.TempDir()
	for _, k := range []string{"HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"} {
		t.Setenv(k, home)
	}
	t.Chdir(home)
	x := start(t, nil)
	before := files(t, home, filepath.Dir(x.s.Dir))
	s, err := x.client().NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	keys, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	term := vt.NewEmulator(80, 24)
	go func() { // what the terminal answers
		b := make([]byte, 256)
		for {
			n, err := term.Read(b)
			if err != nil {
				return
			}
			keys.Write(b[:n]) //nolint:errcheck // it may have left
		}
	}()
	s.Stdout = writer(func(b []byte) (int, error) { mu.Lock(); defer mu.Unlock(); return term.Write(b) })
	text := func() string { mu.Lock(); defer mu.Unlock(); return term.String() }
	sees := func(words ...string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			missing := ""
			for _, w := range words {
				if !strings.Contains(text(), w) {
					missing = w
				}
			}
			if missing == "" {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%q is not on the screen:\n%s\n%s", missing, text(), x.log)
			}
		}
	}
	if err := s.RequestPty("xterm-256color", 24, 80, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Shell(); err != nil {
		t.Fatal(err)
	}
	sees(x.s.ID, "lenet-300-100 on fashion-mnist", "watching only", "validation accuracy", "q leave")
	for y, l := range strings.Split(text(), "\n") {
		if strings.HasPrefix(l, "│") && !strings.HasSuffix(strings.TrimRight(l, " "), "│") {
			t.Errorf("line %d is not whole: %q", y, l) // bubbletea#1577
		}
	}
	types := func(k string) {
		t.Helper()
		if _, err := io.WriteString(keys, k); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Millisecond)
	}
	types("S")
	sees("this screen watches one session")
	const esc = "\x1b[27u" // as such, where "\x1b" alone may be the first byte of what comes soon after it
	for _, k := range []string{"\r", " ", "x", "s", "d", "R", "r", "e", "b", "o", "y", "E", "a", "A", esc, "/", "f", "\r", ":", "resume", "\r", esc, "i", "i", "\x1a", "m", "m"} {
		types(k)
	}
	types("?")
	sees("this screen only watches")
	types("?")
	if err := s.WindowChange(30, 100); err != nil {
		t.Fatal(err)
	}
	if err := s.WindowChange(1<<30, 1<<30); err != nil { // bounded, not drawn
		t.Fatal(err)
	}
	types("q")
	done := make(chan error, 1)
	go func() { done <- s.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("it ends with %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatalf("it does not leave:\n%s", text())
	}
	if after := files(t, home, filepath.Dir(x.s.Dir)); after != before {
		t.Errorf("files before\n%s\nand after\n%s", before, after)
	}
	if l := x.log.String(); !strings.Contains(l, "watches") || !strings.Contains(l, "has left") {
		t.Errorf("the server says %q", l)
	}
}

// TestPanicOfAWatcher: a fault in what one watcher is shown ends that watcher's screen, with
// a word to them and one to who serves; the server goes on, and so do the others.
func TestPanicOfAWatcher(t *testing.T) {
	x := start(t, nil)
	real, faults := x.v.watch, make(chan bool, 3)
	x.v.watch = func(ctx context.Context, o work.Options, s *sessions.Session, term work.Terminal) error {
		if <-faults {
			panic("a fault\nof two lines")
		}
		return real(ctx, o, s, term)
	}
	open := func() (*gossh.Session, *safe) {
		t.Helper()
		s, err := x.client().NewSession()
		if err != nil {
			t.Fatal(err)
		}
		out := new(safe)
		s.Stdout = out
		if err := s.RequestPty("xterm-256color", 24, 80, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Shell(); err != nil {
			t.Fatal(err)
		}
		return s, out
	}
	sees := func(b *safe, what string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !strings.Contains(b.String(), what); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%q is not there:\n%s\n%s", what, b, x.log)
			}
		}
	}
	faults <- false
	_, first := open()
	sees(first, "watching only")
	faults <- true
	s, second := open()
	if err := s.Wait(); err == nil {
		t.Error("a screen that failed ends as if it had not")
	}
	sees(second, "pare: this screen failed")
	sees(x.log, "a screen failed: a fault of two lines")
	faults <- false
	_, third := open()
	sees(third, "watching only")
	if n := strings.Count(x.log.String(), "has left"); n != 1 {
		t.Errorf("%d have left, want the one that failed:\n%s", n, x.log)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }
