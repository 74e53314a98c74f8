//go:build unix

package cli

import (
	"testing"

	"pare/sessions"
)

const (
	enter = "\r"
	esc   = "\x1b"
	up    = "\x1b[A"
	left  = "\x1b[D"
)

// TestDemoOfSessions is what the README shows: a run is replayed, branched from the
// list of sessions with another target, and both are compared, in a terminal of
// 80×24 with real keys.
func TestDemoOfSessions(t *testing.T) {
	root := endingRoot(t)
	code, _, errs := call(t, "run", "--data", "iris", "--model", "mlp", "--epochs", "6", "--prune-epochs", "6", "--floor", "60", "--target", "0.5", "--formats", "packed", "--plain", "--sessions", root)
	if code != 0 && code != 3 {
		t.Fatal(code, errs)
	}
	l, err := sessions.List(root)
	if err != nil || len(l) != 1 {
		t.Fatal(l, err)
	}
	old := l[0].ID

	s := onScreen(t, "replay", old, "--speed", "0.0625", "--sessions", root) // it must not be over before it is held
	s.sees("replay ×0.0625")
	s.types(" ")
	s.sees("replay ×0.0625, paused", "space goes on")
	s.types("3")
	s.sees("3 sparsify ●")
	s.types("+", "+", "]")
	s.sees("replay ×0.25, paused", "4 validate ●")
	s.types("t")
	s.sees("in plain words", "4 validate")
	s.types("t")
	s.leaves()

	s = onScreen(t, "sessions", "--sessions", root)
	s.sees("sessions in", old, "done")
	s.types("b")
	s.sees("branch of "+old+" from", "s2-000000")
	s.types(enter)
	s.sees("change (key=value")
	for _, c := range "prune.target=0.7" {
		s.types(string(c))
	}
	s.types(enter)
	s.sees("waiting for you", "2 configure ○", "70 %")
	s.types(enter)
	s.sees("4 validate ○")
	l, err = sessions.List(root)
	if err != nil || len(l) != 2 {
		t.Fatal(l, err)
	}
	s.types("S")
	s.sees("sessions in", old, l[0].ID)
	s.types(" ", up, "c")
	s.sees("sessions → compare", "validation accuracy", "J per epoch")
	s.types(left)
	s.sees("step ")
	s.types("\t")
	s.sees("recipes differ in", "prune.target")
	s.types("c", ":")
	s.sees("command:")
	for _, c := range "filter" {
		s.types(string(c))
	}
	s.sees("> /")
	s.types(enter)
	s.sees("show sessions with")
	for _, c := range "nobody" {
		s.types(string(c))
	}
	s.sees("no session holds all")
	s.types("\x1b")
	s.sees(old)
	s.leaves()
	if m := (&sessions.Session{ID: old, Dir: l[1].Dir}).Summary(); m.Status != sessions.Done || m.Zeros > 0.6 {
		t.Errorf("the old session changed: %+v", m)
	}
}
