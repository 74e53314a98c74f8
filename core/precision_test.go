package core

import (
	"fmt"
	"strings"
	"testing"

	"pare/core/device/cpu"
	"pare/core/event"
	"pare/core/graph"
	"pare/hwprofiles"
)

// TestInBF16: on a card that is to compute in float32 or TF32 the prediction says what bf16
// alone would bring, by the same roofline; "at least" where only the peak of the other is known. It
// says nothing in bf16, on a processor, on a card whose rate in bf16 is unknown, and where launches
// are nearly all.
func TestInBF16(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	large, _ := zooModel(t, "gpt-mini")
	small, _ := zooModel(t, "lenet-300-100")
	note := func(l *event.Ledger) string {
		for _, s := range strings.Split(l.Text, "; ") {
			if strings.Contains(s, "bf16") {
				return s
			}
		}
		return ""
	}
	r := DefaultRecipe()
	r.Prune.Pattern, r.Prune.Target, r.Train.Batch, r.Train.Optimizer = "neuron", 0.5, 64, "adamw"
	on := func(m *graph.Model, hw hwprofiles.Profile, device string) *event.Ledger {
		t.Helper()
		r.Hardware.Device = device
		l, err := Predict(m, cpu.New(), hw, r)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	predict := func(hw hwprofiles.Profile, device string) *event.Ledger { t.Helper(); return on(large, hw, device) }
	hw, err := hwprofiles.Load("h200-sxm")
	if err != nil {
		t.Fatal(err)
	}
	wide, half := predict(hw, "cuda"), predict(hw, "cuda:bf16")
	want := fmt.Sprintf("bf16 alone would bring at least %s %% time", signed(100*(half.Dense.StepCPUUS/wide.Dense.StepCPUUS-1), 0))
	if !wide.AtLeast || half.AtLeast || !strings.HasPrefix(note(wide), want) {
		t.Errorf("%q, want %q", note(wide), want)
	}
	if tf32 := note(predict(hw, "cuda:tf32")); tf32 == "" || tf32 == note(wide) {
		t.Errorf("in TF32 %q, in float32 %q", tf32, note(wide))
	}
	if s := note(half); s != "" {
		t.Errorf("in bf16: %q", s)
	}
	if s := note(on(small, hw, "cuda")); s != "" {
		t.Errorf("of a model that is launches alone: %q", s)
	}
	if s := note(predict(hwprofiles.Local(), "auto")); s != "" {
		t.Errorf("on a processor: %q", s)
	}
	amd, err := hwprofiles.Load("mi300x") // no device of pare's runs there
	if err != nil {
		t.Fatal(err)
	}
	if l := predict(amd, "cuda"); note(l) == "" || strings.Contains(l.Text, "cuda:") || !strings.Contains(l.Note, "cuda:bf16 on an NVIDIA card") {
		t.Errorf("on a card of another maker: %q, %q", l.Text, l.Note)
	}
	peak := hw
	peak.Rates = map[string]hwprofiles.Rate{"f32": hw.Rates["f32"], "bf16": {Peak: hw.Rates["bf16"].Peak}}
	if s := note(predict(peak, "cuda")); !strings.Contains(s, "would bring about −") {
		t.Errorf("by peak rates alone: %q", s)
	}
	delete(peak.Rates, "bf16")
	if s := note(predict(peak, "cuda")); s != "" {
		t.Errorf("without a rate in bf16: %q", s)
	}
	known := hw
	known.Rates = map[string]hwprofiles.Rate{"f32": {Achievable: hw.Rates["f32"].Peak}, "bf16": hw.Rates["bf16"]}
	if s := note(predict(known, "cuda")); !strings.Contains(s, "would bring −") {
		t.Errorf("with both rates measured: %q", s)
	}
}
