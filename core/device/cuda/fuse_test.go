package cuda_test

import (
	"slices"
	"testing"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/graph"
	"pare/core/plan"
)

// launched trains a model one step on a fake card and returns the kernels that were
// launched, in order.
func launched(t *testing.T, m *graph.Model, batch int) (names []string) {
	t.Helper()
	dev, card := cudatest.New(1<<28, cuda.BF16)
	card.OnLaunch = func(name string, _, _ [3]int, _ int, _ []unsafe.Pointer) error {
		names = append(names, name)
		return nil
	}
	rule := device.Optim{Kind: device.AdamW, Beta1: 0.9, Beta2: 0.999}
	bank, err := dev.NewBank(plan.Weights(m, nil), rule.Slots())
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Build(m, dev, plan.Options{Mode: plan.Train, Batch: batch, Optim: rule})
	if err != nil {
		t.Fatal(err)
	}
	e, err := dev.Compile(p, bank, 0)
	if err != nil {
		t.Fatal(err)
	}
	rows := batch * max(m.Input().Seq, 1)
	s := &device.Step{X: make([]float32, rows*m.Input().C), Labels: make([]int32, batch*p.Per(p.Output)), N: batch, Index: 1}
	if _, err := e.Run(s); err != nil {
		t.Fatal(err)
	}
	return names
}

// TestAdaptersTakeNoPassOfTheirOwn: the scale of an adapter is a factor of its products,
// and its sum with the layer's output, as a residual's, is what a product begins with.
func TestAdaptersTakeNoPassOfTheirOwn(t *testing.T) {
	b := &graph.Net{M: graph.New("net", 64, 1, 1)}
	x := b.Op("a", "gelu", b.Linear("in", 0, 64))
	x = b.Op("sum", "add", b.Linear("mid", x, 64), x)
	b.Linear("out", x, 16)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	for _, r := range []graph.Rewrite{graph.AttachLoRA{Layer: "mid", Rank: 8, Alpha: 16}, graph.Freeze{Except: []string{"in", "out"}}} {
		if _, err := r.Apply(b.M); err != nil {
			t.Fatal(err)
		}
	}
	names := launched(t, b.M, 8)
	// The residual's sum follows that of the adapter: one addition is left.
	adds := 0
	for _, n := range names {
		if n == "add" {
			adds++
		}
	}
	if slices.Contains(names, "scale") || adds != 1 {
		t.Errorf("%d additions, launches %v", adds, names)
	}
}

// TestGatedNetworkTakesOnePassEachWay: an activation that is multiplied by a layer's
// output is not kept, and both gradients come from one launch.
func TestGatedNetworkTakesOnePassEachWay(t *testing.T) {
	b := &graph.Net{M: graph.NewSequence("net", 1, 4)}
	x := b.Embedding("table", 0, 10, 64)
	g := b.Op("act", "silu", b.Linear("gate", x, 128))
	b.Linear("down", b.Op("mul", "mul", g, b.Linear("up", x, 128)), 10)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	names := launched(t, b.M, 8)
	for name, want := range map[string]int{"act_mul": 1, "act_mul_dx": 1, "act": 0, "act_dx": 0, "mul": 0} {
		n := 0
		for _, x := range names {
			if x == name {
				n++
			}
		}
		if n != want {
			t.Errorf("%d launches of %s, want %d: %v", n, name, want, names)
		}
	}
}
