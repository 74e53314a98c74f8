package zoo

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pare/core/device"
	"pare/core/device/ref"
	"pare/core/graph"
	"pare/core/plan"
)

// compile loads a model into a bank of the reference device and plans it.
func compile(t *testing.T, m *graph.Model, o plan.Options) device.Exec {
	t.Helper()
	dev := ref.New()
	p, err := plan.Build(m, dev, o)
	if err != nil {
		t.Fatal(err)
	}
	bank, err := dev.NewBank(plan.Weights(m, plan.Choose(m, dev, plan.DefaultPrices())), o.Optim.Slots())
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range m.Params {
		if err := bank.Set(i, x.Data); err != nil {
			t.Fatal(err)
		}
	}
	e, err := dev.Compile(p, bank, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// TestPlans lowers every model for images of both kinds in every mode, and runs
// one sample forward.
func TestPlans(t *testing.T) {
	for _, i := range List() {
		for _, in := range []Input{{1, 28, 28}, {3, 16, 16}} {
			t.Run(fmt.Sprintf("%s/%v", i.Name, in), func(t *testing.T) {
				m, _, err := New(i.Name, 1, in, 10)
				if err != nil {
					t.Fatal(err)
				}
				for _, mode := range []plan.Mode{plan.Infer, plan.Eval, plan.Train, plan.Grads, plan.Seeded} {
					compile(t, m, plan.Options{Mode: mode, Batch: 4, Optim: device.Optim{Momentum: 0.9}})
				}
				out := make([]float32, 10)
				s := device.Step{X: samples(1, m.Input().Len()), N: 1, Out: out}
				if _, err := compile(t, m, plan.Options{Mode: plan.Infer, Batch: 1}).Run(&s); err != nil {
					t.Fatal(err)
				}
				for _, y := range out {
					if y == 0 || y != y || y > 100 || y < -100 {
						t.Fatalf("logits %v", out)
					}
				}
			})
		}
	}
}

// TestModelsLearn: ten steps on eight random samples halve the loss of each model.
func TestModelsLearn(t *testing.T) {
	for _, i := range List() {
		t.Run(i.Name, func(t *testing.T) {
			m, _, err := New(i.Name, 1, Input{1, 12, 12}, 3)
			if err != nil {
				t.Fatal(err)
			}
			e := compile(t, m, plan.Options{Mode: plan.Train, Batch: 8, Optim: device.Optim{Kind: device.Adam, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}})
			s := device.Step{X: samples(8, 144), Labels: []int32{0, 1, 2, 0, 1, 2, 0, 1}, N: 8, LR: 5e-3}
			var first, last device.Result
			for s.Index = 1; s.Index <= 10; s.Index++ {
				if last, err = e.Run(&s); err != nil {
					t.Fatal(err)
				}
				if s.Index == 1 {
					first = last
				}
			}
			if first.Loss < 0.7 || first.Loss > 2 || last.Loss > 0.5*first.Loss {
				t.Errorf("loss %.3f at first (chance is 1.099), %.3f in the end", first.Loss, last.Loss)
			}
		})
	}
}

func samples(n, features int) []float32 {
	r := rand.New(rand.NewPCG(5, 6))
	x := make([]float32, n*features)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}
