package cuda

import (
	"testing"

	"pare/core/device"
	"pare/core/device/cuda/internal/cufake"
	"pare/core/tensor"
)

// TestRunsAreBounded: a plan that runs on ever other numbers of samples keeps graphs and
// products of a few, gives back the rest, and still runs all of them.
func TestRunsAreBounded(t *testing.T) {
	card := cufake.New(1 << 30)
	dev := With(card, cufake.NewBlas(card), F32)
	bank, err := dev.NewBank([]device.Weight{{Name: "w", Shape: tensor.Shape{8, 8}, Matrix: true}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	const batch = 3 * mostRuns
	x, err := dev.Compile(&device.Plan{
		Nodes: []string{"n"}, Batch: batch, Slab: 2 * 8 * T, Output: 1, InGrad: -1, T: T, P: 1,
		Vals:    []device.Val{{Name: "x", C: 8, H: 1, W: 1}, {Name: "y", C: 8, H: 1, W: 1, Off: 8 * T}},
		Regions: []device.Region{{Calls: []device.Call{loadX, {Kernel: device.Linear, In: []int{0}, Out: []int{1}, W: []int{0}}}}},
	}, bank, 1)
	if err != nil {
		t.Fatal(err)
	}
	e := x.(*exec)
	run := func(n int) {
		t.Helper()
		for range 2 { // the second makes a graph
			if _, err := e.Run(&device.Step{X: make([]float32, 8*n), N: n}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n := range batch {
		run(n + 1)
		run(batch) // always in use
		if len(e.runs) > mostRuns || len(dev.choices.products) > mostRuns {
			t.Fatalf("%d runs and %d products are kept", len(e.runs), len(dev.choices.products))
		}
	}
	if got := card.Calls("Prepare"); got != batch {
		t.Errorf("%d products were chosen for %d numbers of samples", got, batch)
	}
	if got := card.Calls("PrepareWith"); got != 0 {
		t.Errorf("what is always in use was made anew %d times", got)
	}
	run(1)
	if got := card.Calls("Prepare"); got != batch {
		t.Error("a choice was made twice")
	}
	for _, c := range []interface{ Close() error }{e, bank} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if l := card.Leaks(); len(l) > 0 || len(dev.choices.products) > 0 {
		t.Errorf("left on the card: %v", l)
	}
}

// TestProgramsAreBounded: compiled files beyond a number go when no plan holds their kernels.
func TestProgramsAreBounded(t *testing.T) {
	card := cufake.New(1 << 30)
	dev := With(card, cufake.NewBlas(card), F32)
	e, s := smallest(t, dev)
	if _, err := e.Run(s); err != nil {
		t.Fatal(err)
	}
	for i := range mostPrograms + 5 {
		if _, err := dev.function("load", "SIZE="+string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	if card.Modules() <= mostPrograms {
		t.Fatalf("%d programs are loaded", card.Modules())
	}
	if _, err := e.Run(s); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if card.Modules() != 0 {
		t.Errorf("%d programs are loaded, no plan is open", card.Modules())
	}
	if _, err := dev.function("load"); err != nil || card.Modules() != 1 {
		t.Errorf("%v, %d programs are loaded again", err, card.Modules())
	}
}
