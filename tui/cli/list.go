package cli

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pare/sessions"
	"pare/tui/plain"
)

func (e *env) list() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "list", Short: "the sessions, the latest first", Args: takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			dir, err := sessions.Root(e.sessions)
			if err != nil {
				return err
			}
			l, err := sessions.ListAll(dir)
			if err != nil {
				return err
			}
			return e.printList(dir, l, all)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "also the starts that failed before the first step")
	return c
}

func (e *env) printList(dir string, l []sessions.Summary, all bool) error {
	shown, hidden := l[:0:0], 0
	for _, s := range l {
		if s.FailedStart && !all {
			hidden++
			continue
		}
		shown = append(shown, s)
	}
	if e.json {
		enc := json.NewEncoder(e.out)
		for _, s := range shown {
			if err := enc.Encode(s); err != nil {
				return err
			}
		}
		return nil
	}
	if len(shown) == 0 {
		printf(e.out, "no sessions in %s; `pare demo` makes one\n", dir)
	} else {
		w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "session\tbegun\tstatus\tstage\tmodel\tdata\tzeros\taccuracy\tverdict\ton disk")
		for _, s := range shown {
			if s.Damage != "" {
				word := "damaged"
				if s.Newer {
					word = "newer"
				}
				printf(w, "%s\t%s\t%s\t\t\t\t\t\t\t%s\n", s.ID, when(s.Begun), word, s.Damage)
				continue
			}
			printf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%.1f %%\t%s\t%s\t%s\n", s.ID, when(s.Begun), statusWords(s), s.Stage, s.Model, s.Data, 100*s.Zeros, accuracy(s), dash(s.Verdict), plain.Bytes(s.Bytes))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if hidden > 0 {
		printf(e.out, "%d more failed before the first step; `pare sessions list --all` shows them, `pare sessions show SESSION` why\n", hidden)
	}
	return nil
}

// statusWords is how a session stands, as the screen's header has it.
func statusWords(s sessions.Summary) string {
	status := s.Status
	switch status {
	case sessions.Spent:
		status = "budget spent"
	case sessions.Missed:
		status = "target missed"
	}
	if s.OverBudget {
		status += ", over budget"
	}
	return status
}

// accuracy says on which split it was measured: a verdict beside it is about the
// test set.
func accuracy(s sessions.Summary) string {
	switch {
	case s.TestAcc >= 0:
		return fmt.Sprintf("test %.1f %%", 100*s.TestAcc)
	case s.Acc >= 0:
		return fmt.Sprintf("val %.1f %%", 100*s.Acc)
	}
	return "–"
}
