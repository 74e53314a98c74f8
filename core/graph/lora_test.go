package graph_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/device/ref"
	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/plan"
	"pare/core/plan/devicetest"
	"pare/core/tensor"
)

// loraNets are nets with linear layers of several kinds, filled at random.
func loraNets(t *testing.T) map[string]*graph.Model {
	t.Helper()
	nets := map[string]*graph.Model{}
	b := &graph.Net{M: graph.New("mlp", 12, 1, 1)}
	b.Linear("out", b.Op("relu", "relu", b.Linear("mid", b.Op("act", "tanh", b.Linear("in", 0, 20)), 17)), 5)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	nets["mlp"] = b.M
	g := &graph.Net{M: graph.NewSequence("gpt", 1, 9)}
	zoo.GPT{Layers: 1, Width: 12, Heads: 3, Vocabulary: 15, Tokens: 9, Places: 16}.Add(g)
	if g.Err != nil {
		t.Fatal(g.Err)
	}
	nets["gpt"] = g.M
	for _, m := range nets {
		r := rand.New(rand.NewPCG(1, 2))
		for i := range m.Params {
			fillRandom(r, &m.Params[i])
		}
	}
	return nets
}

func fillRandom(r *rand.Rand, p *graph.Param) {
	p.Data = make([]float32, p.Shape.Len())
	for i := range p.Data {
		p.Data[i] = float32(r.NormFloat64() * 0.4)
	}
	p.Mask.Apply(p.Data)
}

// logitsOf is the logits of three samples.
func logitsOf(t *testing.T, m *graph.Model, dev device.Device) []float32 {
	t.Helper()
	x := make([]float32, 3*m.Input().Len())
	r := rand.New(rand.NewPCG(5, 6))
	for i := range x {
		x[i] = float32(r.IntN(12)) // ids, or values as good as others
	}
	return devicetest.Outputs(t, dev, m, x)
}

func furthest(a, b []float32) (d float64) {
	for i := range a {
		d = math.Max(d, math.Abs(float64(a[i])-float64(b[i])))
	}
	return d
}

func linearLayers(m *graph.Model) (l []graph.Layer) {
	for _, x := range m.Layers() {
		if m.Adaptable(x, 1) == nil {
			l = append(l, x)
		}
	}
	return l
}

// TestMergeIsTheAdapter: an adapter just attached changes nothing; merged, it gives
// the same outputs as beside or inside its layer; no masked weight revives, and the
// structure is as it was.
func TestMergeIsTheAdapter(t *testing.T) {
	for name, net := range loraNets(t) {
		for trial := range 8 {
			m, r := net.Clone(), rand.New(rand.NewPCG(uint64(trial), 3))
			masks := map[string]string{}
			for _, l := range linearLayers(m) {
				if trial%2 == 0 || r.IntN(2) == 0 {
					continue
				}
				mask := tensor.NewMask(m.Params[l.Param].Shape.Len())
				for i := range mask.N {
					if r.IntN(3) > 0 {
						mask.Drop(i)
					}
				}
				if _, err := (graph.SetMask{Param: m.Params[l.Param].Name, Mask: mask}).Apply(m); err != nil {
					t.Fatal(err)
				}
				masks[l.Name] = mask.Hash()
			}
			structure, before := m.StructHash(), logitsOf(t, m, ref.New())
			var names []string
			for _, l := range linearLayers(m) {
				w := m.Params[l.Param].Shape
				a := graph.AttachLoRA{Layer: l.Name, Rank: 1 + r.IntN(min(w[0], w[1])), Alpha: 1 + 8*r.Float64(), RSLoRA: r.IntN(2) == 0, Seed: 9}
				if _, err := a.Apply(m); err != nil {
					t.Fatal(err)
				}
				names = append(names, l.Name)
			}
			if len(names) < 3 || len(m.Adapters()) != len(names) {
				t.Fatalf("%s: %d adapters on %v", name, len(m.Adapters()), names)
			}
			if d := furthest(before, logitsOf(t, m, ref.New())); !(d < 1e-6) { // an activation is not fused any more
				t.Errorf("%s, trial %d: attaching changed the outputs by %g", name, trial, d)
			}
			for _, a := range m.Adapters() {
				if a.Masked != (masks[a.Layer] != "") {
					t.Errorf("%s: adapter of %s inside its weight: %v", name, a.Layer, a.Masked)
				}
				fillRandom(r, &m.Params[a.B])
			}
			with, onCPU := logitsOf(t, m, ref.New()), logitsOf(t, m, cpu.New())
			for _, l := range names {
				if _, err := (graph.MergeLoRA{Layer: l}).Apply(m); err != nil {
					t.Fatal(err)
				}
			}
			if d := furthest(before, with); d < 1e-3 {
				t.Errorf("%s, trial %d: the adapters do nothing", name, trial)
			}
			if d := max(furthest(with, logitsOf(t, m, ref.New())), furthest(onCPU, logitsOf(t, m, cpu.New())), furthest(with, onCPU)); !(d < 5e-5) {
				t.Errorf("%s, trial %d: merging changed the outputs by %g", name, trial, d)
			}
			for _, l := range m.Layers() {
				p := m.Params[l.Param]
				if h := masks[l.Name]; h != "" && p.Mask.Hash() != h {
					t.Errorf("%s: mask of %s is another one", name, l.Name)
				}
				for i, v := range p.Data {
					if !p.Mask.Kept(i) && math.Float32bits(v) != 0 {
						t.Fatalf("%s: masked weight %d of %s is %g", name, i, l.Name, v)
					}
				}
			}
			if _, err := (graph.Thaw{}).Apply(m); err != nil {
				t.Fatal(err)
			}
			if m.StructHash() != structure {
				t.Errorf("%s, trial %d: the structure is not what it was", name, trial)
			}
		}
	}
}

// TestMaskUnderAdapter: a mask that comes later takes the adapter into the weight.
func TestMaskUnderAdapter(t *testing.T) {
	m, r := loraNets(t)["mlp"], rand.New(rand.NewPCG(3, 3))
	if _, err := (graph.AttachLoRA{Layer: "mid", Rank: 3, Alpha: 6}).Apply(m); err != nil {
		t.Fatal(err)
	}
	fillRandom(r, &m.Params[m.Adapters()[0].B])
	merged := m.Clone()
	mask := tensor.NewMask(20 * 17)
	for i := range mask.N {
		if r.IntN(2) == 0 {
			mask.Drop(i)
		}
	}
	if _, err := (graph.MergeLoRA{Layer: "mid"}).Apply(merged); err != nil {
		t.Fatal(err)
	}
	for _, x := range []*graph.Model{m, merged} {
		if _, err := (graph.SetMask{Param: "mid.weight", Mask: mask}).Apply(x); err != nil {
			t.Fatal(err)
		}
	}
	if !m.Adapters()[0].Masked {
		t.Error("the adapter stays beside the masked layer")
	}
	if d := furthest(logitsOf(t, m, ref.New()), logitsOf(t, merged, ref.New())); !(d < 1e-5) {
		t.Errorf("mask of the merged weight and of the adapted one differ by %g", d)
	}
	drop := loraNets(t)["mlp"]
	if _, err := (graph.AttachLoRA{Layer: "mid", Rank: 3, Alpha: 6, Dropout: 0.1}).Apply(drop); err != nil {
		t.Fatal(err)
	}
	hash := drop.WeightHash()
	if _, err := (graph.SetMask{Param: "mid.weight", Mask: mask}).Apply(drop); err == nil || drop.WeightHash() != hash {
		t.Errorf("a mask on a layer whose adapter has dropout: %v", err)
	}
}

// TestCutWithAdapters: cutting channels of adapted layers is zeroing them, and ranks
// are no channels to cut.
func TestCutWithAdapters(t *testing.T) {
	m, r := loraNets(t)["mlp"], rand.New(rand.NewPCG(4, 4))
	for _, l := range []string{"in", "mid", "out"} {
		if _, err := (graph.AttachLoRA{Layer: l, Rank: 4, Alpha: 4}).Apply(m); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range m.Adapters() {
		fillRandom(r, &m.Params[a.B])
	}
	merged := m.Clone()
	for _, l := range []string{"in", "mid", "out"} {
		if _, err := (graph.MergeLoRA{Layer: l}).Apply(merged); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []*graph.Model{m, merged} {
		for _, c := range []graph.CutAxis{{Group: "in", Keep: []int{0, 3, 4, 9, 15}}, {Group: "mid", Keep: []int{1, 2, 16}}} {
			if _, err := c.Apply(x); err != nil {
				t.Fatal(err)
			}
		}
	}
	if d := furthest(logitsOf(t, m, ref.New()), logitsOf(t, merged, ref.New())); !(d < 1e-5) {
		t.Errorf("cut with adapters and without differ by %g", d)
	}
	groups, err := m.Groups()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if strings.Contains(g.Name, "lora_A") && g.Refused == "" {
			t.Errorf("the ranks of %s could be cut", g.Name)
		}
	}
}

// TestFrozenCostsNothing: a frozen weight has neither gradient nor update in the
// plan, and no state; nothing flows below the first adapter.
func TestFrozenCostsNothing(t *testing.T) {
	m := loraNets(t)["mlp"]
	for _, rw := range []graph.Rewrite{graph.AttachLoRA{Layer: "mid", Rank: 2, Alpha: 2}, graph.Freeze{Except: []string{"out"}}} {
		if _, err := rw.Apply(m); err != nil {
			t.Fatal(err)
		}
	}
	dev := ref.New()
	opt := device.Optim{Kind: device.AdamW, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8}
	p, err := plan.Build(m, dev, plan.Options{Mode: plan.Train, Batch: 4, Optim: opt})
	if err != nil {
		t.Fatal(err)
	}
	ws := plan.Weights(m, nil)
	trained := map[string]bool{}
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			switch c.Kernel {
			case device.LinearDW, device.BiasD, device.Update:
				trained[ws[c.W[0]].Name] = true
			case device.LinearDX:
				if w := ws[c.W[0]].Name; w == "in.weight" || w == "mid.weight" || w == "mid.lora_A.weight" {
					t.Errorf("a gradient flows through %s: nothing below it trains", w)
				}
			}
		}
	}
	if len(trained) != 4 || !trained["mid.lora_A.weight"] || !trained["mid.lora_B.weight"] || !trained["out.weight"] || !trained["out.bias"] {
		t.Errorf("gradients of %v", trained)
	}
	bank, err := dev.NewBank(ws, opt.Slots())
	if err != nil {
		t.Fatal(err)
	}
	if err := bank.State(0, 0, make([]float32, ws[0].Shape.Len())); err == nil {
		t.Errorf("%s is frozen and has optimiser state", ws[0].Name)
	}
	full := m.Clone()
	if _, err := (graph.MergeLoRA{Layer: "mid"}).Apply(full); err != nil {
		t.Fatal(err)
	}
	if _, err := (graph.Thaw{}).Apply(full); err != nil {
		t.Fatal(err)
	}
	q, err := plan.Build(full, dev, plan.Options{Mode: plan.Train, Batch: 4, Optim: opt})
	if err != nil {
		t.Fatal(err)
	}
	a, b := plan.Total(plan.Costs(p, ws, 4)), plan.Total(plan.Costs(q, plan.Weights(full, nil), 4))
	// Forward of all, dx and dw of out, and the adapter's four products.
	want := int64(4 * (12*20 + 20*17 + 17*5 + 17*5*2 + 2*2*(20+17) + 2*17))
	if a.MACs != want || a.Written >= b.Written || b.MACs <= a.MACs {
		t.Errorf("adapter: %+v, want %d multiply-adds; all: %+v", a, want, b)
	}
}

// TestAdaptersRefused: what takes no adapter says why, and stays as it was.
func TestAdaptersRefused(t *testing.T) {
	m := loraNets(t)["gpt"]
	name := linearLayers(m)[0].Name
	c := &graph.Net{M: graph.New("conv", 2, 4, 4)}
	c.Op("mean", "globalavgpool", c.Conv("conv", 0, 3, 3, 1, 1, 1, true))
	for _, x := range []struct {
		m    *graph.Model
		r    graph.Rewrite
		want string
	}{
		{m, graph.AttachLoRA{Layer: "nowhere", Rank: 1, Alpha: 1}, "no layer"},
		{m, graph.AttachLoRA{Layer: name, Rank: 13, Alpha: 1}, "not between 1 and 12"},
		{m, graph.AttachLoRA{Layer: name, Rank: 0, Alpha: 1}, "rank 0"},
		{m, graph.AttachLoRA{Layer: name, Rank: 1, Alpha: math.NaN()}, "alpha"},
		{m, graph.AttachLoRA{Layer: name, Rank: 1, Alpha: 1, Dropout: 1}, "dropout"},
		{c.M, graph.AttachLoRA{Layer: "conv", Rank: 1, Alpha: 1}, "conv2d"},
		{m, graph.MergeLoRA{Layer: name}, "no adapter"},
		{m, graph.Freeze{Except: []string{"nowhere"}}, "nowhere"},
	} {
		hash := x.m.WeightHash()
		if _, err := x.r.Apply(x.m.Clone()); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", graph.Describe(x.r), err, x.want)
		}
		if _, ok := x.r.(graph.Freeze); !ok {
			x.r.Apply(x.m) //nolint:errcheck // seen above
			if x.m.WeightHash() != hash {
				t.Errorf("%s was refused and changed the model", graph.Describe(x.r))
			}
		}
	}
	for range 2 {
		_, err := (graph.AttachLoRA{Layer: name, Rank: 1, Alpha: 1}).Apply(m)
		if err != nil && !strings.Contains(err.Error(), "already") {
			t.Error(err)
		}
	}
	if _, err := (graph.Thaw{}).Apply(m); err == nil {
		t.Error("thawed with an adapter on")
	}
}

// TestAdaptersAreTheirOwn: a weight with an adapter inside serves one layer.
func TestAdaptersAreTheirOwn(t *testing.T) {
	m := loraNets(t)["mlp"]
	mask := tensor.NewMask(20 * 17)
	mask.Drop(1)
	for _, r := range []graph.Rewrite{graph.SetMask{Param: "mid.weight", Mask: mask}, graph.AttachLoRA{Layer: "mid", Rank: 2, Alpha: 1}} {
		if _, err := r.Apply(m); err != nil {
			t.Fatal(err)
		}
	}
	a := m.Adapters()[0]
	if _, err := m.Append("again", "linear", graph.Attrs{}, []int{a.W}, m.Nodes[a.Node].In[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Build(m, ref.New(), plan.Options{Batch: 1}); err == nil || !strings.Contains(err.Error(), "adapter of mid") {
		t.Errorf("a shared adapted weight: %v", err)
	}
}
