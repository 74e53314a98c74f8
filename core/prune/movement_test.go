package prune

import (
	"math"
	"slices"
	"testing"

	"pare/core/graph"
	"pare/core/tensor"
)

// TestMovementByHand: two steps of S ← S − (∂L/∂W′)⊙W on a layer of 1 × 4, half of it
// dropped in between. Weight 1 is dropped by its score, keeps its −2 while the others
// train, is scored by its gradient all the same, and comes back with that value.
func TestMovementByHand(t *testing.T) {
	b := &graph.Net{M: graph.New("hand", 4, 1, 1)}
	b.Linear("fc", 0, 1)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	m := b.M
	m.Params[0].Data, m.Params[1].Data = []float32{1, -2, 3, 4}, []float32{0}
	spec := Spec{Score: "movement", Pattern: "element", Distribution: "layer"}
	if _, _, err := Masks(m, spec, 0.5); err == nil {
		t.Fatal("nothing was learnt, and still there are masks")
	}
	x, err := NewMovement(m, spec, 0)
	if err != nil {
		t.Fatal(err)
	}
	take := func(want ...int) {
		t.Helper()
		spec.Evidence = &Evidence{Scores: x.S}
		set, _, err := Masks(m, spec, 0.5)
		if err != nil || len(set) != 1 {
			t.Fatalf("%d masks, %v", len(set), err)
		}
		if _, err := set[0].Apply(m); err != nil {
			t.Fatal(err)
		}
		x.Revive(m)
		var gone []int
		for i := range 4 {
			if !m.Params[0].Mask.Kept(i) {
				gone = append(gone, i)
			}
		}
		if !slices.Equal(gone, want) {
			t.Errorf("%v go, want %v, scores %v", gone, want, x.S[0])
		}
	}
	step := func(g, w, want []float32) {
		t.Helper()
		x.Step()
		copy(m.Params[0].Data, w)
		x.Move(0, g, w, m.Params[0].Mask, 1)
		if !slices.Equal(x.S[0], want) {
			t.Errorf("scores %v, want %v", x.S[0], want)
		}
	}
	// Scores −g·w with the weights before the step: −(−1·1), −(−1·−2), −(1·3), −(−.5·4).
	step([]float32{-1, -1, 1, -0.5}, []float32{2, -1, 2, 5}, []float32{1, -2, -3, 2})
	take(1, 2) // S −2 and −3
	if want := []float32{2, 0, 0, 5}; !slices.Equal(m.Params[0].Data, want) {
		t.Errorf("weights %v, want %v", m.Params[0].Data, want)
	}
	// Weight 1 is 0 in the net and −1 in W: the score moves by −(4·−1).
	step([]float32{1, 4, 0, 0}, []float32{1, 0, 0, 6}, []float32{-1, 2, -3, 2})
	take(0, 2)
	if want := []float32{0, -1, 0, 6}; !slices.Equal(m.Params[0].Data, want) {
		t.Errorf("weights %v, want %v: the dropped one comes back as it was", m.Params[0].Data, want)
	}
}

// TestSoftMovementByHand: the first step of Adam moves each score by the rate against
// its gradient, whatever its size; the penalty alone moves a score whose weight has no
// gradient.
func TestSoftMovementByHand(t *testing.T) {
	m, _ := hand(t)
	x, err := NewMovement(m, Spec{Score: "movement-soft", Pattern: "element", Distribution: "global"}, 8)
	if err != nil {
		t.Fatal(err)
	}
	g := []float32{1, 1, 0, -100, 0, 0, 0, 0} // weights 4, 1, −2, 3, …
	x.Step()
	x.Move(0, g, m.Params[0].Data, nil, 1)
	for i, want := range []float64{-0.01, -0.01, -0.01, 0.01, -0.01, -0.01, -0.01, -0.01} {
		if math.Abs(float64(x.S[0][i])-want) > 1e-6 {
			t.Errorf("score %d is %g, want %g", i, x.S[0][i], want)
		}
	}
	// The moments: m = .1·(g·w + λ·σ′(0)/n), with λ·σ′(0)/n = 8·.25/8.
	for i, want := range []float64{0.1 * 4.25, 0.1 * 1.25, 0.1 * 0.25, 0.1 * -299.75} {
		if math.Abs(float64(x.m[0][i])-want) > 1e-5 {
			t.Errorf("moment %d is %g, want %g", i, x.m[0][i], want)
		}
	}
}

// TestMovementState: state goes over whole, and only where it fits.
func TestMovementState(t *testing.T) {
	for _, score := range []string{"movement", "movement-soft"} {
		m, _ := hand(t)
		spec := Spec{Score: score, Pattern: "element", Distribution: "global"}
		a, err := NewMovement(m, spec, 1)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := NewMovement(m, spec, 1)
		mask := tensor.NewMask(8)
		mask.Drop(3)
		move := func(x *Movement, k float32) {
			x.Step()
			x.Move(0, []float32{k, 1, 2, 3, 4, 5, 6, -k}, []float32{1, k, 3, 0, 5, 6, 7, 8}, mask, 0.5)
		}
		move(a, 1)
		if err := b.Restore(a.State()); err != nil {
			t.Fatal(err)
		}
		b.Steps = a.Steps
		// The slices are shared: each moves its own.
		b.S, b.W, b.m, b.v = clone2(b.S), clone2(b.W), clone2(b.m), clone2(b.v)
		move(a, 2)
		move(b, 2)
		for i := range a.State() {
			if !slices.Equal(a.State()[i][0], b.State()[i][0]) {
				t.Errorf("%s: slot %d differs after it was restored", score, i)
			}
		}
		if err := b.Restore(a.State()[1:]); err == nil {
			t.Error("a slot too few is accepted")
		}
		if err := b.Restore([][][]float32{{{1}}, {{1}}, {{1}}, {{1}}}[:len(a.State())]); err == nil {
			t.Error("scores of another model are accepted")
		}
	}
}

func clone2(x [][]float32) (l [][]float32) {
	for _, s := range x {
		l = append(l, slices.Clone(s))
	}
	return l
}
