package sessions

import (
	"context"
	"errors"
	"sync"
	"time"

	"pare/core"
)

// Seat is a screen's place at a run: the driver's while that is free, else a
// watcher's. It is taken at the first question and kept until Close; a watcher
// asks for it again with every question, so it drives once the other has left.
// Its methods may be used from several goroutines.
type Seat struct {
	s *Session

	mu     sync.Mutex // guards everything that follows
	d      *Driver    // nil while watching, or when nothing runs
	why    string     // "" unless somebody else drives
	closed bool

	ask     *client // has asked for the seat and waits
	refused bool    // the driver keeps it
	asked   string  // who asks this driver for the seat
}

// Seat makes a place at the run. It asks nothing yet.
func (s *Session) Seat() *Seat { return &Seat{s: s} }

// Send hands one command to the run, as Session.Send does. From a watcher it is
// a *Refused with Seat set.
func (p *Seat) Send(ctx context.Context, c core.Command) error {
	return p.do(ctx, func(d *Driver) error { return d.Send(ctx, c) })
}

// Live asks for what the log cannot say. A watcher is answered too.
func (p *Seat) Live(ctx context.Context) (l Live, err error) {
	err = p.do(ctx, func(d *Driver) (e error) {
		l, e = d.Live(ctx)
		return e
	})
	if err == nil {
		p.stands(&l)
	}
	var r *Refused
	if errors.As(err, &r) && r.Seat {
		return p.s.Live(ctx)
	}
	return l, err
}

// Watching is "" for the driver, else the line that tells a watcher so and what
// to do. It is as of the last question.
func (p *Seat) Watching() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why == "" {
		return ""
	}
	return "watching: " + p.why
}

// Close leaves the place. The run goes on.
func (p *Seat) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.drop()
	if p.ask != nil {
		_ = p.ask.c.Close()
		p.ask = nil
	}
	return nil
}

// do asks as the driver. A broken connection is made anew once: the run may
// have ended and been resumed by another process, or stood still for long. Such a
// run may not have seen yet that the old connection is gone, and its seat with it:
// that is waited for, as in Session.Send.
func (p *Seat) do(ctx context.Context, ask func(*Driver) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var broke time.Time
	for old := p.d != nil; ; {
		if p.closed {
			return errors.New("this screen has left the run")
		}
		var r *Refused
		if err := p.take(ctx); errors.As(err, &r) && r.Seat && time.Since(broke) < seatPatience && ctx.Err() == nil {
			time.Sleep(seatPatience / 20)
			continue
		} else if err != nil {
			return err
		}
		err := ask(p.d)
		if err == nil || errors.As(err, &r) {
			return err
		}
		p.drop()
		if !old {
			return err
		}
		old, broke = false, time.Now()
	}
}

func (p *Seat) take(ctx context.Context) error {
	if p.d == nil && p.ask != nil {
		if _, err := p.waits(ctx); err == nil && p.d == nil && p.ask != nil {
			p.why = "the driver has been asked for the seat; its answer is awaited"
			return &Refused{Reason: "the driver has been asked for the seat", Fix: "wait for the answer", Seat: true}
		}
	}
	if p.d != nil {
		return nil
	}
	d, err := p.s.Drive(ctx)
	var r *Refused
	if p.why = ""; errors.As(err, &r) && r.Seat {
		p.why = r.Reason + "; " + r.Fix
	}
	p.d = d
	return err
}

// stands takes over what an answer says of the seat.
func (p *Seat) stands(l *Live) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked = ""; l.AskedSince != nil && p.d != nil {
		if p.asked = l.AskedBy; p.asked == "" {
			p.asked = "somebody"
		}
	}
}

func (p *Seat) drop() {
	if p.d != nil {
		_ = p.d.Close()
		p.d = nil
	}
}

// taken is the no to who comes second.
func taken(since time.Time) answer {
	at := since.Format("15:04")
	if time.Since(since) > 20*time.Hour {
		at = since.Format("2 January, 15:04")
	}
	return answer{Seat: true, Error: "another screen has been driving since " + at, Fix: "ask it for the seat, or detach it"}
}
