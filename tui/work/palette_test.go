package work

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pare/core/event"
)

func TestGoldenPalette(t *testing.T) {
	for _, z := range [][2]int{{120, 40}, {80, 24}, {60, 20}} {
		d, _ := watching(t, z[0], z[1], newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B"))
		key(d, ":")
		golden(t, fmt.Sprintf("palette-%dx%d", z[0], z[1]), bare(d.Render()))
	}
}

// TestPaletteDoesAndSaysWhyNot: words find a command; one that cannot be done now
// says why and does nothing.
func TestPaletteDoesAndSaysWhyNot(t *testing.T) {
	d, f := watching(t, 80, 24, newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B"))
	key(d, ":", "p", "a", "u", "s", "e")
	sees(t, d, "> space", "command: pause", "!roll back")
	key(d, "enter")
	if got := f.commands(); got != "pause" {
		t.Fatalf("sent %q", got)
	}
	key(d, ":", "r", "e", "s", "u", "m", "e")
	sees(t, d, "· the run is there: nothing to resume")
	key(d, "enter")
	sees(t, d, "the run is there: nothing to resume")
	if f.starts != 0 || d.over != overPalette {
		t.Error("it was done all the same")
	}
	key(d, "ctrl+u", "x", "y", "z", "z")
	sees(t, d, "nothing here is called so")
	key(d, "enter")
	sees(t, d, "esc goes back")
	key(d, "esc", ":", "e", "x", "p", "l", "enter")
	sees(t, d, "in plain words")
	// Everything with a line in the help is found here, but what moves by a line.
	key(d, "t")
	d.openPalette()
	n := 0
	for i := range table {
		if b := &table[i]; b.in&inRun != 0 && b.help != "" && b.do != nil && b.keys[0] != ":" && !b.moves() {
			n++
		}
	}
	if got := len(d.commands()); got < n {
		t.Errorf("%d commands, the help has %d", got, n)
	}
	d = ready(t, 80, 24)
	key(d, ":")
	sees(t, d, "take model: choose", "all sessions:", "!another line", "!to the last")
}

// TestHelpSaysWhyNot: keys that do nothing now are in the help with the reason.
func TestHelpSaysWhyNot(t *testing.T) {
	d, _ := watching(t, 120, 60, newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B"))
	key(d, "?")
	sees(t, d, "not now: the run is there: nothing to resume", "not now: nothing waits for you", "pause, go on")
	d.cost.frames, d.cost.drawn = 10, 4e6
	d.touch()
	sees(t, d, "this screen: 400 µs a frame")
	d.cost.bytes, d.cost.cpu = func() int64 { return 4096 }, func() (time.Duration, bool) { return time.Second, true }
	d.cost.since = d.now.Add(-4 * time.Second)
	d.resize(60, 20)
	sees(t, d, "this screen: 400 µs a frame, 1.0 KiB/s sent, CPU", "ms/s, ", "of the run's")
}

// TestCopyIsWhatIsRead: the text goes to the terminal and into a file, with units
// and tier.
func TestCopyIsWhatIsRead(t *testing.T) {
	d, _ := watching(t, 120, 40, newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B"))
	key(d, "left", "left")
	es := d.press("y", "y")
	m, ok := es[0](t.Context()).(copyMsg)
	want := "brisk-heron, lenet-300-100 on fashion-mnist, sparsify, step 800: validation accuracy 0.8813 (95 %: 0.8719 to 0.8919), 80.9 % zeros, 0.896 J per epoch (B · counter), −57 % J for −0.3 pt"
	if !ok || m.text != want {
		t.Errorf("copied %q\nwant   %q", m.text, want)
	}
	if b, err := os.ReadFile(d.o.CopyTo); err != nil || strings.TrimSpace(string(b)) != want {
		t.Errorf("%v %q", err, b)
	}
	sees(t, d, "copied; also in")
	d, _ = watching(t, 80, 24, whole())
	if got := d.copied(); !strings.Contains(got, ": PASS") || strings.Contains(got, "; verdict") {
		t.Errorf("%q at stage %v", got, event.Deploy)
	}
	d, _ = watching(t, 80, 24, newStory().start("B").baselineDone("B").configured("B").sparsified("B").validated("B").missed())
	if got := d.copied(); !strings.Contains(got, ": PASS") || !strings.HasSuffix(got, "; target of 95.0 % zeros not reached above the floor") {
		t.Errorf("%q of a run that missed its target", got)
	}
}
