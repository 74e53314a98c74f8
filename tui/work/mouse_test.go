package work

import (
	"strings"
	"testing"
)

// TestMouse: it does what keys do, where the pointer is, and only on charts and
// lists.
func TestMouse(t *testing.T) {
	d, f := watching(t, 120, 40, newStory().start("B").baselineDone("B").configured("B").sparsify(20, "B"))
	key(d, "m")
	if !d.mouse {
		t.Fatal("m does not turn the mouse on")
	}
	// The point under step 1000 stands in the middle of both charts.
	for _, x := range []int{8 + 26, 60 + 8 + 26} {
		d.look.cursor = nil
		d.click(x, 10)
		if d.look.cursor == nil || *d.look.cursor < 900 || *d.look.cursor > 1100 {
			t.Errorf("click at column %d: cursor %v", x, d.look.cursor)
		}
		// The cursor is drawn where the click was, to a column.
		for _, l := range strings.Split(bare(d.Render()), "\n") {
			if strings.Contains(l, "▲1") && strings.Count(l, "▲") == 2 {
				at := len([]rune(l[:strings.Index(l, "▲")]))
				if at < 8+24 || at > 8+29 {
					t.Errorf("drawn in column %d", at)
				}
			}
		}
	}
	d.wheel(true, 20, 10)
	sees(t, d, "×")
	d.wheel(false, 20, 10)
	sees(t, d, "!held")
	before := d.look
	for y := range 60 {
		for x := 0; x < 140; x += 7 {
			p, _, _ := d.paneAt(x, y)
			if p != paneA && p != paneB {
				d.click(x, y)
			}
		}
	}
	if *d.look.cursor != *before.cursor {
		t.Error("a click beside the charts moves the cursor")
	}
	for _, c := range [][2]int{{-5, -5}, {0, 0}, {119, 39}, {1000, 1000}} {
		d.click(c[0], c[1])
		d.wheel(true, c[0], c[1])
		fits(t, d, "mouse")
	}
	if len(f.sent) > 0 {
		t.Errorf("the mouse sent %q", f.commands())
	}
	key(d, "r")
	d.wheel(false, 5, 5)
	if d.roll != 1 {
		t.Errorf("the wheel does not scroll the list: %d", d.roll)
	}
	key(d, "esc", "m")
	if d.mouse {
		t.Error("m does not turn it off")
	}
}
