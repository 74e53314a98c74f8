package core

import (
	"strings"
	"testing"

	"pare/core/device/cpu"
	"pare/core/model/zoo"
	"pare/hwprofiles"
)

// TestPredictSuggestsMultiples: cutting neurons to a number that the kernels fill
// up again is said before it is done.
func TestPredictSuggestsMultiples(t *testing.T) {
	m, _, err := zoo.New("lenet-300-100", 1, zoo.Input{C: 1, H: 28, W: 28}, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pattern string
		round   int
		said    bool
	}{{"neuron", 0, true}, {"neuron", 8, true}, {"neuron", 16, false}, {"neuron", 32, false}, {"block4x1", 0, false}} {
		r := DefaultRecipe()
		r.Prune.Pattern, r.Prune.RoundTo = c.pattern, c.round
		l, err := Predict(m, cpu.New(), hwprofiles.Profile{}, r)
		if err != nil {
			t.Fatal(err)
		}
		if said := strings.Contains(PredictText(l), "prune.round_to = 16"); said != c.said {
			t.Errorf("%s, round_to %d: %q", c.pattern, c.round, PredictText(l))
		}
	}
}
