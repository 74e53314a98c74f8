package chart

import (
	"math"
	"strings"
	"testing"

	"pare/tui/theme"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"
)

// TestPicturesFit: whatever is drawn, exactly h lines of w cells.
func TestPicturesFit(t *testing.T) {
	all := append([]*theme.Theme{theme.New(theme.Mono, true, false)}, themes...)
	rapid.Check(t, func(t *rapid.T) {
		th := all[rapid.IntRange(0, 2).Draw(t, "theme")]
		w, h := rapid.IntRange(0, 40).Draw(t, "w"), rapid.IntRange(0, 20).Draw(t, "h")
		rows, cols := rapid.IntRange(0, 70).Draw(t, "rows"), rapid.IntRange(0, 70).Draw(t, "cols")
		v := number64().Draw(t, "v")
		at := func(r, c int) float64 {
			if r >= rows || c >= cols || r < 0 || c < 0 {
				t.Fatalf("asked for %d,%d of %d×%d", r, c, rows, cols)
			}
			return v
		}
		var vals []float64
		for range rapid.IntRange(0, 50).Draw(t, "n") {
			vals = append(vals, number64().Draw(t, "value"))
		}
		for name, out := range map[string]string{
			"Dots":    Dots(th, rows, cols, func(r, c int) bool { return at(r, c) > 0 }, w, h),
			"Shades":  Shades(th, rows, cols, at, w, h),
			"Picture": Picture(th, rows, cols, at, w, h),
			"Columns": Columns(th, theme.Bar, vals, w, h),
		} {
			if w == 0 || h == 0 {
				if out != "" {
					t.Fatalf("%s: %q in no room", name, out)
				}
				continue
			}
			lines := strings.Split(out, "\n")
			if len(lines) != h {
				t.Fatalf("%s: %d lines of %d", name, len(lines), h)
			}
			for _, l := range lines {
				if ansi.StringWidth(l) != w {
					t.Fatalf("%s: %d cells of %d: %q", name, ansi.StringWidth(l), w, l)
				}
			}
		}
	})
}

func TestDotsAreExact(t *testing.T) {
	th := theme.New(theme.Mono, true, false)
	if got := Dots(th, 4, 4, func(r, c int) bool { return r == c }, 2, 1); got != "⠑⢄" {
		t.Errorf("a diagonal is %q", got)
	}
	if got := Dots(theme.New(theme.Mono, true, true), 2, 2, func(r, c int) bool { return r == c }, 3, 2); got != "#. \n.# " {
		t.Errorf("in ASCII %q", got)
	}
}

func TestColumnsShowTheSmall(t *testing.T) {
	got := strings.Split(Columns(theme.New(theme.Mono, true, false), theme.Bar, []float64{1000, 1, 0, math.NaN(), 500}, 5, 2), "\n")
	if got[0] != "█    " || got[1] != "█▁  █" {
		t.Errorf("%q", got)
	}
}

func TestPictureKeepsItsShape(t *testing.T) {
	for _, c := range []struct{ rows, cols, w, h, pw, ph int }{{28, 28, 28, 14, 28, 14}, {28, 28, 80, 14, 28, 14}, {28, 28, 10, 40, 10, 5}, {10, 40, 40, 40, 40, 5}, {0, 1, 4, 4, 0, 0}} {
		if pw, ph := PictureSize(c.rows, c.cols, c.w, c.h); pw != c.pw || ph != c.ph {
			t.Errorf("%d×%d in %d×%d: %d×%d, want %d×%d", c.rows, c.cols, c.w, c.h, pw, ph, c.pw, c.ph)
		}
	}
}
