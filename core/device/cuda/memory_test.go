package cuda_test

import (
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/graph"
	"pare/core/plan"
)

// TestMemoryIsCountedBefore: a plan that does not fit the card is an error that says so
// when it is compiled, before any step, and leaves nothing behind. One that fits gives
// back all it took.
func TestMemoryIsCountedBefore(t *testing.T) {
	for _, p := range []cuda.Precision{cuda.F32, cuda.BF16} {
		t.Run(p.String(), func(t *testing.T) {
			dev, card := cudatest.New(1<<22, p)
			b := &graph.Net{M: graph.New("net", 64, 1, 1)}
			b.Linear("out", b.Linear("in", 0, 1001), 10) // 1001: wide rows
			if b.Err != nil {
				t.Fatal(b.Err)
			}
			compile := func(batch int) (device.Exec, device.Bank, error) {
				bank, err := dev.NewBank(plan.Weights(b.M, nil), 1)
				if err != nil {
					t.Fatal(err)
				}
				q, err := plan.Build(b.M, dev, plan.Options{Mode: plan.Train, Batch: batch, Optim: device.Optim{Momentum: 0.9}})
				if err != nil {
					t.Fatal(err)
				}
				e, err := dev.Compile(q, bank, 0)
				return e, bank, err
			}
			_, bank, err := compile(4096)
			if err == nil || !strings.Contains(err.Error(), "a batch of 4096 samples") || !strings.Contains(err.Error(), "use a smaller batch") {
				t.Error(err)
			}
			if err := bank.Close(); err != nil {
				t.Error(err)
			}
			e, bank, err := compile(8)
			if err != nil {
				t.Fatal(err)
			}
			for i := range int64(3) { // the second is recorded as a graph, the third runs it
				if _, err := e.Run(&device.Step{X: make([]float32, 64*8), Labels: make([]int32, 8), N: 8, LR: 0.1, Index: i + 1}); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
			if err := bank.Close(); err != nil {
				t.Error(err)
			}
			if l := card.Leaks(); len(l) > 0 {
				t.Errorf("left on the card: %v", l)
			}
		})
	}
}
