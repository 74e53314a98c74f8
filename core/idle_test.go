package core

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core/event"
)

// idles are the idle events of a run, and whether the first came before anything was
// computed and billed.
func idles(st *MemStore) (out []event.Idle, first bool) {
	computed := false
	for _, e := range st.Events {
		switch b := e.Body.(type) {
		case *event.Idle:
			if len(out) == 0 {
				first = !computed
			}
			out = append(out, *b)
		case *event.Checkpoint, *event.Metric, *event.StageCost:
			computed = true
		}
	}
	return out, first
}

// TestIdleBeforeTheBaseline: with a counter the idle power is measured once, before
// anything is computed, and a resumed run keeps it unless asked.
func TestIdleBeforeTheBaseline(t *testing.T) { onItsOwnClock(t, idleBeforeTheBaseline) }

func idleBeforeTheBaseline(t *testing.T, _ *pacer) {
	fakeRAPL(t, 40)
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 2, 2
	short := 0.3
	r.Energy.IdleSeconds = &short
	for asked, want := range map[bool]int{false: 1, true: 2} {
		st := dies(t, Config{Recipe: clone(t, r)}, atKind("epoch_cost"))
		l, first := idles(st)
		if len(l) != 1 || !first || l[0].Watts == nil || math.Abs(*l[0].Watts-40) > 1 || l[0].Tier != "B" || l[0].Source != "rapl" || l[0].Seconds != short || l[0].At == "" {
			t.Fatalf("%+v, first %v", l, first)
		}
		runAll(t, clone(t, r), &Resume{Why: "crash", Log: &st.State, Checkpoint: st.State.Checkpoints[0].Name, Idle: asked}, st)
		if l, _ := idles(st); len(l) != want {
			t.Errorf("asked %v: measured %d times, want %d", asked, len(l), want)
		}
		if st.State.Idle.Watts == nil {
			t.Error("the fold has lost it")
		}
	}

	zero := 0.0
	r.Energy.IdleSeconds = &zero
	var st MemStore
	runAll(t, clone(t, r), nil, &st)
	if l, _ := idles(&st); len(l) != 0 {
		t.Errorf("it was switched off: %+v", l)
	}
}

// TestNoIdleWithoutACounter: tier E says that it was skipped, and takes no time.
func TestNoIdleWithoutACounter(t *testing.T) {
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 1, 1
	var st MemStore
	runAll(t, r, nil, &st)
	if st.State.Started.Tier != "E" {
		t.Skip("this machine has a counter")
	}
	l, _ := idles(&st)
	if len(l) != 1 || l[0].Watts != nil || !strings.Contains(l[0].Why, "no counter") || l[0].Seconds != 0 {
		t.Errorf("%+v", l)
	}
}

// TestWallFile: the recipe's file goes before PARE_WALL, and one that cannot be read
// is an error before anything runs.
func TestWallFile(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "plug.csv"), filepath.Join(dir, "bad.csv")
	for path, text := range map[string]string{good: "timestamp,watts\n2026-01-31T12:00:00Z,5\n2026-01-31T12:00:01Z,5\n", bad: "timestamp,watts\nnoon,5\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	gone := filepath.Join(dir, "gone.csv")
	for _, c := range []struct{ recipe, env, want string }{
		{good, "", ""}, {good, bad, ""}, {"", good, ""}, {"", "", ""},
		{bad, "", "bad.csv: line 2: \"noon\" is no time"}, {gone, good, "gone.csv: no such file"}, {"", bad, "bad.csv: line 2"},
	} {
		t.Setenv("PARE_WALL", c.env)
		r := small()
		r.Energy.Wall = c.recipe
		err := Precheck(r)
		if (c.want == "") != (err == nil) || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("recipe %q, environment %q: %v", c.recipe, c.env, err)
		}
	}
	r := small()
	r.Energy.Wall = good
	t.Setenv("PARE_WALL", bad)
	st := dies(t, Config{Recipe: r}, atKind("stage"))
	if s := st.State.Started; s.Tier != "A" || s.Meter != "wall meter plug.csv" {
		t.Errorf("%+v", s)
	}
	if l, _ := idles(st); len(l) != 1 || l[0].Watts != nil || !strings.Contains(l[0].Why, "before the window's end") {
		t.Errorf("an old file has no idle power of today: %+v", l)
	}
}

// TestEnergyKeys: off is not the default, and an old recipe keeps its hash.
func TestEnergyKeys(t *testing.T) {
	b, err := DefaultRecipe().Marshal()
	if err != nil || strings.Contains(string(b), "[energy]") {
		t.Errorf("%v\n%s", err, b)
	}
	r, err := ParseRecipe([]byte("[energy]\nidle_seconds = 0\n"))
	if err != nil || r.Energy.idleLength() != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if r = clone(t, r); r.Energy.IdleSeconds == nil || *r.Energy.IdleSeconds != 0 {
		t.Errorf("%+v", r.Energy)
	}
	for _, s := range []string{"-1", "601", "nan", "inf"} {
		if _, err := ParseRecipe([]byte("[energy]\nidle_seconds = " + s + "\n")); err == nil || !strings.Contains(err.Error(), "energy.idle_seconds") {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestAboveIdleInWords(t *testing.T) {
	w := 10.0
	i := &event.Idle{Watts: &w, Tier: "B", Source: "rapl", Band: 10}
	bill := func(uj int64) event.StageCost {
		return event.StageCost{WallUS: 1e6, Energy: event.Joules{UJ: &uj, Tier: "B", Source: "rapl", Band: 1}}
	}
	for uj, want := range map[int64]string{50e6: "40.0 J B", 12e6: "2.00 J B ±56 %", 10.5e6: "none beyond ±1.1 J B", 9e6: "none beyond ±1.1 J B"} {
		if got := AboveIdle(i, bill(uj)); got != want {
			t.Errorf("%d µJ: %q, want %q", uj, got, want)
		}
	}
	if got := AboveIdle(nil, bill(1)); got != "" {
		t.Errorf("%q", got)
	}
}
