package core

import (
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/graph"
	"pare/core/plan"
	"pare/hwprofiles"
)

// TestFusedCosts: on a card the sum behind an adapter's product and its factor cost no pass of
// their own, nor do two gradients that add up; what the products then read and write is all.
func TestFusedCosts(t *testing.T) {
	const k, n, rank, batch = 40, 24, 4, 32
	b := &graph.Net{M: graph.New("m", 10, 1, 1)}
	b.Linear("out", b.Op("act", "tanh", b.Linear("a", b.Op("first", "tanh", b.Linear("in", 0, k)), n)), 5)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	m := b.M
	for _, r := range []graph.Rewrite{graph.AttachLoRA{Layer: "a", Rank: rank, Alpha: 8}, graph.Freeze{Except: []string{"in", "out"}}} {
		if _, err := r.Apply(m); err != nil {
			t.Fatal(err)
		}
	}
	p, err := plan.Build(m, cpu.New(), plan.Options{Mode: plan.Train, Batch: batch, Optim: device.Optim{Kind: device.AdamW, Eps: 1e-8}})
	if err != nil {
		t.Fatal(err)
	}
	for precision, elem := range map[string]int64{"f32": 4, "bf16": 2} {
		val := func(c int64) int64 { return batch * c * elem }
		weight := func(n, k int64) int64 { return n * k * elem }
		want := map[place][2]int64{ // read, written
			{"a", "linear"}:           {val(k) + weight(n, k) + n*elem, val(n)},
			{"a.lora_A", "linear"}:    {val(k) + weight(rank, k), val(rank)},
			{"a.lora_B", "linear"}:    {val(rank) + weight(n, rank) + val(n), val(n)},
			{"a.lora_B", "linear.dx"}: {val(n) + weight(n, rank), val(rank)},
			{"a.lora_A", "linear.dx"}: {val(rank) + weight(rank, k), val(k)},
			{"a", "linear.dx"}:        {val(n) + weight(n, k) + val(k), val(k)},
			{"a.lora_scale", "scale"}: {},
			{"a.lora_add", "add"}:     {},
			{"a", "accum"}:            {},
		}
		costs, i, seen := cardCosts(p, plan.Weights(m, nil), batch, precision, device.Micro{}), 0, 0
		for _, r := range p.Regions {
			for _, c := range r.Calls {
				at := placeOf(p, &c)
				if w, ok := want[at]; ok {
					seen++
					if got := costs[i]; got.Read != w[0] || got.Written != w[1] || w == [2]int64{} && got != (hwprofiles.Cost{}) {
						t.Errorf("%s, %v: reads %d and writes %d, want %v", precision, at, got.Read, got.Written, w)
					}
				}
				i++
			}
		}
		if seen != len(want)+1 { // the scale's gradient is one, too
			t.Errorf("%s: %d calls seen", precision, seen)
		}
	}
}

// TestEdges: the rates of large products are not those of small ones.
func TestEdges(t *testing.T) {
	if e := edge(4096, 4096); e != 0 {
		t.Errorf("4096 × 4096: %g", e)
	}
	if a, b := edge(768, 768), edge(768, 3072); !(a > b && b > 0.2 && a < 1) || edge(3072, 768) != b {
		t.Errorf("768 × 768: %g, 768 × 3072: %g", a, b)
	}
}
