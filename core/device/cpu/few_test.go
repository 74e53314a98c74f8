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

// TestFewThroughBlocks: a layer of blocks that is cut into parts for several threads, and whose
// last block is not whole, gives few samples what each product by itself does, and all threads
// the same bits.
func TestFewThroughBlocks(t *testing.T) {
	const k, n = 300, 2101
	for _, f := range []tensor.Format{tensor.Block4, tensor.Block8, tensor.Block16} {
		for act, fn := range map[string]func(float64) float64{"relu": func(x float64) float64 { return max(x, 0) }, "tanh": math.Tanh} {
			t.Run(fmt.Sprint(f, act), func(t *testing.T) {
				b := &graph.Net{M: graph.New("linear", k, 1, 1)}
				b.Op("act", act, b.Linear("fc", 0, n))
				if b.Err != nil {
					t.Fatal(b.Err)
				}
				r := rand.New(rand.NewPCG(1, 2))
				x := make([]float32, 7*k)
				for i := range x {
					x[i] = r.Float32() - 0.5
				}
				w, bias := make([]float32, n*k), make([]float32, n)
				mask := tensor.NewMask(n * k)
				for i := range w {
					if (i/k/f.Height()*k+i%k)%7 > 0 {
						mask.Drop(i)
					} else {
						w[i] = r.Float32() - 0.5
					}
				}
				for i := range bias {
					bias[i] = r.Float32()
				}
				b.M.Params[0].Mask = mask
				dev := cpu.Checked()
				ws := plan.Weights(b.M, []plan.Choice{{Param: 0, Format: f}})
				for i := range ws {
					ws[i].Train = false
				}
				bank, err := dev.NewBank(ws, 0)
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range [][]float32{w, bias} {
					if err := bank.Set(i, v); err != nil {
						t.Fatal(err)
					}
				}
				most := 7
				if f == tensor.Block4 {
					most = 4
				}
				var first [8][]float32
				for threads := 1; threads <= 3; threads++ {
					p, err := plan.Build(b.M, dev, plan.Options{Mode: plan.Infer, Batch: most})
					if err != nil {
						t.Fatal(err)
					}
					ex, err := dev.Compile(p, bank, threads)
					if err != nil {
						t.Fatal(err)
					}
					defer ex.Close()
					for samples := 1; samples <= most; samples++ {
						y := make([]float32, samples*n)
						if _, err := ex.Run(&device.Step{X: x[:samples*k], N: samples, Out: y}); err != nil {
							t.Fatal(err)
						}
						if threads == 1 {
							first[samples] = y
						} else if !slices.Equal(y, first[samples]) {
							t.Errorf("%d samples: with %d threads other bits than with one", samples, threads)
						}
					}
				}
				for samples := 1; samples <= most; samples++ {
					for i, y := range first[samples] {
						s := float64(bias[i%n])
						for j := range k {
							s += float64(w[i%n*k+j]) * float64(x[i/n*k+j])
						}
						if math.Abs(float64(y)-fn(s)) > 1e-5 {
							t.Fatalf("%d samples: output %d of sample %d is %g, want %g", samples, i%n, i/n, y, fn(s))
						}
					}
				}
			})
		}
	}
}
