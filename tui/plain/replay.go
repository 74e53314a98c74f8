package plain

import (
	"context"
	"fmt"
	"io"
	"time"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
)

// Replay prints a session's log again at the pace of its timestamps, until its end
// or that of ctx. It says first and last that this is a replay; with o.JSON the lines are
// those of the log alone.
func Replay(ctx context.Context, r *sessions.Replay, out io.Writer, o Options) (int, error) {
	s := r.Stand()
	if !o.JSON {
		fmt.Fprintf(out, "replay of session %s, recorded %s, at %g times its speed; nothing runs now\n", r.Session().ID, s.Begun.Local().Format("2006-01-02 15:04"), s.Speed)
	}
	var st event.State
	for {
		es, _, err := r.Next(time.Now(), 1000)
		for _, e := range es {
			st.Apply(e)
			if o.JSON {
				b, err := event.Encode(e)
				if err != nil {
					return core.ExitError, err
				}
				fmt.Fprintf(out, "%s\n", b)
			} else if l := Line(e, &st); l != "" {
				fmt.Fprintln(out, l)
			}
		}
		if err != nil {
			return core.ExitError, err
		}
		if s = r.Stand(); s.Ended {
			break
		}
		select {
		case <-ctx.Done():
			return core.ExitInterrupted, nil
		case <-time.After(20 * time.Millisecond):
		}
	}
	if !o.JSON {
		fmt.Fprintf(out, "end of the replay: %s of the run's time", s.Long.Round(time.Second))
		if s.Cut > time.Second {
			fmt.Fprintf(out, ", %s of waiting left out", s.Cut.Round(time.Second))
		}
		fmt.Fprintln(out)
	}
	return core.ExitOK, nil
}
