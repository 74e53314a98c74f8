package serve

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// TestLimits: so many at once, so many a minute from one address, known or not; who hangs
// up makes room.
func TestLimits(t *testing.T) {
	x := start(t, func(o *Options) { o.Most, o.Minute = 2, 1<<30 })
	a := x.client()
	x.client()
	if c, err := x.dial(gossh.PublicKeys(x.in)); err == nil {
		c.Close()
		t.Error("a third connection of two")
	}
	a.Close()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var c *gossh.Client
		if c, err = x.dial(gossh.PublicKeys(x.in)); err == nil {
			c.Close()
			break
		}
	}
	if err != nil {
		t.Errorf("no room after one hung up: %v", err)
	}

	x = start(t, func(o *Options) { o.Minute = 3 })
	for range 3 {
		if c, err := x.dial(gossh.PublicKeys(x.out)); err == nil {
			c.Close()
			t.Error("an unknown key is let in")
		}
	}
	if c, err := x.dial(gossh.PublicKeys(x.in)); err == nil {
		c.Close()
		t.Error("a fourth connection of three a minute")
	}

	l := limits{most: 1 << 30, minute: 2}
	at := time.Unix(1767225600, 0)
	for i, c := range []struct {
		ip    string
		after time.Duration
		want  bool
	}{
		{"10.0.0.1", 0, true}, {"10.0.0.1", 0, true}, {"10.0.0.1", 0, false}, {"10.0.0.2", 0, true}, {"10.0.0.1", 59 * time.Second, false}, {"10.0.0.1", 61 * time.Second, true},
		{"2001:db8::1", 0, true}, {"2001:db8::ffff", 0, true}, {"2001:db8::2", 0, false}, {"2001:db8:0:1::1", 0, true},
	} {
		if _, ok := l.enter(&net.TCPAddr{IP: net.ParseIP(c.ip)}, at.Add(c.after)); ok != c.want {
			t.Errorf("%d: %s after %v: %v", i, c.ip, c.after, ok)
		}
	}
	for i := range 3 * mostPlaces {
		l.enter(&net.TCPAddr{IP: net.IPv4(11, byte(i>>16), byte(i>>8), byte(i))}, at.Add(2*time.Minute))
	}
	if len(l.came) > mostPlaces {
		t.Errorf("%d addresses are remembered", len(l.came))
	}
}

// TestKeys: the host key is kept and nobody else may read it; a file of keys that says
// what is not done, or can be written by others, is refused.
func TestKeys(t *testing.T) {
	x := start(t, nil)
	again, err := New(x.s, x.o)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := x.v.Fingerprint(), again.Fingerprint(); a != b || !strings.HasPrefix(a, "SHA256:") {
		t.Errorf("host key %s, then %s", a, b)
	}
	st, err := os.Stat(x.o.HostKey)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("host key: %v %v", st.Mode(), err)
	}
	line := string(gossh.MarshalAuthorizedKey(x.in.PublicKey()))
	for _, c := range []struct {
		text string
		mode os.FileMode
		want string
	}{
		{"", 0o600, "holds no key"}, {"# none\n", 0o600, "holds no key"}, {"hello\n", 0o600, ":1 is no public key"},
		{line + "ssh-ed25519 AAAA\n", 0o600, ":2 is no public key"}, {`command="ls" ` + line, 0o600, `has the option "command=\"ls\""`}, {line, 0o666, "others may write"},
	} {
		o := x.o
		o.Keys = filepath.Join(t.TempDir(), "k")
		if err := os.WriteFile(o.Keys, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(o.Keys, c.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := New(x.s, o); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
	o := x.o
	o.Keys = "nowhere"
	if _, err := New(x.s, o); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("no keys: %v", err)
	}
	if err := os.Chmod(x.o.HostKey, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := New(x.s, x.o); err == nil || !strings.Contains(err.Error(), "others may read") {
		t.Errorf("a host key that others read: %v", err)
	}
}
