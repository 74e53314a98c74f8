package core

import (
	"strings"
	"testing"

	"pare/core/device/cpu"
	"pare/core/event"
	"pare/core/model/zoo"
	"pare/core/prune"
	"pare/hwprofiles"
)

// predicted is the prediction for a zoo model, made from the default recipe.
func predicted(t *testing.T, model, hw string, change func(*Recipe)) *event.Ledger {
	t.Helper()
	for _, i := range zoo.List() {
		if i.Name != model {
			continue
		}
		m, pre, err := zoo.New(i.Name, 1, i.Input, i.Classes)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ProfileOf(hw, event.Started{})
		if err != nil {
			t.Fatal(err)
		}
		r := DefaultRecipe()
		r.Train.Batch, r.Train.Optimizer = pre.Batch, pre.Optimizer
		change(r)
		l, err := Predict(m, cpu.New(), p, r)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	t.Fatalf("no model %s", model)
	return nil
}

func prunes(pattern string, target float64) func(*Recipe) {
	return func(r *Recipe) { r.Prune.Pattern, r.Prune.Target = pattern, target }
}

// TestPredictSuggestsMultiples: cutting neurons to a number that the kernels fill
// up again is said before it is done.
func TestPredictSuggestsMultiples(t *testing.T) {
	for _, c := range []struct {
		pattern string
		round   int
		said    bool
	}{{"neuron", 0, true}, {"neuron", 8, true}, {"neuron", 16, false}, {"neuron", 32, false}, {"block4x1", 0, false}} {
		l := predicted(t, "lenet-300-100", "generic-x86-cpu", func(r *Recipe) {
			r.Prune.Pattern, r.Prune.RoundTo = c.pattern, c.round
		})
		if said := strings.Contains(l.Note, "prune.round_to = 16"); said != c.said {
			t.Errorf("%s, round_to %d: %q", c.pattern, c.round, l.Note)
		}
	}
}

// TestPredictSays: the sentence tells the gain, or what stands in its way.
func TestPredictSays(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	for name, c := range map[string]struct {
		model, hw, pattern string
		target             float64
		batch              int
		gain               bool
		want               []string
		not                string
	}{
		"a CPU with a kernel":    {"lenet-300-100", "generic-x86-cpu", "block4x1", 0.9, 0, true, []string{"expected on generic-x86-cpu: −8", " % CPU time per step; every figure ±70 %"}, "no gain"},
		"too few zeros":          {"lenet-300-100", "generic-x86-cpu", "element", 0.4, 0, false, []string{"kernels for single weights pay from 56 % zeros"}, "bound by"},
		"nothing":                {"lenet-300-100", "generic-x86-cpu", "element", 0, 0, false, []string{"nothing is removed"}, ""},
		"no kernel, launches":    {"mlp", "h100-sxm", "element", 0.9, 0, false, []string{"no kernel there skips single weights", "bound by launches (99 %)", "no zeros would change it"}, "would bring"},
		"a kernel, but launches": {"mlp", "h100-sxm", "neuron", 0.9, 0, false, []string{"no gain on h100-sxm: bound by launches (9", "zeros change nothing here"}, "no kernel"},
		"what would gain":        {"resnet-8", "h100-sxm", "element", 0.9, 4096, false, []string{"no kernel there skips single weights", "neurons and filters would bring −", "2:4 would bring −"}, "bound by launches"},
		"neurons and heads":      {"gpt-nano", "generic-x86-cpu", "width", 0.5, 0, true, []string{"expected on generic-x86-cpu: −", " % CPU time per step"}, "no gain"},
		"heads alone":            {"gpt-nano", "generic-x86-cpu", "head", 0.2, 0, true, []string{"expected on generic-x86-cpu: −", " % CPU time per step"}, "no kernel"},
		"no ARM kernel":          {"lenet-300-100", "raspberry-pi-5", "block4x1", 0.9, 0, false, []string{"neurons and filters would bring −"}, "2:4"},
		"a small GPU":            {"resnet-8", "jetson-orin-nano-8", "neuron", 0.9, 0, true, []string{"expected on jetson-orin-nano-8: at most −", " % time per step, launches not counted"}, "CPU time"},
	} {
		l := predicted(t, c.model, c.hw, func(r *Recipe) {
			r.Prune.Pattern, r.Prune.Target = c.pattern, c.target
			if c.batch > 0 {
				r.Train.Batch = c.batch
			}
		})
		for _, w := range c.want {
			if !strings.Contains(l.Text, w) {
				t.Errorf("%s: no %q in %q", name, w, l.Text)
			}
		}
		if dense := strings.Contains(l.Note, "which runs dense"); dense != prune.Structured(c.pattern) {
			t.Errorf("%s: %q", name, l.Note)
		}
		if c.not != "" && strings.Contains(l.Text, c.not) {
			t.Errorf("%s: %q in %q", name, c.not, l.Text)
		}
		if gain := l.Now.StepCPUUS < 0.995*l.Dense.StepCPUUS; gain != c.gain {
			t.Errorf("%s: %g µs dense, %g pared", name, l.Dense.StepCPUUS, l.Now.StepCPUUS)
		}
		if c.gain && l.Now.StepBytes >= l.Dense.StepBytes || !c.gain && l.Now.StepBytes > l.Dense.StepBytes {
			t.Errorf("%s: %d bytes dense, %d pared", name, l.Dense.StepBytes, l.Now.StepBytes)
		}
	}
}

// TestPredictWithoutKernel: zeros that no kernel skips change no figure but those of
// the file, on every GPU.
func TestPredictWithoutKernel(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	for _, p := range hwprofiles.List() {
		if p.Kind != "gpu" {
			continue
		}
		l := predicted(t, "resnet-8", p.Name, prunes("element", 0.95))
		d, n := l.Dense, l.Now
		if d.StepCPUUS <= 0 || n.StepCPUUS != d.StepCPUUS || n.InferUS != d.InferUS || n.StepBytes != d.StepBytes || *n.StepEnergy.UJ != *d.StepEnergy.UJ || *n.InferEnergy.UJ != *d.InferEnergy.UJ {
			t.Errorf("%s: dense %+v, pared %+v", p.Name, d, n)
		}
		if n.FileBytes >= d.FileBytes || n.Params >= d.Params || l.HWKind != "gpu" || !strings.Contains(l.Text, "no gain on "+p.Name) {
			t.Errorf("%s: %+v", p.Name, l)
		}
	}
}

// TestPredictUnknownCPUs: the generic profiles do not say how many CPUs there are;
// CPU time and joules of a step do not need it.
func TestPredictUnknownCPUs(t *testing.T) {
	l := predicted(t, "lenet-300-100", "generic-x86-cpu", prunes("block4x1", 0.9))
	if l.Dense.StepCPUUS <= 0 || l.Dense.StepEnergy.UJ == nil || !strings.Contains(l.Note, "number of CPUs is unknown") {
		t.Errorf("%+v", l)
	}
	m, _, err := zoo.New("lenet-300-100", 1, zoo.Input{C: 1, H: 28, W: 28}, 10)
	if err != nil {
		t.Fatal(err)
	}
	l, err = Predict(m, cpu.New(), hwprofiles.Profile{Name: "box", Kind: "cpu", Threads: 2}, DefaultRecipe())
	if err != nil {
		t.Fatal(err)
	}
	if l.Dense.StepCPUUS != 0 || l.Dense.StepEnergy.UJ != nil || !strings.HasPrefix(l.Text, "no prediction on box: ") || !strings.Contains(l.Text, "f32 rate is unknown") {
		t.Errorf("a profile without figures: %+v", l)
	}
}

// BenchmarkPredict is what one move of the slider costs.
func BenchmarkPredict(b *testing.B) {
	hw, err := hwprofiles.Load("h100-sxm")
	if err != nil {
		b.Fatal(err)
	}
	for _, i := range zoo.List() {
		m, pre, err := zoo.New(i.Name, 1, i.Input, i.Classes)
		if err != nil {
			b.Fatal(err)
		}
		r := DefaultRecipe()
		r.Train.Batch, r.Train.Optimizer = pre.Batch, pre.Optimizer
		b.Run(i.Name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Predict(m, cpu.New(), hw, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
