package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"pare/sessions"
	"pare/tui/plain"
	"pare/tui/work"
)

func (e *env) replay() *cobra.Command {
	speed := 20.0
	c := &cobra.Command{
		Use: "replay [SESSION]", Short: "a run again, from its record (the latest by default)", Args: takes(0, 1),
		Long: `replay shows a session again on the same screens, from the events it recorded and
at their times: what is seen is what happened. Nothing runs and nothing is
changed. Waiting longer than two seconds on the screen is cut short. Keys: space
pauses, + and - change the speed, [ ] or 1 to 5 go to where a stage begins.`,
		Example: `  pare replay brisk-heron --speed 20
  pare replay brisk-heron --plain --speed 4096`,
		RunE: func(_ *cobra.Command, args []string) error {
			if !(speed >= sessions.MinSpeed && speed <= sessions.MaxSpeed) {
				return usagef("--speed %g: give %g to %d", speed, sessions.MinSpeed, sessions.MaxSpeed)
			}
			s, err := e.find(args)
			if err != nil {
				return err
			}
			r, err := s.Replay(speed)
			if err != nil {
				return err
			}
			if e.screen() {
				dir, err := sessions.Root(e.sessions)
				if err != nil {
					return err
				}
				return work.Replay(work.Options{Root: dir, Version: Version, Slow: e.slow, Theme: e.theme}, r)
			}
			defer r.Close() //nolint:errcheck // only read from
			ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer cancel()
			e.code, err = plain.Replay(ctx, r, e.out, plain.Options{JSON: e.json})
			return err
		},
	}
	c.Flags().Float64Var(&speed, "speed", speed, "`seconds` of the run in one of yours, 0.0625 to 4096")
	return c
}
