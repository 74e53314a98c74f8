package plain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
)

// Options of Follow.
type Options struct {
	JSON bool // every event is one line as in the log
	// Stop makes the end of the context stop the run at a checkpoint: for who
	// started it. Without it the end only leaves, the run goes on.
	Stop bool
	// Ask, if not nil, is called when the run waits for a person, be it paused, and when it has taken a recipe; with
	// ErrAskAgain it is called again. Another error ends Follow: the run goes on.
	Ask func(ctx context.Context, st *event.State) error
}

// ErrAskAgain is returned by Options.Ask when its answer was not taken.
var ErrAskAgain = errors.New("ask again")

// Follow prints the log of a session until its run ends and returns the exit
// code. When ctx ends first it is core.ExitInterrupted; Options.Stop says
// whether the run then goes on.
func Follow(ctx context.Context, s *sessions.Session, out io.Writer, o Options) (int, error) {
	t, err := s.Tail()
	if err != nil {
		return core.ExitError, err
	}
	defer t.Close() //nolint:errcheck // only read from
	var st event.State
	stopping := false
	var failed error // the run's last words, unless it was resumed since
	dead := 0
	waits := false // and Ask was not called for it yet
	for {
		es, err := t.Next(1000)
		if err != nil {
			return core.ExitError, err
		}
		for _, e := range es {
			st.Apply(e)
			if o.JSON {
				b, err := event.Encode(e)
				if err != nil {
					return core.ExitError, err
				}
				fmt.Fprintf(out, "%s\n", b)
			} else if _, last := e.Body.(*event.Failure); !last { // the caller prints that one
				if l := Line(e, &st); l != "" {
					fmt.Fprintln(out, l)
				}
			}
			switch b := e.Body.(type) {
			case *event.Paused:
				waits = held(st.Status, b.Why)
			case *event.Continued:
				waits = false
			case *event.StageChange:
				waits = b.State == "waiting"
			case *event.Decision: // a recipe that was taken leaves the run where it is
				waits = b.Cmd == core.CmdConfigure && st.Status == event.StatusWaiting || b.Cmd == core.CmdTarget && st.Status == event.StatusPaused
			case *event.Warning: // a command that cannot be carried out leaves a pause, too
				waits = waits || held(st.Status, st.Why)
			case *event.Done:
				release(ctx, s)
				return b.Exit, nil
			case *event.Failure:
				failed = errors.New(withFix(b.Text, b.Fix))
			case *event.Started: // resumed after a failure
				failed = nil
			}
		}
		if ctx.Err() != nil && !o.Stop {
			return core.ExitInterrupted, nil
		}
		if len(es) > 0 {
			continue
		}
		if o.Ask != nil && waits && ctx.Err() == nil {
			if _, alive := s.Alive(); alive {
				waits = false
				if err := o.Ask(ctx, &st); errors.Is(err, ErrAskAgain) {
					waits = true
				} else if err != nil && ctx.Err() == nil {
					return core.ExitInterrupted, err
				}
				continue
			}
		}
		if _, alive := s.Alive(); !alive {
			// One more look: it may have written its last words since.
			if dead++; dead > 1 {
				if failed != nil {
					return core.ExitError, failed
				}
				if s.Summary().Status == sessions.Stopped { // the log cannot say so on a full disk
					return core.ExitInterrupted, nil
				}
				return core.ExitError, fmt.Errorf("the run of session %s died; `pare sessions resume %s` goes on from its last checkpoint", s.ID, s.ID)
			}
			continue
		}
		if ctx.Err() != nil && o.Stop && !stopping { // it may have ended since the look above
			stopping = true
			if err := stop(s); err != nil {
				return core.ExitInterrupted, err
			}
		}
		done := ctx.Done()
		if stopping {
			done = nil
		}
		select {
		case <-done:
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// release waits until the process of a run that has told its end has let go of the
// session: whoever comes next, in a script, may remove it or branch from it. Not for long:
// the process of another machine cannot be seen to end. Nor longer than ctx: how the run ended
// is known.
func release(ctx context.Context, s *sessions.Session) {
	for range looks {
		if _, alive := s.Alive(); !alive {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// looks is how often release looks, 10 ms apart; a test has it look for ever.
var looks = 500

// held reports a pause that nobody asked for and that only a person ends.
func held(s event.Status, why string) bool {
	return s == event.StatusPaused && (why == event.WhyFloor || why == event.WhyDiverged)
}

// stop tells the run to stop. One that has just ended by itself is no error:
// its log says how.
func stop(s *sessions.Session) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.Send(ctx, core.Command{Cmd: core.CmdStop, Text: "the terminal of pare run (ctrl+c or TERM)"})
	if errors.Is(err, sessions.ErrNotRunning) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the run of session %s goes on, it was not stopped: %w", s.ID, err)
	}
	return nil
}
