package sessions

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"pare/core"
	"pare/core/event"
)

// server is the control socket of a run: it hands commands to core and answers
// for the status.
type server struct {
	path     string
	commands chan<- core.Command
	st       *store

	wg   sync.WaitGroup
	done chan struct{}

	mu     sync.Mutex // guards everything that follows
	ln     net.Listener
	conns  map[*conn]bool
	driver *conn // who has the seat
	since  time.Time
	asks   *asking // who waits for the seat
	closed bool
}

// conn is one client.
type conn struct {
	net.Conn
	watch bool // said it would only watch
	kept  bool // asked for the seat, and the driver keeps it
}

// relisten is how often the socket's file is looked for: cleaners of /tmp take
// old files away.
var relisten = 30 * time.Second

// serve listens for the session's clients. The caller holds the session's
// lock, so a socket that is there already is of a dead run.
func serve(s *Session, st *store, commands chan<- core.Command) (*server, error) {
	path, err := socketPath(s.Dir)
	if err != nil {
		return nil, err
	}
	v := &server{path: path, commands: commands, st: st, conns: map[*conn]bool{}, done: make(chan struct{})}
	if err := v.listen(); err != nil {
		return nil, err
	}
	v.wg.Add(1)
	go v.watchFile()
	go sweepSockets() // other runs' litter; nobody waits for it
	return v, nil
}

func (v *server) listen() error {
	if err := makeSocketDir(); err != nil {
		return err
	}
	if err := os.Remove(v.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("control socket: %w", err)
	}
	ln, err := net.Listen("unix", v.path)
	if err != nil {
		return fmt.Errorf("control socket: %w", full(err))
	}
	_ = os.Chmod(v.path, 0o600) // the folder keeps others out already
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return ln.Close()
	}
	v.ln = ln
	v.wg.Add(1)
	go v.accept(ln)
	return nil
}

// watchFile listens anew when the socket's file was taken away.
func (v *server) watchFile() {
	defer v.wg.Done()
	t := time.NewTicker(relisten)
	defer t.Stop()
	for {
		select {
		case <-v.done:
			return
		case <-t.C:
		}
		v.mu.Lock()
		ln := v.ln
		v.mu.Unlock()
		if _, err := os.Lstat(v.path); errors.Is(err, os.ErrNotExist) {
			if u, ok := ln.(*net.UnixListener); ok {
				u.SetUnlinkOnClose(false) // its name may be the new one's by then
			}
			_ = ln.Close()
			_ = v.listen() // tried again at the next tick
		}
	}
}

func (v *server) accept(ln net.Listener) {
	defer v.wg.Done()
	for {
		c, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, say: it may pass
			time.Sleep(100 * time.Millisecond)
			continue
		}
		k := &conn{Conn: c}
		v.mu.Lock()
		switch {
		case v.closed:
			_ = c.Close()
		case len(v.conns) >= maxConns:
			go func() {
				_ = reply(c, answer{Error: fmt.Sprintf("%d clients are connected already", maxConns), Fix: "close one"})
				_ = c.Close()
			}()
		default:
			v.conns[k] = true
			v.wg.Add(1)
			go v.talk(k)
		}
		v.mu.Unlock()
	}
}

// talk answers one client until it leaves, is silent for too long, or sends
// what cannot be read.
func (v *server) talk(c *conn) {
	defer v.wg.Done()
	defer v.leave(c)
	r := bufio.NewReader(c)
	for v.listenTo(c) {
		line, err := readRequest(r, maxRequest)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
				_ = reply(c, answer{Error: err.Error()})
			}
			return
		}
		if len(line) == 0 {
			continue
		}
		if err := reply(c, v.answer(c, line)); err != nil {
			return
		}
	}
}

// listenTo lets c ask once more, unless the server closes.
func (v *server) listenTo(c *conn) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return false
	}
	_ = c.SetReadDeadline(time.Now().Add(idleLimit))
	return true
}

func (v *server) leave(c *conn) {
	v.mu.Lock()
	delete(v.conns, c)
	v.gone(c)
	v.mu.Unlock()
	_ = c.Close()
}

func reply(c net.Conn, a answer) error {
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	_ = c.SetWriteDeadline(time.Now().Add(5 * time.Second)) // a stuck client is dropped
	_, err = c.Write(append(b, '\n'))
	return err
}

func (v *server) answer(c *conn, line []byte) answer {
	r, err := parseRequest(line)
	if err != nil {
		return answer{Error: err.Error()}
	}
	if r.Cmd == statusCmd {
		return answer{OK: true, Live: v.live(c)}
	}
	if r.Hello == "watch" {
		v.mu.Lock()
		c.watch = true
		v.gone(c)
		v.mu.Unlock()
		return answer{OK: true}
	}
	switch r.Hello {
	case helloAsk, helloGrant, helloKeep:
		return v.hand(c, r)
	}
	if a := v.seat(c, r.Hello == "drive"); !a.OK || r.Hello != "" {
		return a
	}
	if reason, fix := v.st.cannot(r.Command); reason != "" {
		return answer{Error: reason, Fix: fix}
	}
	select {
	case v.commands <- r.Command:
		return answer{OK: true}
	default:
		return answer{Error: "the run has not taken up the commands before this one", Fix: "wait a moment"}
	}
}

// seat checks that c may command, and keeps the seat for it when asked to.
func (v *server) seat(c *conn, keep bool) answer {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.driver != nil && v.driver != c {
		return taken(v.since)
	}
	if keep {
		if v.driver == nil {
			v.driver, v.since = c, time.Now()
		}
		c.watch = false
		return answer{OK: true}
	}
	if c.watch {
		return answer{Error: "this connection only watches", Fix: `say {"hello":"drive"} first`}
	}
	return answer{OK: true}
}

func (v *server) live(c *conn) Live {
	l := Live{Pid: os.Getpid()}
	seq, err := v.st.problem()
	l.Seq = seq
	if err != nil {
		l.Problem = oneLine(err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.driver != nil {
		t := v.since
		l.DriverSince = &t
	}
	v.place(&l, c)
	return l
}

// cannot says why a command would not be obeyed, as far as the log tells.
func (st *store) cannot(c core.Command) (reason, fix string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	switch c.Cmd {
	case core.CmdRollback:
		if _, ok := st.h.all[c.Text]; !ok {
			return "there is no checkpoint " + c.Text, "choose one of the list"
		}
	case core.CmdConfigure:
		if s := st.h.state.Stage; s > event.Configure {
			return "the recipe is settled once sparsifying has begun", "roll back to a checkpoint of stage 2 first"
		}
	}
	return "", ""
}

// close ends all connections and removes the socket. Who has asked gets an answer
// first: the one who told the run to stop is among them.
func (v *server) close() {
	v.mu.Lock()
	v.closed = true
	ln := v.ln
	for c := range v.conns {
		_ = c.SetReadDeadline(time.Unix(1, 0))
	}
	v.mu.Unlock()
	close(v.done)
	_ = ln.Close() // removes its file
	v.wg.Wait()
	_ = os.Remove(v.path)
}
