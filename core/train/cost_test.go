package train

import (
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/plan"
	"pare/core/tensor"
)

// TestStepCost: counted for one sample, multiplied: the same as counting for all of
// them, for every kind of layer; and a change of masks is counted anew.
func TestStepCost(t *testing.T) {
	for _, name := range []string{"mlp", "lenet-5", "resnet-8"} {
		m, _, err := zoo.New(name, 1, zoo.Input{C: 3, H: 32, W: 32}, 10)
		if err != nil {
			t.Fatal(err)
		}
		// Formats that pay from the first zero on: what is tested is the count.
		free := map[string][2]float64{"4×1": {0, 1e-9}}
		tr, err := New(m, cpu.New(), Options{Batch: 8, Optim: device.Optim{}, Threads: 1, Prices: plan.Prices{Source: "test", Linear: free, LinearSmall: free, Conv: free}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		check := func(what string) device.Cost {
			t.Helper()
			for _, n := range []int{1, 3, 8} {
				want := plan.Total(plan.Costs(tr.Plan, tr.Weights, n))
				if got := tr.StepCost(n); got.MACs != want.MACs || got.Skipped != want.Skipped || got.MACs <= 0 {
					t.Errorf("%s, %s, %d samples: %+v, want %+v", name, what, n, got, want)
				}
			}
			return tr.StepCost(1)
		}
		dense := check("dense")
		if dense.Skipped != 0 {
			t.Errorf("%s: dense kernels skip %d", name, dense.Skipped)
		}
		// Most outputs of the last layer go, in whole blocks.
		ls := m.Layers()
		p := &m.Params[ls[len(ls)-1].Param]
		mask := tensor.NewMask(p.Shape.Len())
		drop := 8 * p.Shape[1:].Len()
		for i := range drop {
			mask.Drop(i)
		}
		if err := tr.Rewrite([]graph.Rewrite{graph.SetMask{Param: p.Name, Mask: mask}}, false); err != nil {
			t.Fatal(err)
		}
		masked := check("masked")
		if masked.MACs != dense.MACs || masked.Skipped != int64(3*drop) { // forward and both products of the way back
			t.Errorf("%s: %+v after %+v, %d weights gone", name, masked, dense, drop)
		}
	}
}
