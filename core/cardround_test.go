package core

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/event"
	"pare/core/prune"
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

// TestNarrowedNetsStayRound: a net whose groups are under 64 channels after its first
// levels goes on to be cut to multiples of eight; what it came with decides.
func TestNarrowedNetsStayRound(t *testing.T) {
	dev, _ := cudatest.New(1<<28, cuda.F32)
	computeOn(t, dev)
	r := small()
	r.Model.Name, r.Data.Name, r.Train.Batch = "lenet-300-100", "fashion-mnist", 2000
	r.Train.Epochs, r.Prune.Epochs, r.Prune.Pattern, r.Prune.Schedule, r.Prune.Levels = 1, 3, "neuron", "iterative", 3
	r.Prune.Target, r.Floor.Points = 0.93, 100
	r.Energy.IdleSeconds = new(float64)
	var st MemStore
	st.Dir = t.TempDir()
	var widths [][]int
	st.On = func(e event.Event) {
		if b, ok := e.Body.(*event.Model); ok {
			widths = append(widths, []int{b.Layers[0].Shape[0], b.Layers[1].Shape[0]})
		}
	}
	if _, err := Run(context.Background(), Config{Recipe: r, Store: untilValidate{&st}, Session: "test"}); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if n := len(widths); n != 4 || widths[2][1] >= cardSmall {
		t.Fatalf("widths %v: the last level is to start under %d channels", widths, cardSmall)
	}
	for _, w := range widths[1:] {
		if w[0]%cardMultiple != 0 || w[1]%cardMultiple != 0 {
			t.Errorf("widths %v: not in multiples of %d", widths, cardMultiple)
		}
	}

	// So does one that goes on from a checkpoint whose base does not say how wide it came.
	i := slices.IndexFunc(st.State.Checkpoints, func(c event.Checkpoint) bool { return c.Stage == event.Sparsify && c.Step > 0 })
	name := st.State.Checkpoints[i].Name
	c, err := st.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	var l loop
	if err := json.Unmarshal(c.Loop, &l); err != nil || l.Base.Narrowest() == 0 {
		t.Fatalf("base %v, %v", l.Base, err)
	}
	delete(l.Base, "channels of the narrowest group")
	if c.Loop, err = json.Marshal(l); err != nil || l.Base.Narrowest() != 0 {
		t.Fatalf("base %v, %v", l.Base, err)
	}
	if _, _, err := st.Save(name, c); err != nil {
		t.Fatal(err)
	}
	whole := widths[len(widths)-1]
	widths = nil
	if _, err := Run(context.Background(), Config{Recipe: r, Store: untilValidate{&st}, Session: "test", Resume: &Resume{Checkpoint: name, Why: "stop"}}); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if len(widths) < 2 || !slices.Equal(widths[len(widths)-1], whole) {
		t.Errorf("resumed from %s of an earlier version: widths %v, want %v at last", name, widths, whole)
	}
}

// TestWhatNeedsNoRunRoundsAsOne: the scan, predictions and the check before a run cut as
// a run on the same device does.
func TestWhatNeedsNoRunRoundsAsOne(t *testing.T) {
	card, _ := cudatest.New(1<<28, cuda.F32)
	for _, c := range []struct {
		name  string
		dev   device.Device
		round int
		even  bool
	}{
		{"card", card, 0, true},
		{"any number on a card", card, 1, false},
		{"processor", cpu.Device{}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			computeOn(t, c.dev)
			r := small()
			r.Model.Name, r.Data.Name = "lenet-300-100", "fashion-mnist"
			r.Prune.Pattern, r.Prune.Distribution, r.Prune.Target, r.Prune.RoundTo = "neuron", "layer", 0.37, c.round
			m, _, err := OpenModel(r.Model, 1, Sample{Shape: []int{1, 28, 28}, Classes: 10})
			if err != nil {
				t.Fatal(err)
			}
			s := r.ruleOn(c.dev, prune.NewBase(m))
			_, rep, err := prune.Step(m, s, r.Prune.Target, prune.NewBase(m))
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range rep.Cuts {
				if even := g.To%cardMultiple == 0; even != c.even {
					t.Errorf("a run leaves %s %d channels", g.Name, g.To)
				}
			}
			// prediction
			end := m.Clone()
			if _, _, err := cutDown(end, c.dev, r, prune.NewBase(m)); err != nil {
				t.Fatal(err)
			}
			for i, l := range end.Layers()[:2] {
				if n := end.Params[l.Param].Shape[0]; n != rep.Cuts[i].To {
					t.Errorf("%s predicted with %d channels, a run leaves %d", l.Name, n, rep.Cuts[i].To)
				}
			}
			// scan
			r.Scan = ScanSpec{Levels: []float64{0.37}, Samples: 10}
			scan, err := Scan(context.Background(), ScanSource{Recipe: r, Say: func(event.Body) error { return nil }})
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range scan.Rows[:2] { // the third is the output
				left := float64(row.Size) * (1 - row.Cells[0].Gone)
				if even := math.Mod(math.Round(left), cardMultiple) == 0; even != c.even {
					t.Errorf("the scan leaves %s %v channels", row.Name, left)
				}
			}
			// the check before a run: 64 of 300 and 100 channels cannot all go where 8 stay
			r.Prune.Target = 0.995
			if err := r.checkMethodOf(m, c.dev, prune.NewBase(m)); (err != nil) != c.even {
				t.Errorf("99.5 %% before a run: %v", err)
			}
		})
	}
}
