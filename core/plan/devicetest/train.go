package devicetest

import (
	"fmt"
	"math"
	"testing"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/plan"
	"pare/core/tensor"
)

// optimiser is an update rule with a learning rate that suits it.
type optimiser struct {
	name string
	lr   float32
	o    device.Optim
}

// optimisers are all rules, with weight decay and without. eps is larger than
// usual: where a gradient is nothing but rounding, Adam would make a full step
// of its sign. The betas are binary fractions, so that 1 − beta means the same
// number to every device.
var optimisers = []optimiser{
	{"sgd", 0.1, device.Optim{}},
	{"sgd-decay", 0.1, device.Optim{WeightDecay: 0.05}},
	{"momentum", 0.05, device.Optim{Momentum: 0.9}},
	{"momentum-decay", 0.05, device.Optim{Momentum: 0.8, WeightDecay: 0.05}},
	{"nesterov", 0.05, device.Optim{Momentum: 0.9, Nesterov: true, WeightDecay: 0.05}},
	{"adam", 0.01, device.Optim{Kind: device.Adam, Beta1: 7. / 8, Beta2: 127. / 128, Eps: 1e-3}},
	{"adam-decay", 0.01, device.Optim{Kind: device.Adam, Beta1: 3. / 4, Beta2: 1023. / 1024, Eps: 1e-3, WeightDecay: 0.05}},
	{"adamw", 0.01, device.Optim{Kind: device.AdamW, Beta1: 7. / 8, Beta2: 127. / 128, Eps: 1e-3, WeightDecay: 0.1}},
}

// mixed has every kind of parameter: a convolution, an ordinary and a depthwise
// one, a batch norm and linear layers.
func mixed() model {
	return model{name: "mixed", c: 2, h: 6, w: 6, train: true, build: func(b *graph.Net) {
		x := b.Op("relu", "relu", b.Norm("norm", convolve(b, "conv", 0, 6, square(3, 1, 1, 1), false)))
		x = b.Op("silu", "silu", convolve(b, "depthwise", x, 6, square(3, 2, 1, 6), true))
		x = b.Op("tanh", "tanh", b.Linear("fc1", b.Op("flat", "flatten", x), 21))
		b.Linear("fc2", x, 5)
	}}
}

// testOptimisers takes three steps with every rule and compares weights, state
// and running statistics, and what the trained net says afterwards.
func testOptimisers(t *testing.T, dev device.Device) {
	for _, o := range optimisers {
		for _, f := range formats {
			t.Run(o.name+"/"+f.name, func(t *testing.T) {
				m := mixed().net(t)
				j := job{m: m, mode: plan.Train, optim: o.o, lr: o.lr, batch: 20, ns: []int{20, 11, 20}, threads: 3}
				if j.formats = choose(m, dev, f.blocks); f.blocks != tensor.Dense && len(j.formats) == 0 {
					t.Skipf("%s has no kernels for %v", dev.Name(), f.blocks)
				}
				against(t, dev, j, func(seed uint64) { prepare(m, f.mask, seed) })
			})
		}
	}
}

// testZoo trains the models of the zoo for two steps and evaluates them, on small
// inputs: all up to three million parameters, since the reference takes minutes for
// a step of the larger ones, which differ in sizes alone.
func testZoo(t *testing.T, dev device.Device) {
	for _, info := range zoo.List() {
		if info.Params > 3e6 {
			continue
		}
		t.Run(info.Name, func(t *testing.T) {
			in := zoo.Input(info.Input)
			if in.H > 12 && info.Name != "lenet-5" {
				in.H, in.W = 12, 12
			}
			in.Tokens = min(in.Tokens, 12)
			m, _, err := zoo.New(info.Name, 1, in, info.Classes)
			if err != nil {
				t.Fatal(err)
			}
			for _, mode := range []plan.Mode{plan.Eval, plan.Train} {
				j := job{m: m, mode: mode, optim: device.Optim{Momentum: 0.9, WeightDecay: 1e-4}, lr: 0.05, batch: 3, ns: []int{3, 2}, threads: 2}
				against(t, dev, j, func(seed uint64) {
					if err := zoo.Init(m, seed); err != nil {
						t.Fatal(err)
					}
				})
			}
		})
	}
}

// testBits: the same bits with 1, 2, 3 and 4 threads, and from run to run.
func testBits(t *testing.T, dev device.Device) {
	big := vectorNet("linear", 300, func(b *graph.Net) {
		x := b.Op("relu1", "relu", b.Linear("a", 0, 130))
		x = b.Op("relu2", "relu", b.Norm("norm", b.Linear("b", b.Dropout("drop", x, 0.3), 70)))
		b.Linear("c", x, 10)
	})
	image := model{name: "image", c: 3, h: 8, w: 8, train: true, build: func(b *graph.Net) {
		x := b.Op("relu1", "relu", b.Norm("n1", convolve(b, "c1", 0, 18, square(3, 1, 1, 1), false)))
		x = b.Pool("pool", "maxpool", x, 2, 2)
		y := b.Op("gelu", "gelu", convolve(b, "depthwise", x, 18, square(3, 1, 1, 18), true))
		x = b.Op("relu2", "relu", b.Op("add", "add", x, convolve(b, "c2", y, 18, square(3, 1, 1, 1), true)))
		b.Linear("out", b.Op("flat", "flatten", b.Op("mean", "globalavgpool", x)), 10)
	}}
	for _, mod := range []model{big, image, gptModel()} {
		for _, f := range formats {
			m := mod.net(t)
			j := job{m: m, mode: plan.Train, optim: device.Optim{Momentum: 0.9, WeightDecay: 0.01}, lr: 0.05, batch: 200, ns: []int{150, 200}, seed: 1}
			if j.formats = choose(m, dev, f.blocks); f.blocks != tensor.Dense && len(j.formats) == 0 {
				continue
			}
			if mod.batch > 0 {
				j.batch, j.ns = mod.batch, []int{mod.batch * 2 / 3, mod.batch}
			}
			switch {
			case mod.batch > 0:
			case dev.Name() == "ref": // slow, and one thread whatever it is told
				j.batch, j.ns = 10, []int{10}
			case testing.Short():
				j.batch, j.ns = 70, []int{70}
			}
			t.Run(mod.name+"/"+f.name, func(t *testing.T) {
				prepare(m, f.mask, 1)
				j.threads = 1
				want := j.record(t, dev)
				for threads := 1; threads <= 4; threads++ {
					j.threads = threads
					if d := sameBits(j.record(t, dev), want); d != "" {
						t.Errorf("%d threads: %s", threads, d)
					}
				}
			})
		}
	}
}

// testMasks: what a mask drops is exactly zero in weights, gradients and state,
// whatever is written to it and whatever the optimiser does.
func testMasks(t *testing.T, dev device.Device) {
	for _, o := range optimisers {
		for _, f := range formats {
			m := mixed().net(t)
			prepare(m, f.mask, 1)
			cs := choose(m, dev, f.blocks)
			if f.blocks != tensor.Dense && len(cs) == 0 {
				continue
			}
			t.Run(o.name+"/"+f.name, func(t *testing.T) { testMask(t, dev, m, cs, o) })
		}
	}
}

func testMask(t *testing.T, dev device.Device, m *graph.Model, cs []plan.Choice, o optimiser) {
	ws := plan.Weights(m, cs)
	bank, err := dev.NewBank(ws, o.o.Slots())
	if err != nil {
		t.Fatal(err)
	}
	check := func(i int, what string, get func(x []float32) error) {
		t.Helper()
		x := make([]float32, ws[i].Shape.Len())
		if err := get(x); err != nil {
			t.Fatal(err)
		}
		for k, v := range x {
			if !ws[i].Mask.Kept(k) && math.Float32bits(v)<<1 != 0 {
				t.Fatalf("%s of %s: dropped element %d is %g", what, ws[i].Name, k, v)
			}
		}
	}
	all := func() {
		t.Helper()
		for i, w := range ws {
			check(i, "value", func(x []float32) error { return bank.Get(i, x) })
			if !w.Train {
				continue
			}
			check(i, "gradient", func(x []float32) error { return bank.Grad(i, x) })
			for s := range o.o.Slots() {
				check(i, "state", func(x []float32) error { return bank.State(i, s, x) })
			}
		}
	}
	for i, w := range ws {
		x := append([]float32(nil), m.Params[i].Data...)
		for k := range x {
			if !w.Mask.Kept(k) {
				x[k] = [2]float32{float32(math.NaN()), 3}[k%2]
			}
		}
		if err := bank.Set(i, x); err != nil {
			t.Fatal(err)
		}
		got := make([]float32, len(x))
		if err := bank.Get(i, got); err != nil {
			t.Fatal(err)
		}
		for k, v := range got {
			if w.Mask.Kept(k) && v != x[k] {
				t.Fatalf("%s: element %d is %g, but %g was set", w.Name, k, v, x[k])
			}
		}
		for s := range o.o.Slots() {
			if !w.Train {
				break
			}
			for k := range x {
				if w.Mask.Kept(k) {
					x[k] = 0.01
				}
			}
			if err := bank.SetState(i, s, x); err != nil {
				t.Fatal(err)
			}
		}
	}
	all()
	p, err := plan.Build(m, dev, plan.Options{Mode: plan.Train, Batch: 7, Optim: o.o})
	if err != nil {
		t.Fatal(err)
	}
	ex, err := dev.Compile(p, bank, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer ex.Close()
	j := job{m: m, mode: plan.Train, lr: o.lr, seed: 1}
	for i := range 3 {
		s := j.step(i, 7)
		s.InGrad = nil
		if _, err := ex.Run(s); err != nil {
			t.Fatal(fmt.Errorf("step %d: %w", i+1, err))
		}
	}
	all()
}
