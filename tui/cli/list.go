package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"pare/sessions"
	"pare/tui/plain"
	"pare/tui/theme"
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
		rows := [][]string{{"session", "begun", "status", "stage", "model", "data", "zeros", "accuracy", "verdict", "on disk"}}
		for _, s := range shown {
			if s.Damage != "" {
				word := "damaged"
				if s.Newer {
					word = "newer"
				}
				rows = append(rows, []string{s.ID, when(s.Begun), word + ": " + s.Damage})
				continue
			}
			rows = append(rows, []string{s.ID, when(s.Begun), statusWords(s), s.Stage.String(), s.Model, s.Data, fmt.Sprintf("%.1f %%", 100*s.Zeros), accuracy(s), dash(s.Verdict), plain.Bytes(s.Bytes)})
		}
		room := math.MaxInt
		if cols, _, ok := size(e.out); ok {
			room = cols
		}
		if _, err := io.WriteString(e.out, columns(rows, room, 9, 1, 5, 3, 4, 8)); err != nil {
			return err
		}
	}
	if hidden > 0 {
		printf(e.out, "%d more failed before the first step; `pare sessions list --all` shows them, `pare sessions show SESSION` why\n", hidden)
	}
	return nil
}

// columns are rows in columns two cells apart. Where they are wider than room, those of least
// are left out, the first of them first, until they fit. The last cell of a row that has fewer
// counts for no column.
func columns(rows [][]string, room int, least ...int) string {
	for _, r := range rows { // names come from files of others, see printf
		for i := range r {
			r[i] = theme.Harmless(r[i])
		}
	}
	gone := map[int]bool{}
	for {
		widths, all := make([]int, len(rows[0])), -2
		for _, r := range rows {
			for i, c := range r[:len(r)-max(0, min(1, len(rows[0])-len(r)))] {
				widths[i] = max(widths[i], ansi.StringWidth(c))
			}
		}
		for i, w := range widths {
			if !gone[i] {
				all += w + 2
			}
		}
		if all > room && len(least) > 0 {
			gone[least[0]], least = true, least[1:]
			continue
		}
		var b strings.Builder
		for _, r := range rows {
			line := ""
			for i, c := range r {
				if !gone[i] {
					line += c + strings.Repeat(" ", max(widths[i]-ansi.StringWidth(c), 0)+2)
				}
			}
			b.WriteString(strings.TrimRight(line, " ") + "\n")
		}
		return b.String()
	}
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
