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

// Follow prints the log of a session until its run ends and returns the exit
// code. When ctx ends the run is told to stop at a checkpoint first. With json
// every event is one line as in the log.
func Follow(ctx context.Context, s *sessions.Session, out io.Writer, json bool) (int, error) {
	t, err := s.Tail()
	if err != nil {
		return core.ExitError, err
	}
	defer t.Close() //nolint:errcheck // only read from
	var st event.State
	stopping := false
	var failed error // the run's last words, unless it was resumed since
	dead := 0
	for {
		es, err := t.Next(1000)
		if err != nil {
			return core.ExitError, err
		}
		for _, e := range es {
			st.Apply(e)
			if json {
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
			case *event.Done:
				return b.Exit, nil
			case *event.Failure:
				failed = errors.New(withFix(b.Text, b.Fix))
			case *event.Started: // resumed after a failure
				failed = nil
			}
		}
		if len(es) > 0 {
			continue
		}
		if _, alive := s.Alive(); !alive {
			// One more look: it may have written its last words since.
			if dead++; dead > 1 {
				if failed != nil {
					return core.ExitError, failed
				}
				if st.Status == event.StatusPaused && st.Why == "stopped" {
					return core.ExitInterrupted, nil
				}
				return core.ExitError, fmt.Errorf("the run of session %s died; `pare sessions resume %s` goes on from its last checkpoint", s.ID, s.ID)
			}
			continue
		}
		select {
		case <-ctx.Done():
			if !stopping {
				stopping = true
				c, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				err := s.Send(c, core.Command{Cmd: core.CmdStop})
				cancel()
				if err != nil {
					return core.ExitInterrupted, err
				}
			}
			time.Sleep(50 * time.Millisecond)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
