package sessions

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"
	"unicode"
)

// The driver's seat goes from one screen to another only when its driver says so: a
// watcher asks ({"hello":"ask"}), the driver sees it in the answers to its questions and
// gives the seat ({"hello":"grant"}) or keeps it ({"hello":"keep"}). Who asks keeps the
// connection; its next status says how it went. A driver that leaves while somebody asks
// leaves the seat to them.

// Words of the hand-over.
const (
	helloAsk   = "ask"
	helloGrant = "grant"
	helloKeep  = "keep"
)

// asking is who waits for the seat.
type asking struct {
	c    *conn
	who  string
	when time.Time
}

// checkWho bounds what somebody calls themselves.
func checkWho(s string) error {
	if len(s) > 100 || strings.ContainsFunc(s, unicode.IsControl) {
		return errors.New("ask: give at most 100 bytes of a name, without control characters")
	}
	return nil
}

// hand carries out a word of the hand-over.
func (v *server) hand(c *conn, r request) answer {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch r.Hello {
	case helloAsk:
		switch {
		case v.driver == c:
			return answer{OK: true}
		case v.driver == nil:
			v.sit(c)
			return answer{OK: true}
		case v.asks != nil && v.asks.c != c:
			return answer{Error: "another screen is asking already", Fix: "wait for its answer"}
		}
		c.watch, c.kept = true, false
		v.asks = &asking{c, r.Text, time.Now()}
		return answer{OK: true}
	case helloGrant, helloKeep:
		switch {
		case v.driver != c:
			return answer{Error: "only the driver gives the seat away"}
		case v.asks == nil:
			return answer{Error: "nobody asks for the seat"}
		}
		who := v.asks.c
		v.asks = nil
		if r.Hello == helloKeep {
			who.kept = true
			return answer{OK: true}
		}
		c.watch = true
		v.sit(who)
		return answer{OK: true}
	}
	return answer{Error: "say ask, grant or keep"}
}

// sit gives c the seat; v is locked.
func (v *server) sit(c *conn) {
	v.driver, v.since, c.watch, c.kept = c, time.Now(), false, false
}

// gone frees what c held: the seat goes to who asks; v is locked.
func (v *server) gone(c *conn) {
	if v.asks != nil && v.asks.c == c {
		v.asks = nil
	}
	if v.driver != c {
		return
	}
	v.driver = nil
	if a := v.asks; a != nil {
		v.asks = nil
		v.sit(a.c)
	}
}

// place adds to an answer how the seat stands for c; v is locked.
func (v *server) place(l *Live, c *conn) {
	l.Yours, l.Kept = v.driver == c, c.kept
	if a := v.asks; a != nil {
		t := a.when
		l.AskedSince, l.AskedBy = &t, a.who
	}
}

// Asked is what a driver is told of who asks; "" when nobody does, or this screen does
// not drive.
func (p *Seat) Asked() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// Asking says whether this screen has asked and waits for an answer.
func (p *Seat) Asking() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ask != nil
}

// Ask asks the driver for the seat. The answer is seen with a later question.
func (p *Seat) Ask(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return errors.New("this screen has left the run")
	case p.d != nil:
		return errors.New("this screen drives already")
	case p.ask != nil:
		return nil
	}
	k, err := p.s.dial(ctx)
	if err != nil {
		return err
	}
	r := request{Hello: helloAsk}
	r.Text = whoAmI()
	if _, err := k.ask(ctx, r); err != nil {
		_ = k.c.Close()
		return err
	}
	p.ask = k
	return nil
}

// Answer gives the seat to who asks, or keeps it.
func (p *Seat) Answer(ctx context.Context, give bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.d == nil {
		return errors.New("this screen does not drive")
	}
	r := request{Hello: helloKeep}
	if give {
		r.Hello = helloGrant
	}
	p.d.mu.Lock()
	_, err := p.d.k.ask(ctx, r)
	p.d.mu.Unlock()
	p.asked = ""
	if err == nil && give {
		p.drop()
		p.why = "the seat was handed over"
	}
	return err
}

// waits looks how the question for the seat went; p is locked. taken is true once the
// seat is here.
func (p *Seat) waits(ctx context.Context) (l Live, err error) {
	a, err := p.ask.ask(ctx, request{Command: statusCommand})
	switch {
	case err != nil:
		_ = p.ask.c.Close()
		p.ask = nil
	case a.Yours:
		p.d = &Driver{k: p.ask, stop: make(chan struct{})}
		go p.d.keep()
		p.ask, p.why = nil, ""
	case a.Kept:
		_ = p.ask.c.Close()
		p.ask, p.refused = nil, true
	}
	return a.Live, err
}

// Refused says, once, that the driver keeps the seat.
func (p *Seat) Refused() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.refused
	p.refused = false
	return was
}

// whoAmI is how this screen is called where another one drives: the user, and over SSH
// where they come from.
func whoAmI() string {
	who := os.Getenv("USER")
	if who == "" {
		who = "somebody"
	}
	if from, _, _ := strings.Cut(os.Getenv("SSH_CONNECTION"), " "); from != "" {
		who += " from " + from
	}
	if checkWho(who) != nil {
		return "somebody"
	}
	return who
}
