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
	for _, i := range small() {
		for _, in := range []Input{{C: 1, H: 28, W: 28}, {C: 3, H: 16, W: 16}, {C: 1, H: 1, W: 1, Tokens: 24, Vocab: 10}} {
			if (i.Input.Tokens > 0) != (in.Tokens > 0) {
				continue
			}
			t.Run(fmt.Sprintf("%s/%v", i.Name, in), func(t *testing.T) {
				m, _, err := New(i.Name, 1, in, 10)
				if err != nil {
					t.Fatal(err)
				}
				for _, mode := range []plan.Mode{plan.Infer, plan.Eval, plan.Train, plan.Grads, plan.Seeded} {
					compile(t, m, plan.Options{Mode: mode, Batch: 4, Optim: device.Optim{Momentum: 0.9}})
				}
				out := make([]float32, m.Values[m.Output].Len())
				s := device.Step{X: samples(1, m.Input().Len()), N: 1, Out: out}
				if in.Tokens > 0 {
					s.X = ids(1, in.Tokens, in.Vocab)
				}
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

// TestModelsLearn: ten steps on eight random samples halve the loss of each model;
// sixty those of a language model, which starts from small weights.
func TestModelsLearn(t *testing.T) {
	for _, i := range small() {
		if i.Input.Tokens > 0 && i.Name != "gpt-nano" {
			continue // the others differ from it in sizes alone, and the reference device is slow
		}
		t.Run(i.Name, func(t *testing.T) {
			in, labels := Input{C: 1, H: 12, W: 12}, []int32{0, 1, 2, 0, 1, 2, 0, 1}
			x := samples(8, 144)
			if i.Input.Tokens > 0 {
				in = Input{C: 1, H: 1, W: 1, Tokens: 16, Vocab: 3}
				x = ids(8, in.Tokens, 3)
				labels = nil
				for k := range x {
					labels = append(labels, (int32(x[k])+int32(k))%3) // of token and place
				}
			}
			m, _, err := New(i.Name, 1, in, 3)
			if err != nil {
				t.Fatal(err)
			}
			e := compile(t, m, plan.Options{Mode: plan.Train, Batch: 8, Optim: device.Optim{Kind: device.Adam, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}})
			s := device.Step{X: x, Labels: labels, N: 8, LR: 5e-3}
			steps := int64(10)
			if in.Tokens > 0 {
				steps = 60
			}
			var first, last device.Result
			for s.Index = 1; s.Index <= steps; s.Index++ {
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

// small are the models of fewer than ten million parameters.
func small() (l []Info) {
	for _, i := range List() {
		if i.Params < 3e6 {
			l = append(l, i)
		}
	}
	return l
}

// ids are n texts of random tokens.
func ids(n, tokens, vocab int) []float32 {
	r := rand.New(rand.NewPCG(5, 6))
	x := make([]float32, n*tokens)
	for i := range x {
		x[i] = float32(r.IntN(vocab))
	}
	return x
}

func samples(n, features int) []float32 {
	r := rand.New(rand.NewPCG(5, 6))
	x := make([]float32, n*features)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}
