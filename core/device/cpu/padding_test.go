package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
)

// TestPaddingStaysZero: what fills up the last panel or row of blocks holds
// zeros after training with every kind of state, as if it were not there.
func TestPaddingStaysZero(t *testing.T) {
	for _, f := range []tensor.Format{tensor.Dense, tensor.Block4} {
		for _, o := range []device.Optim{
			{WeightDecay: 0.1},
			{Momentum: 0.9, WeightDecay: 0.1},
			{Kind: device.Adam, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.1},
			{Kind: device.AdamW, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.1},
		} {
			t.Run(fmt.Sprintf("%v/%+v", f, o), func(t *testing.T) { testPadding(t, f, o) })
		}
	}
}

func testPadding(t *testing.T, f tensor.Format, o device.Optim) {
	b := &graph.Net{M: graph.New("padding", 2, 4, 4)}
	x := b.Op("relu1", "relu", b.Conv("conv", 0, 5, 3, 1, 1, 1, true))
	x = b.Op("relu2", "relu", b.Linear("fc1", b.Op("flat", "flatten", x), 21))
	b.Linear("fc2", x, 3)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	var cs []plan.Choice
	for _, l := range b.M.Layers()[1:] {
		cs = append(cs, plan.Choice{Param: l.Param, Format: f})
	}
	bk, err := newBank(plan.Weights(b.M, cs), o.Slots(), true)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range bk.ws {
		x := make([]float32, bk.ws[i].Shape.Len())
		for k := range x {
			x[k] = r.Float32() - 0.5
		}
		if err := bk.Set(i, x); err != nil {
			t.Fatal(err)
		}
	}
	p, err := plan.Build(b.M, Checked(), plan.Options{Mode: plan.Train, Batch: 20, Optim: o})
	if err != nil {
		t.Fatal(err)
	}
	e, err := Checked().Compile(p, bk, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	s := &device.Step{X: make([]float32, 20*32), Labels: make([]int32, 20), N: 20, LR: 0.01}
	for i := range s.X {
		s.X[i] = r.Float32()
	}
	for s.Index = 1; s.Index <= 4; s.Index++ {
		if _, err := e.Run(s); err != nil {
			t.Fatal(err)
		}
	}
	padding := 0
	for i := range bk.ws {
		w := &bk.ws[i]
		used := make([]bool, len(w.v))
		w.each(func(_, stored int) { used[stored] = true })
		for k, u := range used {
			if u {
				continue
			}
			padding++
			for _, x := range append([][]float32{w.v, w.g}, w.s...) {
				if x[k] != 0 {
					t.Fatalf("%s: padding at %d holds %g", w.Name, k, x[k])
				}
			}
		}
	}
	if padding == 0 {
		t.Fatal("nothing is padded here")
	}
}
