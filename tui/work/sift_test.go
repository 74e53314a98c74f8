package work

import (
	"strings"
	"testing"

	"pare/core/event"
)

// TestSift: / leaves the layers and metrics that hold all words, live and counted; where
// nothing of a pane does it stays whole; esc shows all again.
func TestSift(t *testing.T) {
	s := newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B")
	d, _ := watching(t, 120, 40, s)
	key(d, "/")
	for _, c := range "FC" {
		d.press(string(c), string(c))
	}
	sees(t, d, "show layers and metrics with: FC", "2 layers, 0 metrics", "layers – 2 of 3 with FC", "fc1", "fc2", "CPU ms per step")
	if strings.Contains(bare(d.Render()), "out  ") {
		t.Errorf("out is shown:\n%s", bare(d.Render()))
	}
	d.press("2", "2")
	sees(t, d, "1 layer, 0 metrics", "1 of 3 with FC2")
	key(d, "enter", "i")
	sees(t, d, "zeros by layer", "> fc2", "fc2 ")
	if strings.Contains(bare(d.Render()), "fc1") {
		t.Errorf("fc1 is in the strip:\n%s", bare(d.Render()))
	}
	key(d, "down", "up", "down", "esc", "/", "esc", "/")
	for _, c := range "j per" {
		d.press(string(c), string(c))
	}
	sees(t, d, "0 layers, 1 metric", "ledger", "1 of ", "with j per", "J per step", "fc1", "out")
	if strings.Contains(bare(d.Render()), "CPU ms per step") {
		t.Errorf("another metric is shown:\n%s", bare(d.Render()))
	}
	key(d, "esc")
	sees(t, d, "CPU ms per step", "layers – i opens one")

	s.sparsified("B").wait(event.Validate, "this will look at the test set").validated("B").wait(event.Deploy, "choose").deployed()
	d, _ = watching(t, 120, 40, s)
	key(d, "/")
	for _, c := range "fc1" {
		d.press(string(c), string(c))
	}
	sees(t, d, "layers – 1 of 3 with fc1", "verdicts", "fc1", "ledger, test set")
	d.resize(60, 20)
	fits(t, d, "filtered, small")
}

// TestSiftTurns: where the ledger and the layers share a face, the one is shown in which
// something is left.
func TestSiftTurns(t *testing.T) {
	for _, z := range [][2]int{{80, 24}, {60, 20}, {40, 12}} {
		d, _ := watching(t, z[0], z[1], newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B"))
		typed := func(words string) {
			key(d, "/")
			for _, c := range words {
				d.press(string(c), string(c))
			}
			key(d, "enter")
		}
		typed("fc1")
		sees(t, d, "1 of 3 with fc1")
		key(d, "/", "esc")
		typed("per step")
		sees(t, d, "2 of 7 with per step")
		key(d, "/", "esc")
		tab := d.look.tab
		typed("nothing of that")
		if d.look.tab != tab {
			t.Errorf("%v: it turns to where nothing is left", z)
		}
	}
}
