package sessions

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"pare/core/event"
)

// Speeds of a replay: how many seconds of the run pass in one of the reader's.
const (
	MinSpeed = 1.0 / 16
	MaxSpeed = 4096
)

// longestLull is how much of the reader's time may pass without an event: waiting
// for a person, a night between stop and resume are cut short.
const longestLull = 2 * time.Second

// Replay gives out a session's events again at the pace of their timestamps. It
// only reads; the run, if it still goes on, does not notice. Its methods may be
// used from several goroutines.
type Replay struct {
	s     *Session
	marks [event.Deploy + 1]int64 // first event of each stage, 0 = never begun
	begun time.Time
	last  time.Time // of the last event when the replay was opened
	seq   int64     // of that event

	mu     sync.Mutex
	t      *Tail
	next   []event.Event // read and not yet due
	at     time.Time     // how far the replay is, in the run's time
	wall   time.Time     // when that was so
	speed  float64
	paused bool
	until  int64 // all events up to this one are due at once: a seek goes on
	gen    int   // counts the seeks
	cut    time.Duration
	done   bool
}

// Replay opens the session for a replay at a speed. A log that is damaged is
// replayed up to the damage.
func (s *Session) Replay(speed float64) (*Replay, error) {
	r := &Replay{s: s, speed: 1}
	if err := r.index(); err != nil {
		return nil, err
	}
	if err := r.SetSpeed(speed); err != nil {
		return nil, err
	}
	var err error
	r.t, err = s.Tail()
	return r, err
}

// index looks where the stages begin.
func (r *Replay) index() error {
	err := r.s.skim(func(e event.Event) {
		if r.begun.IsZero() {
			r.begun = e.At
		}
		r.last, r.seq = e.At, e.Seq
		if b, ok := e.Body.(*event.StageChange); ok && b.Stage >= event.Baseline && b.Stage <= event.Deploy && r.marks[b.Stage] == 0 {
			r.marks[b.Stage] = e.Seq
		}
	})
	if r.seq == 0 {
		if err == nil {
			err = errors.New("nothing has happened in it yet")
		}
		return fmt.Errorf("session %s cannot be replayed: %w", r.s.ID, err)
	}
	return nil
}

// Next returns the events that are due now, at most max of them (all when max is
// 0), and the count of seeks they belong to: after a seek they begin anew with the
// first event of the log.
func (r *Replay) Next(now time.Time, max int) ([]event.Event, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	var out []event.Event
	for max <= 0 || len(out) < max {
		if err := r.read(); err != nil {
			return out, r.gen, err
		}
		if len(r.next) == 0 {
			r.done = true
			break
		}
		e := r.next[0]
		if e.Seq > r.until && (r.paused || !r.due(e)) {
			break
		}
		out = append(out, e)
		r.next = r.next[1:]
		if e.Seq <= r.until {
			r.at = e.At
		}
	}
	return out, r.gen, nil
}

// read has the next event at hand, unless there is none.
func (r *Replay) read() error {
	if len(r.next) > 0 {
		return nil
	}
	es, err := r.t.Next(1024)
	r.next = es
	if len(es) > 0 {
		return nil // the damage comes after these
	}
	return err
}

// advance brings the replay's clock up to now.
func (r *Replay) advance(now time.Time) {
	if r.at.IsZero() {
		r.at = r.begun
	} else if d := now.Sub(r.wall); d > 0 && !r.paused && !r.done {
		r.at = r.at.Add(time.Duration(float64(d) * r.speed))
	}
	r.wall = now
}

// due reports whether an event's time has come; a long lull before it is cut.
func (r *Replay) due(e event.Event) bool {
	wait := e.At.Sub(r.at)
	if wait <= 0 {
		return true
	}
	if most := time.Duration(float64(longestLull) * r.speed); wait > most {
		r.cut += wait - most
		r.at = e.At.Add(-most)
	}
	return false
}

// Seek goes to the beginning of a stage: what came before it is given out at
// once. It fails when the run never got there.
func (r *Replay) Seek(s event.Stage) error {
	if s < event.Baseline || s > event.Deploy {
		return fmt.Errorf("there are stages 1 to 5, not %d", s)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.marks[s] == 0 {
		return fmt.Errorf("the run never began stage %d, %s", s, s)
	}
	t, err := r.s.Tail()
	if err != nil {
		return err
	}
	_ = r.t.Close() // only read from
	r.t, r.next, r.until, r.done, r.at = t, nil, r.marks[s], false, r.begun
	r.gen++
	return nil
}

// Pause holds the replay, or lets it go on. now is when.
func (r *Replay) Pause(now time.Time, hold bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	r.paused = hold
}

// SetSpeed changes the pace from here on.
func (r *Replay) SetSpeed(x float64) error {
	if !(x >= MinSpeed && x <= MaxSpeed) {
		return fmt.Errorf("speed %g: give %g to %d times the run's own", x, MinSpeed, MaxSpeed)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.speed = x
	return nil
}

// Stand is how far a replay is.
type Stand struct {
	Speed      float64
	Paused     bool
	Ended      bool          // the last event has been given out
	At         time.Time     // in the run's time
	Begun      time.Time     // of the run
	Past, Long time.Duration // of the run's time: gone by, and all of it
	Cut        time.Duration // lulls that were left out
}

// Stand says how far the replay is.
func (r *Replay) Stand() Stand {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Stand{Speed: r.speed, Paused: r.paused, Ended: r.done, At: r.at, Begun: r.begun, Long: r.last.Sub(r.begun), Cut: r.cut}
	if !r.at.IsZero() {
		s.Past = min(max(r.at.Sub(r.begun), 0), s.Long)
	}
	if r.done {
		s.Past = s.Long
	}
	return s
}

// Session is the session that is replayed.
func (r *Replay) Session() *Session { return r.s }

// Close ends the reading.
func (r *Replay) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.t.Close()
}
