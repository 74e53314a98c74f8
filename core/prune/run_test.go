package prune

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pare/core/device"
	"pare/core/device/ref"
	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/plan"
	"pare/core/tensor"
)

// logits runs a model on the reference device, each layer in the format that
// was chosen for it.
func logits(t *testing.T, m *graph.Model, choices []plan.Choice, x []float32, n int) []float32 {
	t.Helper()
	dev := ref.New()
	p, err := plan.Build(m, dev, plan.Options{Mode: plan.Infer, Batch: n})
	if err != nil {
		t.Fatal(err)
	}
	bank, err := dev.NewBank(plan.Weights(m, choices), 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range m.Params {
		if err := bank.Set(i, q.Data); err != nil {
			t.Fatal(err)
		}
	}
	e, err := dev.Compile(p, bank, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	out := make([]float32, n*m.Values[m.Output].Len())
	if _, err := e.Run(&device.Step{X: x, N: n, Out: out}); err != nil {
		t.Fatal(err)
	}
	return out
}

func inputs(n int) []float32 {
	r := rand.New(rand.NewPCG(8, 9))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func near(t *testing.T, what string, got, want []float32) {
	t.Helper()
	var e, n float64
	for i := range want {
		e += math.Pow(float64(got[i]-want[i]), 2)
		n += math.Pow(float64(want[i]), 2)
	}
	if !(math.Sqrt(e) <= 1e-5*math.Sqrt(n)) || n == 0 {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// TestCutEqualsMask: what Cut takes out computes what the same model computes
// with those channels zeroed where they are made: cut(mask(m)) = mask(m).
func TestCutEqualsMask(t *testing.T) {
	for name, in := range map[string]zoo.Input{"lenet-300-100": {C: 1, H: 6, W: 6}, "lenet-5": {C: 2, H: 12, W: 12}, "resnet-8": {C: 3, H: 8, W: 8}} {
		for _, distribution := range []string{"layer", "global"} {
			m := zooModel(t, name, in)
			cuts, _, err := Cut(m, Spec{Score: "magnitude", Pattern: "neuron", Distribution: distribution}, 0.6, NewBase(m))
			if err != nil {
				t.Fatal(err)
			}
			masked := m.Clone()
			gs, err := m.Groups()
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range cuts {
				g := gs[slices.IndexFunc(gs, func(g graph.Group) bool { return g.Name == c.Group })]
				for _, s := range g.Slices {
					p := &masked.Params[s.Param]
					if s.Axis != 0 || p.Role == graph.Running {
						continue
					}
					for j := range p.Data {
						if !slices.Contains(c.Keep, j/p.Shape[1:].Len()) {
							p.Data[j] = 0
						}
					}
				}
			}
			x := inputs(2 * m.Input().Len())
			want := logits(t, masked, nil, x, 2)
			near(t, name+", "+distribution, logits(t, cutAll(t, m, cuts), nil, x, 2), want)
			if slices.Equal(want, logits(t, m, nil, x, 2)) {
				t.Errorf("%s: the cut changes nothing", name)
			}
		}
	}
}

// TestBlocksArePacked: the packed kernels of a mask's pattern take it, and the
// packed model computes what the masked dense one does. (16×1 blocks are 8×1
// blocks too, which cost the same.)
func TestBlocksArePacked(t *testing.T) {
	for name, in := range map[string]zoo.Input{"lenet-5": {C: 1, H: 12, W: 12}, "resnet-8": {C: 3, H: 8, W: 8}} {
		m := zooModel(t, name, in)
		cost := map[string][2]float64{"1×1": {0.1, 2}, "4×1": {0.1, 1.2}, "8×1": {0.1, 1.1}, "16×1": {0.1, 1.1}}
		for pattern, want := range map[string]tensor.Format{"block4x1": tensor.Block4, "block8x1": tensor.Block8, "block16x1": tensor.Block8, "element": tensor.Single} {
			set, _, err := Masks(m, Spec{Score: "magnitude", Pattern: pattern, Distribution: "layer", Skip: []string{"out"}}, 0.8)
			if err != nil {
				t.Fatal(err)
			}
			pared := apply(t, m, set)
			choices := plan.Choose(pared, ref.New(), plan.Prices{Linear: cost, Conv: cost})
			for _, c := range choices {
				if c.Format != want && c.Name != "out" {
					t.Errorf("%s %s, %s: runs as %v: %s", name, c.Name, pattern, c.Format, c.Why)
				}
			}
			x := inputs(2 * m.Input().Len())
			near(t, name+", "+pattern, logits(t, pared, choices, x, 2), logits(t, pared, nil, x, 2))
		}
	}
}
