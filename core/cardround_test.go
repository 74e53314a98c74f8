package core

import (
	"context"
	"errors"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/event"
)

// TestCutsOfACardAreRound: on a card channels are kept in multiples of eight unless the
// recipe says otherwise or groups are small; on a processor any number is.
func TestCutsOfACardAreRound(t *testing.T) {
	for _, c := range []struct {
		name  string
		model string
		round int
		card  bool
		want  string // in the rule that the log tells
		even  bool
	}{
		{"card", "lenet-300-100", 0, true, "in multiples of 8", true},
		{"any number on a card", "lenet-300-100", 1, true, "", false},
		{"said", "lenet-300-100", 20, true, "in multiples of 20", false},
		{"processor", "lenet-300-100", 0, false, "", false},
		{"small groups", "mlp", 0, true, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var dev device.Device = cpu.Device{}
			if c.card {
				dev, _ = cudatest.New(1<<28, cuda.F32)
			}
			computeOn(t, dev)
			r := small()
			r.Model.Name = c.model
			if c.model != "mlp" {
				r.Data.Name, r.Train.Batch = "fashion-mnist", 2000
			}
			r.Train.Epochs, r.Prune.Epochs, r.Prune.Pattern, r.Prune.Schedule, r.Prune.Target = 1, 1, "neuron", "oneshot", 0.37
			r.Prune.RoundTo, r.Floor.Points = c.round, 100
			r.Energy.IdleSeconds = new(float64)
			var st MemStore
			st.Dir = t.TempDir()
			rule, round, cuts := "", true, 0
			st.On = func(e event.Event) {
				switch b := e.Body.(type) {
				case *event.Mask:
					rule = b.Rule
				case *event.Model:
					if cuts++; cuts > 1 {
						for _, l := range b.Layers[:len(b.Layers)-1] {
							round = round && l.Shape[0]%cardMultiple == 0
						}
					}
				}
			}
			if _, err := Run(context.Background(), Config{Recipe: r, Store: untilValidate{&st}, Session: "test"}); !errors.Is(err, errEnough) {
				t.Fatal(err)
			}
			if said := strings.Contains(rule, "in multiples of"); said != (c.want != "") || !strings.Contains(rule, c.want) {
				t.Errorf("the log says %q, want %q", rule, c.want)
			}
			if round != c.even || cuts < 2 {
				t.Errorf("multiples of eight: %v, want %v; %d models", round, c.even, cuts)
			}
		})
	}
}
