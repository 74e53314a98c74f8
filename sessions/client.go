package sessions

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pare/core"
)

// ErrNotRunning says that no process carries the run, so nobody can be told
// anything.
var ErrNotRunning = errors.New("is not running")

// Refused is a run's no to a command.
type Refused struct {
	Reason string
	Fix    string
	// Seat is set when somebody else has the driver's seat.
	Seat bool
}

// Error is the reason and the way out in one line.
func (r *Refused) Error() string {
	if r.Fix == "" {
		return r.Reason
	}
	return r.Reason + ": " + r.Fix
}

// answerLimit bounds the wait for an answer when the context does not.
var answerLimit = 5 * time.Second

// Send hands one command to the run. It returns once the run has taken it; it
// takes effect at the next step. Errors: ErrNotRunning, *Refused, or of the
// connection.
//
// A driver that has just left may hold its seat for a moment more, until the run has seen
// its connection end: Send waits for that.
func (s *Session) Send(ctx context.Context, c core.Command) error {
	for begin := time.Now(); ; {
		err := s.send(ctx, c)
		var r *Refused
		if !errors.As(err, &r) || !r.Seat || time.Since(begin) > seatPatience || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(seatPatience / 20):
		}
	}
}

// seatPatience is how long a command waits for a seat that may be about to be free: a run
// on a busy machine may see the end of a connection late.
var seatPatience = 500 * time.Millisecond

func (s *Session) send(ctx context.Context, c core.Command) error {
	k, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer k.c.Close() //nolint:errcheck // the answer is what counts
	_, err = k.ask(ctx, request{Command: c})
	return err
}

// Live asks the run's process for what the log cannot say.
func (s *Session) Live(ctx context.Context) (Live, error) {
	k, err := s.dial(ctx)
	if err != nil {
		return Live{}, err
	}
	defer k.c.Close() //nolint:errcheck // the answer is what counts
	a, err := k.ask(ctx, request{Command: core.Command{Cmd: statusCmd}})
	return a.Live, err
}

// notRunning says what can be done with a session that no process carries.
func (s *Session) notRunning() error {
	switch s.Summary().Status {
	case Spent:
		return fmt.Errorf("session %s %w, its budget is spent: `pare report %s` shows it, `pare branch %s%s --set budget.KEY=MORE` goes on with a larger one", s.ID, ErrNotRunning, s.ID, s.ID, s.atLast())
	case Missed:
		return fmt.Errorf("session %s %w, it is done short of its target: `pare report %s` shows it, `pare branch %s --set prune.target=SHARE` (or floor.points, budget.seconds, …) tries again from its dense model", s.ID, ErrNotRunning, s.ID, s.ID)
	case Done:
		return fmt.Errorf("session %s %w, it is done: `pare report %s` shows it", s.ID, ErrNotRunning, s.ID)
	}
	return fmt.Errorf("session %s %w: `pare sessions resume %s` goes on with it", s.ID, ErrNotRunning, s.ID)
}

// atLast is the flag that names the last checkpoint; "" where there is none.
func (s *Session) atLast() string {
	l, err := s.Points()
	if err != nil || len(l) == 0 {
		return ""
	}
	return " --at " + l[len(l)-1].Name
}

// client is one connection to a run.
type client struct {
	s *Session
	c net.Conn
	r *bufio.Reader
}

func (s *Session) dial(ctx context.Context) (*client, error) {
	path, err := socketPath(s.Dir)
	if err != nil {
		return nil, err
	}
	if r, err := readRun(s.Dir); err == nil && r.Socket != "" && filepath.Dir(r.Socket) == socketDir() {
		path = r.Socket // the folder may have been moved since
	}
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	for {
		pid, alive := s.Alive()
		if !alive {
			return nil, s.notRunning()
		}
		err := checkSocketDir(filepath.Dir(path))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		if err == nil {
			var c net.Conn
			if c, err = net.Dial("unix", path); err == nil { // waits for nobody: what it says is true when ctx is over, too
				return &client{s: s, c: c, r: bufio.NewReader(c)}, nil
			}
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("session %s: %w", s.ID, unheard(ctx, s.ID, pid, path, err))
		}
		select { // just starting
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// unheard says why a run that lives could not be reached at its socket, and what to do.
func unheard(ctx context.Context, id string, pid int, path string, why error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case pid == 0 && errors.Is(why, os.ErrNotExist):
		return fmt.Errorf("its process cannot be seen from here and has no socket %s: if it has just begun try again, else ask it on the machine where it runs", path)
	case errors.Is(why, os.ErrNotExist):
		return fmt.Errorf("its process (pid %d) has no socket %s: a run makes one that was removed anew within %.0f s, try again then", pid, path, relisten.Seconds())
	case refusedByNobody(why):
		return fmt.Errorf("its process (pid %d) does not listen at %s: remove that file and try again %.0f s later, the run makes its own then", pid, path, relisten.Seconds())
	}
	return silence(id, pid)
}

// silence is ErrSilent with what to do about session id's process; pid 0 is one of another
// machine.
func silence(id string, pid int) error {
	if pid == 0 {
		return fmt.Errorf("%w: try again, or look at it on the machine where it runs", ErrSilent)
	}
	return fmt.Errorf("%w: try again; `kill -CONT %d` wakes one that was stopped; `kill -9 %d` and then `pare sessions resume %s` go on from its last checkpoint", ErrSilent, pid, pid, id)
}

// ErrSilent says that the run's process lives and did not answer in time.
var ErrSilent = errors.New("its process does not answer: it stands still, or its machine is very busy")

// ask sends one line and waits for its answer.
func (k *client) ask(ctx context.Context, r request) (answer, error) {
	end, ok := ctx.Deadline()
	if !ok {
		end = time.Now().Add(answerLimit)
	}
	_ = k.c.SetDeadline(end)
	stop := context.AfterFunc(ctx, func() { _ = k.c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var a answer
	b, err := json.Marshal(r)
	if err == nil && len(b) >= maxRequest {
		return a, &Refused{Reason: fmt.Sprintf("a command may have %d bytes", maxRequest)}
	}
	if err == nil {
		_, err = k.c.Write(append(b, '\n'))
	}
	var line []byte
	if err == nil {
		line, err = readRequest(k.r, maxRequest)
	}
	if err == nil {
		err = json.Unmarshal(line, &a)
	}
	if err != nil {
		_ = k.c.Close() // answers would no longer fit the questions
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			err = ctx.Err()
		case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded):
			pid, _ := k.s.Alive()
			err = silence(k.s.ID, pid)
		}
		return a, fmt.Errorf("session %s: %w", k.s.ID, err)
	}
	if !a.OK {
		return a, &Refused{Reason: a.Error, Fix: a.Fix, Seat: a.Seat}
	}
	return a, nil
}

// Driver holds the driver's seat of a run until it is closed or its process
// ends. Its methods may be used from several goroutines.
type Driver struct {
	mu   sync.Mutex // one question at a time
	k    *client
	stop chan struct{}
	once sync.Once
}

// keepSeat is how often a driver shows that it is still there.
var keepSeat = 30 * time.Second

// Drive takes the driver's seat: until Close nobody else can command the run.
// A taken seat is a *Refused with Seat set. When the connection breaks (the
// run ended), Send and Live fail; Drive again then.
func (s *Session) Drive(ctx context.Context) (*Driver, error) {
	k, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := k.ask(ctx, request{Hello: "drive"}); err != nil {
		_ = k.c.Close()
		return nil, err
	}
	d := &Driver{k: k, stop: make(chan struct{})}
	go d.keep()
	return d, nil
}

func (d *Driver) keep() {
	t := time.NewTicker(keepSeat)
	defer t.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-t.C:
			if _, err := d.Live(context.Background()); err != nil {
				return
			}
		}
	}
}

// Send hands one command to the run, as Session.Send does.
func (d *Driver) Send(ctx context.Context, c core.Command) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.k.ask(ctx, request{Command: c})
	return err
}

// Live asks for what the log cannot say.
func (d *Driver) Live(ctx context.Context) (Live, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, err := d.k.ask(ctx, request{Command: core.Command{Cmd: statusCmd}})
	return a.Live, err
}

// Close leaves the seat. The run goes on.
func (d *Driver) Close() error {
	d.once.Do(func() { close(d.stop) })
	return d.k.c.Close()
}
