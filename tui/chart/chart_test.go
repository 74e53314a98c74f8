package chart

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pare/tui/theme"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"
)

func ptr(v float64) *float64 { return &v }

// rise is n points of a training-like rise with a little deterministic noise.
func rise(n int, every, from, to, noise float64) []Point {
	pts := make([]Point, n)
	for i := range pts {
		x := float64(i+1) * every
		t := float64(i) / float64(max(n-1, 1))
		y := to - (to-from)*math.Exp(-5*t) + noise*math.Sin(float64(i*i)*1.7)
		pts[i] = Point{X: x, Y: y, Lo: y - 0.01, Hi: y + 0.01}
	}
	return pts
}

// pictures are the charts of the golden files.
func pictures(th *theme.Theme) map[string]string {
	acc := Chart{
		Theme:  th,
		Series: []Series{{Name: "validation accuracy", Token: theme.Accuracy, Points: rise(20, 100, 0.80, 0.884, 0.002)}},
		Lines:  []Line{{Ghost, 0.887, "baseline 0.887"}, {Floor, 0.877, "floor 0.877"}},
	}
	at := acc
	at.Cursor = ptr(1500)
	at.Events = []Event{{X: 400, Label: "mask 50 %"}, {X: 900, Label: "mask 70 %"}}

	joules := Chart{
		Theme: th,
		Series: []Series{{Name: "J per epoch", Token: theme.Energy, Points: []Point{
			{X: 235, Y: 4.9}, {X: 470, Y: 4.8}, {X: 705, Y: 3.1}, {X: 940, Y: 2.4}, {X: 1175, Y: 2.0}, {X: 1410, Y: 1.8}, {X: 1645, Y: 1.8},
		}}},
		Lines:   []Line{{Ghost, 4.9, "dense 4.9"}},
		Options: Options{Zero: true, Cursor: ptr(1500), Frame: Frame{100, 2000}},
	}

	noisy := Chart{Theme: th, Series: []Series{{Name: "loss", Token: theme.Accent, Points: rise(2000, 1, 2.3, 0.3, 0.15)}}}
	smooth := noisy
	smooth.EMA = 0.95

	spike := Chart{Theme: th, Series: []Series{{Name: "loss", Token: theme.Accent, Points: rise(5000, 1, 0.9, 0.5, 0)}}}
	spike.Series[0].Points[3210].Y = 50

	gaps := Chart{Theme: th, Series: []Series{{Name: "loss", Token: theme.Accent, Points: rise(30, 50, 2.3, 0.3, 0)}}}
	for _, i := range []int{8, 9, 10, 20, 22} {
		gaps.Series[0].Points[i].Y = math.NaN()
	}
	gaps.Series[0].Points[29].Y = math.Inf(1)

	two := Chart{Theme: th, Series: []Series{
		{Name: "pared", Token: theme.Accuracy, Points: rise(20, 100, 0.5, 0.88, 0)},
		{Name: "random mask", Token: theme.Warn, Points: rise(20, 100, 0.3, 0.7, 0)},
		{Name: "brisk-heron", Token: theme.Ghost, Points: rise(20, 100, 0.4, 0.8, 0), Overlay: true},
	}}

	logY := Chart{Theme: th, Series: []Series{{Name: "loss", Token: theme.Accent, Points: nil}}, Options: Options{Log: true}}
	for i := range 60 {
		logY.Series[0].Points = append(logY.Series[0].Points, Point{X: float64(i) * 20, Y: 100 * math.Exp(-float64(i)/5)})
	}

	empty := Chart{Theme: th, Series: []Series{{Name: "accuracy"}}, Lines: acc.Lines}
	flat := Chart{Theme: th, Series: []Series{{Name: "zeros", Token: theme.Accent, Points: []Point{{X: 1, Y: 0.9}, {X: 2000, Y: 0.9}}}}}
	single := Chart{Theme: th, Series: []Series{{Name: "accuracy", Token: theme.Accuracy, Points: []Point{{X: 100, Y: 0.5}}}}}
	huge := Chart{Theme: th, Series: []Series{{Name: "x", Token: theme.Accent, Points: []Point{{X: 0, Y: -3e12}, {X: 1e6, Y: 4e12}, {X: 2e6, Y: -1e12}}}}}

	measured := Chart{Theme: th, Series: []Series{{Name: "J per epoch", Token: theme.Energy, Interval: true, Points: rise(9, 235, 4.9, 1.8, 0)}}, Options: Options{Zero: true}}
	for i := range measured.Series[0].Points {
		p := &measured.Series[0].Points[i]
		p.Lo, p.Hi = p.Y*0.6, p.Y*1.4
	}

	return map[string]string{
		"interval": measured.Render(52, 11), "wide": at.Render(118, 14),
		"accuracy": at.Render(51, 9), "joules": joules.Render(51, 9), "tall": at.Render(70, 18),
		"loss": noisy.Render(60, 11), "loss-ema": smooth.Render(60, 11), "spike": spike.Render(52, 11),
		"gaps": gaps.Render(60, 9), "two": two.Render(60, 12) + "\n" + two.Legend(), "log": logY.Render(52, 11), "empty": empty.Render(51, 8),
		"flat": flat.Render(40, 6), "single": single.Render(40, 6), "huge": huge.Render(40, 9),
		"low": acc.Render(40, 4), "narrow": at.Render(20, 8), "sparkline": acc.Render(19, 1), "spark-low": acc.Render(60, 2),
		"linked": theme.Beside(
			th.Box("validation accuracy", "ema 0.6", at.Render(49, 9)+"\n  at step 1500: 0.884 (−0.3 pt) · 81.3 % zeros", 51, 12),
			th.Box("J per epoch", "E · est. ±40 %", joules.Render(49, 9)+"\n  at step 1500: 1.8 J per epoch (−64 % CPU s)", 51, 12)),
		"bars": strings.Join([]string{
			Bar(th, 0.82, 20) + "|", Bar(th, 0, 20) + "|", Bar(th, 1, 20) + "|", Bar(th, 0.001, 20) + "|", Bar(th, 0.999, 20) + "|", Bar(th, math.NaN(), 20) + "|",
			Strip(th, []float64{0, 0.2, 0.5, 0.8, 1, math.NaN()}, 24) + "|", Strip(th, []float64{0, 0.2, 0.5, 0.8, 1, math.NaN()}, 8) + "|", Strip(th, []float64{0, 0.2, 0.5, 0.8, 1, 1}, 3) + "|",
			Progress(th, 0.42, 41*time.Second, 40) + "|", Progress(th, 0.42, -1, 40) + "|", Progress(th, 0.42, 26*time.Hour, 14) + "|",
		}, "\n"),
	}
}

func TestGolden(t *testing.T) {
	for _, c := range []struct {
		name string
		th   *theme.Theme
	}{{"mono", theme.New(theme.Mono, true, false)}, {"ascii", theme.New(theme.Mono, true, true)}} {
		for name, pic := range pictures(c.th) {
			t.Run(name+"-"+c.name, func(t *testing.T) {
				golden.RequireEqual(t, ansi.Strip(pic)+"\n")
			})
		}
	}
	t.Run("colour", func(t *testing.T) {
		golden.RequireEqual(t, pictures(theme.New(theme.Dark, true, false))["accuracy"]+"\n")
	})
}

// TestMemo: a chart with a memo is drawn as one without, whatever changed since: the window,
// the axis, smoothing, the size, points at the end.
func TestMemo(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 5))
	var m Memo
	var ps []Point
	for i := range 300 {
		if rnd.IntN(3) == 0 || i == 0 {
			for range 1 + rnd.IntN(40) {
				y := rnd.ExpFloat64()
				if rnd.IntN(30) == 0 {
					y = math.NaN()
				}
				ps = append(ps, Point{X: float64(len(ps)) + float64(rnd.IntN(2)*rnd.IntN(2))/2, Y: y})
			}
		}
		c := Chart{Theme: theme.New(theme.Mono, true, false), Options: Options{Log: rnd.IntN(2) == 0, EMA: []float64{0, 0.6}[rnd.IntN(2)]}}
		if rnd.IntN(2) == 0 {
			c.Frame = Frame{rnd.Float64() * 50, 60 + rnd.Float64()*float64(len(ps))}
		}
		w, h := 20+rnd.IntN(60), 5+rnd.IntN(20)
		c.Series = []Series{{Name: "x", Points: ps}}
		want := c.Render(w, h)
		c.Series[0].Memo = &m
		for range 2 {
			if got := c.Render(w, h); got != want {
				t.Fatalf("frame %d with a memo:\n%s\nwithout:\n%s", i, got, want)
			}
		}
	}
}
