package work

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pare/tui/theme"
)

// catching is a desk that reads a record, a piece of it each time next is called. A piece
// takes a fifth of a second.
func catching(t *testing.T, w, h int) (d *desk, next func() bool) {
	t.Helper()
	src, err := openSession(longRun(t, 20_000))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() }) //nolint:errcheck // only read from
	d = testDesk(t, w, h, theme.Mono, false)
	d.follow(src)
	return d, func() bool {
		m := d.read(0)(t.Context())
		d.now = d.now.Add(200 * time.Millisecond)
		d.handle(m)
		return !d.run.caught
	}
}

// TestReading: a record that takes long to read says how far it is, at every size, and
// keys work meanwhile; one that does not, says nothing.
func TestReading(t *testing.T) {
	for _, z := range [][2]int{{120, 40}, {80, 24}, {60, 20}} {
		d, next := catching(t, z[0], z[1])
		next()
		if d.reading() {
			t.Error("it is told of before it could be read")
		}
		far, seen := 0.0, 0
		for next() {
			if !d.reading() {
				continue
			}
			if x := d.run.reads.through; !(x > far && x <= 1) {
				t.Fatalf("%g of the record is read after %g", x, far)
			} else {
				far = x
			}
			if seen++; seen == 2 {
				got := strings.ReplaceAll(bare(d.Render()), d.run.src.ID(), "brisk-heron")
				golden(t, fmt.Sprintf("reading-%dx%d", z[0], z[1]), got)
				for w := 0; w <= 200 && z[0] == 80; w += 7 {
					for h := 0; h <= 60; h += 4 {
						d.resize(w, h)
						fits(t, d, "reading")
					}
				}
				d.resize(z[0], z[1])
				if d.press("space", " "); d.toast.text != "the record is being read" { // of a state that is past
					t.Errorf("space says %q", d.toast.text)
				}
				key(d, "?")
				sees(t, d, "while a run is shown")
				key(d, "?")
			}
		}
		if seen < 5 {
			t.Fatalf("%d pieces: this shows nothing", seen)
		}
		sees(t, d, "validation accuracy", "!events so far")
	}
	d, next := catching(t, 80, 24)
	for range 3 {
		next()
	}
	key(d, "q")
	if !d.quit {
		t.Error("q does not leave while the record is read")
	}
}
