package cpu_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
)

// TestConvDWParts: the gradient of blocks whose work is cut by the batch and by blocks is that
// of the same weight in panels, and for every number of threads the same in all bits; also
// where the second half of the batch, or the first, has next to no samples.
func TestConvDWParts(t *testing.T) {
	b := &graph.Net{M: graph.New("conv", 8, 24, 24)}
	b.Op("pool", "globalavgpool", b.Conv("conv", 0, 21, 3, 1, 1, 1, false))
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = 2*r.Float32() - 1
		}
		return x
	}
	const batch = 48
	s := device.Step{X: random(batch * b.M.Input().Len()), Labels: make([]int32, batch), LR: 1, Index: 1}
	for i := range s.Labels {
		s.Labels[i] = int32(r.IntN(21))
	}
	w := &b.M.Params[0]
	values := random(w.Shape.Len())
	for _, f := range []tensor.Format{tensor.Single, tensor.Block4, tensor.Block8, tensor.Block16} {
		w.Mask = tensor.NewMask(w.Shape.Len())
		for i := range w.Mask.N { // rows of blocks lie one behind the other
			if (i/(72*f.Height())+i%72)%3 > 0 {
				w.Mask.Drop(i)
			}
		}
		for _, n := range []int{batch, 20, 3} {
			t.Run(fmt.Sprintf("%v/%d", f, n), func(t *testing.T) {
				grad := func(f tensor.Format, threads int) []float32 {
					dev := cpu.Checked()
					p, err := plan.Build(b.M, dev, plan.Options{Mode: plan.Train, Batch: batch})
					if err != nil {
						t.Fatal(err)
					}
					ws := plan.Weights(b.M, []plan.Choice{{Param: 0, Format: f}})
					bank, err := dev.NewBank(ws, 0)
					if err != nil {
						t.Fatal(err)
					}
					if err := bank.Set(0, values); err != nil {
						t.Fatal(err)
					}
					ex, err := dev.Compile(p, bank, threads)
					if err != nil {
						t.Fatal(err)
					}
					defer ex.Close()
					s.N = n
					g := make([]float32, len(values))
					if _, err := ex.Run(&s); err != nil {
						t.Fatal(err)
					}
					if err := bank.Grad(0, g); err != nil {
						t.Fatal(err)
					}
					return g
				}
				want := grad(tensor.Dense, 1)
				first := grad(f, 1)
				for i := range want {
					if math.Abs(float64(first[i]-want[i])) > 1e-6 {
						t.Fatalf("gradient %d is %g, in panels %g", i, first[i], want[i])
					}
				}
				for threads := 2; threads <= 5; threads++ {
					if !slices.Equal(grad(f, threads), first) {
						t.Errorf("with %d threads the gradient has other bits than with one", threads)
					}
				}
			})
		}
	}
}
