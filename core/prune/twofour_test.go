package prune

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/tensor"
)

// most24 is the largest number of kept weights in a group of four along the inputs, or
// along the outputs.
func most24(m *tensor.Mask, shape tensor.Shape, outputs bool) int {
	c, inner, most := shape[1], shape[2:].Len(), 0
	for o := range shape[0] {
		for i := range c {
			for in := range inner {
				n := 0
				for j := range 4 {
					oo, ii := o, i/4*4+j
					if outputs {
						oo, ii = o/4*4+j, i
					}
					if m.Kept((oo*c+ii)*inner + in) {
						n++
					}
				}
				most = max(most, n)
			}
		}
	}
	return most
}

// TestTwoOfFourMasks: at half exactly half goes of every layer, two of each four; below
// it exactly as much as asked for to within a unit, and nested; of layers, convolutions
// and by every score that ranks single weights.
func TestTwoOfFourMasks(t *testing.T) {
	for _, pattern := range []string{"2:4", "2:4-both"} {
		unit := map[string]int{"2:4": 2, "2:4-both": 8}[pattern]
		for _, name := range []string{"lenet-300-100", "resnet-8"} {
			m, _, err := zoo.New(name, 3, zoo.Input{C: 4, H: 8, W: 8}, 10)
			if err != nil {
				t.Fatal(err)
			}
			skip := []string{m.Layers()[len(m.Layers())-1].Name} // 10 outputs
			for _, score := range []string{"magnitude", "random"} {
				for _, distribution := range []string{"layer", "global"} {
					at := m.Clone()
					for _, share := range []float64{0.1, 0.3, 0.5} {
						spec := Spec{Score: score, Pattern: pattern, Distribution: distribution, Skip: skip, Seed: 1}
						set, r, err := Masks(at, spec, share)
						if err != nil {
							t.Fatalf("%s %s: %v", name, pattern, err)
						}
						for _, s := range set {
							p := at.Params[at.Param(s.Param)]
							for i := range p.Shape.Len() {
								if s.Mask.Kept(i) && !p.Mask.Kept(i) {
									t.Fatalf("%s %s: weight %d of %s came back", name, pattern, i, s.Param)
								}
							}
							if _, err := s.Apply(at); err != nil {
								t.Fatal(err)
							}
						}
						k := count(share, r.Of)
						if r.Zeros < k || r.Zeros >= k+unit*len(r.Layers) {
							t.Errorf("%s %s %s at %g: %d zeros of %d", name, pattern, distribution, share, r.Zeros, r.Of)
						}
					}
					for _, l := range at.Layers() {
						p := at.Params[l.Param]
						if slices.Contains(skip, l.Name) {
							continue
						}
						if 2*p.Mask.Zeros() != p.Shape.Len() || most24(p.Mask, p.Shape, false) != 2 || pattern == "2:4-both" && most24(p.Mask, p.Shape, true) != 2 {
							t.Errorf("%s %s, %s by %s: %d zeros of %d, %d of four along inputs, %d along outputs", name, l.Name, pattern, score, p.Mask.Zeros(), p.Shape.Len(), most24(p.Mask, p.Shape, false), most24(p.Mask, p.Shape, true))
						}
					}
				}
			}
		}
	}
}

// TestTilesAreBest: no other transposable mask of a tile keeps more, by trying all
// pairs of columns row by row.
func TestTilesAreBest(t *testing.T) {
	if len(tileMasks) != 90 {
		t.Fatalf("%d ways to keep two in each row and column of 4×4, there are 90", len(tileMasks))
	}
	rapid.Check(t, func(t *rapid.T) {
		w := make([]float32, 16)
		for i := range w {
			w[i] = float32(rapid.IntRange(-9, 9).Draw(t, "w"))
		}
		l := &layer{n: 4, k: 4, c: 4, w: w}
		x := rateTiles(&Spec{Score: "magnitude"}, l)
		kept := 0.0
		for _, v := range w {
			kept += math.Abs(float64(v))
		}
		x.each(0, func(e int) { kept -= math.Abs(float64(w[e])) })
		best := 0.0
		var try func(row int, cols [4]int, sum float64)
		try = func(row int, cols [4]int, sum float64) {
			if row == 4 {
				best = max(best, sum)
				return
			}
			for a := range 4 {
				for b := a + 1; b < 4; b++ {
					c := cols
					if c[a]++; c[a] > 2 {
						continue
					}
					if c[b]++; c[b] > 2 {
						continue
					}
					try(row+1, c, sum+math.Abs(float64(w[4*row+a]))+math.Abs(float64(w[4*row+b])))
				}
			}
		}
		try(0, [4]int{}, 0)
		if math.Abs(kept-best) > 1e-9 {
			t.Fatalf("%v: keeps %g, the best is %g", w, kept, best)
		}
	})
}

// TestTwoOfFourRefused: layers that are not for it, before anything is ranked.
func TestTwoOfFourRefused(t *testing.T) {
	b := &graph.Net{M: graph.New("narrow", 3, 1, 1)}
	b.Linear("out", b.Linear("fc", 0, 8), 10)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{Score: "magnitude", Pattern: "2:4", Distribution: "layer"}, "layer fc has 3: put it in prune.skip"},
		{Spec{Score: "magnitude", Pattern: "2:4-both", Distribution: "layer", Skip: []string{"fc"}}, "layer out has 10 × 8: put it in prune.skip"},
		{Spec{Score: "magnitude", Pattern: "2:4", Distribution: "erk", Skip: []string{"fc"}}, "half of every layer"},
		{Spec{Score: "movement", Pattern: "neuron", Distribution: "layer"}, "may give weights back"},
		{Spec{Score: "movement-soft", Pattern: "element", Distribution: "layer"}, "one threshold over all layers"},
		{Spec{Score: "magnitude", Pattern: "head", Distribution: "layer"}, "no attention"},
	} {
		if err := c.spec.Check(b.M); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.spec, err, c.want)
		}
	}
	if err := (Spec{Score: "magnitude", Pattern: "2:4", Distribution: "layer", Skip: []string{"fc"}}).Check(b.M); err != nil {
		t.Error(err)
	}
}
