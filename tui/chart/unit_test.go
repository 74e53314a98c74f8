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

func TestReadout(t *testing.T) {
	c := Chart{Series: []Series{
		{Name: "accuracy", Points: []Point{{X: 100, Y: 0.5, Lo: 0.4, Hi: 0.6}, {X: 200, Y: 0.7}, {X: 300, Y: math.NaN()}, {X: 400, Y: 0.9}}},
		{Name: "late", Points: []Point{{X: 350, Y: 1}}},
	}}
	for _, want := range []struct {
		x, at, y float64
		ok       bool
	}{{99, 0, math.NaN(), false}, {100, 100, 0.5, true}, {150, 100, 0.5, true}, {299, 200, 0.7, true}, {300, 300, math.NaN(), true}, {1e9, 400, 0.9, true}, {math.NaN(), 0, math.NaN(), false}} {
		r := c.Readout(want.x)[0]
		if r.OK != want.ok || r.X != want.at || r.Y != want.y && !(math.IsNaN(r.Y) && math.IsNaN(want.y)) {
			t.Errorf("at %g: %+v, want %g at %g, %v", want.x, r, want.y, want.at, want.ok)
		}
	}
	if r := c.Readout(100)[0]; r.Lo != 0.4 || r.Hi != 0.6 || r.Smooth != 0.5 {
		t.Errorf("at 100: %+v", r)
	}
	if r := c.Readout(300)[1]; r.OK || r.Name != "late" {
		t.Errorf("before its first point: %+v", r)
	}
	c.EMA = 0.5 // 0.5; (0.25·0.5 + 0.5·0.7)/0.75; NaN skipped; (0.125·0.5 + 0.25·0.7 + 0.5·0.9)/0.875
	want := (0.125*0.5 + 0.25*0.7 + 0.5*0.9) / 0.875
	if r := c.Readout(400)[0]; math.Abs(r.Smooth-want) > 1e-12 || r.Y != 0.9 {
		t.Errorf("smoothed at 400: %+v, want %g", r, want)
	}
}

// TestLineMeetsReadout: the spot under the cursor is in the row of what Readout
// says, smoothed or not, zoomed or not.
func TestLineMeetsReadout(t *testing.T) {
	for _, smooth := range []float64{0, 0.6, 0.99} {
		for _, f := range []Frame{{}, {500, 900}} {
			pts := rise(40, 50, 0.2, 0.9, 0.1)
			x := pts[13].X
			c := Chart{Theme: themes[0], Series: []Series{{Points: pts}}, Options: Options{EMA: smooth, Frame: f, Cursor: &x}}
			g := c.plot(80, 30)
			p := &plotter{Chart: &c, grid: g, left: 8, n: 72, rows: 28, f: c.frame()}
			p.sample()
			p.scale = p.fit()
			cl := p.cell(p.f.Col(x, p.n), p.scale.row(c.Readout(x)[0].Smooth))
			if cl.s != themes[0].G.Lines[0].Spot {
				t.Errorf("ema %g, frame %v: found %q\n%s", smooth, f, cl.s, ansi.Strip(g.String()))
			}
		}
	}
}

func TestGapsAndEvents(t *testing.T) {
	pts := rise(20, 100, 1, 2, 0)
	pts[9].Y, pts[10].Y = math.NaN(), math.Inf(1)
	c := Chart{Theme: themes[0], Series: []Series{{Points: pts}}, Events: []Event{{X: 400, Label: "mask 50 %"}, {X: 405, Kind: Bad, Label: "stalled"}, {X: 5000}}}
	w := 80
	g := c.plot(w, 12)
	f, n := c.frame(), PlotWidth(w)
	for _, x := range []float64{1000, 1100} {
		col := PlotLeft(w) + f.Col(x, n)
		for y := range 10 {
			if g.at(col, y).s != "" {
				t.Errorf("something is drawn at step %g, where nothing was measured", x)
			}
		}
		if s := g.at(col, 10).s; s != "✗" {
			t.Errorf("axis at step %g: %q", x, s)
		}
	}
	if s := g.at(PlotLeft(w)+f.Col(400, n), 10).s; s != "✗" {
		t.Errorf("a Bad event must win over a mark in its column, got %q", s)
	}
	if e, ok := c.EventNear(402, w); !ok || e.Label != "mask 50 %" {
		t.Errorf("EventNear(402) = %+v, %v", e, ok)
	}
	if e, ok := c.EventNear(1500, w); ok {
		t.Errorf("EventNear(1500) = %+v", e)
	}
	// On a logarithmic axis 0 is a gap, but nothing went wrong there.
	c = Chart{Theme: themes[0], Series: []Series{{Points: []Point{{X: 0, Y: 1}, {X: 1, Y: 0}, {X: 2, Y: 10}}}}, Options: Options{Log: true}}
	g = c.plot(48, 8)
	if s := g.String(); strings.Contains(s, "✗") || g.at(8+20, 6).by == curve {
		t.Errorf("log gap\n%s", s)
	}
}

func TestUnorderedAndDroppedPoints(t *testing.T) {
	pts := []Point{{X: 30, Y: 3}, {X: math.NaN(), Y: 9}, {X: 10, Y: 1}, {X: 20, Y: 2}, {X: math.Inf(1), Y: 9}}
	sorted := []Point{{X: 10, Y: 1}, {X: 20, Y: 2}, {X: 30, Y: 3}}
	a := Chart{Theme: themes[0], Series: []Series{{Points: pts}}}
	b := Chart{Theme: themes[0], Series: []Series{{Points: sorted}}}
	if a.Render(50, 8) != b.Render(50, 8) {
		t.Errorf("order matters:\n%s\n%s", a.Render(50, 8), b.Render(50, 8))
	}
	if pts[0].X != 30 {
		t.Error("the caller's points were sorted in place")
	}
	b.Series[0].Points = sorted[:2] // after a resume
	if got := b.Readout(30)[0]; got.Y != 2 {
		t.Errorf("dropped point still read: %+v", got)
	}
}

func TestWhyEmpty(t *testing.T) {
	for _, c := range []struct {
		chart Chart
		want  string
	}{
		{Chart{}, "no data yet"},
		{Chart{Options: Options{Empty: "waiting for the first epoch"}}, "waiting for the first epoch"},
		{Chart{Series: []Series{{Points: []Point{{X: 1, Y: math.NaN()}}}}}, "no finite values"},
		{Chart{Series: []Series{{Points: []Point{{X: 1, Y: -1}}}}, Options: Options{Log: true}}, "no values above 0"},
		{Chart{Series: []Series{{Points: []Point{{X: 1, Y: 1}}}}, Options: Options{Frame: Frame{10, 20}}}, "no points in this window"},
	} {
		for _, w := range []int{15, 50} {
			got := ansi.Strip(c.chart.Render(w, 8))
			if !strings.Contains(got, c.want[:min(len(c.want), w-2)]) {
				t.Errorf("w %d: want %q in\n%s", w, c.want, got)
			}
		}
	}
}

// TestGutterIsConstant: linked charts stay aligned whatever their numbers.
func TestGutterIsConstant(t *testing.T) {
	for _, w := range []int{20, 27, 28, 39, 40, 52, 120} {
		for _, y := range []float64{0, 0.5, -0.001, 1e300, -1e300, 1e-90, 123456, -98765.4, 1e9 + 1} {
			c := Chart{Theme: themes[0], Series: []Series{{Points: []Point{{X: 0, Y: y}, {X: 10, Y: y * 1.0001}}}}}
			g := c.plot(w, 8)
			if s := g.at(PlotLeft(w)-1, 6).s; s != "└" {
				t.Errorf("w %d, values near %g: %q where the axis should be\n%s", w, y, s, g)
			}
			figures := 0
			for y := range 6 {
				if g.at(PlotLeft(w)-1, y).s == "┤" {
					figures++
				}
			}
			if figures == 0 && !(w < 28 && y == -1e300) { // "−1e300" needs six cells
				t.Errorf("w %d, values near %g: no figure at all\n%s", w, y, g)
			}
		}
	}
}

// TestFiguresAreTrue: the figure at a row is the value of that row to the
// decimals it shows, and figures rise.
func TestFiguresAreTrue(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		size := math.Pow(10, rapid.Float64Range(-8, 14).Draw(r, "size"))
		lo := rapid.Float64Range(-1, 1).Draw(r, "lo") * size
		hi := lo + rapid.Float64Range(0, 2).Draw(r, "range")*size
		width := rapid.IntRange(5, 6).Draw(r, "width")
		s := newScale(lo, hi, rapid.IntRange(3, 40).Draw(r, "rows"), false)
		last := math.Inf(-1)
		for row, text := range s.labels(width) {
			if text == "" {
				continue
			}
			got, ulp := parse(r, text)
			if want := s.value(row); math.Abs(got-want) > 0.501*ulp+1e-9*math.Abs(want) {
				r.Fatalf("row %d is %g, its figure %q (%v)", row, want, text, s)
			}
			if got <= last {
				r.Fatalf("figures do not rise at %q: %q", text, s.labels(width))
			}
			last = got
		}
	})
}

// parse reads a figure of the axis and what one in its last place is worth.
func parse(r *rapid.T, text string) (v, ulp float64) {
	unit := 1.0
	for _, u := range units {
		if s, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = s, u.size
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		r.Fatalf("figure %q: %v", text, err)
	}
	m, e, _ := strings.Cut(text, "e")
	exp, _ := strconv.Atoi(e)
	_, dec, _ := strings.Cut(m, ".")
	if text != "0" {
		ulp = math.Pow(10, float64(exp-len(dec))) * unit
	}
	return v * unit, ulp
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		v, step, big float64
		width        int
		want         string
	}{
		{0.887, 0.001, 0.9, 6, "0.887"},
		{0.8875, 0.0025, 0.9, 6, "0.8875"},
		{0.8875, 0.0025, 0.9, 5, ".8875"},
		{-0.0025, 0.0025, 0.01, 6, "-.0025"},
		{5, 1, 6, 6, "5"},
		{2.5, 0.5, 5, 6, "2.5"},
		{0, 0.1, 1, 6, "0"},
		{1e-17, 0.1, 1, 6, "0"},
		{1500, 500, 2000, 6, "1500"},
		{50000, 10000, 60000, 6, "50000"},
		{1.25e6, 5e4, 2e6, 6, "1.25M"},
		{3e12, 1e12, 4e12, 6, "3T"},
		{-12500, 500, 20000.5, 6, "-12500"},
		{1.5e-5, 5e-6, 3e-5, 6, "1.5e-5"},
		{1e300, 1e299, 1e300, 6, "1e300"},
		{-1e300, 1e299, 1e300, 6, "-1e300"},
		{2e20, 1e20, 5e20, 6, "2e20"},
	} {
		if got := number(c.v, c.step, c.big, c.width); got != c.want {
			t.Errorf("number(%g, step %g, big %g, %d) = %q, want %q", c.v, c.step, c.big, c.width, got, c.want)
		}
	}
}

func TestWindow(t *testing.T) {
	ext := Frame{0, 1000}
	var w Window
	if w.Frame(ext) != ext || !w.Follows() {
		t.Fatalf("zero window shows %v", w.Frame(ext))
	}
	w.Zoom(ext, 0.5, nil)
	if f := w.Frame(ext); f != (Frame{500, 1000}) || !w.Follows() {
		t.Errorf("zoomed in: %v, follows %v", f, w.Follows())
	}
	if f := w.Frame(Frame{0, 1200}); f != (Frame{700, 1200}) {
		t.Errorf("a following window stays at the newest: %v", f)
	}
	w.Pan(ext, -0.5)
	if f := w.Frame(Frame{0, 1200}); f != (Frame{250, 750}) || w.Follows() {
		t.Errorf("panned: %v, follows %v", f, w.Follows())
	}
	w.Pan(ext, -5)
	if f := w.Frame(ext); f != (Frame{0, 500}) {
		t.Errorf("panned past the start: %v", f)
	}
	w.Pan(ext, 9)
	if f := w.Frame(ext); f != (Frame{500, 1000}) || !w.Follows() {
		t.Errorf("panned to the end: %v, follows %v", f, w.Follows())
	}
	w.Zoom(ext, 0.5, ptr(600))
	if f := w.Frame(ext); f.Col(600, 101) != 20 || f.X1-f.X0 != 250 {
		t.Errorf("zoom about 600 moved it: %v", f)
	}
	w.Show(ext, 100)
	if f := w.Frame(ext); !f.Has(100) {
		t.Errorf("Show(100): %v", f)
	}
	if f := w.Frame(Frame{0, 300}); f.X0 < 0 || f.X1 > 300 || f.X1-f.X0 != 250 {
		t.Errorf("after a resume dropped points: %v", f)
	}
	w.Right = 900
	if f := w.Frame(Frame{0, 300}); f != (Frame{50, 300}) {
		t.Errorf("after a resume dropped points: %v", f)
	}
	w.Zoom(ext, 1e9, nil)
	if w != (Window{}) {
		t.Errorf("zoomed out: %+v", w)
	}
	for range 100 { // ends, and never with an empty window
		w.Zoom(ext, 0.1, ptr(333))
	}
	if f := w.Frame(ext); !(f.X1 > f.X0) || !f.Has(333) {
		t.Errorf("zoomed in without end: %v", f)
	}
}

func TestMove(t *testing.T) {
	s := Series{Points: []Point{{X: 0}, {X: 1}, {X: 50}, {X: 100}}}
	f := Frame{0, 100}
	if x, ok := Move(s, f, nil, 1, 51); !ok || x != 100 {
		t.Errorf("first move: %g, %v", x, ok)
	}
	for _, c := range []struct{ from, dir, want float64 }{{100, -1, 50}, {50, -1, 1}, {1, -1, 0}, {0, -1, 0}, {0, 1, 50}, {50, 1, 100}, {100, 1, 100}, {70, -1, 50}} {
		if x, _ := Move(s, f, &c.from, int(c.dir), 51); x != c.want {
			t.Errorf("from %g by %g: %g, want %g", c.from, c.dir, x, c.want)
		}
	}
	if _, ok := Move(Series{}, f, nil, 1, 51); ok {
		t.Error("moved without a sample")
	}
}

func TestFrame(t *testing.T) {
	f := Frame{-math.MaxFloat64, math.MaxFloat64}
	if c := f.Col(0, 101); c != 50 {
		t.Errorf("middle of everything is column %d", c)
	}
	f = Frame{100, 300}
	for c := range 41 {
		if got := f.Col(f.X(c, 41), 41); got != c {
			t.Errorf("column %d comes back as %d", c, got)
		}
	}
	if u := (Frame{}).Union(f).Union(Frame{0, 150}); u != (Frame{0, 300}) {
		t.Errorf("union %v", u)
	}
}

// TestLinesShareARow: a ghost and a floor in one row are both to be seen.
func TestLinesShareARow(t *testing.T) {
	c := Chart{Theme: themes[0], Lines: []Line{{Ghost, 0.5, ""}, {Floor, 0.5001, ""}, {Ghost, 0, ""}, {Ghost, 1, ""}}}
	s := ansi.Strip(c.Render(50, 8))
	if !strings.Contains(s, "·╌·╌") {
		t.Errorf("\n%s", s)
	}
}

func TestState(t *testing.T) {
	for want, o := range map[string]Options{"": {}, "ema 0.6": {EMA: 0.6}, "log": {Log: true}, "ema 0.95 · log": {EMA: 0.95, Log: true}} {
		if got := o.State(); got != want {
			t.Errorf("State = %q, want %q", got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{-1: "–", 0: "0:00", 41 * time.Second: "0:41", 40100 * time.Millisecond: "0:41", 725 * time.Second: "12:05", time.Hour + 153*time.Second: "1:02:33", 76 * time.Hour: "3 d 4 h"} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestColoursAreTheSeries(t *testing.T) {
	th := theme.New(theme.Dark, true, false)
	c := Chart{Theme: th, Series: []Series{{Points: rise(9, 1, 0, 1, 0), Token: theme.Energy}}}
	open, _ := th.SGR(theme.Energy)
	if s := c.Render(50, 8); !strings.Contains(s, open) {
		t.Errorf("the curve has not the colour of energy: %q", s)
	}
}
