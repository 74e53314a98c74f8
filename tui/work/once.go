package work

import (
	"context"
	"strings"

	"pare/sessions"
	"pare/tui/theme"
)

// Once is the screen of a session as it is now, as text of w×h cells without looks:
// for a log, a mail, or who cannot use a screen that moves.
func Once(o Options, s *sessions.Session, w, h int, ascii bool) (string, error) {
	o.ReadOnly = true
	src, err := o.follows(s)
	if err != nil {
		return "", err
	}
	defer src.Close() //nolint:errcheck // only read from
	d := newDesk(o, theme.Mono, ascii)
	d.resize(w, h)
	d.follow(src)
	if d.run.recipe, err = src.Recipe(); err != nil {
		return "", err
	}
	for !d.run.caught {
		m, _ := d.read(0)(context.Background()).(logMsg)
		m.checked, m.alive = true, src.Alive()
		d.onLog(m)
		if !m.alive {
			d.run.gone = 2
		}
		if d.run.damage != "" {
			break
		}
	}
	lines := strings.Split(d.Render(), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(theme.Harmless(l), " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n", nil
}
