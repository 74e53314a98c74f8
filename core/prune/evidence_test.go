package prune

import (
	"math"
	"testing"

	"pare/core/graph"
	"pare/core/tensor"
)

// hand is one layer of 2 outputs × 4 inputs with gradients written down.
func hand(t *testing.T) (*graph.Model, *Evidence) {
	t.Helper()
	b := &graph.Net{M: graph.New("hand", 4, 1, 1)}
	b.Linear("fc", 0, 2)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	w := []float32{4, 1, -2, 3 /**/, 1, -1, 5, 2}
	sum := []float32{0.1, -5, 0, 2 /**/, 3, 3, 0.1, -1}
	abs := []float32{0.2, 5, 4, 2 /**/, 3, 3, 0.1, 1}
	b.M.Params[0].Data, b.M.Params[1].Data = w, make([]float32, 2)
	return b.M, &Evidence{Sum: [][]float32{sum, nil}, Abs: [][]float32{abs, nil}}
}

// TestGradientScores: |w|·Σ|g| and |w·Σg| by hand. SNIP: .8 5 8 6 | 3 3 .5 2;
// Taylor: .4 5 0 6 | 3 3 .5 2.
func TestGradientScores(t *testing.T) {
	for _, c := range []struct {
		score, pattern string
		share          float64
		gone           []int
	}{
		{"magnitude", "element", 3. / 8, []int{1, 4, 5}},
		{"snip", "element", 3. / 8, []int{0, 6, 7}},
		{"taylor", "element", 3. / 8, []int{0, 2, 6}},
		{"snip", "element", 4. / 8, []int{0, 5, 6, 7}}, // 4 and 5 tie: the higher index goes
		// Blocks of both rows: SNIP 3.8 8 8.5 8. Taylor by sums with their signs,
		// |.4+3| |−5−3| |0+.5| |6−2|.
		{"snip", "block4x1", 2. / 8, []int{0, 4}},
		{"taylor", "block4x1", 2. / 8, []int{2, 6}},
	} {
		m, e := hand(t)
		set, _, err := Masks(m, Spec{Score: c.score, Pattern: c.pattern, Distribution: "layer", Evidence: e}, c.share)
		if err != nil || len(set) != 1 {
			t.Fatalf("%+v: %d masks, %v", c, len(set), err)
		}
		want := tensor.NewMask(8)
		for _, i := range c.gone {
			want.Drop(i)
		}
		if set[0].Mask.Hash() != want.Hash() {
			var got []int
			for i := range 8 {
				if !set[0].Mask.Kept(i) {
					got = append(got, i)
				}
			}
			t.Errorf("%s, %s: %v go, want %v", c.score, c.pattern, got, c.gone)
		}
	}
}

// TestGradientCut: of three neurons the one whose weights matter least by their
// gradients goes, though it is the largest.
func TestGradientCut(t *testing.T) {
	b := &graph.Net{M: graph.New("cut", 2, 1, 1)}
	b.Linear("out", b.Op("relu", "relu", b.Linear("fc", 0, 3)), 2)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	m := b.M
	for i := range m.Params {
		m.Params[i].Data = make([]float32, m.Params[i].Shape.Len())
	}
	fc, out := m.Param("fc.weight"), m.Param("out.weight")
	copy(m.Params[fc].Data, []float32{9, 9, 1, 1, 2, 2})
	e := &Evidence{Sum: make([][]float32, len(m.Params)), Abs: make([][]float32, len(m.Params))}
	e.Sum[fc] = []float32{0.1, -0.1, 1, 1, 1, 1} // neuron 0: 0.9 − 0.9
	e.Abs[fc] = []float32{0.1, 0.1, 1, 1, 1, 1}  // 0.9 + 0.9
	e.Sum[out], e.Abs[out] = make([]float32, 6), make([]float32, 6)
	for score, keep := range map[string][]int{"magnitude": {0, 2}, "snip": {1, 2}, "taylor": {1, 2}} { // SNIP: 1.8, 2 and 4
		cuts, _, err := Cut(m, Spec{Score: score, Pattern: "neuron", Distribution: "layer", Evidence: e}, 0.3, NewBase(m))
		if err != nil || len(cuts) != 1 || len(cuts[0].Keep) != 2 || cuts[0].Keep[0] != keep[0] || cuts[0].Keep[1] != keep[1] {
			t.Errorf("%s: %v, %v, want to keep %v", score, cuts, err, keep)
		}
	}
}

// TestERK: the vectors of google-research/rigl's get_mask_init with erk_power_scale 1,
// and LeNet-300-100's.
func TestERK(t *testing.T) {
	lenet := [][]int{{300, 784}, {100, 300}, {10, 100}}
	for _, c := range []struct {
		shapes [][]int
		share  float64
		want   []float64
	}{
		{[][]int{{2, 4}, {3, 6}, {2, 4, 6}}, 0.5, []float64{0, 0.3095, 0.6548}},
		{[][]int{{2, 4}, {3, 6}, {2, 4, 6}}, 0.8, []float64{0.5556, 0.7037, 0.8519}},
		{lenet, 0.8, []float64{0.8378, 0.5306, 0}},
		{lenet, 0.9, []float64{0.9204, 0.7698, 0}},
		{lenet, 0.95, []float64{0.9615, 0.8887, 0.0815}},
		{lenet, 0.98, []float64{0.9846, 0.9555, 0.6326}},
	} {
		for i, got := range ERK(c.shapes, c.share) {
			if math.Abs(got-c.want[i]) > 6e-5 {
				t.Errorf("%v at %g: layer %d has %.4f zeros, want %.4f", c.shapes, c.share, i, got, c.want[i])
			}
		}
	}
}

// TestERKMasks: exactly k of all, nested as the share grows.
func TestERKMasks(t *testing.T) {
	m := build(t, true, []int{20, 15, 4}, 1)
	all, last := 0, 0
	for _, l := range m.Layers() {
		all += m.Params[l.Param].Shape.Len()
	}
	for _, share := range []float64{0.2, 0.5, 0.8, 0.9, 0.97} {
		set, r, err := Masks(m, Spec{Score: "magnitude", Pattern: "element", Distribution: "erk"}, share)
		if err != nil {
			t.Fatal(err)
		}
		if want := count(share, all); r.Zeros != want || r.Zeros < last {
			t.Errorf("at %g %d zeros of %d, want %d", share, r.Zeros, all, want)
		}
		last = r.Zeros
		for _, s := range set {
			if _, err := s.Apply(m); err != nil { // SetMask refuses a mask that gives weights back
				t.Fatal(err)
			}
		}
	}
}
