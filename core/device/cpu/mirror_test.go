package cpu

import (
	"testing"

	"pare/core/device"
	"pare/core/tensor"
)

// TestMirrorOnDemand: single weights are there a second time, transposed, only once a plan
// takes gradients through them.
func TestMirrorOnDemand(t *testing.T) {
	w := device.Weight{Name: "w", Shape: tensor.Shape{20, 30}, Matrix: true, Format: tensor.Single}
	bank, err := New().NewBank([]device.Weight{w}, 0)
	if err != nil {
		t.Fatal(err)
	}
	val := func(name string, c, off int) device.Val {
		return device.Val{Name: name, C: c, H: 1, W: 1, Off: off * T}
	}
	compile := func(calls ...device.Call) int64 {
		p := &device.Plan{
			Nodes: []string{"fc"}, Batch: 20, T: T, P: P, Input: 0, Output: 1, InGrad: -1, Slab: 100 * T,
			Vals:    []device.Val{val("x", 30, 0), val("y", 20, 30), val("dx", 30, 50)},
			Regions: []device.Region{{Scope: device.Tile, Calls: append([]device.Call{{Kernel: device.Load, Out: []int{0}}}, calls...)}},
		}
		ex, err := New().Compile(p, bank, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer ex.Close()
		return bank.Resident()
	}
	forward := device.Call{Kernel: device.Linear, In: []int{0}, Out: []int{1}, W: []int{0}}
	back := device.Call{Kernel: device.LinearDX, In: []int{1}, Out: []int{2}, W: []int{0}}
	at := bank.Resident()
	if got := compile(forward); got != at {
		t.Errorf("%d bytes resident with a plan that runs forward, %d without", got, at)
	}
	if got := compile(forward, back); got < 2*at {
		t.Errorf("%d bytes resident with a plan that trains, %d without", got, at)
	}
}
