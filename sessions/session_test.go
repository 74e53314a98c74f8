package sessions

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pare/core"
	"pare/core/event"
)

func TestRoot(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ flag, xdg, want string }{
		{"", "", filepath.Join(home, ".local/share/pare/sessions")},
		{"", "relative", filepath.Join(home, ".local/share/pare/sessions")}, // the XDG rule
		{"", home + "/x", filepath.Join(home, "x/pare/sessions")},
		{"here", home + "/x", filepath.Join(wd, "here")},
		{home + "/y/", home + "/x", home + "/y"},
	} {
		t.Setenv("XDG_DATA_HOME", x.xdg)
		if got, err := Root(x.flag); err != nil || got != x.want {
			t.Errorf("Root(%q) with XDG_DATA_HOME=%q = %q, %v; want %q", x.flag, x.xdg, got, err, x.want)
		}
	}
	t.Setenv("XDG_DATA_HOME", "")
	t.Setenv("HOME", "")
	if got, err := Root(""); err == nil || !strings.Contains(err.Error(), "--sessions") {
		t.Errorf("without a home: %q, %v", got, err)
	}
}

func TestCreate(t *testing.T) {
	root := filepath.Join(t.TempDir(), "a", "b")
	r := core.DefaultRecipe()
	r.Model = core.ModelSpec{Path: "net.onnx"}
	r.Data = core.DataSpec{Path: "../set"}
	s, err := Create(root, r)
	if err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Recipe()
	if err != nil {
		t.Fatal(err)
	}
	if got.Model.Path != filepath.Join(wd, "net.onnx") || got.Data.Path != filepath.Join(filepath.Dir(wd), "set") {
		t.Errorf("paths %q, %q are not absolute", got.Model.Path, got.Data.Path)
	}
	if r.Model.Path != "net.onnx" {
		t.Error("the caller's recipe was changed")
	}
	if filepath.Dir(s.Dir) != root || filepath.Base(s.Dir) != s.ID || strings.Count(s.ID, "-") != 1 {
		t.Errorf("%+v", s)
	}
	if st := mustState(t, s); st.Seq != 0 {
		t.Errorf("state %+v", st)
	}
	r.Prune.Target = 1.2
	if _, err := Create(root, r); err == nil || !strings.Contains(err.Error(), "prune.target") {
		t.Errorf("target 1.2: %v", err)
	}
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(file, core.DefaultRecipe()); err == nil {
		t.Error("a session inside a file")
	}
	if es, _ := os.ReadDir(root); len(es) != 2 {
		t.Errorf("failed attempts left %d entries", len(es))
	}
}

// TestNamesRunOut: taken names get a number, and stay unique.
func TestNamesRunOut(t *testing.T) {
	oldA, oldB := adjectives, birds
	defer func() { adjectives, birds = oldA, oldB }()
	adjectives, birds = []string{"odd"}, []string{"duck"}
	root := t.TempDir()
	for _, want := range []string{"odd-duck", "odd-duck-2", "odd-duck-3"} {
		s, err := Create(root, core.DefaultRecipe())
		if err != nil || s.ID != want {
			t.Fatalf("%+v, %v; want %s", s, err, want)
		}
	}
	if s, err := Find(root, "odd-duck"); err != nil || s.ID != "odd-duck" {
		t.Errorf("an exact name that is also a prefix: %+v, %v", s, err)
	}
}

// TestWords: plain lower-case words without doubles.
func TestWords(t *testing.T) {
	for _, l := range [][]string{adjectives, birds} {
		seen := map[string]bool{}
		for _, w := range l {
			if seen[w] || strings.Trim(w, "abcdefghijklmnopqrstuvwxyz") != "" || len(w) > 9 {
				t.Errorf("word %q", w)
			}
			seen[w] = true
		}
		if len(l) < 64 {
			t.Errorf("%d words", len(l))
		}
	}
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	if _, err := Find(root, ""); err == nil || !strings.Contains(err.Error(), "no sessions") {
		t.Errorf("empty root: %v", err)
	}
	if _, err := Find(filepath.Join(root, "none"), "x"); err == nil || !strings.Contains(err.Error(), "no sessions") {
		t.Errorf("missing root: %v", err)
	}
	for i, id := range []string{"calm-wren", "calm-kite", "bold-rook"} {
		s := &Session{ID: id, Dir: filepath.Join(root, id)}
		if err := os.Mkdir(s.Dir, 0o755); err != nil {
			t.Fatal(err)
		}
		toml, _ := core.DefaultRecipe().Marshal()
		if err := s.fill(toml); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(i-10) * time.Hour)
		if err := os.Chtimes(filepath.Join(s.Dir, recipeFile), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(root, "zz-not-one"), 0o755); err != nil { // young, but no session
		t.Fatal(err)
	}
	for _, x := range []struct{ arg, want, err string }{
		{"", "bold-rook", ""},
		{"calm-w", "calm-wren", ""},
		{"b", "bold-rook", ""},
		{"calm-kite", "calm-kite", ""},
		{"calm", "", "fits 2 sessions (calm-kite, calm-wren): give more letters"},
		{"dim", "", `no session "dim"`},
		{filepath.Join(root, "calm-wren"), "calm-wren", ""},
		{"../x", "", "no such file"},
		{filepath.Join(root, "zz-not-one"), "", "holds neither"},
		{filepath.Join(root, "calm-wren", recipeFile), "", "is a file"},
		{"..", "", "no session"},
	} {
		s, err := Find(root, x.arg)
		if x.err != "" {
			if err == nil || !strings.Contains(err.Error(), x.err) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Find(%q) = %v, %v; want %q", x.arg, s, err, x.err)
			}
			continue
		}
		if err != nil || s.ID != x.want || s.Dir != filepath.Join(root, x.want) {
			t.Errorf("Find(%q) = %+v, %v; want %s", x.arg, s, err, x.want)
		}
	}
	// One that was started later than another was made is the latest.
	r := runInfo{Pid: 1, Begun: time.Now()}
	if err := r.write(filepath.Join(root, "calm-kite")); err != nil {
		t.Fatal(err)
	}
	if s, err := Find(root, ""); err != nil || s.ID != "calm-kite" {
		t.Errorf("the latest is %+v, %v", s, err)
	}
}

// TestList: every folder has its line, the damaged ones with their damage; one
// bad session does not hide the others.
func TestList(t *testing.T) {
	root := t.TempDir()
	if l, err := List(filepath.Join(root, "none")); err != nil || len(l) != 0 {
		t.Errorf("missing root: %v, %v", l, err)
	}
	full := []event.Body{
		&event.Started{Format: event.Version, Model: "lenet", Data: "fashion"},
		&event.StageChange{Stage: event.Sparsify, State: "started"},
		&event.Eval{Stage: event.Sparsify, Split: "val", Correct: 3, N: 4, Zeros: 0.5},
		&event.Eval{Stage: event.Sparsify, Split: "test", Correct: 1, N: 4, Zeros: 0.5},
		&event.Metric{Stage: event.Sparsify, Step: 1, Zeros: 0.6}, &event.Metric{Stage: event.Sparsify, Step: 2, Zeros: 0.7},
	}
	make := func(id string, bodies ...event.Body) *Session {
		t.Helper()
		s := &Session{ID: id, Dir: filepath.Join(root, id)}
		if err := os.Mkdir(s.Dir, 0o755); err != nil {
			t.Fatal(err)
		}
		toml, _ := core.DefaultRecipe().Marshal()
		if err := s.fill(toml); err != nil {
			t.Fatal(err)
		}
		if len(bodies) > 0 {
			write(t, s, bodies...)
		}
		return s
	}
	make("a-new")
	make("b-dead", full...)
	make("c-done", append(full, &event.Ledger{Now: event.Side{Acc: 0.25}}, &event.Verdict{Verdict: "PASS"}, &event.Done{Weights: "d93f"})...)
	make("c-spent", append(full, &event.Done{Exit: core.ExitBudget, Text: "the budget of 5 kJ is spent"})...)
	make("c-tested", append(full, &event.Eval{Stage: event.Validate, Split: "test", Correct: 1, N: 4, Zeros: 0.7}, &event.Verdict{Verdict: "PASS"}, &event.Done{Exit: core.ExitBudget})...)
	make("c-over", append(full, &event.Ledger{Now: event.Side{Acc: 0.25}}, &event.Verdict{Verdict: "PASS"}, &event.Budget{Limit: 5, Spent: 6}, &event.Done{Text: "verdict PASS, over its budget"})...)
	make("c-short", append(full, &event.Verdict{Verdict: "PASS"}, &event.Done{Exit: core.ExitTarget, Text: "target of 90.0 % zeros not reached above the floor"})...)
	make("d-failed", append(full, &event.Failure{Text: "x"})...)
	make("e-stopped", append(full, &event.Paused{Why: "stopped"})...)
	make("f-resumed", append(full, &event.Paused{Why: "stopped"}, full[0], &event.Resumed{Stage: event.Sparsify})...)
	edit := func(s *Session, f func(string) string) {
		t.Helper()
		b, err := os.ReadFile(logOf(s))
		if err == nil {
			err = os.WriteFile(logOf(s), []byte(f(string(b))), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	edit(make("g-garbled", full...), func(s string) string { return strings.Replace(s, `{"seq":3`, `?`, 1) })
	edit(make("h-hole", full...), func(s string) string { return strings.Replace(s, `{"seq":4`, `{"seq":9`, 1) })
	edit(make("i-torn", full...), func(s string) string { return s[:len(s)-9] })
	edit(make("j-newer", full...), func(s string) string { return strings.Replace(s, `"format":1`, `"format":9`, 1) })
	if err := os.Remove(filepath.Join(make("k-norecipe", full...).Dir, recipeFile)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(make("l-badrecipe").Dir, recipeFile), []byte("x = ["), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(filepath.Join(root, "m-empty"), 0o755), os.Mkdir(filepath.Join(root, ".hidden"), 0o755), os.WriteFile(filepath.Join(root, "file"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	l, err := List(root)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]struct{ status, damage string }{
		"a-new": {New, ""}, "b-dead": {Dead, ""}, "c-done": {Done, ""}, "c-spent": {Spent, ""}, "c-tested": {Spent, ""}, "c-over": {Done, ""}, "c-short": {Missed, ""}, "d-failed": {Failed, ""}, "e-stopped": {Stopped, ""}, "f-resumed": {Dead, ""},
		"g-garbled": {Dead, "damaged at line 3"}, "h-hole": {Dead, "number 9, expected 4"}, "i-torn": {Dead, ""}, "j-newer": {New, "newer pare"},
		"k-norecipe": {Dead, "recipe.toml is missing"}, "l-badrecipe": {New, "line 1"}, "m-empty": {New, "holds no session"},
	}
	for i, m := range l {
		w, ok := want[m.ID]
		if !ok || m.Status != w.status || (m.Damage == "") != (w.damage == "") || !strings.Contains(m.Damage, w.damage) || strings.Contains(m.Damage, "\n") {
			t.Errorf("%+v, want %+v", m, w)
		}
		delete(want, m.ID)
		if i > 0 && l[i-1].Begun.Before(m.Begun) {
			t.Errorf("%s stands after %s, which began earlier", m.ID, l[i-1].ID)
		}
		if m.ID[0] >= 'b' && m.ID[0] <= 'f' {
			if m.Model != "lenet" || m.Data != "fashion" || m.Zeros != 0.7 || m.Acc != 0.75 || m.Stage != event.Sparsify || m.Bytes < 500 || m.Begun.IsZero() || m.Last.Before(m.Begun) {
				t.Errorf("%+v", m)
			}
		}
		switch m.ID {
		case "a-new":
			if m.Model != "lenet-300-100" || m.Acc != -1 || !m.Begun.IsZero() || !m.Resumable() {
				t.Errorf("%+v", m)
			}
		case "c-done":
			if m.Verdict != "PASS" || m.TestAcc != 0.25 || m.Weights != "d93f" || m.Resumable() {
				t.Errorf("%+v", m)
			}
		case "c-tested": // the budget ended it after the test set, before the ledger
			if m.Status != Spent || m.TestAcc != 0.25 || m.OverBudget {
				t.Errorf("%+v", m)
			}
		case "c-over":
			if m.Status != Done || !m.OverBudget {
				t.Errorf("%+v", m)
			}
		case "c-spent":
			if m.Resumable() || m.FailedStart {
				t.Errorf("%+v", m)
			}
			if err := (&Session{ID: m.ID, Dir: m.Dir}).notRunning(); !strings.Contains(err.Error(), "its budget is spent") || !strings.Contains(err.Error(), "`pare branch c-spent --set budget.KEY=MORE`") || strings.Contains(err.Error(), "resume") {
				t.Error(err)
			}
		case "c-short":
			if err := (&Session{ID: m.ID, Dir: m.Dir}).notRunning(); m.Resumable() || !strings.Contains(err.Error(), "short of its target") || !strings.Contains(err.Error(), "`pare branch c-short --set prune.target=") {
				t.Errorf("%+v: %v", m, err)
			}
		case "d-failed":
			if m.TestAcc != -1 {
				t.Errorf("%+v", m)
			}
		case "j-newer":
			if !m.Newer || m.Resumable() {
				t.Errorf("%+v", m)
			}
		case "h-hole":
			if m.Resumable() || m.Model != "lenet" {
				t.Errorf("%+v", m)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("not listed: %v", want)
	}
	// The skimmed status is the folded one.
	for _, id := range []string{"b-dead", "c-done", "e-stopped", "f-resumed"} {
		s := &Session{ID: id, Dir: filepath.Join(root, id)}
		st, m := mustState(t, s), s.Summary()
		if !st.Begun.Equal(m.Begun) || !st.At.Equal(m.Last) || st.Stage != m.Stage {
			t.Errorf("%s: folded %v %v %v, skimmed %+v", id, st.Begun, st.At, st.Stage, m)
		}
	}
}

// TestRemove: a session goes with all its files, and nothing else ever goes.
func TestRemove(t *testing.T) {
	root := t.TempDir()
	s, err := Create(root, core.DefaultRecipe())
	if err != nil {
		t.Fatal(err)
	}
	other := &Session{ID: "photos", Dir: filepath.Join(root, "photos")}
	empty := &Session{ID: "empty", Dir: filepath.Join(root, "empty")}
	if err := errors.Join(os.Mkdir(other.Dir, 0o755), os.WriteFile(other.Dir+"/cat.jpg", nil, 0o644), os.Mkdir(empty.Dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := other.Remove(); err == nil || !strings.Contains(err.Error(), "does not look like a session") {
		t.Errorf("photos: %v", err)
	}
	if err := errors.Join(s.Remove(), empty.Remove()); err != nil {
		t.Fatal(err)
	}
	if es, _ := os.ReadDir(root); len(es) != 1 || es[0].Name() != "photos" {
		t.Errorf("left: %v", es)
	}
	if es, _ := os.ReadDir(other.Dir); len(es) != 1 {
		t.Errorf("left in photos: %v", es)
	}
}

// TestDecisions: what a person did that still counts, in order, once; what pare
// did by itself, what a roll-back undid and what is in the recipe anyway is left
// out.
func TestDecisions(t *testing.T) {
	s := newSession(t, "", 100)
	d := func(step int64, cmd string, v float64, by string) event.Body {
		return &event.Decision{Stage: event.Sparsify, Step: step, Cmd: cmd, Value: v, By: by}
	}
	write(t, s,
		&event.Started{Format: event.Version}, d(1, "target", 0.5, "recipe"), &event.Checkpoint{Name: "a"},
		d(2, "target", 0.6, "person"), d(3, "pause", 0, "person"), d(3, "go", 0, "person"),
		&event.Decision{Cmd: "configure", Text: "…", By: "person"}, d(4, "target", 0.7, "pare"), &event.Checkpoint{Name: "b"},
		&event.Resumed{Checkpoint: "a", Why: "crash"}, d(2, "target", 0.6, "recipe"), // done again
		&event.Resumed{Checkpoint: "a", Why: "floor"},                                                                  // happens again by itself
		d(5, "target", 0.8, "person"), d(6, "rollback", 0, "person"), &event.Resumed{Checkpoint: "b", Why: "rollback"}, // undone
		d(7, "target", 0.8, "person"), d(9, "stop", 0, "person"))
	want := []core.Decision{
		{Stage: 3, Step: 1, Cmd: "target", Value: 0.5},
		{Stage: 3, Step: 2, Cmd: "target", Value: 0.6},
		{Stage: 3, Step: 7, Cmd: "target", Value: 0.8},
	}
	got, err := s.Decisions()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v, %v\nwant %+v", got, err, want)
	}
	r, err := s.RecipeUsed()
	if err != nil || !reflect.DeepEqual(r.Decisions, want) {
		t.Fatalf("%+v, %v", r, err)
	}
	toml, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := core.ParseRecipe(toml); err != nil || !reflect.DeepEqual(back.Decisions, want) {
		t.Errorf("through TOML: %+v, %v", back, err)
	}
}

// FuzzRecipe: no text makes the recipe's reader panic, and what it accepts is
// the same after being written.
func FuzzRecipe(f *testing.F) {
	b, err := core.DefaultRecipe().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("version = 2\n"))
	f.Add([]byte("[prune]\ntarget = 1.2\n[[decision]]\nstage = 3\nstep = 5\ncmd = \"target\"\nvalue = 0.5\n"))
	f.Add([]byte("[data]\npath = \"x\"\nname = \"\"\nmean = [0.5, 1e-9]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := core.ParseRecipe(b)
		if err != nil {
			return
		}
		out, err := r.Marshal()
		if err != nil {
			t.Fatalf("read but not written: %v", err)
		}
		back, err := core.ParseRecipe(out)
		if err != nil {
			t.Fatalf("written but not read: %v\n%s", err, out)
		}
		if back.Hash() != r.Hash() {
			t.Fatalf("changed by writing:\n%s", out)
		}
	})
}
