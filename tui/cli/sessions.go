package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
	"pare/sessions/report"
	"pare/tui/plain"
	"pare/tui/work"
)

// find returns the session an argument names, the latest without one.
func (e *env) find(args []string) (*sessions.Session, error) {
	dir, err := sessions.Root(e.sessions)
	if err != nil {
		return nil, err
	}
	id := ""
	if len(args) > 0 {
		id = args[0]
	}
	return sessions.Find(dir, id)
}

func (e *env) attach() *cobra.Command {
	var readonly, once bool
	hz := work.DefaultHz
	c := &cobra.Command{
		Use: "attach [SESSION]", Short: "the screen of a run that goes on (the latest by default)", Args: takes(0, 1),
		Long: `attach shows a run that goes on: as a screen, or with --plain or --json as lines.
Leaving it, Ctrl-C included, never stops the run.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if hz < 1 || hz > work.MostHz {
				return usagef("--hz %d: give 1 to %d", hz, work.MostHz)
			}
			s, err := e.find(args)
			if err != nil {
				return err
			}
			if once {
				w, h, ok := size(e.out)
				if !ok {
					w, h = 80, 25
				}
				h = max(h-1, 1)
				text, err := work.Once(work.Options{Version: Version}, s, w, h, false)
				fmt.Fprint(e.out, text)
				return err
			}
			if !e.screen() {
				return e.follow(s, false)
			}
			dir, err := sessions.Root(e.sessions)
			if err != nil {
				return err
			}
			e.code, err = work.Attach(work.Options{Root: dir, Version: Version, Slow: e.slow, Theme: e.theme, ReadOnly: readonly, Hz: hz}, s)
			return err
		},
	}
	c.Flags().IntVar(&hz, "hz", hz, fmt.Sprintf("looks at the run a second, up to %d; fewer while they cost more than a hundredth of the run's CPU time", work.MostHz))
	c.Flags().BoolVar(&once, "once", false, "print the screen as it is now, as text, and leave")
	c.Flags().BoolVar(&readonly, "readonly", false, "only watch: the screen can change nothing, and leaves the driver's seat to others")
	return c
}

func (e *env) resume() *cobra.Command {
	var idle bool
	c := &cobra.Command{
		Use: "resume [SESSION]", Short: "go on from the last checkpoint", Args: takes(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := e.find(args)
			if err != nil {
				return err
			}
			s.IdleAnew = idle
			return e.goOn(s)
		},
	}
	c.Flags().BoolVar(&idle, "idle", false, "measure the idle power anew; otherwise that of the run's beginning stands")
	return c
}

func (e *env) sessionsCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "sessions", Short: "all runs on one screen; list, show, resume, export or rm without it", Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if e.screen() {
				dir, err := sessions.Root(e.sessions)
				if err != nil {
					return err
				}
				e.code, err = work.Open(work.Options{Root: dir, Version: Version, Slow: e.slow, Theme: e.theme, Shelf: true})
				return err
			}
			return usagef("say which: pare sessions list, show, resume, export or rm")
		},
	}
	c.AddCommand(
		e.list(),
		e.show(),
		e.resume(),
		e.export(),
		&cobra.Command{
			Use: "rm SESSION…", Short: "remove sessions with all their files", Args: takes(1, -1),
			RunE: func(_ *cobra.Command, args []string) error {
				for _, a := range args {
					s, err := e.find([]string{a})
					if err != nil {
						return err
					}
					if err := s.Remove(); err != nil {
						return err
					}
					printf(e.out, "removed %s\n", s.ID)
				}
				return nil
			},
		},
	)
	return c
}

func when(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.Local().Format("2006-01-02 15:04")
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func (e *env) show() *cobra.Command {
	var recipe bool
	c := &cobra.Command{
		Use: "show [SESSION]", Short: "what happened in a session (the latest by default)", Args: takes(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := e.find(args)
			if err != nil {
				return err
			}
			if recipe {
				r, err := s.RecipeUsed()
				if err != nil {
					return err
				}
				return e.printRecipe(r)
			}
			t, err := s.Tail()
			if err != nil {
				return err
			}
			defer t.Close() //nolint:errcheck // only read from
			var st event.State
			for {
				es, err := t.Next(1000)
				if err != nil {
					return err
				}
				if len(es) == 0 {
					break
				}
				for _, x := range es {
					st.Apply(x)
					if e.json {
						b, err := event.Encode(x)
						if err != nil {
							return err
						}
						fmt.Fprintf(e.out, "%s\n", b)
					} else if l := plain.Line(x, &st); l != "" {
						fmt.Fprintln(e.out, harmless(l))
					}
				}
			}
			if !e.json && st.Done == nil {
				fmt.Fprintln(e.out, harmless(strings.TrimSpace(fmt.Sprintf("status: %s %s %s", st.Status, st.Why, by(st.By)))))
			}
			if !e.json && len(st.Checkpoints) > 0 {
				fmt.Fprintln(e.out, "\ncheckpoints on disk")
				for i := range st.Checkpoints {
					fmt.Fprintln(e.out, "  "+harmless(plain.Checkpoint(&st.Checkpoints[i])))
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&recipe, "recipe", false, "print the recipe as used, decisions included, to run it again")
	return c
}

// printRecipe writes a recipe as its file has it, or with --json the same keys as
// one object.
func (e *env) printRecipe(r *core.Recipe) error {
	b, err := r.Marshal()
	if err != nil {
		return err
	}
	if !e.json {
		_, err = e.out.Write(b)
		return err
	}
	var keys map[string]any
	if err := toml.Unmarshal(b, &keys); err != nil {
		return err
	}
	return json.NewEncoder(e.out).Encode(keys)
}

// writeReport writes the file aside first, so that a failure leaves none behind.
func writeReport(s *sessions.Session, out string) error {
	st, err := s.State()
	if err != nil {
		return err
	}
	r, err := s.RecipeUsed()
	if err != nil {
		return err
	}
	toml, err := r.Marshal()
	if err != nil {
		return err
	}
	return writeAside(out, func(w io.Writer) error { return report.Write(w, st, string(toml)) })
}

func (e *env) report() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "report [SESSION]", Short: "one self-contained HTML file", Args: takes(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := e.find(args)
			if err != nil {
				return err
			}
			if out == "" {
				out = s.ID + ".html"
			}
			if err := writeReport(s, out); err != nil {
				return err
			}
			st, err := os.Stat(out)
			if err != nil {
				return err
			}
			fmt.Fprintf(e.out, "wrote %s (%s)\n", out, plain.Bytes(st.Size()))
			return nil
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "file to write (SESSION.html)")
	return c
}

// by is where a stop came from, for the end of a line.
func by(what string) string {
	if what == "" {
		return ""
	}
	return "by " + what
}
