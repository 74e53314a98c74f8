package core

import (
	"context"
	"math"
	"strings"
	"testing"
)

// TestByHandRun: a run whose recipe gives a layer its share by hand ends with that share
// in it and the target in the whole; what cannot be is refused before any training.
func TestByHandRun(t *testing.T) {
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 1, 2
	r.Prune.Pattern, r.Prune.Distribution, r.Prune.Target = "element", "global", 0.8
	r.Prune.ByHand = map[string]float64{"out": 0.25, "fc1": 0.75}
	var st MemStore
	runAll(t, r, nil, &st)
	if st.State.Done == nil {
		t.Fatalf("%+v", st.State.Failures)
	}
	zeros := map[string]float64{}
	for _, l := range st.State.Mask.Layers {
		zeros[l.Name] = float64(l.Zeros) / float64(l.Of)
	}
	for name, want := range r.Prune.ByHand {
		if math.Abs(zeros[name]-want) > 0.01 {
			t.Errorf("%s has %.3f zeros, by hand %g", name, zeros[name], want)
		}
	}
	if m := st.State.Mask; m.Zeros != int(math.Round(0.8*float64(m.Of))) {
		t.Errorf("the whole has %d of %d zeros", m.Zeros, m.Of)
	}
	r.Prune.ByHand = map[string]float64{"fc2": 0.01}
	st = MemStore{Dir: t.TempDir()}
	if _, err := Run(context.Background(), Config{Recipe: r, Store: &st, Session: "test"}); err == nil || !strings.Contains(err.Error(), "would lose everything") || len(st.State.Epochs) > 0 {
		t.Errorf("%d epochs, %v", len(st.State.Epochs), err)
	}
}
