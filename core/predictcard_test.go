package core

import (
	"context"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/event"
	"pare/core/plan"
	"pare/core/prune"
	"pare/hwprofiles"
)

// TestProfileOf: predictions are for what a run computes on unless the recipe names
// something else.
func TestProfileOf(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	for _, c := range []struct {
		name string
		on   event.Started
		want string
	}{
		{"", event.Started{}, hwprofiles.Local().Name},
		{"", event.Started{Hardware: "epyc-9654", HWKind: "cpu"}, hwprofiles.Local().Name},
		{"", event.Started{Hardware: "h200-sxm", HWKind: "gpu"}, "h200-sxm"},
		{"", event.Started{Hardware: "NVIDIA Abacus 1", HWKind: "gpu"}, "NVIDIA Abacus 1"},
		{"t4", event.Started{Hardware: "h200-sxm", HWKind: "gpu"}, "t4"},
	} {
		p, err := ProfileOf(c.name, c.on)
		if err != nil || p.Name != c.want {
			t.Errorf("%q on %+v: %q, %v; want %q", c.name, c.on, p.Name, err, c.want)
		}
	}
	m, _ := zooModel(t, "lenet-300-100")
	p, err := ProfileOf("", event.Started{Hardware: "NVIDIA Abacus 1", HWKind: "gpu"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := Predict(m, cpu.New(), p, DefaultRecipe())
	if err != nil || l.Dense.StepCPUUS != 0 || l.Dense.StepEnergy.UJ != nil || l.HWKind != "gpu" {
		t.Errorf("%+v, %v: nothing is known of that card", l, err)
	}
}

// TestCardCostsOfBF16: values, and the weights that products read, have two bytes there;
// what is summed and kept for the optimiser has four.
func TestCardCostsOfBF16(t *testing.T) {
	m, _ := zooModel(t, "lenet-300-100")
	p, err := plan.Build(m, cpu.New(), plan.Options{Mode: plan.Infer, Batch: 256})
	if err != nil {
		t.Fatal(err)
	}
	ws := plan.Weights(m, nil)
	var wide, half hwprofiles.Cost
	for _, c := range CardCosts(p, ws, 256, "f32") {
		wide.MACs, wide.Read, wide.Written = wide.MACs+c.MACs, wide.Read+c.Read, wide.Written+c.Written
	}
	for _, c := range CardCosts(p, ws, 256, "bf16") {
		if c.Elem != "bf16" {
			t.Errorf("%+v: not in bf16", c)
		}
		half.MACs, half.Read, half.Written = half.MACs+c.MACs, half.Read+c.Read, half.Written+c.Written
	}
	if half.MACs != wide.MACs || 2*half.Written != wide.Written {
		t.Errorf("bf16 %+v, f32 %+v: as many multiply-adds, half of what is written", half, wide)
	}
	if 2*half.Read != wide.Read {
		t.Errorf("bf16 reads %d, f32 %d", half.Read, wide.Read)
	}
}

// TestPredictOnACard: what a card takes for a step comes from its rates in the precision that
// the recipe names; with a baseline of that card and precision from what that took.
func TestPredictOnACard(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	m, _ := zooModel(t, "gpt-nano")
	hw, err := hwprofiles.Load("h100-sxm")
	if err != nil {
		t.Fatal(err)
	}
	r := DefaultRecipe()
	r.Prune.Pattern, r.Prune.Target, r.Train.Batch, r.Train.Optimizer = "neuron", 0.5, 256, "adamw"
	predict := func(device string, times *event.StepTimes) *event.Ledger {
		t.Helper()
		r.Hardware.Device = device
		l, err := PredictFrom(m, cpu.New(), hw, r, times)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	f32, bf16 := predict("cuda", nil), predict("cuda:bf16", nil)
	if !(bf16.Dense.StepCPUUS < f32.Dense.StepCPUUS) || !(bf16.Dense.StepBytes < f32.Dense.StepBytes) || !f32.AtLeast || bf16.AtLeast || bf16.Measured {
		t.Errorf("bf16 %+v\nf32 %+v", bf16, f32)
	}
	uj := int64(5e6)
	times := &event.StepTimes{Machine: "h100-sxm", Device: "cuda:bf16", Batch: 256, StepCPUUS: 9000, InferUS: 700,
		StepEnergy: event.Joules{UJ: &uj, Tier: "B", Source: "nvml", Band: 3}}
	share := bf16.Now.StepCPUUS / bf16.Dense.StepCPUUS
	l := predict("cuda:bf16", times)
	if !l.Measured || l.Dense.StepCPUUS != 9000 || math.Abs(l.Now.StepCPUUS-9000*share) > 1e-6 || l.Now.StepBand != cardBand || l.Dense.InferUS != 700 || !(l.Now.InferUS <= 700) {
		t.Errorf("%+v, want a share of %.3f", l, share)
	}
	if j := l.Dense.StepEnergy; j.UJ == nil || *j.UJ != uj || j.Tier != "B" {
		t.Errorf("the dense step is measured: %+v", j)
	}
	if j := l.Now.StepEnergy; j.UJ == nil || math.Abs(float64(*j.UJ)/5e6-share) > 1e-3 || j.Tier != "D" || j.Band < cardBand {
		t.Errorf("the pared step is an estimate: %+v", j)
	}
	if l.Now.InferEnergy.UJ != nil {
		t.Errorf("one sample's joules are unknown: %+v", l.Now.InferEnergy)
	}
	if l := predict("cuda", times); l.Measured {
		t.Error("a baseline in bf16 says nothing of float32")
	}
	r.Prune.Target = 0.999 // more than can be cut: said, and no gain is foretold
	if l := predict("cuda:bf16", times); !strings.Contains(l.Text, "can be cut out") || l.Now.StepCPUUS != l.Dense.StepCPUUS {
		t.Errorf("%+v", l)
	}
	r.Prune.Target = 0.5
	times.Machine = "a100-sxm-80"
	if l := predict("cuda:bf16", times); l.Measured {
		t.Error("a baseline of another card says nothing of this one")
	}
}

// TestRunOnACardPredictsForIt: without a profile in the recipe stage 2 predicts for the card
// that the run computes on, from what its baseline took there; of a card that no profile
// describes it says how to make one.
func TestRunOnACardPredictsForIt(t *testing.T) {
	for _, known := range []bool{true, false} {
		config := t.TempDir()
		t.Setenv("XDG_CONFIG_HOME", config)
		if known {
			if err := os.MkdirAll(config+"/pare/hw", 0o755); err != nil {
				t.Fatal(err)
			}
			const figures = `
name = "fake-1"
title = "a card of a test"
kind = "gpu"
match = ["fake card"]
call_us = { value = 3, source = "test" }
bandwidth_gbs = { value = 1000, source = "test" }
full_w = { value = 300, source = "test" }
band_pct = { value = 40, source = "test" }
[rates.f32]
achievable = { value = 10000, source = "test" }
[[sparse]]
pattern = "neuron"
kernel = true
efficiency = { value = 1, source = "test" }
source = "test"
`
			if err := os.WriteFile(config+"/pare/hw/fake-1.toml", []byte(figures), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		dev, _ := cudatest.New(1<<28, cuda.F32)
		computeOn(t, dev)
		r := small()
		r.Train.Epochs, r.Prune.Epochs, r.Prune.Pattern, r.Prune.Schedule = 2, 1, "neuron", "oneshot"
		r.Hardware.Device = "cuda"
		r.Energy.IdleSeconds = new(float64)
		var st MemStore
		st.Dir = t.TempDir()
		var times *event.StepTimes
		var l *event.Ledger
		st.On = func(e event.Event) {
			switch b := e.Body.(type) {
			case *event.StepTimes:
				times = b
			case *event.Ledger:
				if b.Predicted {
					l = b
				}
			}
		}
		if _, err := Run(context.Background(), Config{Recipe: r, Store: untilValidate{&st}, Session: "test"}); !errors.Is(err, errEnough) {
			t.Fatal(err)
		}
		want := "fake card"
		if known {
			want = "fake-1"
		}
		if times == nil || times.Machine != want || times.Device != "cuda" {
			t.Fatalf("%+v, want times of %s", times, want)
		}
		if l == nil || l.Hardware != want || l.HWKind != "gpu" || l.Measured != known || known && l.Dense.StepCPUUS != times.StepCPUUS || l.Now.StepCPUUS > 0 != known || l.Dense.StepCPUUS > 0 != known {
			t.Errorf("%+v, want it for %s", l, want)
		}
		if said := strings.Contains(l.Note, "`pare hw calibrate --device cuda`"); said == known {
			t.Errorf("%s: %q", want, l.Note)
		}
	}
}

// TestAccumulatedStepsLaunchInEveryPart: a step in parts launches its calls once a part; the
// arithmetic is that of the whole batch.
func TestAccumulatedStepsLaunchInEveryPart(t *testing.T) {
	m, _ := zooModel(t, "lenet-300-100")
	o := plan.Options{Mode: plan.Train, Batch: 256, Micros: 4, Optim: device.Optim{Kind: device.SGD}}
	p, err := plan.Build(m, cpu.New(), o)
	if err != nil {
		t.Fatal(err)
	}
	w, err := count(m, cpu.New(), "f32", o, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, got := CardCosts(p, plan.Weights(m, nil), 256, "f32"), w.dense()
	if len(got) != len(want) {
		t.Fatalf("%d calls are counted, a card launches %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("call %d: %+v, a card's is %+v", i, got[i], want[i])
		}
	}
	o.Micros = 0
	if whole, err := count(m, cpu.New(), "f32", o, nil); err != nil || len(got) < 3*len(whole) {
		t.Errorf("%d calls in 4 parts, %d in one: %v", len(got), len(whole), err)
	}
}

// TestPredictCutsForACardElsewhere: a recipe for a card is predicted with the channels that a
// run there leaves, though none is here to plan on.
func TestPredictCutsForACardElsewhere(t *testing.T) {
	m, _ := zooModel(t, "lenet-300-100")
	for name, even := range map[string]bool{"cuda": true, "cuda:bf16": true, "auto": false, "cpu": false} {
		r := DefaultRecipe()
		r.Hardware.Device = name
		r.Prune.Pattern, r.Prune.Distribution, r.Prune.Target = "neuron", "layer", 0.37
		end := m.Clone()
		if _, _, err := cutDown(end, cpu.New(), r, prune.NewBase(m)); err != nil {
			t.Fatal(err)
		}
		for _, l := range end.Layers()[:2] {
			if n := end.Params[l.Param].Shape[0]; (n%cardMultiple == 0) != even {
				t.Errorf("%s: %s is predicted with %d channels", name, l.Name, n)
			}
		}
	}
}
