// Package serve lets others watch one session over SSH: who has a key of a file sees the
// workbench's screen and can change nothing. There is no shell, no command, no file
// transfer and no forwarding; one screen a connection, limits on connections, and the
// server's key is kept. It runs only while `pare serve` does.
//
// It may import sessions and tui/work; nothing but tui/cli imports it.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"charm.land/ssh"
	"charm.land/wish/v2"
	gossh "golang.org/x/crypto/ssh"

	"pare/sessions"
	"pare/tui/work"
)

// Options of a server.
type Options struct {
	Keys    string    // file of the public keys of who may watch, read again at each login
	HostKey string    // file of the server's key; made when it is missing
	Version string    // of the program
	Most    int       // connections at once
	Minute  int       // new connections a minute from one address
	Log     io.Writer // who comes and goes; safe for several goroutines; nil: stderr
}

// How long a connection may take to log in, be silent, and last.
const (
	loginTime = 10 * time.Second
	idleTime  = 30 * time.Minute
	lastTime  = 24 * time.Hour
)

// Server shows one session.
type Server struct {
	s    *sessions.Session
	o    Options
	srv  *ssh.Server
	host ssh.Signer
	lim  limits
	// watch is work.Watch; tests have it fail.
	watch func(context.Context, work.Options, *sessions.Session, work.Terminal) error
}

// New prepares a server; nothing listens yet. Errors are one line with the way out.
func New(s *sessions.Session, o Options) (*Server, error) {
	if o.Most < 1 || o.Minute < 1 {
		return nil, fmt.Errorf("limits of %d connections and %d a minute: both must be at least 1", o.Most, o.Minute)
	}
	if o.Log == nil {
		o.Log = os.Stderr
	}
	if _, err := readKeys(o.Keys); err != nil {
		return nil, err
	}
	host, err := hostKey(o.HostKey)
	if err != nil {
		return nil, err
	}
	v := &Server{s: s, o: o, host: host, lim: limits{most: o.Most, minute: o.Minute}, watch: work.Watch}
	v.srv, err = wish.NewServer(
		func(srv *ssh.Server) error { srv.AddHostKey(host); return nil },
		wish.WithPublicKeyAuth(v.known),
		wish.WithIdleTimeout(idleTime), wish.WithMaxTimeout(lastTime),
	)
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	v.srv.Version = "pare"
	v.srv.HandshakeTimeout = loginTime
	v.srv.ServerConfigCallback = func(ssh.Context) *gossh.ServerConfig { return &gossh.ServerConfig{MaxAuthTries: 3} }
	v.srv.ConnCallback = v.come
	v.srv.ChannelHandlers = map[string]ssh.ChannelHandler{"session": oneSession}
	v.srv.RequestHandlers = map[string]ssh.RequestHandler{} // no forwarding
	v.srv.SubsystemHandlers = map[string]ssh.SubsystemHandler{}
	v.srv.SessionRequestCallback = screenOnly
	v.srv.Handler = v.show
	return v, nil
}

// Fingerprint is that of the server's key, as ssh shows it.
func (v *Server) Fingerprint() string { return gossh.FingerprintSHA256(v.host.PublicKey()) }

// Serve answers on ln until ctx ends, and then hangs up on all.
func (v *Server) Serve(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = v.srv.Close() })
	defer stop()
	err := v.srv.Serve(ln)
	if errors.Is(err, ssh.ErrServerClosed) || ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve: %w", err)
}

// known looks for a key in the file, as it is now: who is taken out is not let in again.
func (v *Server) known(ctx ssh.Context, key ssh.PublicKey) bool {
	keys, err := readKeys(v.o.Keys)
	if err != nil {
		v.say("nobody is let in: %v", err)
		return false
	}
	ok := keys[string(key.Marshal())]
	if !ok {
		v.say("%s: no key of %s", ctx.RemoteAddr(), v.o.Keys)
	}
	return ok
}

func (v *Server) come(_ ssh.Context, c net.Conn) net.Conn {
	leave, ok := v.lim.enter(c.RemoteAddr(), time.Now())
	if !ok {
		v.say("%s: refused, too many connections", c.RemoteAddr())
		return nil
	}
	return &limited{c, leave}
}

// hasSession marks a connection whose one screen is taken.
type hasSession struct{}

// oneSession lets a connection have one screen.
func oneSession(srv *ssh.Server, conn *gossh.ServerConn, ch gossh.NewChannel, ctx ssh.Context) {
	ctx.Lock()
	taken := ctx.Value(hasSession{}) != nil
	ctx.SetValue(hasSession{}, true)
	ctx.Unlock()
	if taken {
		_ = ch.Reject(gossh.ResourceShortage, "one screen a connection")
		return
	}
	ssh.DefaultSessionHandler(srv, conn, ch, ctx)
}

// screenOnly takes the request that ssh makes without a command, on a terminal.
func screenOnly(s ssh.Session, request string) bool {
	_, _, tty := s.Pty()
	return request == "shell" && tty && s.RawCommand() == ""
}

// show is a watcher's screen.
func (v *Server) show(s ssh.Session) {
	p, resized, _ := s.Pty()
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	sizes := make(chan work.Size)
	go func() {
		for {
			select {
			case w, ok := <-resized:
				if !ok {
					return
				}
				select {
				case sizes <- work.Size{W: w.Width, H: w.Height}:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	v.say("%s: watches", s.RemoteAddr())
	t := work.Terminal{In: s, Out: s, W: p.Window.Width, H: p.Window.Height, Resized: sizes, Env: heeded(s.Environ(), p.Term)}
	err := v.one(ctx, t)
	code := 0
	if err != nil {
		code = 1
		fmt.Fprintf(s, "pare: %v\r\n", err)
	}
	_ = s.Exit(code)
	v.say("%s: has left", s.RemoteAddr())
}

// errFailed is what a watcher is told of a fault of ours.
var errFailed = errors.New("this screen failed; the run is not touched by it: come again")

// one is a watcher's screen. A fault in it is theirs alone: the server and the others go on.
func (v *Server) one(ctx context.Context, t work.Terminal) (err error) {
	defer func() {
		if r := recover(); r != nil {
			v.say("a screen failed: %s", strings.Join(strings.Fields(fmt.Sprint(r)), " "))
			err = errFailed
		}
	}()
	err = v.watch(ctx, work.Options{Version: v.o.Version}, v.s, t)
	if errors.Is(err, work.ErrPanic) {
		v.say("a screen failed, see above")
		err = errFailed
	}
	return err
}

// heeded is what of a watcher's environment says how to draw.
func heeded(env []string, term string) []string {
	out := []string{"TERM=" + clip(term)}
	for _, kv := range env {
		if k, _, _ := strings.Cut(kv, "="); slices.Contains([]string{"COLORTERM", "NO_COLOR", "LANG", "LC_ALL", "LC_CTYPE"}, k) && len(out) < 8 {
			out = append(out, clip(kv))
		}
	}
	return out
}

func clip(s string) string { return s[:min(len(s), 64)] }

func (v *Server) say(format string, a ...any) {
	fmt.Fprintf(v.o.Log, "%s "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, a...)...)
}
