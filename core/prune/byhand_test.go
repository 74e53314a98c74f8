package prune

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestByHand: layers with a share by hand have just that at the target and the whole has
// k, whatever the distribution; masks grow with the share and are the same in one step
// or in several.
func TestByHand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := build(t, rapid.Bool().Draw(t, "conv"), rapid.SliceOfN(rapid.IntRange(2, 14), 3, 4).Draw(t, "sizes"), rapid.Uint64().Draw(t, "weights"))
		s := Spec{Score: "magnitude", Pattern: "element", Distribution: rapid.SampledFrom([]string{"layer", "global", "erk", "sensitivity"}).Draw(t, "distribution"), ByHand: map[string]float64{}}
		layers := m.Layers()
		all := 0
		for i, l := range layers {
			s.Sensitivity = append(s.Sensitivity, drawCurve(t, l.Name))
			all += m.Params[l.Param].Shape.Len()
			if i > 0 && (i == 1 || rapid.Bool().Draw(t, "too")) {
				s.ByHand[l.Name] = rapid.Float64Range(0, 0.99).Draw(t, "by hand")
			}
		}
		s.Target = rapid.Float64Range(0.01, 0.99).Draw(t, "target")
		if s.Check(m) != nil {
			t.Skip("the others cannot make up for it")
		}
		shares := append(rapid.SliceOfN(rapid.Float64Range(0, 0.999), 1, 3).Draw(t, "shares"), s.Target)
		slices.Sort(shares)
		whole := m
		for _, share := range shares {
			set, r, err := Masks(m, s, share)
			if err != nil {
				t.Fatal(err)
			}
			if _, once, err := Masks(whole, s, share); err != nil || once.Hash != r.Hash {
				t.Fatalf("share %v: gradually the masks are %s, at once %s (%v)", share, r.Hash, once.Hash, err)
			}
			m = apply(t, m, set)
			if share != s.Target {
				continue
			}
			others := r.Zeros
			for _, l := range r.Layers {
				h, ok := s.ByHand[l.Name]
				if ok && l.Zeros != count(h, l.Of) {
					t.Fatalf("%s: %d of %d, by hand %v", l.Name, l.Zeros, l.Of, h)
				}
				if ok {
					others -= l.Zeros
				}
			}
			// Each layer rounds by itself with layer; ERK leaves layers whole of which it asks less than a weight.
			rounds := s.Distribution == "layer" || s.Distribution == "erk" && others == 0
			if want := count(share, all); !rounds && r.Zeros != want {
				t.Fatalf("%d zeros, want %d of %d", r.Zeros, want, all)
			}
		}
	})
}

// TestByHandRefuses: what cannot be is said, with numbers.
func TestByHandRefuses(t *testing.T) {
	m := mlp432(t, make([]float32, 12), make([]float32, 6))
	for _, c := range []struct {
		s   Spec
		say string
	}{
		{Spec{ByHand: map[string]float64{"fc1": 0.5, "fc2": 0.5, "out": 0.5}, Target: 0.9}, "together 50.00 % zeros: set the target to 0.5000, not 0.9"},
		{Spec{ByHand: map[string]float64{"fc1": 0.9}, Target: 0.3}, "the shares by hand alone make 32.58 % zeros"},
		{Spec{ByHand: map[string]float64{"fc1": 0.1}, Target: 0.9}, "the other layers would lose everything: set the target below 0.6742"},
		{Spec{ByHand: map[string]float64{"fc9": 0.1}, Target: 0.5}, `no layer named "fc9"`},
		{Spec{ByHand: map[string]float64{"fc1": 1}, Target: 0.5}, "share 1 by hand: give at least 0 and below 1"},
		{Spec{ByHand: map[string]float64{"fc1": 0.5}, Target: 0.5, Skip: []string{"fc1"}}, "is in skip"},
		{Spec{ByHand: map[string]float64{"fc1": 0.5}, Target: 0.5, Pattern: "neuron"}, "for patterns that mask"},
		{Spec{ByHand: map[string]float64{"fc1": 0.5}, Target: 0.5, Score: "movement-soft"}, "choose movement"},
		{Spec{ByHand: map[string]float64{"fc1": 0.5}}, "target 0"},
		{Spec{ByHand: map[string]float64{"fc1": 0.5, "fc2": 0.5, "out": 0.5}, Target: 0.5}, ""},
	} {
		if c.s.Score == "" {
			c.s.Score = "magnitude"
		}
		if c.s.Pattern == "" {
			c.s.Pattern = "element"
		}
		c.s.Distribution = "global"
		err := c.s.Check(m)
		if c.say == "" && err != nil || c.say != "" && (err == nil || !strings.Contains(err.Error(), c.say)) {
			t.Errorf("%+v: %v, want %q", c.s, err, c.say)
		}
	}
}
