package work

import (
	"context"
	"errors"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
)

// source is the run a desk follows. Next is called by one goroutine at a time;
// the rest may be called at any time.
type source interface {
	ID() string
	// Next returns up to max events not returned before, none when there is
	// nothing new; it does not wait.
	Next(max int) ([]event.Event, error)
	Send(ctx context.Context, c core.Command) error
	// Alive says whether a process carries the run.
	Alive() bool
	// Problem is what the log cannot say, such as a full disk; "" when all is
	// well or nobody answers.
	Problem(ctx context.Context) string
	// Watching is "" for the screen that drives the run, else a line that says who
	// does, as of the last question.
	Watching() string
	// Start goes on with a run whose process is gone.
	Start() error
	Recipe() (*core.Recipe, error)
	Close() error
}

// session is a run on disk.
type session struct {
	s *sessions.Session
	t *sessions.Tail
	p *sessions.Seat
}

func openSession(s *sessions.Session) (*session, error) {
	t, err := s.Present()
	if err != nil {
		return nil, err
	}
	return &session{s, t, s.Seat()}, nil
}

func (s *session) ID() string                                     { return s.s.ID }
func (s *session) Next(max int) ([]event.Event, error)            { return s.t.Next(max) }
func (s *session) Send(ctx context.Context, c core.Command) error { return s.p.Send(ctx, c) }
func (s *session) Start() error                                   { return s.s.Start() }
func (s *session) Recipe() (*core.Recipe, error)                  { return s.s.Recipe() }
func (s *session) Close() error                                   { return errors.Join(s.p.Close(), s.t.Close()) }

func (s *session) Watching() string { return s.p.Watching() }

func (s *session) Alive() bool {
	_, alive := s.s.Alive()
	return alive
}

func (s *session) Problem(ctx context.Context) string {
	l, err := s.p.Live(ctx)
	if err != nil {
		return ""
	}
	return l.Problem
}
