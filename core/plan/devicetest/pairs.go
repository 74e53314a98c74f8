package devicetest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
)

// testPairs runs nets whose layers keep two of each four inputs: one sample at a time, where
// devices have kernels for them, several, and while training, frozen or not; in sizes that
// libraries of 2:4 products take and others, with what devices do along with a product.
func testPairs(t *testing.T, dev device.Device) {
	if !dev.Supports(device.Linear, tensor.NM24) {
		t.Skipf("%s has no 2:4 kernels", dev.Name())
	}
	behind := map[string]func(b *graph.Net, a int) int{
		"tanh": func(b *graph.Net, a int) int { return b.Op("tanh", "tanh", a) },
		"relu": func(b *graph.Net, a int) int { return b.Op("relu", "relu", a) },
		"gelu": func(b *graph.Net, a int) int { return b.Op("gelu", "gelu_tanh", a) },
		"add": func(b *graph.Net, a int) int {
			return b.Op("add", "add", b.Op("tanh", "tanh", b.Linear("b", 0, b.M.Values[a].C)), a)
		},
	}
	for _, c := range []struct {
		in, out int
		behind  string
		both    bool // 2:4 along outputs as well
	}{
		{4, 1, "tanh", false}, {8, 16, "tanh", false}, {12, 17, "tanh", false}, {132, 33, "tanh", false}, {1028, 20, "tanh", false},
		{64, 48, "relu", false}, {32, 80, "gelu", true}, {96, 32, "add", true}, {48, 40, "tanh", true},
	} {
		mod := vectorNet(fmt.Sprintf("pairs/%dx%d/%s", c.in, c.out, c.behind), c.in, func(b *graph.Net) {
			x := b.Op("first", "tanh", b.Linear("before", 0, c.in)) // so that a has a gradient of its inputs
			b.Linear("out", behind[c.behind](b, b.Linear("a", x, c.out)), 3)
		})
		for _, batch := range []int{1, 2, 18, 24} {
			for _, mode := range []plan.Mode{plan.Infer, plan.Train} {
				for _, frozen := range []bool{false, true} {
					m := mod.net(t)
					a := m.Param("a.weight")
					m.Params[a].Frozen = frozen
					j := job{m: m, formats: []plan.Choice{{Param: a, Format: tensor.NM24}}, mode: mode, lr: 0.05, batch: batch, ns: []int{batch, max(batch*2/3, 1), batch}, threads: 2}
					t.Run(fmt.Sprintf("%s/%s/batch%d/frozen=%t", mod.name, modeName(mode), batch, frozen), func(t *testing.T) {
						against(t, dev, j, func(seed uint64) {
							p := &m.Params[a]
							if p.Mask = twoInFour(p.Shape.Len(), seed); c.both {
								p.Mask = twoInFourBoth(c.out, c.in)
							}
							fill(m, seed)
						})
					})
				}
			}
		}
	}
}

// twoInFourBoth keeps two of each four neighbours along both axes.
func twoInFourBoth(n, k int) *tensor.Mask {
	m := tensor.NewMask(n * k)
	for i := range n * k {
		if (i/k+i%k)%4 < 2 {
			m.Drop(i)
		}
	}
	return m
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
