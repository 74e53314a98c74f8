package cpu_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/plan"
	"pare/core/tensor"
)

// TestHalfBatches: a plan for 256 samples sums gradients over each half of a batch. Runs of fewer,
// down to one tile, in which a half is empty, move the weights as a plan of that size does,
// which takes all samples at once, and every number of threads gives the same bits.
func TestHalfBatches(t *testing.T) {
	for _, f := range []tensor.Format{tensor.Dense, tensor.Single, tensor.Block4, tensor.Block8, tensor.Block16} {
		zeros := 0.9
		if f == tensor.Dense {
			zeros = 0
		}
		for _, n := range []int{1, 16, 17, 40, 100, 250, 256} {
			t.Run(fmt.Sprintf("%v/%d", f, n), func(t *testing.T) {
				train := func(batch, threads int) []float32 {
					s := newStepper(t, mlp(50, 36, 5), batch, threads, f, zeros)
					s.prime(t)
					s.step.N, s.step.LR = n, 0.1
					for i := range s.step.X[:n*50] {
						s.step.X[i] = float32(i%97) / 97
					}
					for i := range n {
						s.step.Labels[i] = int32(i % 5)
					}
					for range 3 {
						s.run(t)
					}
					return s.weights(t)
				}
				one := train(256, 1)
				for _, threads := range []int{2, 3, 4} {
					if !slices.Equal(train(256, threads), one) {
						t.Errorf("%d threads give other bits than one", threads)
					}
				}
				if n > 100 {
					return // a plan of that size cuts the batch, too
				}
				for i, want := range train(n, 1) {
					if d := math.Abs(float64(one[i] - want)); !(d <= 1e-5) {
						t.Fatalf("weight %d is %g, of a plan for %d samples %g", i, one[i], n, want)
					}
				}
			})
		}
	}
}

// prime makes a whole step that moves nothing and leaves no state, but its sums in memory.
func (s *stepper) prime(tb testing.TB) {
	rate := s.step.LR
	s.step.LR = 0
	s.run(tb)
	s.step.LR = rate
	for i, w := range s.ws {
		if err := s.bank.SetState(i, 0, make([]float32, w.Shape.Len())); err != nil {
			tb.Fatal(err)
		}
	}
}

// TestHalvesInParts: of a step in two parts each part adds the sums of both its halves to the
// gradient: the same bits with every number of threads, the step of one part within rounding.
func TestHalvesInParts(t *testing.T) {
	for _, f := range []tensor.Format{tensor.Dense, tensor.Single, tensor.Block4, tensor.Block16} {
		t.Run(f.String(), func(t *testing.T) {
			zeros := 0.9
			if f == tensor.Dense {
				zeros = 0
			}
			train := func(micros, threads int) []float32 {
				m := mlp(50, 36, 5)
				s := newStepper(t, m, 512, threads, f, zeros)
				p, err := plan.Build(m, cpu.Checked(), plan.Options{Mode: plan.Train, Batch: 512, Micros: micros, Optim: s.plan.Optim})
				if err != nil {
					t.Fatal(err)
				}
				ex, err := cpu.Checked().Compile(p, s.bank, threads)
				if err != nil {
					t.Fatal(err)
				}
				defer ex.Close()
				s.step.N, s.step.LR = 401, 0.1
				for i := range s.step.Labels {
					s.step.Labels[i] = int32(i % 5)
				}
				for range 2 {
					if _, err := device.RunParts(ex, p, &s.step); err != nil {
						t.Fatal(err)
					}
				}
				return s.weights(t)
			}
			one := train(2, 1)
			for _, threads := range []int{2, 3, 4} {
				if !slices.Equal(train(2, threads), one) {
					t.Errorf("%d threads give other bits than one", threads)
				}
			}
			for i, want := range train(0, 1) {
				if d := math.Abs(float64(one[i] - want)); !(d <= 1e-5) {
					t.Fatalf("weight %d is %g, of one part %g", i, one[i], want)
				}
			}
		})
	}
}
