package work

import (
	"path/filepath"
	"testing"
	"time"

	"pare/core/event"
	"pare/tui/theme"
)

// TestReadOnlyChangesNothing: no key sends a command, starts a run or opens a form,
// and each of these says why.
func TestReadOnlyChangesNothing(t *testing.T) {
	for _, s := range []*story{
		newStory().start("B").wait(event.Baseline, "ready"),
		newStory().start("B").baselineDone("B").wait(event.Configure, "choose"),
		newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B"),
		newStory().start("B").baselineDone("B").add(&event.Failure{Text: "the disk went away"}),
	} {
		d, f := watching(t, 100, 30, s)
		d.o.ReadOnly = true
		d.touch()
		sees(t, d, "watching only")
		for _, n := range names {
			d.page = pageRun
			key(d, n)
			d.quit, d.over = false, overNone
		}
		if len(f.sent) > 0 || f.starts > 0 || d.formOpen() {
			t.Errorf("sent %q, started %d times", f.commands(), f.starts)
		}
		for _, k := range []string{"space", "enter", "R", "r", "x", "e"} {
			d.page = pageRun
			key(d, k)
			sees(t, d, "this screen only watches (--readonly)")
		}
	}
	d := shelved(t, 80, 24)
	d.o.ReadOnly = true
	key(d, "x")
	sees(t, d, "only watches", "!delete?")
	key(d, "b")
	sees(t, d, "only watches")
}

// TestSilenceIsTold: a run that should be at work and says nothing is not a run that
// died, nor one that is done.
func TestSilenceIsTold(t *testing.T) {
	s := newStory().start("B").baselineDone("B").configured("B").sparsify(3, "B")
	d, f := watching(t, 120, 40, s)
	sees(t, d, "● running", "!last word")
	d.now = d.now.Add(42 * time.Second)
	sample(d)
	d.touch()
	sees(t, d, "● running", "last word 0:42 ago")
	f.alive = false
	for range 3 {
		d.now = d.now.Add(2 * time.Second)
		sample(d)
	}
	sees(t, d, "dead", "!last word")
	d, _ = watching(t, 120, 40, newStory().start("B").wait(event.Baseline, "ready"))
	d.now = d.now.Add(time.Hour)
	d.touch()
	sees(t, d, "!last word") // it waits for a person, who may be at lunch
}

// TestLayoutIsKept: how charts were shown comes back, for another run too; what is
// no layout is left out.
func TestLayoutIsKept(t *testing.T) {
	s := newStory().start("B").baselineDone("B").configured("B").sparsify(3, "B")
	d, _ := watching(t, 80, 24, s)
	d.o.Layout = filepath.Join(t.TempDir(), "conf", "screen.json")
	key(d, "l", "s", "v")
	if err := d.saveLayout(); err != nil {
		t.Fatal(err)
	}
	n := testDesk(t, 80, 24, theme.Mono, false)
	n.o.Layout = d.o.Layout
	n.loadLayout()
	n.follow(&fake{id: "x", log: s.es, alive: true, recipe: testRecipe()})
	if !n.look.log || n.look.ema != 0.6 || n.look.view != viewLoss {
		t.Errorf("%+v", n.look)
	}
	for _, bad := range []string{"", "x", `{"ema":7}`, `{"view":99}`, `[]`} {
		if err := writeText(n.o.Layout, bad); err != nil {
			t.Fatal(err)
		}
		m := testDesk(t, 80, 24, theme.Mono, false)
		m.o.Layout = n.o.Layout
		m.loadLayout()
		if m.look != (look{}) {
			t.Errorf("%q: %+v", bad, m.look)
		}
	}
}
