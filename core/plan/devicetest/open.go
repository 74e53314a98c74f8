package devicetest

import (
	"slices"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/plan"
)

// testOpen: weights that are open train as masked ones do, bit by bit, and have a
// gradient at masked places too, which is that of the reference.
func testOpen(t *testing.T, dev device.Device) {
	for _, o := range optimisers {
		t.Run(o.name, func(t *testing.T) {
			m := mixed().net(t)
			j := job{m: m, mode: plan.Train, optim: o.o, lr: o.lr, batch: 20, ns: []int{20, 11, 20}, threads: 3, open: true}
			against(t, dev, j, func(seed uint64) { prepare(m, 1, seed) })
			prepare(m, 1, 1)
			j.seed = 1
			open := j.record(t, dev)
			j.open = false
			masked := j.record(t, dev)
			revived := 0
			for i, r := range open {
				if !strings.HasPrefix(r.name, "gradient of ") {
					if !slices.Equal(r.x, masked[i].x) {
						t.Errorf("%s differs from that of a masked weight", r.name)
					}
					continue
				}
				mask := m.Params[m.Param(strings.TrimPrefix(r.name, "gradient of "))].Mask
				for k, g := range r.x {
					switch {
					case mask.Kept(k) && g != masked[i].x[k]:
						t.Errorf("%s: element %d is %g, of a masked weight %g", r.name, k, g, masked[i].x[k])
					case !mask.Kept(k) && g != 0:
						revived++
					}
				}
			}
			if revived == 0 {
				t.Error("no masked place has a gradient")
			}
		})
	}
	_, err := dev.NewBank([]device.Weight{{Name: "w", Shape: []int{4, 4}, Matrix: true, Open: true}}, 0)
	if err == nil {
		t.Error("an open weight that does not train is accepted")
	}
}
