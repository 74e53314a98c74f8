package devicetest

import (
	"fmt"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/ref"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
)

// testErrors: what must not run says so, and what it names.
func testErrors(t *testing.T, dev device.Device) {
	t.Run("plan", func(t *testing.T) { testPlanErrors(t, dev) })
	t.Run("step", func(t *testing.T) { testStepErrors(t, dev) })
	t.Run("bank", func(t *testing.T) { testBankErrors(t, dev) })
	t.Run("compile", func(t *testing.T) { testCompileErrors(t, dev) })
}

// want fails the test unless err holds all the words.
func want(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one about %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

// testPlanErrors: a gradient that cannot flow is an error, never a silent zero.
func testPlanErrors(t *testing.T, dev device.Device) {
	for _, c := range []struct {
		name  string
		build func(b *graph.Net)
		words []string
	}{
		{"softmax-inside", func(b *graph.Net) { b.Linear("out", b.Op("soft", "softmax", b.Linear("in", 0, 4)), 3) }, []string{"soft", "no gradient"}},
		{"unreached-layer", func(b *graph.Net) {
			x := b.Linear("in", 0, 4)
			b.Linear("aside", x, 4)
			b.Linear("out", x, 3)
		}, []string{"aside", "does not reach the loss"}},
		{"shared-weight", func(b *graph.Net) {
			w := b.M.AddParam("w", graph.Weight, tensor.Shape{6, 6}, nil)
			v := 0
			for _, n := range []string{"first", "second"} {
				v, b.Err = b.M.Append(n, "linear", graph.Attrs{}, []int{w}, v)
			}
		}, []string{"used by two layers"}},
		{"shared-filters", func(b *graph.Net) {
			w := b.M.AddParam("w", graph.Table, tensor.Shape{6, 6, 1, 1}, nil)
			v, one := 0, square(1, 1, 0, 1)
			for _, n := range []string{"first", "second"} {
				v, b.Err = b.M.Append(n, "conv2d", graph.Attrs{Win: &one}, []int{w}, v)
			}
		}, []string{"used by two layers"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := model{c: 6, h: 1, w: 1, build: c.build}.net(t)
			for _, mode := range []plan.Mode{plan.Train, plan.Grads, plan.Seeded} {
				_, err := plan.Build(m, dev, plan.Options{Mode: mode, Batch: 4})
				want(t, err, c.words...)
			}
			if _, err := plan.Build(m, dev, plan.Options{Mode: plan.Infer, Batch: 4}); err != nil {
				t.Errorf("inference needs no gradient, but: %v", err)
			}
		})
	}
	o := plan.Options{Mode: plan.Train, Batch: 4, InGrad: true}
	_, err := plan.Build(gptModel().net(t), dev, o)
	want(t, err, "gpt-21", "ids have none")
}

// ready is a small net that can train on dev.
type ready struct {
	m    *graph.Model
	bank device.Bank
	p    *device.Plan
	ex   device.Exec
}

func newReady(t *testing.T, dev device.Device, m *graph.Model, o plan.Options) *ready {
	t.Helper()
	fill(m, 1)
	return newBanked(t, dev, m, o)
}

// newBanked is newReady with the values that m has.
func newBanked(t *testing.T, dev device.Device, m *graph.Model, o plan.Options) *ready {
	t.Helper()
	r := &ready{m: m}
	var err error
	if r.bank, err = dev.NewBank(plan.Weights(m, nil), 2); err != nil {
		t.Fatal(err)
	}
	for i, p := range m.Params {
		if err := r.bank.Set(i, p.Data); err != nil {
			t.Fatal(err)
		}
	}
	if r.p, err = plan.Build(m, dev, o); err != nil {
		t.Fatal(err)
	}
	if r.ex, err = dev.Compile(r.p, r.bank, 2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.ex.Close() })
	return r
}

// testStepErrors: a step that cannot run leaves the weights as they are.
func testStepErrors(t *testing.T, dev device.Device) {
	norm := vectorNet("norm", 4, func(b *graph.Net) { b.Linear("out", b.Norm("norm", b.Linear("in", 0, 5)), 3) })
	adam := plan.Options{Mode: plan.Train, Batch: 8, Optim: device.Optim{Kind: device.Adam, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}}
	for _, c := range []struct {
		name   string
		o      plan.Options
		change func(s *device.Step)
		words  []string
	}{
		{"too-many", adam, func(s *device.Step) { s.Rows = make([]int32, 9) }, []string{"9 samples"}},
		{"none", adam, func(s *device.Step) { s.Rows, s.N = nil, 0 }, []string{"0 samples"}},
		{"row", adam, func(s *device.Step) { s.Rows[2] = 1000 }, []string{"row 1000"}},
		{"negative-row", adam, func(s *device.Step) { s.Rows[2] = -1 }, []string{"row -1"}},
		{"no-labels", adam, func(s *device.Step) { s.Labels = nil }, []string{"labels"}},
		{"label", adam, func(s *device.Step) { s.Labels[s.Rows[1]] = 3 }, []string{"label 3"}},
		{"negative-label", adam, func(s *device.Step) { s.Labels[s.Rows[1]] = -1 }, []string{"label -1"}},
		{"first-step-is-1", adam, func(s *device.Step) { s.Index = 0 }, []string{"index 0"}},
		{"one-sample-for-norm", adam, func(s *device.Step) { s.Rows = s.Rows[:1] }, []string{"norm", "batch"}},
		{"short-out", adam, func(s *device.Step) { s.Out = s.Out[:2] }, []string{"Out"}},
		{"short-pred", adam, func(s *device.Step) { s.Pred = s.Pred[:2] }, []string{"Pred"}},
		{"short-losses", adam, func(s *device.Step) { s.Losses = s.Losses[:2] }, []string{"Losses"}},
		{"gradient-not-planned", adam, func(s *device.Step) { s.InGrad = make([]float32, 100) }, []string{"InGrad"}},
		{"no-out-gradient", plan.Options{Mode: plan.Seeded, Batch: 8}, func(s *device.Step) { s.Pred, s.Losses = nil, nil }, []string{"OutGrad"}},
		{"no-teacher", plan.Options{Mode: plan.Train, Batch: 8, Distil: plan.Distil{Alpha: 0.5, Temperature: 2}}, func(*device.Step) {}, []string{"Teacher has 0 values"}},
		{"losses-of-inference", plan.Options{Mode: plan.Infer, Batch: 8}, func(*device.Step) {}, []string{""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReady(t, dev, norm.net(t), c.o)
			s := job{m: r.m, mode: plan.Train, lr: 0.1, seed: 1}.step(0, 6)
			s.InGrad = nil
			c.change(s)
			_, err := r.ex.Run(s)
			want(t, err, c.words...)
			for i, p := range r.m.Params {
				x := make([]float32, len(p.Data))
				if err := r.bank.Get(i, x); err != nil {
					t.Fatal(err)
				}
				for k := range x {
					if x[k] != p.Data[k] {
						t.Fatalf("the failed step changed %s", p.Name)
					}
				}
			}
		})
	}
	t.Run("closed", func(t *testing.T) {
		r := newReady(t, dev, norm.net(t), plan.Options{Mode: plan.Infer, Batch: 8})
		for range 2 {
			if err := r.ex.Close(); err != nil {
				t.Fatal(err)
			}
		}
		_, err := r.ex.Run(&device.Step{X: make([]float32, 8), N: 2})
		want(t, err, "closed")
	})
}

func testBankErrors(t *testing.T, dev device.Device) {
	w := device.Weight{Name: "w", Shape: tensor.Shape{6, 5}, Matrix: true, Groups: 1, Train: true}
	with := func(f func(*device.Weight)) device.Weight { c := w; f(&c); return c }
	for name, bad := range map[string]device.Weight{
		"shape":         with(func(w *device.Weight) { w.Shape = tensor.Shape{6, 0} }),
		"mask":          with(func(w *device.Weight) { w.Mask = tensor.NewMask(31) }),
		"format":        with(func(w *device.Weight) { w.Format = 77 }),
		"vector-blocks": with(func(w *device.Weight) { w.Matrix, w.Format = false, tensor.Block4 }),
		"conv":          with(func(w *device.Weight) { w.Conv = true }),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dev.NewBank([]device.Weight{bad}, 0)
			want(t, err, "weight w")
		})
	}
	if _, err := dev.NewBank([]device.Weight{w}, -1); err == nil {
		t.Error("a bank with −1 slots")
	}
	frozen := with(func(w *device.Weight) { w.Name, w.Train = "frozen", false })
	b, err := dev.NewBank([]device.Weight{w, frozen}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if n := b.Resident(); n < 2*30*4 {
		t.Errorf("%d bytes resident for 60 floats", n)
	}
	x := make([]float32, 30)
	for name, err := range map[string]error{
		"short":           b.Set(0, x[:29]),
		"long":            b.Get(0, make([]float32, 31)),
		"no weight":       b.Get(2, x),
		"negative":        b.Set(-1, x),
		"frozen gradient": b.Grad(1, x),
		"frozen state":    b.State(1, 0, x),
		"slot":            b.SetState(0, 1, x),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func testCompileErrors(t *testing.T, dev device.Device) {
	m := vectorNet("fc", 4, func(b *graph.Net) { b.Linear("out", 0, 3) }).net(t)
	build := func() *device.Plan {
		p, err := plan.Build(m, dev, plan.Options{Mode: plan.Train, Batch: 8, Optim: device.Optim{Momentum: 0.9}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	bank := func(slots int) device.Bank {
		b, err := dev.NewBank(plan.Weights(m, nil), slots)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	fails := func(name string, p *device.Plan, b device.Bank, words ...string) {
		t.Run(name, func(t *testing.T) {
			_, err := dev.Compile(p, b, 1)
			want(t, err, words...)
		})
	}
	if p := build(); p.T > 1 {
		other, err := ref.New().NewBank(plan.Weights(m, nil), 1)
		if err != nil {
			t.Fatal(err)
		}
		fails("bank-of-another-device", p, other, "another device")
	}
	fails("no-state", build(), bank(0), "slots")
	p := build()
	p.T++
	fails("tile", p, bank(1), fmt.Sprint(p.T))
	p = build()
	p.Vals[0].Off = p.Slab
	fails("slab", p, bank(1), "slab")
	p = build()
	p.Regions[0].Calls[1].W = []int{9}
	fails("weight", p, bank(1), "linear")
	p = build()
	p.Regions[0].Calls[1].Kernel = 255
	fails("kernel", p, bank(1), "255")
	fails("plan", nil, bank(1), "plan")
}

// Allocations: after the first, a run makes no garbage that the collector would
// have to stop the training for.
func Allocations(t *testing.T, dev device.Device) {
	for _, mod := range append(oneModels(), mixed(), joinModels()[0], poolModels()[0], gptModel()) {
		for _, mode := range []plan.Mode{plan.Infer, plan.Train} {
			n := 40
			if !mod.train && mod.batch > 0 {
				n = mod.batch
			}
			if !mod.train && mode == plan.Train {
				continue
			}
			t.Run(mod.name+"/"+modeName(mode), func(t *testing.T) {
				r := newReady(t, dev, mod.net(t), plan.Options{Mode: mode, Batch: n, Optim: device.Optim{Kind: device.AdamW, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}})
				s := job{m: r.m, mode: mode, lr: 0.01, seed: 1}.step(0, n)
				s.InGrad = nil
				if n := testing.AllocsPerRun(20, func() {
					if _, err := r.ex.Run(s); err != nil {
						t.Fatal(err)
					}
				}); n != 0 {
					t.Errorf("%g allocations in a run", n)
				}
			})
		}
	}
}
