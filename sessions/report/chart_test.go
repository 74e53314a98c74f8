package report

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"pare/core/event"
)

// TestScale: marks are round, few, inside the scale, and the scale holds what
// it was made for.
func TestScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lo := rapid.Float64Range(-1e6, 1e6).Draw(t, "lo")
		span := math.Pow(10, rapid.Float64Range(-3, 9).Draw(t, "log span"))
		n := rapid.IntRange(2, 8).Draw(t, "n")
		by := step(span, n)
		if by <= 0 || span/by > float64(n)*1.000001 || span/by < float64(n)/2.6 {
			t.Fatalf("step %g over %g for %d marks", by, span, n)
		}
		s := scale{lo, lo + span}.widen(by)
		if s.lo > lo+by*1e-6 || s.hi < lo+span-by*1e-6 {
			t.Fatalf("%v does not hold %g to %g", s, lo, lo+span)
		}
		m := s.marks(by)
		if len(m) < 2 || len(m) > n+2 || len(m) != int(math.Round((s.hi-s.lo)/by))+1 {
			t.Fatalf("%d marks for %d, every %g from %g to %g", len(m), n, by, s.lo, s.hi)
		}
		for i, v := range m {
			if at := s.at(v); at < 0 || at > 100 {
				t.Fatalf("mark at %g", at)
			}
			if i > 0 && v <= m[i-1] {
				t.Fatalf("marks %v", m)
			}
		}
	})
}

// TestThin: few points, in order, with the extremes and the end.
func TestThin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ys := rapid.SliceOfN(rapid.Float64Range(-5, 5), 1, 300).Draw(t, "y")
		var pts []event.Point
		for i, y := range ys {
			pts = append(pts, event.Point{Step: int64(i), Y: y})
		}
		n := rapid.IntRange(2, 60).Draw(t, "n")
		out := thin(pts, n)
		if len(out) > max(n+1, 3) {
			t.Fatalf("%d points, wanted %d", len(out), n)
		}
		var ks []float64
		for i, p := range out {
			ks = append(ks, p.Y)
			if i > 0 && p.Step <= out[i-1].Step {
				t.Fatal("out of order")
			}
		}
		if slices.Max(ks) != slices.Max(ys) || slices.Min(ks) != slices.Min(ys) || ks[len(ks)-1] != ys[len(ys)-1] {
			t.Fatal("lost an extreme or the end")
		}
	})
}

// TestGap: a curve is not drawn over an epoch that was not measured, a lost
// epoch's bill is not drawn, and a part of an epoch is marked.
func TestGap(t *testing.T) {
	s := start("B", 0).configured().sparsified(6)
	s.st.Apply(event.Event{Body: &event.Resumed{Stage: event.Sparsify, Step: 4*perEpoch + 100, Why: "crash"}})
	bill := func(epoch int, step, steps int64, j event.Joules) {
		s.tell(&event.EpochCost{Stage: event.Sparsify, Epoch: epoch, Step: step, Steps: steps, CPUUS: 1000 * steps, Energy: j})
	}
	bill(5, 5*perEpoch, perEpoch-100, s.joules(1))
	bill(6, 6*perEpoch, perEpoch, event.Joules{})
	bill(7, 7*perEpoch, perEpoch, s.joules(2))
	bill(8, 8*perEpoch, perEpoch, s.joules(2))
	c := bills(&s.st, event.Sparsify, newFrame(&s.st, event.Sparsify))
	if len(c.Line) != 2 || strings.Count(c.Line[0], "L") != 4 || strings.Count(c.Line[1], "L") != 1 {
		t.Errorf("lines %q", c.Line)
	}
	if len(c.Dots) != 7 || !c.Dots[4].Hollow || c.Dots[3].Hollow || !strings.Contains(c.Dots[4].Text, "134 of 234 steps") {
		t.Errorf("dots %+v", c.Dots)
	}
	if !strings.Contains(c.Note, "1 epoch not measured") || !strings.Contains(c.Note, "hollow") {
		t.Errorf("note %q", c.Note)
	}
}

// TestMixedTiers: the worst tier stands in the title.
func TestMixedTiers(t *testing.T) {
	s := start("B", 0).configured().sparsified(2)
	s.tier, s.band = "E", 40
	s.tell(&event.EpochCost{Stage: event.Sparsify, Epoch: 3, Step: 3 * perEpoch, Steps: perEpoch, CPUUS: 1e5, Energy: s.joules(2)})
	c := bills(&s.st, event.Sparsify, newFrame(&s.st, event.Sparsify))
	if !strings.HasPrefix(c.Sub, "tier E") || !strings.Contains(c.Note, "more than one tier") {
		t.Errorf("%q, %q", c.Sub, c.Note)
	}
}

// TestFloor: where the floor comes from.
func TestFloor(t *testing.T) {
	s := start("B", 0)
	page := func(recipe string) string {
		c := newView(&s.st, recipe).Charts
		var b strings.Builder
		for _, x := range c.Main {
			for _, r := range x.Rules {
				b.WriteString(r.Label + ";")
			}
		}
		return b.String()
	}
	s.configured().sparsified(2)
	for recipe, want := range map[string]string{
		"":                          "dense 88.9 %;dense 4.92 J B;",
		"not a recipe":              "dense 88.9 %;dense 4.92 J B;",
		"[floor]\npoints = 1.0":     "dense 88.9 %;floor 87.9 %;dense 4.92 J B;",
		"[floor]\naccuracy = 0.805": "dense 88.9 %;floor 80.5 %;dense 4.92 J B;",
	} {
		if got := page(recipe); got != want {
			t.Errorf("%q: %q, want %q", recipe, got, want)
		}
	}
	s.tell(&event.Floor{Step: 300, Acc: .85, Floor: .86, Back: "step", Zeros: .4})
	if got := page(""); !strings.Contains(got, "floor 86.0 %") {
		t.Errorf("applied floor: %q", got)
	}
}

// TestWords: figures at the borders of their units.
func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{size(999), "999 B"},
		{size(1000), "1 kB"},
		{size(999_499), "999 kB"},
		{size(999_500), "1 MB"},
		{size(1_068_520), "1.07 MB"},
		{size(-5), "-5 B"},
		{seconds(0), "0 s"},
		{seconds(12.34), "12.3 µs"},
		{seconds(999.6), "1 ms"},
		{seconds(426000), "426 ms"},
		{seconds(999_600), "1 s"},
		{seconds(7.12e6), "7.12 s"},
		{seconds(3725e6), "1h2m5s"},
		{count(266610), "266,610"},
		{count(-1234), "−1,234"},
		{count(math.MinInt64), "−9,223,372,036,854,775,808"},
		{count(0), "0"},
		{scientific(0), "0"},
		{scientific(1.94e-6), "1.9×10⁻⁶"},
		{scientific(math.Inf(1)), "+Inf"},
		{scientific(12), "1.2×10¹"},
		{points(-.003), "−0.3 pt"},
		{points(.003), "+0.3 pt"},
		{points(-.0004), "0.0 pt"},
		{change(100, 99.8), "0 %"},
		{change(0, 5), ""},
		{change(200, 50), "−75 %"},
		{timeChange(100, 3, 99, 3), "no difference beyond ±5 %"},
		{timeChange(100, 3, 50, 3), "−50 % (±3)"},
		{timeChange(100, 0, 50, 0), "−50 %"},
		{timeChange(0, 0, 5, 0), none},
		{millis(0, 3), none},
		{millis(1820, 1.4), "1.82 ms ±2 %"},
		{plural(1, "epoch"), "1 epoch"},
		{plural(1200, "epoch"), "1,200 epochs"},
		{typeset("lenet-300 -3 pt (-4 %) 5.9 mJ B ±4 %, 2 samples"), "lenet-300 −3\u00a0pt (−4\u00a0%) 5.9\u00a0mJ\u00a0B ±4\u00a0%, 2 samples"},
		{upper("émile"), "Émile"},
		{upper(""), ""},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
