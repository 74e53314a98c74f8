//go:build unix

package cli

import "testing"

// colours are the foregrounds on the screen.
func (s *screen) colours() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := map[string]bool{}
	for y := range s.term.Height() {
		for x := range s.term.Width() {
			if c := s.term.CellAt(x, y); c != nil && c.Style.Fg != nil {
				r, g, b, _ := c.Style.Fg.RGBA()
				l[string([]byte{byte(r >> 8), byte(g >> 8), byte(b >> 8)})] = true
			}
		}
	}
	return l
}

// TestThemeFlag: mono has no colour, dark and light have others, whatever the terminal
// says of its background.
func TestThemeFlag(t *testing.T) {
	run := started(t, longRun())
	seen := map[string]map[string]bool{}
	for _, theme := range []string{"dark", "light", "mono"} {
		s := onScreen(t, "attach", run.Dir, "--theme", theme)
		s.sees("validation accuracy", "baseline", "q leave") // from the first row to the last
		seen[theme] = s.colours()
		s.leaves()
	}
	same := 0
	for c := range seen["light"] {
		if seen["dark"][c] {
			same++
		}
	}
	if n := len(seen["mono"]); n > 0 || len(seen["dark"]) < 3 || len(seen["light"]) < 3 || same > 1 {
		t.Errorf("%d colours dark, %d light, %d of them in both, %d mono", len(seen["dark"]), len(seen["light"]), same, n)
	}
}
