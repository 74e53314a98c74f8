package cli

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"pare/core"
	"pare/sessions"
	"pare/tui/plain"
)

func (e *env) compare() *cobra.Command {
	return &cobra.Command{
		Use: "compare SESSION SESSION…", Short: "sessions side by side: ledgers, recipes, what forbids to compare", Args: takes(2, -1),
		RunE: func(_ *cobra.Command, args []string) error {
			var l []plain.Compared
			for _, a := range args {
				s, err := e.find([]string{a})
				if err != nil {
					return err
				}
				x, err := compared(s)
				if err != nil {
					return err
				}
				l = append(l, x)
			}
			c := plain.Compare(l)
			if e.json {
				return json.NewEncoder(e.out).Encode(c)
			}
			c.Print(e.out)
			return nil
		},
	}
}

// compared reads what a comparison needs of a session.
func compared(s *sessions.Session) (plain.Compared, error) {
	st, err := s.State()
	if err != nil {
		return plain.Compared{}, err
	}
	if st.Seq == 0 {
		return plain.Compared{}, fmt.Errorf("session %s has not begun: there is nothing to compare", s.ID)
	}
	r, err := usedRecipe(s)
	return plain.Compared{ID: s.ID, State: st, Recipe: r, Dead: s.Summary().Status == sessions.Dead}, err
}

func usedRecipe(s *sessions.Session) (*core.Recipe, error) {
	r, err := s.RecipeUsed()
	if err != nil {
		return nil, err
	}
	for _, d := range r.Decisions { // a target set by hand is the recipe's as used
		if d.Cmd == core.CmdTarget {
			r.Prune.Target = d.Value
		}
	}
	return r, nil
}

func (e *env) export() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "export [SESSION]", Short: "curves as CSV, ledger as JSON, charts as text, the report", Args: takes(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := e.find(args)
			if err != nil {
				return err
			}
			if out == "" {
				out = s.ID + "-export"
			}
			names, err := plain.Export(out, s)
			for _, n := range names {
				fmt.Fprintln(e.out, "wrote", filepath.Join(out, n))
			}
			return err
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "`folder` to write into (SESSION-export)")
	return c
}
