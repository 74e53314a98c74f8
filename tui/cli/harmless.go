package cli

import (
	"fmt"
	"io"
	"strings"

	"pare/tui/theme"
)

// printf is Fprintf for a terminal: names of models, layers, sessions and data come
// from files of others, and what is in them must not move the cursor, ring, or begin a
// line or a column of its own.
func printf(w io.Writer, format string, a ...any) {
	for i, x := range a {
		switch x := x.(type) {
		case string:
			a[i] = theme.Harmless(x)
		case fmt.Stringer:
			a[i] = theme.Harmless(x.String())
		case error:
			a[i] = theme.Harmless(x.Error())
		}
	}
	fmt.Fprintf(w, format, a...) //nolint:errcheck // as of every other line
}

// harmless is a text of several lines without what a terminal would obey.
func harmless(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = theme.Harmless(lines[i])
	}
	return strings.Join(lines, "\n")
}
