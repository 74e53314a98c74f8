package devicetest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pare/core/device"
	"pare/core/device/ref"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
)

// testPairs runs nets whose layers keep two of each four inputs: one sample at a
// time, where devices have kernels for them, several, and while training, frozen or
// not.
func testPairs(t *testing.T, dev device.Device) {
	if !dev.Supports(device.Linear, tensor.NM24) {
		t.Skipf("%s has no 2:4 kernels", dev.Name())
	}
	for _, size := range [][2]int{{4, 1}, {8, 16}, {12, 17}, {132, 33}, {1028, 20}} {
		mod := vectorNet(fmt.Sprintf("pairs/%dx%d", size[0], size[1]), size[0], func(b *graph.Net) {
			b.Linear("out", b.Op("tanh", "tanh", b.Linear("a", 0, size[1])), 3)
		})
		for _, batch := range []int{1, 2, 18} {
			for _, mode := range []plan.Mode{plan.Infer, plan.Train} {
				for _, frozen := range []bool{false, true} {
					m := mod.net(t)
					a := m.Param("a.weight")
					m.Params[a].Frozen = frozen
					j := job{m: m, formats: []plan.Choice{{Param: a, Format: tensor.NM24}}, mode: mode, lr: 0.05, batch: batch, ns: []int{batch}, threads: 2}
					t.Run(fmt.Sprintf("%s/%s/batch%d/frozen=%t", mod.name, modeName(mode), batch, frozen), func(t *testing.T) {
						against(t, dev, ref.New(), j, func(seed uint64) {
							p := &m.Params[a]
							p.Mask = twoInFour(p.Shape.Len(), seed)
							fill(m, seed)
						})
					})
				}
			}
		}
	}
}

// twoInFour is a random mask that keeps two of each four.
func twoInFour(n int, seed uint64) *tensor.Mask {
	r, m := rand.New(rand.NewPCG(seed, 24)), tensor.NewMask(n)
	for i := 0; i < n; i += 4 {
		for _, k := range r.Perm(4)[:2] {
			m.Drop(i + k)
		}
	}
	return m
}
