package cuda_test

import (
	"fmt"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
)

// TestConvolutionsOfAnySizeLaunch: a card takes 65535 blocks in the second and the third
// direction of a grid, and no convolution may need more, of however many groups or phases.
// The fake card holds launches to a card's limits.
func TestConvolutionsOfAnySizeLaunch(t *testing.T) {
	for _, c := range []struct{ c, n, kernel, stride, pad, groups, size int }{
		{70000, 70000, 3, 1, 1, 70000, 2},     // depthwise
		{70000, 140000, 3, 2, 1, 70000, 3},    // two outputs a group, and phases
		{40000, 40000, 2, 40000, 0, 20000, 2}, // a stride wider than the input
		{3, 8, 300, 300, 150, 1, 300},         // 90,000 phases
	} {
		for _, p := range []cuda.Precision{cuda.F32, cuda.BF16} {
			t.Run(fmt.Sprintf("%v/%v", p, c), func(t *testing.T) {
				dev, card := cudatest.New(1<<32, p)
				b := &graph.Net{M: graph.New("net", c.c, c.size, c.size)}
				x := b.Conv("a", b.Conv("one", 0, c.c, 1, 1, 0, c.c, false), c.n, c.kernel, c.stride, c.pad, c.groups, true)
				b.Op("mean", "globalavgpool", x)
				if b.Err != nil {
					t.Fatal(b.Err)
				}
				bank, err := dev.NewBank(plan.Weights(b.M, nil), 1)
				if err != nil {
					t.Fatal(err)
				}
				q, err := plan.Build(b.M, dev, plan.Options{Mode: plan.Train, Batch: 2, Optim: device.Optim{Momentum: 0.9}})
				if err != nil {
					t.Fatal(err)
				}
				e, err := dev.Compile(q, bank, 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := e.Run(&device.Step{X: make([]float32, 2*c.c*c.size*c.size), Labels: make([]int32, 2), N: 2, LR: 0.1, Index: 1}); err != nil {
					t.Fatal(err)
				}
				if card.Calls("conv_dx")+card.Calls("mma_conv_dx") == 0 || card.Calls("conv_dw")+card.Calls("mma_conv_dw") == 0 {
					t.Error("no gradient of a convolution was launched")
				}
			})
		}
	}
}

// TestSlowConvIsSaid: a layer that the tensor cores do not take says so beside its format; in
// float32, where none does, and for products as they lie there is nothing to say.
func TestSlowConvIsSaid(t *testing.T) {
	b := &graph.Net{M: graph.New("lines", 8, 1, 20000)}
	x := b.Conv("grouped", b.Conv("plain", b.Conv("long", 0, 8, 1, 1, 0, 1, false), 8, 1, 1, 0, 1, false), 8, 1, 1, 0, 8, false)
	b.M.Nodes[0].Attrs.Win = &device.Window{KH: 1, KW: 3, SH: 1, SW: 1, PL: 1, PR: 1, Groups: 1}
	b.M.Params[0].Shape = tensor.Shape{8, 8, 1, 3}
	b.Linear("out", b.Op("mean", "globalavgpool", x), 2)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	if err := b.M.Verify(); err != nil {
		t.Fatal(err)
	}
	for _, precision := range []cuda.Precision{cuda.F32, cuda.TF32, cuda.BF16} {
		dev, _ := cudatest.New(1<<20, precision)
		for i, c := range plan.Choose(b.M, dev, plan.DefaultPrices()) {
			want := []string{"20000 pixels in a line", "", "in groups", ""}[i]
			if precision == cuda.F32 {
				want = ""
			}
			if said := strings.Contains(c.Why, "slow kernel"); said != (want != "") || !strings.Contains(c.Why, want) {
				t.Errorf("%v, %s: %q, want %q", precision, c.Name, c.Why, want)
			}
		}
	}
}
