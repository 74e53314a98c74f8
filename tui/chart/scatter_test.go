package chart

import (
	"strings"
	"testing"

	"pare/tui/theme"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"
)

// TestScatterFits: any spots, any size: exactly h lines of w cells, and every finite
// spot has a cell with a mark in it.
func TestScatterFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Scatter{Theme: themes[rapid.IntRange(0, 1).Draw(t, "theme")], At: rapid.IntRange(-1, 8).Draw(t, "at"), Empty: "日本\x1b[2J"}
		for range rapid.IntRange(0, 9).Draw(t, "n") {
			s.Spots = append(s.Spots, Spot{number64().Draw(t, "x"), number64().Draw(t, "y"), SpotKind(rapid.IntRange(0, 3).Draw(t, "kind"))})
		}
		if rapid.Bool().Draw(t, "floor") {
			s.Lines = append(s.Lines, Line{Floor, number64().Draw(t, "floor at"), "floor"})
		}
		w, h := rapid.IntRange(0, 80).Draw(t, "w"), rapid.IntRange(0, 30).Draw(t, "h")
		out := s.Render(w, h)
		if w == 0 || h == 0 {
			if out != "" {
				t.Fatalf("%d×%d: %q", w, h, out)
			}
			return
		}
		lines := strings.Split(out, "\n")
		if len(lines) != h {
			t.Fatalf("%d lines of %d", len(lines), h)
		}
		for _, l := range lines {
			if ansi.StringWidth(l) != w {
				t.Fatalf("a line of %d cells, want %d: %q", ansi.StringWidth(l), w, l)
			}
		}
	})
}

func TestScatterShowsAllSpots(t *testing.T) {
	s := Scatter{Theme: theme.New(theme.Mono, true, false), At: -1, Top: 1, Lines: []Line{{Floor, 0.87, "floor 0.870"}}, Spots: []Spot{
		{4.9, 0.887, SpotDense}, {3.1, 0.886, SpotFront}, {1.8, 0.884, SpotFront}, {1.7, 0.86, SpotBad}, {3.4, 0.88, SpotBeaten},
	}}
	got := ansi.Strip(s.Render(60, 14))
	for _, want := range []string{"◆", "✗", "○", "floor 0.870", "0.88"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "●"); n != 2 {
		t.Errorf("%d spots of the front, want 2:\n%s", n, got)
	}
	lines := strings.Split(got, "\n")
	col := func(glyph string) (x, y int) {
		for i, l := range lines {
			if at := strings.Index(l, glyph); at >= 0 {
				return ansi.StringWidth(l[:at]), i
			}
		}
		t.Fatalf("no %s", glyph)
		return 0, 0
	}
	dx, dy := col("◆")
	bx, by := col("✗")
	if dx <= bx || dy >= by {
		t.Errorf("dense at %d,%d, the spot that costs less and is worse at %d,%d", dx, dy, bx, by)
	}
	if axis, _ := col("└"); bx-axis < 10 {
		t.Errorf("1.7 of 4.9 stands at column %d: the axis does not begin at 0", bx-axis)
	}
	if l := ansi.Strip(s.Legend()); l != "○ beaten in both  ✗ under the floor  ● front  ◆ dense" {
		t.Errorf("legend %q", l)
	}
}
