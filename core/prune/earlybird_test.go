package prune

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pare/core/model/zoo"
	"pare/core/tensor"
)

func maskOf(kept ...int) *tensor.Mask {
	m := tensor.NewMask(len(kept))
	for i, k := range kept {
		if k == 0 {
			m.Drop(i)
		}
	}
	return m
}

// TestEarlyBird: the largest distance to the five before decides, and not before there
// are five.
func TestEarlyBird(t *testing.T) {
	e := EarlyBird{Eps: 0.3}
	a, b := maskOf(1, 1, 1, 0, 0, 0, 0, 0), maskOf(0, 1, 1, 1, 0, 0, 0, 0) // one of three moved: 2 of 6
	for i, c := range []struct {
		m       *tensor.Mask
		want    float64
		settled bool
	}{{a, -1, false}, {b, 1. / 3, false}, {b, 1. / 3, false}, {b, 1. / 3, false}, {b, 1. / 3, false}, {b, 1. / 3, false}, {b, 0, true}} {
		d, settled, err := e.Add(c.m)
		if err != nil || d != c.want || settled != c.settled {
			t.Errorf("epoch %d: distance %g, settled %v, %v; want %g, %v", i+1, d, settled, err, c.want, c.settled)
		}
	}
	if _, _, err := e.Add(maskOf(1, 0)); err == nil {
		t.Error("a mask of another size is accepted")
	}
	if d := apart(maskOf(1, 1, 0, 0), maskOf(0, 0, 1, 1)); d != 1 {
		t.Errorf("opposite masks are %g apart", d)
	}
}

// TestEarlyBirdState: masks of any length come back bit for bit; what is none is an
// error.
func TestEarlyBirdState(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 15, 16, 17, 64, 1000} {
		var e, back EarlyBird
		for range EarlyBirds {
			m := tensor.NewMask(n)
			for i := range n {
				if r.IntN(2) == 0 {
					m.Drop(i)
				}
			}
			e.Past = append(e.Past, m)
		}
		if err := back.Restore(e.State()); err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(e.Past, back.Past, (*tensor.Mask).Equal) {
			t.Errorf("%d bits: masks differ", n)
		}
	}
	for _, l := range [][][]float32{{{}}, {{3}}, {{16, 1}}, {{-1, 1}}, {{0, 65536}}, {{0, -1}}, make([][]float32, 6)} {
		if err := new(EarlyBird).Restore(l); err == nil {
			t.Errorf("%v is accepted", l)
		}
	}
}

// TestDraw: the mask that would be made, of weights and of channels; the model stays.
func TestDraw(t *testing.T) {
	m := zooModel(t, "resnet-8", zoo.Input{C: 3, H: 8, W: 8})
	before := m.StructHash() + m.WeightHash()
	for _, pattern := range []string{"element", "block4x1", "neuron"} {
		s := Spec{Score: "magnitude", Pattern: pattern, Distribution: "global"}
		a, err := Draw(m, s, 0.6, NewBase(m))
		if err != nil {
			t.Fatal(err)
		}
		_, r, _ := Step(m, s, 0.6, NewBase(m))
		if pattern != "neuron" && a.Zeros() != r.Zeros {
			t.Errorf("%s: %d zeros drawn, %d made", pattern, a.Zeros(), r.Zeros)
		}
		gone := 0
		for _, c := range r.Cuts {
			gone += c.From - c.To
		}
		if pattern == "neuron" && (a.Zeros() != gone || gone == 0) {
			t.Errorf("%d channels drawn, %d cut", a.Zeros(), gone)
		}
	}
	if m.StructHash()+m.WeightHash() != before {
		t.Error("drawing changes the model")
	}
}

// TestScatter: as many zeros in each layer, elsewhere.
func TestScatter(t *testing.T) {
	for _, pattern := range []string{"element", "block4x1", "2:4"} {
		m := build(t, true, []int{20, 16, 8}, 1)
		share := map[bool]float64{true: 0.5, false: 0.8}[pattern == "2:4"]
		s := Spec{Score: "magnitude", Pattern: pattern, Distribution: "global", Seed: 3}
		if pattern == "2:4" {
			s.Skip = []string{"conv"}
		}
		set, r, err := Masks(m, s, share)
		if err != nil {
			t.Fatal(err)
		}
		m = apply(t, m, set)
		lots, after, err := Scatter(m, s, r)
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range r.Layers {
			if x := after.Layers[i]; x.Zeros != l.Zeros && pattern != "block4x1" || x.Zeros < l.Zeros || x.Zeros > l.Zeros+3 || x.Hash == l.Hash && l.Zeros > 0 {
				t.Errorf("%s, %s: %d zeros with hash %s, the ticket has %d with %s", pattern, l.Name, x.Zeros, x.Hash, l.Zeros, l.Hash)
			}
		}
		now := apply(t, m, lots)
		got, err := Survey(now, s, NewBase(now))
		if err != nil || got.Hash != after.Hash || got.Zeros != after.Zeros {
			t.Errorf("%s: %d zeros in the model, %d reported, %v", pattern, got.Zeros, after.Zeros, err)
		}
	}
}
