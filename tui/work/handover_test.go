package work

import (
	"testing"
	"time"
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
