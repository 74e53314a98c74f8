package core

import (
	"testing"

	"pare/core/device/cpu"
	"pare/core/graph"
	"pare/core/plan"
)

// TestWeightsOfCounts: what a call moves with its prunable weight are the bytes of that weight,
// of layers wide and narrow.
func TestWeightsOfCounts(t *testing.T) {
	b := &graph.Net{M: graph.New("m", 40, 1, 1)}
	b.Linear("c", b.Op("relu2", "relu", b.Linear("b", b.Op("relu1", "relu", b.Linear("a", 0, 300)), 12)), 5)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	pruned, bytes := map[int]bool{}, map[string]int64{}
	for _, l := range b.M.Layers() {
		pruned[l.Param] = true
		bytes[b.M.Nodes[l.Node].Name] = 4 * int64(b.M.Params[l.Param].Shape.Len())
	}
	w, err := count(b.M, cpu.New(), "", plan.Options{Mode: plan.Train, Batch: 32}, pruned)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, c := range w {
		if c.values == 0 {
			continue
		}
		seen++
		want := bytes[c.at.node]
		if c.at.kernel == "linear.dw" { // and the optimiser's step: the weight read and written, the gradient read
			want *= 4
		}
		if c.weights != want {
			t.Errorf("%v: %d bytes of its weight, want %d", c.at, c.weights, want)
		}
	}
	if seen != 8 {
		t.Errorf("%d calls have a prunable weight, want 8", seen)
	}
}
