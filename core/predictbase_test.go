package core

import (
	"math"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/plan"
	"pare/core/prune"
	"pare/core/tensor"
	"pare/hwprofiles"
)

// zooModel is a model of the zoo as its paper has it.
func zooModel(t *testing.T, name string) (*graph.Model, *Recipe) {
	t.Helper()
	for _, i := range zoo.List() {
		if i.Name == name {
			m, pre, err := zoo.New(name, 1, i.Input, i.Classes)
			if err != nil {
				t.Fatal(err)
			}
			r := DefaultRecipe()
			r.Train.Batch, r.Train.Optimizer, r.Prune.Distribution = 16, pre.Optimizer, "layer"
			return m, r
		}
	}
	t.Fatalf("no model %s", name)
	return nil, nil
}

// probed are times as a baseline would have them: layers take the given share of a step
// of 1000 µs, all other calls the rest.
func probed(t *testing.T, m *graph.Model, r *Recipe, layers float64) *event.StepTimes {
	t.Helper()
	e := &event.StepTimes{Machine: hwprofiles.Local().Name, Batch: r.Train.Batch, Steps: 10, StepCPUUS: 1000, InferUS: 50}
	uj := int64(7000)
	e.StepEnergy = event.Joules{UJ: &uj, Tier: "B", Source: "rapl", Band: 1}
	p := prediction{m: m, dev: cpu.New(), rec: r, batch: r.Train.Batch, optim: device.Optim{Momentum: 0.9}}
	for k, o := range []plan.Options{p.step(), p.infer()} {
		w, err := p.count(m, o, nil)
		if err != nil {
			t.Fatal(err)
		}
		in := map[string]bool{}
		for _, l := range m.Layers() {
			in[m.Nodes[l.Node].Name] = true
		}
		macs, others := 0.0, 0.0
		for _, c := range w {
			if in[c.at.node] {
				macs += float64(c.cost.MACs)
			} else {
				others++
			}
		}
		for _, c := range w {
			us := (1 - layers) * 1000 / others
			if in[c.at.node] {
				us = layers * 1000 * float64(c.cost.MACs) / macs
			}
			x := event.CallTime{Node: c.at.node, Kernel: c.at.kernel}
			if k == 0 {
				x.StepUS = us
			} else {
				x.InferUS = us / 20
			}
			e.Calls = append(e.Calls, x)
		}
	}
	return e
}

func fromBase(t *testing.T, m *graph.Model, r *Recipe, e *event.StepTimes) *event.Ledger {
	t.Helper()
	l, err := PredictFrom(m, cpu.New(), hwprofiles.Local(), r, e)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestPredictFromBaseline: what is not in the layers keeps its time, whatever the zeros.
func TestPredictFromBaseline(t *testing.T) {
	m, r := zooModel(t, "gpt-nano")
	for _, layers := range []float64{0.3, 0.6} {
		e := probed(t, m, r, layers)
		for _, target := range []float64{0, 0.5, 0.9, 0.99} {
			r.Prune.Pattern, r.Prune.Target = "block4x1", target
			l := fromBase(t, m, r, e)
			if !l.Measured || l.Dense.StepCPUUS != 1000 || *l.Dense.StepEnergy.UJ != 7000 || l.Dense.StepEnergy.Tier != "B" {
				t.Fatalf("%+v", l.Dense)
			}
			now := l.Now.StepCPUUS
			if target == 0 && math.Abs(now-1000) > 1e-6 {
				t.Errorf("nothing removed: %g µs", now)
			}
			least := 1000 * (1 - layers)
			if now < least || now > 1000+1e-6 || target >= 0.9 && now > least+400*layers {
				t.Errorf("%g in layers, %g zeros: %g µs", layers, target, now)
			}
			if j := l.Now.StepEnergy; math.Abs(float64(*j.UJ)-7*now) > 1 || j.Tier != "D" || j.Band < calibratedBand {
				t.Errorf("%g µs are predicted to take %+v", now, j)
			}
			if target == 0.9 && (!strings.Contains(l.Text, "expected here: −") || !strings.Contains(l.Text, "% of the dense step is not in the layers")) {
				t.Error(l.Text)
			}
		}
	}
}

// TestPredictElsewhere: a baseline says nothing of another machine, another device or
// another model.
func TestPredictElsewhere(t *testing.T) {
	m, r := zooModel(t, "lenet-300-100")
	e := probed(t, m, r, 0.9)
	other := *e
	other.Machine = "some-other"
	m2, r2 := zooModel(t, "lenet-5")
	hw := hwprofiles.Local()
	for name, c := range map[string]struct {
		m  *graph.Model
		r  *Recipe
		hw hwprofiles.Profile
		e  *event.StepTimes
	}{"none": {m, r, hw, nil}, "machine": {m, r, hw, &other}, "model": {m2, r2, hw, e}} {
		l, err := PredictFrom(c.m, cpu.New(), c.hw, c.r, c.e)
		if err != nil {
			t.Fatal(err)
		}
		if l.Measured || !strings.Contains(l.Note, "no baseline has run there") {
			t.Errorf("%s: %+v", name, l)
		}
	}
	if gpu, err := hwprofiles.Load("h100-sxm"); err != nil {
		t.Fatal(err)
	} else if l, err := PredictFrom(m, cpu.New(), gpu, r, e); err != nil || l.Measured || !l.AtLeast {
		t.Errorf("a GPU: %+v, %v", l, err)
	}
}

// TestPredictCut: a cut shrinks all that works on the channels, activations included.
func TestPredictCut(t *testing.T) {
	m, r := zooModel(t, "gpt-nano")
	e := probed(t, m, r, 0.5)
	r.Prune.Pattern, r.Prune.Target = "width", 0.7
	l := fromBase(t, m, r, e)
	if l.Now.StepCPUUS > 800 || l.Now.StepCPUUS < 300 || l.Now.Params >= l.Dense.Params/2 {
		t.Errorf("%+v", l.Now)
	}
	r.Prune.Target = 0.95 // more than can be cut: said, and no gain is foretold
	l = fromBase(t, m, r, e)
	if l.Measured || !strings.Contains(l.Text, "can be cut out") || l.Now.StepCPUUS != l.Dense.StepCPUUS {
		t.Errorf("%+v", l)
	}
}

// TestPredictLowRank: adapters spare the base its gradients, but not behind a mask, which is said; two
// factors hold less and take less.
func TestPredictLowRank(t *testing.T) {
	m, r := zooModel(t, "gpt-nano")
	e := probed(t, m, r, 0.9)
	gpu, err := hwprofiles.Load("h100-sxm")
	if err != nil {
		t.Fatal(err)
	}
	r.LowRank = []LowRankSpec{{Method: "lora", Rank: 4}}
	r.Prune.Target = 0
	for name, predict := range map[string]func() *event.Ledger{
		"baseline": func() *event.Ledger { return fromBase(t, m, r, e) },
		"profile": func() *event.Ledger {
			l, err := Predict(m, cpu.New(), gpu, r)
			if err != nil {
				t.Fatal(err)
			}
			return l
		},
	} {
		r.Prune.Target, r.LowRank = 0, []LowRankSpec{{Method: "lora", Rank: 4}}
		l := predict()
		if l.Adapters == nil || l.Adapters.Bytes <= 0 || !strings.Contains(l.Text, "with adapters") {
			t.Fatalf("%s: %+v", name, l)
		}
		if name == "baseline" && l.Adapters.CPUUS >= l.Dense.StepCPUUS || math.Abs(l.Now.StepCPUUS/l.Dense.StepCPUUS-1) > 1e-9 || l.Now.Params != l.Dense.Params {
			t.Errorf("%s: with adapters %+v, dense %+v, after the merge %+v", name, l.Adapters, l.Dense, l.Now)
		}
		r.Prune.Target = 0.9
		masked := predict()
		if masked.Adapters.CPUUS <= 0 || !strings.Contains(masked.Text, "inside the masked weights") {
			t.Errorf("%s: with masks %g, without adapters %g: %s", name, masked.Adapters.CPUUS, masked.Now.StepCPUUS, masked.Text)
		}
		r.Prune.Target, r.LowRank = 0, []LowRankSpec{{Method: "svd", Rank: 8}}
		l = predict()
		if l.Adapters != nil || l.Now.Params >= l.Dense.Params || l.Now.FileBytes >= l.Dense.FileBytes {
			t.Errorf("%s: factors: %+v", name, l.Now)
		}
		if name == "baseline" && l.Now.StepCPUUS >= l.Dense.StepCPUUS {
			t.Errorf("factors take %g µs", l.Now.StepCPUUS)
		}
	}
}

// TestRunPredictsFromBaseline: a run measures where the time of a step goes before its
// second stage, and predicts from that, after a crash too.
func TestRunPredictsFromBaseline(t *testing.T) {
	r := small()
	st := dies(t, Config{Recipe: clone(t, r)}, atKind("ledger"))
	first := st.State.Predicted
	wakes(t, r, st)
	e, l := st.State.Times, st.State.Predicted
	if e == nil || l == nil || !l.Measured || l.Dense.StepCPUUS != e.StepCPUUS || first == nil || math.Abs(l.Now.StepCPUUS/first.Now.StepCPUUS-1) > 1e-9 {
		t.Fatalf("times %+v, predicted %+v, before the crash %+v", e, l, first)
	}
	sum := 0.0
	for _, c := range e.Calls {
		sum += c.StepUS
	}
	if e.Steps == 0 || sum <= 0 || e.InferUS <= 0 {
		t.Errorf("%+v", e)
	}
}

// TestEvenMask: without weights every layer loses the share, in blocks.
func TestEvenMask(t *testing.T) {
	for _, h := range []int{1, 4, 16} {
		s := tensor.Shape{64, 48}
		m := evenMask(s, h, 0.7)
		if got := float64(m.Zeros()) / float64(s.Len()); math.Abs(got-0.7) > 0.01 {
			t.Errorf("height %d: %g zeros", h, got)
		}
		for i := range s.Len() {
			if m.Kept(i) != m.Kept(i/48/h*h*48+i%48) {
				t.Fatalf("height %d: block of element %d is torn", h, i)
			}
		}
	}
	for _, x := range prune.Patterns() {
		if want := map[string]int{"block4x1": 4, "block8x1": 8, "block16x1": 16}[x.Name]; want > 0 && blockHeight(x.Name) != want {
			t.Errorf("%s: height %d", x.Name, blockHeight(x.Name))
		}
	}
	m, r := zooModel(t, "lenet-300-100")
	e := probed(t, m, r, 0.9)
	if a, b := fromBase(t, m, r, e), fromBase(t, shapeOf(m), r, e); math.Abs(a.Now.StepCPUUS-b.Now.StepCPUUS) > 20 {
		t.Errorf("%g µs with weights, %g without", a.Now.StepCPUUS, b.Now.StepCPUUS)
	}
}

// TestPredictMovement: what training will teach is not known before it, and the forecast
// is that of magnitude, from the baseline too.
func TestPredictMovement(t *testing.T) {
	m, r := zooModel(t, "lenet-300-100")
	e := probed(t, m, r, 0.8)
	r.Prune.Pattern, r.Prune.Distribution, r.Prune.Target = "block4x1", "global", 0.9
	want := fromBase(t, m, r, e)
	for _, score := range []string{"movement", "movement-soft"} {
		r.Prune.Score = score
		if l := fromBase(t, m, r, e); !l.Measured || math.Abs(l.Now.StepCPUUS-want.Now.StepCPUUS) > 1e-6 || l.Note != want.Note {
			t.Errorf("%s: measured %v, %g µs, %q", score, l.Measured, l.Now.StepCPUUS, l.Note)
		}
	}
}

// TestPredictImpossible: of what the model does not have nothing goes, and no gain is foretold.
func TestPredictImpossible(t *testing.T) {
	m, r := zooModel(t, "lenet-300-100")
	e := probed(t, m, r, 0.8)
	r.Prune.Target, r.Prune.Distribution = 0.9, "global"
	for pattern, says := range map[string]string{"head": "no attention", "layer": "no residual block"} {
		r.Prune.Pattern = pattern
		if l := fromBase(t, m, r, e); !strings.Contains(l.Text, says) || l.Now.StepCPUUS != l.Dense.StepCPUUS || l.Now.Params != l.Dense.Params || l.Now.Zeros != 0 {
			t.Errorf("%s: %q, %+v", pattern, l.Text, l.Now)
		}
	}
}

func TestMillis(t *testing.T) {
	for us, want := range map[float64]string{4.5: "0.0045 ms", 999.4e3: "999 ms", 999.6e3: "1 s", 1.36e6: "1.36 s"} {
		if got := millis(us); got != want {
			t.Errorf("%g µs: %q, want %q", us, got, want)
		}
	}
}
