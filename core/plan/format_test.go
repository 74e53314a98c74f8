package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"pare/core/device/ref"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
)

// layerOf is a linear layer of n outputs and k inputs that drops blocks of r
// outputs × 1 input as long as drop says so.
func layerOf(t *testing.T, n, k, r int, drop func(block int) bool) *graph.Model {
	t.Helper()
	b := &graph.Net{M: graph.New("m", k, 1, 1)}
	b.Linear("fc", 0, n)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	p := &b.M.Params[0]
	p.Mask = tensor.NewMask(n * k)
	block := 0
	for row := 0; row < n; row += r {
		for j := range k {
			if drop(block) {
				for i := row; i < min(row+r, n); i++ {
					p.Mask.Drop(i*k + j)
				}
			}
			block++
		}
	}
	return b.M
}

func TestChooseTakesTheCheapest(t *testing.T) {
	prices := plan.Prices{Linear: map[string][2]float64{"1×1": {0.1, 2}, "4×1": {0.05, 1}, "8×1": {0.1, 0.9}}}
	for _, c := range []struct {
		r, percent int // height of the mask's blocks, zeros
		want       tensor.Format
		why        string
	}{
		{1, 90, tensor.Single, "skips 90 %"},             // 0.3; in blocks of four a third of all is stored
		{1, 60, tensor.Dense, "1×1 kernels pay from 62"}, // 0.9 > 0.85
		{4, 90, tensor.Block4, "skips 90 %"},             // 0.15
		{4, 15, tensor.Dense, "4×1 kernels pay from 20"}, // 0.9 > 0.85
		{4, 25, tensor.Block4, "skips 25 %"},             // 0.8
		{8, 30, tensor.Block8, "skips 30 %"},             // 0.73 against 0.75
		{8, 90, tensor.Block4, "skips 90 %"},             // 0.15 against 0.19
		{1, 0, tensor.Dense, "no zeros"},
	} {
		m := layerOf(t, 16, 100, c.r, func(b int) bool { return (b+b/100*17)*37%100 < c.percent })
		got := plan.Choose(m, ref.New(), prices)[0]
		if got.Format != c.want || !strings.Contains(got.Why, c.why) {
			t.Errorf("%d×1 at %d %%: %v, %q; want %v, %q", c.r, c.percent, got.Format, got.Why, c.want, c.why)
		}
	}
	// What has no price is never chosen.
	m := layerOf(t, 16, 100, 16, func(b int) bool { return b%10 > 0 })
	if got := plan.Choose(m, ref.New(), plan.Prices{Linear: map[string][2]float64{"16×1": {0, 1}}})[0]; got.Format != tensor.Block16 {
		t.Errorf("only 16×1 has a price: %v", got.Format)
	}
	if got := plan.Choose(m, ref.New(), plan.Prices{})[0]; got.Format != tensor.Dense {
		t.Errorf("without prices: %v", got.Format)
	}
}

func TestPricesCheck(t *testing.T) {
	if err := plan.DefaultPrices().Check(); err != nil {
		t.Error(err)
	}
	for _, p := range []plan.Prices{
		{Linear: map[string][2]float64{"3×1": {0, 1}}}, {Conv: map[string][2]float64{"dense": {0, 1}}},
		{Conv: map[string][2]float64{"4×1": {-1, 1}}}, {Linear: map[string][2]float64{"1×1": {0, 1e9}}},
	} {
		if err := p.Check(); err == nil {
			t.Error(fmt.Sprint(p), "is taken")
		}
	}
}
