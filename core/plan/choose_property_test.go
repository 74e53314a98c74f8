package plan_test

import (
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"pare/core/device/ref"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
)

// somePrices draws prices for some formats and sizes.
func somePrices(r *rapid.T) plan.Prices {
	table := func(name string) map[string][2]float64 {
		l := map[string][2]float64{}
		for _, f := range tensor.Blocks {
			if rapid.Bool().Draw(r, name+f.String()) {
				l[f.String()] = [2]float64{rapid.Float64Range(0, 1).Draw(r, "fixed"), rapid.Float64Range(0, 3).Draw(r, "per stored")}
			}
		}
		return l
	}
	return plan.Prices{Linear: table("linear"), LinearSmall: table("linear small"), Conv: table("conv"), ConvSmall: table("conv small")}
}

// TestChooseNeverExpectsALoss: whatever the prices and the zeros, a format is taken
// only when its price is clearly below the dense time, it is one that has a price,
// and the same question has the same answer.
func TestChooseNeverExpectsALoss(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		prices := somePrices(r)
		n, c := rapid.IntRange(1, 70).Draw(r, "outputs"), rapid.IntRange(1, 70).Draw(r, "inputs")
		conv := rapid.Bool().Draw(r, "conv")
		b := &graph.Net{M: graph.New("m", c, 1, 1)}
		table, k := prices.Linear, c
		if conv {
			b.M = graph.New("m", c, 6, 6)
			b.Op("pool", "globalavgpool", b.Conv("l", 0, n, 3, 1, 1, 1, false))
			table, k = prices.Conv, 9*c
		} else {
			b.Linear("l", 0, n)
		}
		if b.Err != nil {
			r.Fatal(b.Err)
		}
		p := &b.M.Params[0]
		p.Mask = tensor.NewMask(n * k)
		h, percent, seed := rapid.IntRange(1, 17).Draw(r, "height"), rapid.IntRange(0, 100).Draw(r, "zeros"), rapid.IntRange(0, 99).Draw(r, "seed")
		for i := range n * k {
			if (i/k/h*k+i%k+seed)*7919%101 < percent {
				p.Mask.Drop(i)
			}
		}
		got := plan.Choose(b.M, ref.New(), prices)[0]
		if again := plan.Choose(b.M, ref.New(), prices)[0]; !reflect.DeepEqual(got, again) {
			r.Fatalf("%+v, and asked again %+v", got, again)
		}
		if got.Why == "" {
			r.Fatal("no reason given")
		}
		if got.Format == tensor.NM24 && !tensor.TwoInFour(p.Mask, n, k) {
			r.Fatal("a mask that is not 2:4 is stored so")
		}
		if got.Format == tensor.Dense || got.Format == tensor.NM24 {
			if got.Cost != 1 {
				r.Fatalf("dense at %g of the dense time", got.Cost)
			}
			return
		}
		if _, ok := table[got.Format.String()]; !ok {
			r.Fatalf("%v has no price", got.Format)
		}
		if !(got.Cost >= 0 && got.Cost <= 0.85) {
			r.Fatalf("%v at %g of the dense time", got.Format, got.Cost)
		}
	})
}

// TestPricesBySize: a layer as small as the small sample pays its prices, one as
// large as the large sample those, one between them something between.
func TestPricesBySize(t *testing.T) {
	half := func(b int) bool { return b%2 == 0 }
	prices := plan.Prices{Linear: map[string][2]float64{"4×1": {0.1, 1}}, LinearSmall: map[string][2]float64{"4×1": {0.3, 0.6}}}
	for _, c := range [][2]int{{1024, 1024}, {300, 784}, {128, 256}, {64, 128}, {32, 32}} {
		got := plan.Choose(layerOf(t, c[0], c[1], 4, half), ref.New(), prices)[0]
		if fmt.Sprintf("%.2f", got.Cost) != "0.60" || got.Format != tensor.Block4 { // 0.1 + 1·0.5 = 0.3 + 0.6·0.5
			t.Errorf("%v: %v at %g, %s", c, got.Format, got.Cost, got.Why)
		}
	}
	prices.LinearSmall["4×1"] = [2]float64{0.3, 1}
	last := 0.0
	for _, n := range []int{1024, 512, 256, 128, 64} {
		got := plan.Choose(layerOf(t, n, 512, 4, half), ref.New(), prices)[0]
		if got.Cost < max(last, 0.6) || got.Cost > 0.8+1e-9 {
			t.Errorf("%d outputs: %g of the dense time, after %g", n, got.Cost, last)
		}
		last = got.Cost
	}
	// The rows below the last output are computed too: 5 outputs take two blocks.
	got := plan.Choose(layerOf(t, 5, 40, 4, half), ref.New(), plan.Prices{Linear: map[string][2]float64{"4×1": {0, 1}}})[0]
	if fmt.Sprintf("%.2f", got.Cost) != "0.80" {
		t.Errorf("5 outputs: %g of the dense time, want 8/5 of a half", got.Cost)
	}
	// Small layers without prices of their own pay those of large ones.
	got = plan.Choose(layerOf(t, 8, 8, 4, half), ref.New(), plan.Prices{Linear: map[string][2]float64{"4×1": {0.1, 1}}})[0]
	if fmt.Sprintf("%.2f", got.Cost) != "0.60" {
		t.Errorf("one size of prices: %g", got.Cost)
	}
	// What is too dear at any share of zeros says so.
	got = plan.Choose(layerOf(t, 8, 10, 4, half), ref.New(), plan.Prices{Linear: map[string][2]float64{"4×1": {0.9, 1}}})[0]
	if got.Why != "no gain here: 50 % zeros, but 4×1 kernels do not pay in a layer of this size" {
		t.Error(got.Why)
	}
	// Two of four that pay in no other way still do for one sample at a time.
	got = plan.Choose(layerOf(t, 8, 8, 4, half), ref.New(), plan.Prices{Linear: map[string][2]float64{"4×1": {0.9, 1}}})[0]
	if got.Format != tensor.NM24 || got.Cost != 1 {
		t.Errorf("%v at %g: %s", got.Format, got.Cost, got.Why)
	}
}
