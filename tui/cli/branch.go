package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"pare/core"
	"pare/sessions"
	"pare/tui/work"
)

func (e *env) branch() *cobra.Command {
	var at string
	var set []string
	var hold bool
	c := &cobra.Command{
		Use: "branch [SESSION]", Short: "a new run from a checkpoint of another, with another recipe", Args: takes(0, 1),
		Long: `branch begins a new session at a checkpoint of an old one (the latest by default)
and goes on from there with a changed recipe. The old session is only read. The
new one holds its log up to the checkpoint: the charts are whole, and what was
spent until there stays on the bill. Without --at it begins where the recipe of
sparsifying is chosen, with the same dense model. What a run has used already
cannot be changed.`,
		Example: `  pare branch brisk-heron --set prune.target=0.95
  pare branch brisk-heron --at 8 --set floor.points=1
  pare branch brisk-heron --at baseline --set prune.pattern=neuron --hold`,
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := e.find(args)
			if err != nil {
				return err
			}
			if n, err := strconv.Atoi(at); err == nil {
				if at, err = s.AtEpoch(n); err != nil {
					return err
				}
			}
			b, err := s.Branch(at, func(r *core.Recipe) error {
				r.Auto = !e.screen() || r.Auto
				return r.Set(set...)
			})
			if err != nil {
				return err
			}
			if !e.json {
				fmt.Fprintf(e.err, "session %s branches from %s\n", b.ID, s.ID)
			}
			if hold {
				fmt.Fprintf(e.out, "%s\n", b.ID)
				return nil
			}
			return e.goOn(b)
		},
	}
	f := c.Flags()
	f.StringVar(&at, "at", "", "`EPOCH` of sparsify, or the name of a checkpoint (pare sessions show lists them)")
	f.StringArrayVar(&set, "set", nil, "`key=value` of the recipe, such as prune.target=0.95; several times for several keys")
	f.BoolVar(&hold, "hold", false, "only make the session and print its name; pare sessions resume starts it")
	return c
}

// goOn starts a session's run and shows it.
func (e *env) goOn(s *sessions.Session) error {
	if err := s.Start(); err != nil {
		return err
	}
	if e.screen() {
		dir, err := sessions.Root(e.sessions)
		if err != nil {
			return err
		}
		e.code, err = work.Attach(work.Options{Root: dir, Version: Version, Slow: e.slow, Theme: e.theme}, s)
		return err
	}
	return e.follow(s, true)
}
