package devicetest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/graph"
	"pare/core/plan"
)

// TestCPUSharedMemory: values that share memory as the plan says, and those that have
// places of their own, give the same bits, whatever a device makes of several calls.
func TestCPUSharedMemory(t *testing.T) {
	for seed := range uint64(150) {
		m := residualNet(t, rand.New(rand.NewPCG(seed, 1)))
		fill(m, seed)
		for _, mode := range []plan.Mode{plan.Infer, plan.Train} {
			j := job{m: m, mode: mode, lr: 0.05, optim: device.Optim{Momentum: 0.9}, batch: 18, ns: []int{18}, threads: 1, seed: seed}
			if d := sameBits(j.record(t, cpu.New()), j.record(t, cpu.Separated())); d != "" {
				t.Errorf("net %d, %s: %s", seed, modeName(mode), d)
			}
		}
	}
}

// residualNet is a net of random branches that meet again, of random sizes.
func residualNet(t *testing.T, r *rand.Rand) *graph.Model {
	b := &graph.Net{M: graph.New("residual", 1+r.IntN(5), 4, 4)}
	odds := func(n int) bool { return r.IntN(n) == 0 }
	branch := func(name string, in, c int) int {
		x := b.Conv(name+"conv", in, c, 3, 1, 1, 1, false)
		if odds(2) {
			x = b.Norm(name+"norm", x)
		}
		return x
	}
	x := 0
	for i := range 1 + r.IntN(4) {
		name, c := fmt.Sprint(i, "."), 1+r.IntN(12)
		left := branch(name+"left", x, c)
		if odds(2) {
			left = b.Op(name+"left.relu", "relu", left)
		}
		if odds(2) {
			left = branch(name+"left2", left, c)
		}
		right := branch(name+"right", x, c)
		if odds(3) {
			right = b.Op(name+"right.gelu", "gelu", right)
		}
		if x = b.Op(name+"add", "add", left, right); !odds(4) {
			x = b.Op(name+"relu", "relu", x)
		}
	}
	b.Linear("out", b.Op("pool", "globalavgpool", x), 3)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	return b.M
}
