package core

import (
	"slices"
	"testing"

	"pare/core/data"
	"pare/core/graph"
	"pare/core/plan"
)

// TestSplitsDoNotFollowTheSeed: what one run tests on, no run with another seed
// trains on.
func TestSplitsDoNotFollowTheSeed(t *testing.T) {
	open := func(change func(*Recipe)) *data.Data {
		r := small()
		change(r)
		d, err := openData(r)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	a, b := open(func(r *Recipe) { r.Seed = 1 }), open(func(r *Recipe) { r.Seed = 2 })
	if a.Hash != b.Hash || !slices.Equal(a.Test.X, b.Test.X) {
		t.Error("another seed has another test set")
	}
	if c := open(func(r *Recipe) { r.Data.SplitSeed = 1 }); slices.Equal(a.Test.X, c.Test.X) {
		t.Error("another split_seed has the same test set")
	}
}

// TestSingleSampleAtTheEnd: batch norm over vectors cannot take a batch of one.
func TestSingleSampleAtTheEnd(t *testing.T) {
	vector := &graph.Net{M: graph.New("m", 4, 1, 1)}
	vector.Norm("norm", vector.Linear("fc", 0, 3))
	plain := &graph.Net{M: graph.New("m", 4, 1, 1)}
	plain.Linear("fc", 0, 3)
	for _, c := range []struct {
		m          *graph.Model
		n, batch   int
		wantPerEpo int64
	}{{vector.M, 105, 8, 13}, {plain.M, 105, 8, 14}, {vector.M, 106, 8, 14}, {vector.M, 104, 8, 13}, {vector.M, 5, 1, 5}} {
		r := &run{r: small(), model: c.m, set: &data.Data{Train: &data.Set{Labels: make([]int32, c.n)}}}
		r.r.Train.Batch = c.batch
		if got := r.perEpoch(); got != c.wantPerEpo {
			t.Errorf("%d samples, batch %d: %d steps, want %d", c.n, c.batch, got, c.wantPerEpo)
		}
	}
}

// TestRecipeKeepsThePrices: a run writes what formats cost into its recipe, and
// takes what a recipe says.
func TestRecipeKeepsThePrices(t *testing.T) {
	r := small()
	r.Plan.Prices = plan.Prices{Linear: map[string][2]float64{"4×1": {0.25, 1.5}}}
	b, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseRecipe(b)
	if err != nil {
		t.Fatal(err)
	}
	if back.Plan.Linear["4×1"] != [2]float64{0.25, 1.5} || back.Hash() != r.Hash() {
		t.Errorf("read back %+v", back.Plan)
	}
	var st MemStore
	fresh := small()
	runAll(t, fresh, nil, &st)
	if !fresh.Plan.Known() {
		t.Error("the run did not write its prices into the recipe")
	}
	r.Plan.Linear["5×1"] = [2]float64{0, 1}
	if b, err := r.Marshal(); err == nil {
		if _, err := ParseRecipe(b); err == nil {
			t.Error("a price for 5×1 blocks is taken")
		}
	}
}
