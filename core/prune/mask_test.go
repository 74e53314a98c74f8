package prune

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"pare/core/graph"
	"pare/core/tensor"

	"pgregory.net/rapid"
)

// build makes a model of dense layers and, if conv, a convolution in front. A
// quarter of the weights repeats a few values, so that ties are common.
func build(t interface{ Fatal(...any) }, conv bool, sizes []int, seed uint64) *graph.Model {
	r := rand.New(rand.NewPCG(seed, 1))
	b := &graph.Net{M: graph.New("test", sizes[0], 1, 1)}
	x := 0
	if conv {
		b.M.Values[0] = graph.Value{C: 3, H: 4, W: 4}
		x = b.Op("pool", "globalavgpool", b.Conv("conv", 0, sizes[0], 3, 1, 1, 1, true))
	}
	for i, n := range sizes[1:] {
		x = b.Linear(fmt.Sprintf("fc%d", i+1), x, n)
	}
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	for i := range b.M.Params {
		p := &b.M.Params[i]
		p.Data = make([]float32, p.Shape.Len())
		for j := range p.Data {
			p.Data[j] = float32(r.NormFloat64())
			if r.IntN(4) == 0 {
				p.Data[j] = []float32{0.5, -0.5, 0.25, 0, float32(math.Copysign(0, -1))}[r.IntN(5)]
			}
		}
	}
	return b.M
}

// apply puts masks on a copy of the model.
func apply(t interface{ Fatal(...any) }, m *graph.Model, set []graph.SetMask) *graph.Model {
	m = m.Clone()
	for _, s := range set {
		if _, err := s.Apply(m); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// draw picks a model, a rule for masks and a share.
func draw(t *rapid.T) (*graph.Model, Spec, float64) {
	sizes := rapid.SliceOfN(rapid.IntRange(1, 14), 2, 4).Draw(t, "sizes")
	m := build(t, rapid.Bool().Draw(t, "conv"), sizes, rapid.Uint64Range(0, 50).Draw(t, "weights"))
	s := Spec{
		Score:        rapid.SampledFrom([]string{"magnitude", "random"}).Draw(t, "score"),
		Pattern:      rapid.SampledFrom([]string{"element", "block4x1"}).Draw(t, "pattern"),
		Distribution: rapid.SampledFrom([]string{"layer", "global"}).Draw(t, "distribution"),
		Seed:         rapid.Uint64Range(0, 5).Draw(t, "seed"),
	}
	if l := m.Layers(); len(l) > 1 && rapid.Bool().Draw(t, "skip") {
		s.Skip = []string{l[len(l)-1].Name}
	}
	return m, s, rapid.Float64Range(0, 0.999).Draw(t, "share")
}

// TestMasksFollowTheRule compares with the rule written down as a sort: units
// ascending by score, of equal ones the highest index first, whole units until
// zeros reach k.
func TestMasksFollowTheRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, s, share := draw(t)
		if rapid.Bool().Draw(t, "masked before") { // by another rule, so blocks may be torn
			set, _, err := Masks(m, Spec{Score: "random", Pattern: "element", Distribution: "layer", Seed: 99}, 0.3)
			if err != nil {
				t.Fatal(err)
			}
			m = apply(t, m, set)
		}
		set, r, err := Masks(m, s, share)
		if err != nil {
			t.Fatal(err)
		}
		got := apply(t, m, set)
		if err := got.Verify(); err != nil {
			t.Fatal(err)
		}
		want := naive(t, m, s, share)
		for i, p := range got.Params {
			if !p.Mask.Equal(want[i]) {
				t.Fatalf("%s: mask of %d zeros, the rule gives %d", p.Name, p.Mask.Zeros(), want[i].Zeros())
			}
		}
		if err := Holds(got); err != nil {
			t.Fatal(err)
		}
		again, err := Survey(got, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		again.Share = r.Share
		if fmt.Sprint(again) != fmt.Sprint(r) {
			t.Fatalf("report of the masks\n%+v\nof the model that has them\n%+v", r, again)
		}
		if set, _, err := Masks(got, s, share); err != nil || len(set) != 0 {
			t.Fatalf("the same share again changes %d masks, %v", len(set), err)
		}
	})
}

// naive is the rule of the package comment, slowly.
func naive(t *rapid.T, m *graph.Model, s Spec, share float64) map[int]*tensor.Mask {
	type unit struct {
		layer, index int
		score        float32
		elems        []int
	}
	rows := map[string]int{"element": 1, "block4x1": 4}[s.Pattern]
	masks := map[int]*tensor.Mask{}
	var all []unit
	var of, params []int
	for _, l := range m.Layers() {
		p := m.Params[l.Param]
		masks[l.Param] = p.Mask.Clone()
		if slices.Contains(s.Skip, l.Name) {
			continue
		}
		if masks[l.Param] == nil {
			masks[l.Param] = tensor.NewMask(p.Shape.Len())
		}
		n, k := p.Shape[0], p.Shape.Len()/p.Shape[0]
		for nb := 0; nb*rows < n; nb++ {
			for j := 0; j < k; j++ {
				u := unit{layer: len(of), index: nb*k + j}
				sum := 0.0
				for o := nb * rows; o < min(nb*rows+rows, n); o++ {
					u.elems = append(u.elems, o*k+j)
					if p.Mask.Kept(o*k + j) {
						sum += math.Abs(float64(p.Data[o*k+j]))
					}
				}
				u.score = float32(sum / float64(len(u.elems)))
				if s.Score == "random" {
					u.score = lot(s.Seed, l.Name, uint64(u.index))
				}
				all = append(all, u)
			}
		}
		of, params = append(of, n*k), append(params, l.Param)
	}
	sort.SliceStable(all, func(a, b int) bool {
		x, y := all[a], all[b]
		switch {
		case x.score != y.score:
			return x.score < y.score
		case x.layer != y.layer:
			return x.layer > y.layer
		}
		return x.index > y.index
	})
	target := make([]int, len(of))
	total := 0
	for i, n := range of {
		target[i] = int(math.RoundToEven(share * float64(n)))
		total += n
	}
	want := int(math.RoundToEven(share * float64(total)))
	zeros := func(l int) int { return masks[params[l]].Zeros() }
	for _, u := range all {
		full := zeros(u.layer) >= target[u.layer]
		if s.Distribution == "global" {
			sum := 0
			for l := range of {
				sum += zeros(l)
			}
			full = sum >= want
		}
		if !full {
			for _, e := range u.elems {
				masks[params[u.layer]].Drop(e)
			}
		}
	}
	return masks
}

// TestCounts: k exactly for single weights, at most three more for blocks, none
// in skipped layers.
func TestCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, s, share := draw(t)
		_, r, err := Masks(m, s, share)
		if err != nil {
			t.Fatal(err)
		}
		slack := map[string]int{"element": 0, "block4x1": 3}[s.Pattern]
		zeros, of := 0, 0
		for _, l := range r.Layers {
			if l.Skipped != slices.Contains(s.Skip, l.Name) || l.Skipped && l.Zeros != 0 {
				t.Fatalf("%+v", l)
			}
			if l.Skipped {
				continue
			}
			zeros, of = zeros+l.Zeros, of+l.Of
			if k := count(share, l.Of); s.Distribution == "layer" && (l.Zeros < k || l.Zeros > k+slack) {
				t.Fatalf("layer %s: %d zeros of %d, want %d", l.Name, l.Zeros, l.Of, k)
			}
		}
		if k := count(share, of); s.Distribution == "global" && (zeros < k || zeros > k+slack) {
			t.Fatalf("%d zeros of %d, want %d", zeros, of, k)
		}
		if r.Zeros != zeros || r.Of != of || len(r.Layers) != len(m.Layers()) {
			t.Fatalf("%+v", r)
		}
	})
}

// TestNested: masks grow with the share, in small steps to the same place as at
// once, and never come back when the share falls.
func TestNested(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, s, share := draw(t)
		once, _, err := Masks(m, s, share)
		if err != nil {
			t.Fatal(err)
		}
		steps := m
		for i := 1; i <= 4; i++ {
			set, _, err := Masks(steps, s, share*float64(i)/4)
			if err != nil {
				t.Fatal(err)
			}
			next := apply(t, steps, set)
			for i, p := range steps.Params {
				for j := range p.Data {
					if !p.Mask.Kept(j) && next.Params[i].Mask.Kept(j) {
						t.Fatalf("%s: weight %d came back", p.Name, j)
					}
				}
			}
			steps = next
		}
		at := apply(t, m, once)
		for i, p := range at.Params {
			if !p.Mask.Equal(steps.Params[i].Mask) {
				t.Fatalf("%s: four steps mask %d weights, one step masks %d", p.Name, steps.Params[i].Mask.Zeros(), p.Mask.Zeros())
			}
		}
		if set, r, err := Masks(at, s, share/2); err != nil || len(set) != 0 || r.Zeros < count(share/2, r.Of)-len(r.Layers) {
			t.Fatalf("half the share changes %d masks: %v", len(set), err)
		}
	})
}

// TestTies spells out which of equal weights stay.
func TestTies(t *testing.T) {
	for _, c := range []struct {
		name string
		w    []float32
		n, k int // shape of the weight
		s    Spec
		at   float64
		want string // kept elements
	}{
		// jaxpruner, mask_calculator_test.py: SCORE_2, SCORE_4, SCORE_1 at 0.8.
		{"equal", []float32{1, 1, 1, 1, 1, 1, 1, 1}, 1, 8, Spec{}, 0.5, "11110000"},
		{"some equal", []float32{1, 0.5, 0.3, 0.2, 1, 1.5, 1.8, 2.0, 1, 1}, 1, 10, Spec{}, 0.5, "1000111100"},
		{"two rows", []float32{1, 0.5, 0.3, 0.2, 1, 1.5, 1.8, 2.0, 1, 1, 1, 0.5, 0.3, 0.2, 1, 1.5, 1.8, 2.0, 1, 1}, 2, 10, Spec{}, 0.5, "10001111110000011100"},
		{"three axes", []float32{
			0.69, 0.37, 0.96, 0.81, 0.79, 0.55, 0.88, 0.53, 0.66, 0.88, 0.4, 0.83, 0.13, 0.8, 0.91, 0.96,
			0.34, 0.17, 0.07, 0.74, 0.13, 0.13, 0.83, 0.76, 0.13, 0.92, 0.25, 0.75, 0.37, 0.42, 0.65, 0.46,
		}, 8, 4, Spec{}, 0.8, "00100010010000110000000001000000"},
		{"signs and zeros", []float32{-1, 1, float32(math.Copysign(0, -1)), 0, -0.5}, 1, 5, Spec{}, 0.2, "11101"},
		{"halves to even: 2.5 is 2", []float32{1, 1, 1, 1, 1}, 1, 5, Spec{}, 0.5, "11100"},
		{"halves to even: 1.5 is 2", []float32{1, 1, 1}, 1, 3, Spec{}, 0.5, "100"},
		// Blocks of column 0 and 1; rows 4 and 5 make smaller blocks, rated by
		// their mean: 1, 3 | 2, 0.5.
		{"blocks, one", []float32{1, 3, 1, 3, 1, 3, 1, 3, 2, .5, 2, .5}, 6, 2, Spec{Pattern: "block4x1"}, 1. / 12, "111111111010"},
		{"blocks, reach past k", []float32{1, 3, 1, 3, 1, 3, 1, 3, 2, .5, 2, .5}, 6, 2, Spec{Pattern: "block4x1"}, 3. / 12, "010101011010"},
		{"blocks, exact", []float32{1, 3, 1, 3, 1, 3, 1, 3, 2, .5, 2, .5}, 6, 2, Spec{Pattern: "block4x1"}, 8. / 12, "010101010000"},
		{"blocks, equal", []float32{1, 1, 1, 1, 1, 1, 1, 1}, 4, 2, Spec{Pattern: "block4x1"}, 0.5, "10101010"},
	} {
		b := &graph.Net{M: graph.New("t", c.k, 1, 1)}
		b.Linear("fc", 0, c.n)
		b.M.Params[0].Data, b.M.Params[1].Data = c.w, make([]float32, c.n)
		c.s.Score, c.s.Distribution = "magnitude", "layer"
		if c.s.Pattern == "" {
			c.s.Pattern = "element"
		}
		mask := masksOf(t, b.M, c.s, c.at)[0]
		var got strings.Builder
		for i := range c.w {
			got.WriteByte("01"[map[bool]int{true: 1}[mask.Kept(i)]])
		}
		if got.String() != c.want {
			t.Errorf("%s: kept %s, want %s", c.name, got.String(), c.want)
		}
	}
}

// TestTiesAcrossLayers: of equal weights the earlier layer's stay.
func TestTiesAcrossLayers(t *testing.T) {
	b := &graph.Net{M: graph.New("t", 2, 1, 1)}
	b.Linear("b", b.Linear("a", 0, 2), 2)
	for i := range b.M.Params {
		b.M.Params[i].Data = []float32{1, 1, 1, 1}[:b.M.Params[i].Shape.Len()]
	}
	l := masksOf(t, b.M, Spec{Score: "magnitude", Pattern: "element", Distribution: "global"}, 5./8)
	if l[0].Zeros() != 1 || l[0].Kept(3) || l[1].Zeros() != 4 {
		t.Errorf("a has %d zeros, b has %d", l[0].Zeros(), l[1].Zeros())
	}
}

// TestTwoOfFour: jaxpruner's SCORE_1 (mask_calculator_test.py), with signs,
// along the last axis and along axis 1. Of equal weights in a group jaxpruner
// keeps the last two and we the first two, as in every other mask of ours;
// SCORE_1 has no tie that decides.
func TestTwoOfFour(t *testing.T) {
	w := []float32{
		0.69, 0.37, 0.96, 0.81, 0.79, 0.55, 0.88, 0.53, 0.66, 0.88, 0.4, 0.83, 0.13, 0.8, 0.91, 0.96,
		0.34, 0.17, 0.07, 0.74, 0.13, 0.13, 0.83, 0.76, 0.13, 0.92, 0.25, 0.75, 0.37, 0.42, 0.65, 0.46,
	}
	kept := func(m *tensor.Mask) string {
		var s strings.Builder
		for i := 0; i < m.N; i++ {
			s.WriteByte("01"[map[bool]int{true: 1}[m.Kept(i)]])
		}
		return s.String()
	}
	for i := range w {
		if i%3 == 0 {
			w[i] = -w[i]
		}
	}
	m, err := TwoOfFour(w, tensor.Shape{8, 4})
	if err != nil {
		t.Fatal(err)
	}
	if got := kept(m); got != "00111010010100111001001101010011" {
		t.Error(got)
	}
	// A convolution: groups run over the channels, axis 1 (AXIS1 there).
	if m, err = TwoOfFour(w, tensor.Shape{2, 4, 4}); err != nil {
		t.Fatal(err)
	}
	if got := kept(m); got != "10101000010101111000001101011110" {
		t.Error(got)
	}
	if m, err = TwoOfFour(make([]float32, 8), tensor.Shape{1, 8}); err != nil || kept(m) != "11001100" {
		t.Errorf("ties: %v", err)
	}
	for _, c := range []struct {
		shape tensor.Shape
		want  string
	}{{tensor.Shape{32}, "32 values for a weight of shape 32"}, {tensor.Shape{4, 4}, "32 values for a weight of shape 4×4"}, {tensor.Shape{16, 2}, "need a multiple of 4"}} {
		if _, err := TwoOfFour(w, c.shape); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.shape, err)
		}
	}
}

// TestHashesAreStable pins a report: a session's log must be checkable by later
// versions. The weights are the integers 1, 2, … with alternating signs.
func TestHashesAreStable(t *testing.T) {
	m := build(t, true, []int{6, 5, 3}, 1)
	x := float32(1)
	for i := range m.Params {
		for j := range m.Params[i].Data {
			m.Params[i].Data[j] = x
			x = -x - x/max(x, -x)
		}
	}
	for _, c := range []struct {
		s    Spec
		want string
	}{
		{Spec{Score: "magnitude", Pattern: "element", Distribution: "global"}, "d2413d9e48226472"},
		{Spec{Score: "magnitude", Pattern: "block4x1", Distribution: "layer"}, "de425ebf3d294def"},
		{Spec{Score: "random", Pattern: "element", Distribution: "global", Seed: 3}, "09a4c9b8c35dcd5d"},
		{Spec{Score: "random", Pattern: "block4x1", Distribution: "layer", Seed: 3}, "5472a65861b6078a"},
	} {
		_, r, err := Masks(m, c.s, 0.6)
		if err != nil {
			t.Fatal(err)
		}
		if r.Hash != c.want {
			t.Errorf("%s: %s, want %s", r.Rule, r.Hash, c.want)
		}
	}
}

// TestRandomIsFair: with many seeds every weight goes about equally often, the
// small blocks of the last block row too.
func TestRandomIsFair(t *testing.T) {
	m := build(t, false, []int{8, 6}, 1)
	for _, pattern := range []string{"element", "block4x1"} {
		gone := make([]int, 48)
		const seeds = 2000
		for seed := range uint64(seeds) {
			mask := masksOf(t, m, Spec{Score: "random", Pattern: pattern, Distribution: "layer", Seed: seed}, 0.5)[0]
			for i := range gone {
				if !mask.Kept(i) {
					gone[i]++
				}
			}
		}
		// Blocks of unequal size end past k now and then, so a little more goes.
		for i, n := range gone {
			if p := float64(n) / seeds; p < 0.43 || p > 0.60 {
				t.Errorf("%s: weight %d goes in %.3f of the cases", pattern, i, p)
			}
		}
	}
}

func TestMasksRefuse(t *testing.T) {
	good := Spec{Score: "magnitude", Pattern: "element", Distribution: "layer"}
	with := func(f func(*Spec)) Spec { s := good; f(&s); return s }
	nan := func(v float32) func(m *graph.Model) { return func(m *graph.Model) { m.Params[0].Data[7] = v } }
	for _, c := range []struct {
		s     Spec
		share float64
		spoil func(m *graph.Model)
		want  string
	}{
		{good, 1, nil, "target 1: the share of weights that go must be at least 0 and below 1"},
		{good, 1.2, nil, "target 1.2"},
		{good, -0.1, nil, "target -0.1"},
		{good, math.NaN(), nil, "target NaN"},
		{with(func(s *Spec) { s.Score = "wanda" }), 0.5, nil, `score "wanda" is unknown: choose one of magnitude, snip, taylor, movement, movement-soft, random`},
		{with(func(s *Spec) { s.Score = "taylor" }), 0.5, nil, "score taylor needs gradients, and none were brought"},
		{with(func(s *Spec) { s.Score, s.Evidence = "snip", &Evidence{} }), 0.5, nil, "gradients of 0 parameters, the model has"},
		{with(func(s *Spec) { s.Pattern = "" }), 0.5, nil, `pattern "" is unknown: choose one of element, block4x1, block8x1, block16x1, 2:4, 2:4-both, neuron`},
		{with(func(s *Spec) { s.Distribution = "owl" }), 0.5, nil, `distribution "owl" is unknown: choose one of layer, global, erk`},
		{with(func(s *Spec) { s.Skip = []string{"fc1", "fc7"} }), 0.5, nil, `no layer named "fc7" to skip; test has conv, fc1, fc2`},
		{with(func(s *Spec) { s.Pattern = "neuron" }), 0.5, nil, "pattern neuron is no mask"},
		{with(func(s *Spec) { s.RoundTo = -1 }), 0.5, nil, "round_to = -1"},
		{good, 0.5, nan(float32(math.NaN())), "layer conv: weight 7 is NaN and cannot be ranked"},
		{good, 0.5, nan(float32(math.Inf(-1))), "layer conv: weight 7 is -Inf"},
		{good, 0.5, func(m *graph.Model) { m.Params[0].Data = nil }, "layer conv: 0 of 162 weights are here: fetch them from the device first"},
	} {
		m := build(t, true, []int{6, 5, 3}, 1)
		if c.spoil != nil {
			c.spoil(m)
		}
		if _, _, err := Masks(m, c.s, c.share); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v at %g: %v, want %q", c.s, c.share, err, c.want)
		}
	}
	m := build(t, true, []int{6, 5, 3}, 1)
	if _, _, err := Masks(m, with(func(s *Spec) { s.Skip = []string{"conv", "fc1", "fc2"} }), 0.5); err != nil {
		t.Errorf("all layers skipped: %v", err)
	}
}

// TestMaskedNaN: what is masked need not be rankable.
func TestMaskedNaN(t *testing.T) {
	m := build(t, false, []int{4, 4}, 1)
	m.Params[0].Mask = tensor.NewMask(16)
	m.Params[0].Mask.Drop(3)
	m.Params[0].Data[3] = float32(math.NaN())
	for _, p := range []string{"element", "block4x1"} {
		_, r, err := Masks(m, Spec{Score: "magnitude", Pattern: p, Distribution: "layer"}, 0.5)
		if err != nil || r.Zeros < 8 {
			t.Errorf("%s: %d zeros, %v", p, r.Zeros, err)
		}
	}
	if err := Holds(m); err == nil || !strings.Contains(err.Error(), "fc1.weight: weight 3 is masked but holds NaN") {
		t.Errorf("a mask that does not hold: %v", err)
	}
	m.Params[0].Data[3] = float32(math.Copysign(0, -1))
	if err := Holds(m); err == nil {
		t.Error("−0 is not +0")
	}
	m.Params[0].Data[3] = 0
	if err := Holds(m); err != nil {
		t.Error(err)
	}
}

func TestReport(t *testing.T) {
	m := build(t, false, []int{4, 4, 4}, 1)
	s := Spec{Score: "magnitude", Pattern: "block4x1", Distribution: "layer", Skip: []string{"fc2"}}
	_, r, err := Masks(m, s, 0.99)
	if err != nil {
		t.Fatal(err)
	}
	if r.Rule != "magnitude, per layer, 4×1 blocks, not in fc2" || r.Reached() != 1 || !slices.Equal(r.Empty(), []string{"fc1"}) {
		t.Errorf("%+v, empty %v", r, r.Empty())
	}
	if (Report{}).Reached() != 0 {
		t.Error("a base of no weights")
	}
	for _, l := range [][]Word{Scores(), Patterns(), Distributions(), Schedules()} {
		for _, w := range l {
			if w.Name == "" || w.About == "" {
				t.Errorf("%+v", l)
			}
		}
	}
}
