package sessions

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"pare/core"
	"pare/core/event"
)

// serving opens a store and a server for a session in this process, as a run
// does.
func serving(t *testing.T) (*Session, *store, *server, chan core.Command) {
	t.Helper()
	s := newSession(t, "", 100)
	lock, err := s.takeLock(0, false)
	if err != nil {
		t.Fatal(err)
	}
	st, err := openStore(s)
	if err != nil {
		t.Fatal(err)
	}
	commands := make(chan core.Command, 4)
	v, err := serve(s, st, commands)
	if err != nil {
		t.Fatal(err)
	}
	info := runInfo{Pid: os.Getpid(), Boot: bootID(), Start: procStart(os.Getpid()), Begun: time.Now(), Socket: v.path}
	if err := info.write(s.Dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		v.close()
		st.close()
		lock.Close()
	})
	return s, st, v, commands
}

func refused(t *testing.T, err error) *Refused {
	t.Helper()
	var r *Refused
	if !errors.As(err, &r) {
		t.Fatalf("not refused: %v", err)
	}
	return r
}

// TestSend: commands reach the run in order; what cannot be is refused with the
// reason; without a run there is nobody to tell.
func TestSend(t *testing.T) {
	s, st, _, commands := serving(t)
	ctx := t.Context()
	toml, err := core.DefaultRecipe().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []core.Command{
		{Cmd: core.CmdPause}, {Cmd: core.CmdTarget, Value: 0.95}, {Cmd: core.CmdGo}, {Cmd: core.CmdConfigure, Text: string(toml)},
	} {
		if err := s.Send(ctx, c); err != nil {
			t.Fatalf("%s: %v", c.Cmd, err)
		}
		if got := <-commands; !reflect.DeepEqual(got, c) {
			t.Errorf("sent %+v, came %+v", c, got)
		}
	}
	for want, c := range map[string]core.Command{
		"unknown command":   {Cmd: "dance"},
		"target 1.2":        {Cmd: core.CmdTarget, Value: 1.2},
		"no checkpoint xyz": {Cmd: core.CmdRollback, Text: "xyz"},
		"name":              {Cmd: core.CmdRollback, Text: "../x"},
		"recipe":            {Cmd: core.CmdConfigure, Text: "[prune]\nscore = \"luck\""},
		"may have":          {Cmd: core.CmdConfigure, Text: strings.Repeat("#", maxRequest)},
	} {
		if r := refused(t, s.Send(ctx, c)); !strings.Contains(r.Error(), want) {
			t.Errorf("%+.40v: %v, want %q", c, r, want)
		}
	}
	if _, err := st.Emit(&event.Checkpoint{Name: "xyz"}); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Emit(&event.StageChange{Stage: event.Sparsify, State: "started"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(ctx, core.Command{Cmd: core.CmdRollback, Text: "xyz"}); err != nil {
		t.Error(err)
	}
	if r := refused(t, s.Send(ctx, core.Command{Cmd: core.CmdConfigure, Text: string(toml)})); r.Fix == "" || !strings.Contains(r.Reason, "settled") {
		t.Errorf("configure while sparsifying: %+v", r)
	}
	for range cap(commands) - 1 {
		if err := s.Send(ctx, core.Command{Cmd: core.CmdPause}); err != nil {
			t.Fatal(err)
		}
	}
	if r := refused(t, s.Send(ctx, core.Command{Cmd: core.CmdPause})); !strings.Contains(r.Reason, "not taken up") {
		t.Errorf("%+v", r)
	}
	if l, err := s.Live(ctx); err != nil || l.Pid != os.Getpid() || l.Seq != 2 || l.Problem != "" || l.DriverSince != nil {
		t.Errorf("live %+v, %v", l, err)
	}
	other := newSession(t, "", 100)
	if err := other.Send(ctx, core.Command{Cmd: core.CmdGo}); !errors.Is(err, ErrNotRunning) {
		t.Errorf("nobody there: %v", err)
	}
	if _, err := other.Live(ctx); !errors.Is(err, ErrNotRunning) {
		t.Errorf("nobody there: %v", err)
	}
}

// TestStopIsAnswered: a run that ends by a command answers it before it hangs up.
func TestStopIsAnswered(t *testing.T) {
	s := newSession(t, "", 100)
	lock, err := s.takeLock(0, false)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	st := new(store)
	v, err := serve(s, st, make(chan core.Command, 1))
	if err != nil {
		t.Fatal(err)
	}
	info := runInfo{Pid: os.Getpid(), Boot: bootID(), Start: procStart(os.Getpid()), Begun: time.Now(), Socket: v.path}
	if err := info.write(s.Dir); err != nil {
		t.Fatal(err)
	}
	st.mu.Lock() // holds the answer back until the server closes
	sent, closed := make(chan error, 1), make(chan struct{})
	go func() { sent <- s.Send(t.Context(), core.Command{Cmd: core.CmdStop}) }()
	await(t, "the command", func() bool {
		stack := make([]byte, 1<<20)
		return bytes.Contains(stack[:runtime.Stack(stack, true)], []byte("(*store).cannot"))
	})
	go func() { v.close(); close(closed) }()
	await(t, "the end", func() bool { v.mu.Lock(); defer v.mu.Unlock(); return v.closed })
	st.mu.Unlock()
	if err := <-sent; err != nil {
		t.Error(err)
	}
	<-closed
}

// TestDriverSeat: one drives, others are told since when; the seat is free when
// the driver leaves, by whatever way.
func TestDriverSeat(t *testing.T) {
	s, _, v, commands := serving(t)
	ctx := t.Context()
	d, err := s.Drive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Send(ctx, core.Command{Cmd: core.CmdPause}); err != nil {
		t.Error(err)
	}
	if c := <-commands; c.Cmd != core.CmdPause {
		t.Errorf("came %+v", c)
	}
	_, err = s.Drive(ctx)
	if r := refused(t, err); !r.Seat || !strings.Contains(r.Reason, "since "+v.since.Format("15:04")) {
		t.Errorf("second driver: %+v", r)
	}
	if r := refused(t, s.Send(ctx, core.Command{Cmd: core.CmdGo})); !r.Seat {
		t.Errorf("short drive: %+v", r)
	}
	l, err := s.Live(ctx)
	if err != nil || l.DriverSince == nil || time.Since(*l.DriverSince) > time.Minute {
		t.Errorf("watchers ask: %+v, %v", l, err)
	}
	if l, err := d.Live(ctx); err != nil || l.Pid != os.Getpid() {
		t.Errorf("the driver asks: %+v, %v", l, err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	await(t, "a free seat", func() bool { return s.Send(ctx, core.Command{Cmd: core.CmdGo}) == nil })
	if err := d.Send(ctx, core.Command{Cmd: core.CmdGo}); err == nil {
		t.Error("a closed driver still drives")
	}
	if d, err = s.Drive(ctx); err != nil {
		t.Fatal(err)
	}
	d.Close()
}

// dialRaw talks to the socket without our client.
func dialRaw(t *testing.T, v *server) (net.Conn, func(string) answer) {
	t.Helper()
	c, err := net.Dial("unix", v.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	r := bufio.NewReader(c)
	return c, func(line string) (a answer) {
		t.Helper()
		c.SetDeadline(time.Now().Add(time.Minute))
		if line != "" {
			if _, err := io.WriteString(c, line+"\n"); err != nil {
				t.Fatal(err)
			}
		}
		b, err := r.ReadBytes('\n')
		if err != nil {
			t.Fatalf("%.60q: %v", line, err)
		}
		if err := json.Unmarshal(b, &a); err != nil {
			t.Fatal(err)
		}
		return a
	}
}

// TestProtocol speaks it by hand: a connection outlives its mistakes, watchers
// cannot command, and taking the seat twice is taking it once.
func TestProtocol(t *testing.T) {
	_, _, v, commands := serving(t)
	_, say := dialRaw(t, v)
	for _, x := range []struct {
		line, want string // want: "" = ok
	}{
		{`{"cmd":"status"}`, ""},
		{`{"hello":"watch"}`, ""},
		{`{"cmd":"pause"}`, "only watches"},
		{`{"cmd":"status"}`, ""},
		{`{"hello":"drive"}`, ""},
		{`{"hello":"drive"}`, ""},
		{`{"cmd":"pause"}`, ""},
		{`{"hello":"sing"}`, "say drive, watch, ask"},
		{`{"hello":"drive","cmd":"pause"}`, "two lines"},
		{`{}`, "unknown command"},
		{`pause`, "not a command"},
		{`{"cmd":"pause"} {"cmd":"go"}`, "one JSON object"},
		{`{"cmd":"pause","speed":9}`, "speed"},
		{`[]`, "not a command"},
		{"\x00\xff", "not a command"},
		{`{"cmd":"pause"}`, ""},
		{`{"hello":"watch"}`, ""},
		{`{"cmd":"go"}`, "only watches"},
	} {
		a := say(x.line)
		if a.OK != (x.want == "") || !strings.Contains(a.Error, x.want) {
			t.Errorf("%s → %+v, want %q", x.line, a, x.want)
		}
	}
	if n := len(commands); n != 2 {
		t.Errorf("%d commands came, want 2", n)
	}
}

// TestLongLine: a line that does not end is refused.
func TestLongLine(t *testing.T) {
	_, _, v, _ := serving(t)
	c, say := dialRaw(t, v)
	go func() {
		b := []byte(strings.Repeat("x", 1<<16))
		for range maxRequest/len(b) + 2 {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}()
	if a := say(""); a.OK || !strings.Contains(a.Error, fmt.Sprint(maxRequest)) {
		t.Errorf("a long line: %+v", a)
	}
}

// TestSilentClient: who drives and says nothing for long loses the seat, not sooner. While a
// machine stands still all its clients are silent: one that was hung up on tries again.
func TestSilentClient(t *testing.T) {
	old := idleLimit
	t.Cleanup(func() { idleLimit = old }) // after the server is closed
	idleLimit = 100 * time.Millisecond
	_, _, v, _ := serving(t)
	drive := func() (c net.Conn, begun time.Time) {
		t.Helper()
		await(t, "the driver's seat", func() bool {
			var err error
			if c, err = net.Dial("unix", v.path); err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(time.Minute))
			begun = time.Now()                          // its silence begins later
			io.WriteString(c, `{"hello":"drive"}`+"\n") //nolint:errcheck // then there is no answer
			line, err := bufio.NewReader(c).ReadString('\n')
			if err == nil && strings.Contains(line, `"ok":true`) {
				return true
			}
			c.Close()
			return false
		})
		t.Cleanup(func() { c.Close() })
		return c, begun
	}
	silent, begun := drive()
	if n, err := silent.Read(make([]byte, 1)); err != io.EOF || n != 0 || time.Since(begun) < idleLimit {
		t.Errorf("a silent driver: %v after %v", err, time.Since(begun))
	}
	drive() // the seat is free
}

func TestTooManyClients(t *testing.T) {
	_, _, v, _ := serving(t)
	for i := range maxConns {
		if _, say := dialRaw(t, v); !say(`{"cmd":"status"}`).OK {
			t.Fatalf("client %d", i)
		}
	}
	_, say := dialRaw(t, v)
	if a := say(""); a.OK || !strings.Contains(a.Error, "connected already") {
		t.Errorf("one too many: %+v", a)
	}
}

// TestSocketFolder: a folder somebody else could have a hand in is refused, on
// both sides, in one line that names it.
func TestSocketFolder(t *testing.T) {
	old := socketDir
	t.Cleanup(func() { socketDir = old })
	base, err := os.MkdirTemp("/tmp", "pf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	for name, make := range map[string]func(string) error{
		"open to others":    func(p string) error { return errors.Join(os.Mkdir(p, 0o700), os.Chmod(p, 0o755)) },
		"a symbolic link":   func(p string) error { return errors.Join(os.Mkdir(p+"x", 0o700), os.Symlink(p+"x", p)) },
		"not a folder":      func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"belongs to user 7": func(p string) error { return errors.Join(os.Mkdir(p, 0o700), os.Chown(p, 7, 7)) },
	} {
		dir := filepath.Join(base, strings.ReplaceAll(name, " ", ""))
		if err := make(dir); errors.Is(err, os.ErrPermission) {
			continue // only root can give folders away
		} else if err != nil {
			t.Fatal(err)
		}
		socketDir = func() string { return dir }
		err := makeSocketDir()
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
		s := newSession(t, "fast", 100)
		if err := func() error { _, err := serve(s, nil, nil); return err }(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: serve: %v", name, err)
		}
		stop := holder(t, s)
		if err := s.Send(t.Context(), core.Command{Cmd: core.CmdGo}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: Send: %v", name, err)
		}
		stop()
	}
	dir := filepath.Join(base, "good")
	socketDir = func() string { return dir }
	if err := makeSocketDir(); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
}

// TestSocketPath: short whatever the session's path is, the same through
// symbolic links, different for different sessions.
func TestSocketPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ln := filepath.Join(t.TempDir(), "ln")
	if err := os.Symlink(dir, ln); err != nil {
		t.Fatal(err)
	}
	a, err := socketPath(dir)
	if err != nil || len(a) > maxSocketPath {
		t.Fatalf("%s, %v", a, err)
	}
	if b, err := socketPath(ln); err != nil || b != a {
		t.Errorf("%s through a link: %s, %v", a, b, err)
	}
	if b, err := socketPath(filepath.Dir(dir)); err != nil || b == a {
		t.Errorf("another folder: %s, %v", b, err)
	}
	t.Run("too long", func(t *testing.T) {
		old := socketDir
		defer func() { socketDir = old }()
		socketDir = func() string { return dir }
		if _, err := socketPath(dir); err == nil {
			t.Error("no error")
		}
	})
}

// TestStaleSockets: a dead run's socket is taken over, old ones nobody listens
// on are swept, those of living runs and young ones stay.
func TestStaleSockets(t *testing.T) {
	s, _, v, _ := serving(t)
	dir := socketDir()
	dead := func(name string, age time.Duration) string {
		p := filepath.Join(dir, name)
		ln, err := net.Listen("unix", p)
		if err != nil {
			t.Fatal(err)
		}
		ln.(*net.UnixListener).SetUnlinkOnClose(false)
		ln.Close()
		at := time.Now().Add(-age)
		if err := os.Chtimes(p, at, at); err != nil {
			t.Fatal(err)
		}
		return p
	}
	old, young := dead("old.sock", time.Hour), dead("young.sock", 0)
	at := time.Now().Add(-time.Hour)
	if err := os.Chtimes(v.path, at, at); err != nil {
		t.Fatal(err)
	}
	sweepSockets()
	if _, err := os.Lstat(old); !errors.Is(err, os.ErrNotExist) {
		t.Error("the old socket stays")
	}
	for _, p := range []string{young, v.path} {
		if _, err := os.Lstat(p); err != nil {
			t.Errorf("%s is gone", p)
		}
	}
	if _, err := s.Live(t.Context()); err != nil {
		t.Error(err)
	}
	os.Remove(young)
	// A socket left by a killed run of the same session.
	o := newSession(t, "", 100)
	p, err := socketPath(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	dead(filepath.Base(p), time.Hour)
	w, err := serve(o, &store{j: &journal{}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.close()
	if _, err := os.Lstat(p); !errors.Is(err, os.ErrNotExist) {
		t.Error("a closed server leaves its socket")
	}
}

// TestRelisten: cleaners of /tmp cannot cut a run off.
func TestRelisten(t *testing.T) {
	old := relisten
	t.Cleanup(func() { relisten = old })
	relisten = 10 * time.Millisecond
	s, _, v, _ := serving(t)
	if err := os.RemoveAll(v.path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Live(t.Context()); err != nil {
		t.Errorf("the socket did not come back: %v", err)
	}
}

func FuzzRequest(f *testing.F) {
	for _, l := range []string{`{"cmd":"status"}`, `{"hello":"drive"}`, `{"cmd":"target","value":0.5}`, `{"cmd":"rollback","text":"c"}`, `{"cmd":"configure","text":"[prune]\n"}`} {
		f.Add([]byte(l))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		line, err := readRequest(bufio.NewReaderSize(strings.NewReader(string(b)), 16), 1000)
		if err == nil && len(line) > 1000 {
			t.Fatalf("%d bytes", len(line))
		}
		r, err := parseRequest(b)
		if err != nil {
			if strings.Contains(err.Error(), "\n") && !strings.HasPrefix(err.Error(), "recipe") {
				t.Fatalf("more than a line: %q", err)
			}
			return
		}
		if (r.Hello == "") == (r.Cmd == "") {
			t.Fatalf("accepted %+v", r)
		}
		if r.Cmd == core.CmdTarget && !(r.Value >= 0 && r.Value < 1) {
			t.Fatalf("accepted %+v", r)
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := parseRequest(again); err != nil || !reflect.DeepEqual(back, r) {
			t.Fatalf("%+v became %+v, %v", r, back, err)
		}
	})
}
