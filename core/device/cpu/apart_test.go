package cpu

import (
	"fmt"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/tensor"
)

// TestSeparated: a kernel that writes one float behind its value, or in front of
// the first, is found in the separated device, whatever the value's size.
func TestSeparated(t *testing.T) {
	for _, n := range []int{1, 16, 17} {
		w := device.Weight{Name: "w", Shape: tensor.Shape{n, 3}, Matrix: true, Groups: 1}
		bank, err := Separated().NewBank([]device.Weight{w}, 0)
		if err != nil {
			t.Fatal(err)
		}
		// x and y share no memory, the copy of y lies where x was.
		p := &device.Plan{
			Nodes: []string{"fc"}, Batch: 20, T: T, P: P, Input: 0, Output: 2, InGrad: -1, Slab: (max(n, 3) + n) * T,
			Vals: []device.Val{
				{Name: "x", C: 3, H: 1, W: 1}, {Name: "y", C: n, H: 1, W: 1, Off: max(n, 3) * T}, {Name: "z", C: n, H: 1, W: 1},
			},
			Regions: []device.Region{{Scope: device.Tile, Calls: []device.Call{
				{Kernel: device.Load, Out: []int{0}}, {Kernel: device.Linear, In: []int{0}, Out: []int{1}, W: []int{0}},
				{Kernel: device.Copy, In: []int{1}, Out: []int{2}},
			}}},
		}
		for v, at := range map[int]int{0: -1, 1: n * T, 2: n*T + guardLen - 1} {
			ex, err := Separated().Compile(p, bank, 1)
			if err != nil {
				t.Fatal(err)
			}
			s := &device.Step{X: make([]float32, 60), N: 20, Out: make([]float32, 20*n)}
			if _, err := ex.Run(s); err != nil {
				t.Fatal(err)
			}
			last := &ex.(*exec).regions[0].calls[2]
			copied := last.tile
			last.tile = func(e *exec, c *call, l *local, t0, t1 int) {
				copied(e, c, l, t0, t1)
				if t0 == 1 {
					*floatAt(e.at(v, t0), at) = 7
				}
			}
			_, err = ex.Run(s)
			want := fmt.Sprintf("wrote behind value %s of tile 1, %d floats", p.Vals[v].Name, max(0, at-n*T))
			if v == 0 {
				want = fmt.Sprintf("wrote behind the slab's start of tile 1, %d floats", guardLen-1)
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%d outputs, value %d: %v, want %q", n, v, err, want)
			}
			ex.Close()
		}
	}
}
