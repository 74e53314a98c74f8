package chart

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"pare/tui/theme"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"
)

var themes = []*theme.Theme{theme.New(theme.Dark, true, false), theme.New(theme.Mono, true, true)}

// number64 draws any float64, the nasty ones often.
func number64() *rapid.Generator[float64] {
	return rapid.OneOf(
		rapid.Float64Range(-2, 2), rapid.Float64(),
		rapid.SampledFrom([]float64{
			0, math.Copysign(0, -1), 1, 0.9, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64,
			math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, 1e300, 1e-300, 1e15, 1e15 + 1, 123456789, -1e-5,
		}),
	)
}

func points() *rapid.Generator[[]Point] {
	return rapid.Custom(func(t *rapid.T) []Point {
		pts := make([]Point, rapid.IntRange(0, 60).Draw(t, "n"))
		steps := rapid.Bool().Draw(t, "steps")
		for i := range pts {
			x := float64(i * 10)
			if !steps {
				x = number64().Draw(t, "x")
			}
			pts[i] = Point{X: x, Y: number64().Draw(t, "y"), Lo: number64().Draw(t, "lo"), Hi: number64().Draw(t, "hi")}
		}
		return pts
	})
}

func anyChart() *rapid.Generator[Chart] {
	return rapid.Custom(func(t *rapid.T) Chart {
		c := Chart{Theme: themes[rapid.IntRange(0, 1).Draw(t, "theme")]}
		for i := range rapid.IntRange(0, 4).Draw(t, "series") {
			c.Series = append(c.Series, Series{
				Name: "s", Points: points().Draw(t, "points"), Token: theme.Token(i + 2),
				Overlay: rapid.Bool().Draw(t, "overlay"), Interval: rapid.Bool().Draw(t, "interval"),
			})
		}
		for range rapid.IntRange(0, 3).Draw(t, "lines") {
			c.Lines = append(c.Lines, Line{
				LineKind(rapid.IntRange(0, 1).Draw(t, "kind")), number64().Draw(t, "y"),
				rapid.SampledFrom([]string{"", "baseline 0.887", "日本\x1b[2J語\n", strings.Repeat("long ", 50)}).Draw(t, "label"),
			})
		}
		for range rapid.IntRange(0, 3).Draw(t, "events") {
			c.Events = append(c.Events, Event{X: number64().Draw(t, "x"), Kind: EventKind(rapid.IntRange(0, 1).Draw(t, "kind"))})
		}
		c.Log, c.Zero = rapid.Bool().Draw(t, "log"), rapid.Bool().Draw(t, "zero")
		if rapid.Bool().Draw(t, "smooth") {
			c.EMA = number64().Draw(t, "ema")
		}
		if rapid.Bool().Draw(t, "cursor") {
			c.Cursor = ptr(number64().Draw(t, "at"))
		}
		if rapid.Bool().Draw(t, "framed") {
			c.Frame = Frame{number64().Draw(t, "x0"), number64().Draw(t, "x1")}
		}
		if rapid.Bool().Draw(t, "top") {
			c.Top = number64().Draw(t, "top")
		}
		if rapid.Bool().Draw(t, "format") {
			c.YFormat = func(v float64, w int) string { return strconv.FormatFloat(v, 'f', -1, 64) + "日\n" }
		}
		return c
	})
}

func checkExact(t interface{ Fatalf(string, ...any) }, s string, w, h int, ascii bool) {
	if w < 1 || h < 1 {
		if s != "" {
			t.Fatalf("%d×%d: %q, want nothing", w, h, s)
		}
		return
	}
	lines := strings.Split(s, "\n")
	if len(lines) != h {
		t.Fatalf("%d×%d: %d lines\n%s", w, h, len(lines), s)
	}
	for i, l := range lines {
		if n := ansi.StringWidth(l); n != w {
			t.Fatalf("%d×%d: line %d has %d cells: %q", w, h, i, n, l)
		}
	}
	if ascii {
		for _, r := range s {
			if r > 126 {
				t.Fatalf("%d×%d: %q is not ASCII\n%s", w, h, r, s)
			}
		}
	}
}

// TestRenderIsExact: no line wider or narrower than w, exactly h lines, no
// panic, for all sizes and any numbers.
func TestRenderIsExact(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := anyChart().Draw(r, "chart")
		w, h := rapid.IntRange(0, 200).Draw(r, "w"), rapid.IntRange(0, 200).Draw(r, "h")
		checkExact(r, c.Render(w, h), w, h, c.Theme.ASCII)
		small := rapid.IntRange(0, 30).Draw(r, "small")
		checkExact(r, c.Render(w, min(small, 12)), w, min(small, 12), c.Theme.ASCII)
		checkExact(r, c.Render(small, min(h, 12)), small, min(h, 12), c.Theme.ASCII)
		x := number64().Draw(r, "x")
		for i, got := range c.Readout(x) {
			if got.OK && got.X > x {
				r.Fatalf("series %d: readout at %g is of step %g", i, x, got.X)
			}
		}
		c.EventNear(x, w)
		_ = c.Legend()
	})
}

// TestEverySize draws one chart in every size there is.
func TestEverySize(t *testing.T) {
	c := Chart{
		Theme: themes[0], Series: []Series{{Name: "a", Points: rise(60, 50, 0.1, 0.9, 0.05)}},
		Lines: []Line{{Ghost, 0.887, "baseline 0.887"}, {Floor, 0.5, "floor"}}, Options: Options{Cursor: ptr(1500), EMA: 0.6},
	}
	for w := range 201 {
		for h := range 201 {
			if h > 12 && h%50 != 0 {
				continue // tall charts differ little; TestRenderIsExact draws some
			}
			checkExact(t, c.Render(w, h), w, h, false)
		}
	}
}

// TestAxisNeverClips: what is in the window lies between the lowest and the
// highest row, to half a row, and the picture has ink in the rows of the least
// and the greatest value.
func TestAxisNeverClips(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := anyChart().Draw(r, "chart")
		w, h := rapid.IntRange(minW, 120).Draw(r, "w"), rapid.IntRange(minH, 40).Draw(r, "h")
		_, left := gutter(w)
		p := &plotter{Chart: &c, grid: newGrid(c.Theme, w, h), left: left, n: w - left, rows: h - 2, f: c.frame(), axis: axisY{c.Log}}
		if h == minH {
			p.rows = h - 1
		}
		p.sample()
		s := p.fit()
		lowest, highest := s.base-s.step*1e-5, s.base+s.step*(float64(s.rows-1)+1e-5)
		within := func(v float64, what string) {
			if finite(v) && (v < lowest || v > highest) {
				r.Fatalf("%s %g is outside %g..%g (step %g, %d rows)", what, v, lowest, highest, s.step, s.rows)
			}
		}
		for i := range c.Series {
			for _, pt := range c.Series[i].Points {
				if finite(pt.X) && p.f.Has(pt.X) {
					within(p.axis.to(pt.Y), "point")
				}
			}
			for _, col := range p.traces[i].cols {
				within(col.line, "line")
			}
		}
		for _, l := range c.Lines {
			within(p.axis.to(l.Y), "ghost or floor")
		}
	})
}

// TestSpikeKept: one point in thousands, 100 times the rest, reaches the row of
// its value at every width, raw or smoothed, up or down.
func TestSpikeKept(t *testing.T) {
	for _, w := range []int{20, 21, 40, 52, 200} {
		for _, at := range []int{0, 1, 17, 2500, 4998, 4999} {
			for _, to := range []float64{100, -100} {
				for _, smooth := range []float64{0, 0.9} {
					pts := rise(5000, 1, 0.9, 1, 0)
					pts[at].Y = to
					c := Chart{Theme: themes[1], Series: []Series{{Points: pts}}, Options: Options{EMA: smooth}}
					g := c.plot(w, 12)
					_, left := gutter(w)
					p := &plotter{Chart: &c, grid: g, left: left, n: w - left, rows: 10, f: c.frame()}
					p.sample()
					p.scale = p.fit()
					col := p.f.Col(pts[at].X, p.n)
					if cl := p.cell(col, p.scale.row(to)); cl.by != band && cl.by != curve {
						t.Errorf("w %d, ema %g: the spike to %g at step %d is gone\n%s", w, smooth, to, at+1, g)
					}
				}
			}
		}
	}
	pts := rise(5000, 1, 0.9, 1, 0)
	pts[3333].Y = 100
	c := Chart{Theme: themes[0], Series: []Series{{Points: pts}}}
	if line := c.Render(19, 1); strings.Count(line, "█") != 1 {
		t.Errorf("sparkline lost the spike: %s", line)
	}
}

// TestLineIsUnbroken: without gaps the line is unbroken from the first to
// the last column with a point.
func TestLineIsUnbroken(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(2, 40).Draw(r, "n")
		pts := make([]Point, n)
		x := 0.0
		for i := range pts {
			x += float64(rapid.IntRange(1, 500).Draw(r, "dx"))
			pts[i] = Point{X: x, Y: rapid.Float64Range(-3, 3).Draw(r, "y")}
		}
		w := rapid.IntRange(minW, 100).Draw(r, "w")
		c := Chart{Theme: themes[0], Series: []Series{{Points: pts}}}
		if rapid.Bool().Draw(r, "zoomed") {
			c.Frame = Frame{pts[0].X + (x-pts[0].X)*0.3, pts[0].X + (x-pts[0].X)*0.6}
		}
		g := c.plot(w, 12)
		for col := PlotLeft(w); col < w; col++ {
			ink := false
			for y := range 10 {
				ink = ink || g.at(col, y).by == curve
			}
			if !ink {
				r.Fatalf("column %d is blank\n%s", col, ansi.Strip(g.String()))
			}
		}
	})
}

func TestBarsAreExact(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		th := themes[rapid.IntRange(0, 1).Draw(r, "theme")]
		w := rapid.IntRange(0, 200).Draw(r, "w")
		v := rapid.SliceOfN(number64(), 0, 300).Draw(r, "values")
		share := number64().Draw(r, "share")
		eta := time.Duration(rapid.Int64().Draw(r, "eta"))
		for _, s := range []string{Bar(th, share, w), Strip(th, v, w), Progress(th, share, eta, w)} {
			checkExact(r, s, w, min(w, 1), th.ASCII)
		}
	})
}
