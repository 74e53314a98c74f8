package prune

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pare/core/model/zoo"

	"pgregory.net/rapid"
)

// drawCurve draws what a scan may measure: levels rise, accuracy is lost at random.
func drawCurve(t *rapid.T, name string) Curve {
	c := Curve{Name: name}
	at, lost := 0.0, 0.0
	for range rapid.IntRange(1, 5).Draw(t, "levels") {
		at += (0.99 - at) * rapid.Float64Range(0.05, 0.6).Draw(t, "level")
		lost += rapid.Float64Range(-0.01, 0.2).Draw(t, "lost")
		c.Levels, c.Lost = append(c.Levels, at), append(c.Lost, lost)
		c.Rise = append(c.Rise, rapid.Float64Range(-0.1, 3).Draw(t, "rise"))
	}
	return c
}

// TestSensitivityMasks: whatever was measured, exactly k weights go, and what goes at a
// share is gone at every larger one.
func TestSensitivityMasks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := build(t, rapid.Bool().Draw(t, "conv"), rapid.SliceOfN(rapid.IntRange(1, 14), 2, 4).Draw(t, "sizes"), rapid.Uint64().Draw(t, "weights"))
		s := Spec{Score: "magnitude", Pattern: "element", Distribution: "sensitivity"}
		all := 0
		for _, l := range m.Layers() {
			s.Sensitivity = append(s.Sensitivity, drawCurve(t, l.Name))
			all += m.Params[l.Param].Shape.Len()
		}
		shares := rapid.SliceOfN(rapid.Float64Range(0, 0.999), 1, 4).Draw(t, "shares")
		slices.Sort(shares)
		whole := m
		for _, share := range shares {
			set, r, err := Masks(m, s, share)
			if err != nil {
				t.Fatal(err)
			}
			if want := count(share, all); r.Zeros != want {
				t.Fatalf("share %v: %d zeros, want %d of %d", share, r.Zeros, want, all)
			}
			if _, once, err := Masks(whole, s, share); err != nil || once.Hash != r.Hash {
				t.Fatalf("share %v: gradually the masks are %s, at once %s (%v)", share, r.Hash, once.Hash, err)
			}
			m = apply(t, m, set)
		}
	})
}

// TestSensitivityLosesLeast: where curves are convex, no other way to take k weights
// loses less.
func TestSensitivityLosesLeast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := build(t, false, []int{2, 3, 2, 2}, 1) // 6, 6 and 4 weights
		s := Spec{Score: "magnitude", Pattern: "element", Distribution: "sensitivity"}
		var size []int
		for _, l := range m.Layers() {
			n := m.Params[l.Param].Shape.Len()
			size = append(size, n)
			steps := rapid.SliceOfN(rapid.Float64Range(0, 0.3), n-1, n-1).Draw(t, l.Name)
			slices.Sort(steps)
			c, sum := Curve{Name: l.Name}, 0.0
			for i, x := range steps {
				sum += x
				c.Levels, c.Lost = append(c.Levels, float64(i+1)/float64(n)), append(c.Lost, sum)
			}
			s.Sensitivity = append(s.Sensitivity, c)
		}
		k := rapid.IntRange(0, 13).Draw(t, "k") // at least one stays in each: nothing was measured beyond
		_, r, err := Masks(m, s, float64(k)/16)
		if err != nil {
			t.Fatal(err)
		}
		lost := func(n ...int) float64 {
			sum := 0.0
			for i, c := range s.Sensitivity {
				sum += c.At(float64(n[i]) / float64(size[i]))
			}
			return sum
		}
		got := lost(r.Layers[0].Zeros, r.Layers[1].Zeros, r.Layers[2].Zeros)
		for a := range size[0] {
			for b := range size[1] {
				if c := k - a - b; c >= 0 && c < size[2] {
					if other := lost(a, b, c); other < got-1e-12 {
						t.Fatalf("k = %d: takes %d, %d, %d and loses %v; %d, %d, %d lose %v", k, r.Layers[0].Zeros, r.Layers[1].Zeros, r.Layers[2].Zeros, got, a, b, c, other)
					}
				}
			}
		}
	})
}

// TestSensitivityByHand: of two layers of 12 weights the one goes first that costs less,
// up to where it costs more; where accuracy says nothing the loss does; above what was
// measured both go alike.
func TestSensitivityByHand(t *testing.T) {
	m := build(t, false, []int{4, 3, 4}, 1)
	s := Spec{Score: "magnitude", Pattern: "element", Distribution: "sensitivity", Sensitivity: []Curve{
		{Name: "fc1", Levels: []float64{0.5, 0.75}, Lost: []float64{0.01, 0.30}, Rise: []float64{0, 0}},
		{Name: "fc2", Levels: []float64{0.25, 0.75}, Lost: []float64{0.02, 0.08}, Rise: []float64{0, 0}},
	}}
	check := func(share float64, want ...int) {
		t.Helper()
		_, r, err := Masks(m, s, share)
		if err != nil {
			t.Fatal(err)
		}
		if got := []int{r.Layers[0].Zeros, r.Layers[1].Zeros}; !slices.Equal(got, want) {
			t.Errorf("share %v: %v zeros, want %v", share, got, want)
		}
	}
	check(0.25, 6, 0)     // 0.02 a share against 0.08, later 0.12
	check(0.375, 6, 3)    // then 0.08
	check(0.625, 6, 9)    // and 0.12 against 1.16
	check(0.75, 9, 9)     // all that was measured
	check(22./24, 11, 11) // beyond it alike
	s.Sensitivity[0].Lost = []float64{0, 0}
	s.Sensitivity[1].Lost = []float64{0, 0}
	s.Sensitivity[0].Rise = []float64{1, 1}
	check(0.25, 0, 6)
	s.Sensitivity[1].Lost[1] = math.NaN()
	if _, _, err := Masks(m, s, 0.5); err == nil || !strings.Contains(err.Error(), "fc2") {
		t.Errorf("an unknown accuracy was taken: %v", err)
	}
	s.Sensitivity = s.Sensitivity[:1]
	if _, _, err := Masks(m, s, 0.5); err == nil || !strings.Contains(err.Error(), "nothing is known of fc2") {
		t.Errorf("a layer without a curve was taken: %v", err)
	}
}

// TestSensitivityCut: groups that cost less lose their channels first, the target is
// reached, and no more goes than needs to.
func TestSensitivityCut(t *testing.T) {
	m := zooModel(t, "lenet-300-100", zoo.Input{C: 1, H: 6, W: 6})
	s := Spec{Score: "magnitude", Pattern: "neuron", Distribution: "sensitivity", Sensitivity: []Curve{
		{Name: "fc1", Levels: []float64{0.5, 0.9}, Lost: []float64{0.2, 0.7}},
		{Name: "fc2", Levels: []float64{0.5, 0.9}, Lost: []float64{0, 0.01}},
	}}
	sizes := func(share float64) (fc1, fc2 int) {
		cuts, r, err := Cut(m, s, share, NewBase(m))
		if err != nil {
			t.Fatal(err)
		}
		if r.Zeros < count(share, r.Of) {
			t.Fatalf("%d of %d are gone, %v was asked for", r.Zeros, r.Of, share)
		}
		after := cutAll(t, m, cuts)
		return after.Params[after.Param("fc1.weight")].Shape[0], after.Params[after.Param("fc2.weight")].Shape[0]
	}
	if a, b := sizes(0.5); a != 300 || b >= 50 {
		t.Errorf("half of the weights: fc1 %d, fc2 %d; fc2 costs less", a, b)
	}
	if a, b := sizes(0.9); a >= 300 || b > 10 {
		t.Errorf("90 %% of the weights: fc1 %d, fc2 %d; nine tenths of fc2 cost less than any of fc1", a, b)
	}
	s.Sensitivity[0], s.Sensitivity[1] = s.Sensitivity[1], s.Sensitivity[0]
	s.Sensitivity[0].Name, s.Sensitivity[1].Name = "fc1", "fc2"
	if a, b := sizes(0.5); a >= 300 || b != 100 {
		t.Errorf("the other way round: fc1 %d, fc2 %d", a, b)
	}
}

// TestAlone: one layer, or one whole group, loses its share, and nothing else does.
func TestAlone(t *testing.T) {
	m := zooModel(t, "resnet-8", zoo.Input{C: 3, H: 8, W: 8})
	for _, pattern := range []string{"element", "block4x1", "neuron"} {
		s := Spec{Score: "magnitude", Pattern: pattern, Distribution: "global", Skip: []string{m.Layers()[0].Name}}
		parts, err := Parts(m, s)
		if err != nil {
			t.Fatal(err)
		}
		pruned := 0
		for _, p := range parts {
			if p.Refused != "" {
				if _, _, err := Alone(m, s, p.Name, 0.5); err == nil {
					t.Errorf("%s: %s is refused (%s) and cut all the same", pattern, p.Name, p.Refused)
				}
				continue
			}
			pruned++
			rs, gone, err := Alone(m, s, p.Name, 0.5)
			if err != nil {
				t.Fatal(err)
			}
			if len(rs) != 1 || gone < 0.5 || gone > 0.55 {
				t.Fatalf("%s of %s: %d rewrites, %v gone", pattern, p.Name, len(rs), gone)
			}
			after := m.Clone()
			if _, err := rs[0].Apply(after); err != nil {
				t.Fatal(err)
			}
			for i, l := range m.Layers() {
				a := after.Layers()[i]
				less := after.Params[a.Param].Shape.Len()-after.Params[a.Param].Mask.Zeros() < m.Params[l.Param].Shape.Len()
				if less != slices.Contains(p.Layers, l.Name) {
					t.Errorf("%s of %s: layer %s lost weights: %v, the part has %v", pattern, p.Name, l.Name, less, p.Layers)
				}
			}
		}
		if pruned < 3 {
			t.Errorf("%s: %d parts only", pattern, pruned)
		}
		if pattern == "neuron" && !slices.ContainsFunc(parts, func(p Part) bool { return len(p.Layers) > 2 }) {
			t.Error("no group spans a residual addition")
		}
	}
}
