package work

import (
	"testing"
	"time"

	"pare/core/event"
)

// TestHandOverOnTheScreen: who watches asks with a; the driver sees who, and hands over
// or keeps.
func TestHandOverOnTheScreen(t *testing.T) {
	spar := func() *story { return newStory().start("B").baselineDone("B").configured("B").sparsify(3, "B") }
	look := func(d *desk) {
		d.run.checked = time.Time{}
		sample(d)
	}
	d, f := watching(t, 80, 24, spar())
	key(d, "a")
	sees(t, d, "nobody else drives")
	f.watches = "watching: another screen has been driving since 15:04; ask it for the seat, or detach it"
	look(d)
	d.toast = toast{}
	sees(t, d, "a ask to drive", "another screen has been driving since 15:04")
	key(d, "a")
	if !f.asking {
		t.Fatal("a does not ask")
	}
	f.asking, f.refused = false, true
	look(d)
	sees(t, d, "the driver keeps the seat")
	f.watches = ""
	look(d)
	sees(t, d, "you drive now")

	for _, give := range []string{"A", "K"} {
		d, f := watching(t, 80, 24, spar())
		key(d, give)
		sees(t, d, "nobody asks for the seat")
		f.asked = "ann \x1b[2J from 10.0.0.7"
		look(d)
		d.toast = toast{}
		sees(t, d, "asks to drive:", "A hands the run over, K keeps it", "A hand over")
		key(d, give)
		if want := map[string]string{"A": "true", "K": "false"}[give]; f.answered != want {
			t.Errorf("%s answers %q, want %s", give, f.answered, want)
		}
	}

	d, f = watching(t, 80, 24, spar())
	d.o.ReadOnly = true
	f.watches = "watching: x"
	key(d, "a")
	if f.asking {
		t.Error("a screen that only watches asks for the seat")
	}
}

// TestAWatchersKeys: where another screen drives, no key of the footer says that it moves
// the run, and pressing one says why it does nothing.
func TestAWatchersKeys(t *testing.T) {
	const other = "watching: another screen has been driving since 15:04; ask it for the seat, or detach it"
	b := func() *story { return newStory().start("B") }
	spar := func() *story { return b().baselineDone("B").configured("B").sparsify(3, "B") }
	for name, s := range map[string]*story{
		"baseline": b().wait(event.Baseline, "ready"), "sparsify": spar(), "validate": b().baselineDone("B").configured("B").sparsified("B").wait(event.Validate, "look"),
		"configure": b().baselineDone("B").wait(event.Configure, "choose"),
	} {
		d, f := watching(t, 200, 50, s)
		f.watches = other
		d.run.checked = time.Time{}
		sample(d)
		for _, k := range []string{"enter", "space", "e", "x", "r", "s"} {
			f.sent = nil
			key(d, k)
			if k != "s" {
				sees(t, d, "another screen")
			}
			if len(f.sent) > 0 || d.over != overNone {
				t.Errorf("%s: %s does something at a watcher's: %v", name, k, f.sent)
			}
			d.over = overNone
		}
		sees(t, d, "a ask to drive", "!space pause", "!e target", "!x stop", "!r roll back", "!enter ")
		f.watches = ""
		d.run.checked = time.Time{}
		sample(d)
		if name == "sparsify" {
			sees(t, d, "space pause", "e target", "x stop", "r roll back")
		}
	}
}
