package core

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/event"
)

// computeOn has the runs of a test compute on a device; the last one given counts.
func computeOn(t *testing.T, dev device.Device) {
	t.Helper()
	old := openDevice
	t.Cleanup(func() { openDevice = old })
	openDevice = func(string) (device.Device, error) { return dev, nil }
}

// TestStepsOfACardAreTimedByTheClock: while a card works the process sleeps. What a
// training step of the baseline takes, from which predictions start, is the card's time.
func TestStepsOfACardAreTimedByTheClock(t *testing.T) {
	dev, card := cudatest.New(1<<28, cuda.F32)
	card.OnLaunch = func(string, [3]int, [3]int, int, []unsafe.Pointer) error {
		time.Sleep(200 * time.Microsecond)
		return nil
	}
	computeOn(t, dev)
	r := small()
	r.Train.Epochs, r.Prune.Epochs, r.Prune.Schedule = 7, 1, earlyBird
	r.Prune.Distance = 1e-9 // never settles
	r.Energy.IdleSeconds = new(float64)
	var st MemStore
	st.Dir = t.TempDir()
	var got *event.StepTimes
	var trace string
	var bird *event.EarlyBird
	var spent event.StageCost
	st.On = func(e event.Event) {
		switch b := e.Body.(type) {
		case *event.Started:
			if !b.OnCard() || b.HWKind != "gpu" {
				t.Errorf("the log says that it runs on %q", b.HWKind)
			}
		case *event.StepTimes:
			got = b
		case *event.LastPoints:
			trace = b.Text
		case *event.EarlyBird:
			bird = b
		case *event.EpochCost:
			spent = spent.Plus(event.StageCost{CPUUS: b.CPUUS, WallUS: b.WallUS})
		}
	}
	if _, err := Run(context.Background(), Config{Recipe: r, Store: untilValidate{&st}, Session: "test"}); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	// An MLP's step has more than ten launches.
	if got == nil || got.Steps == 0 || got.StepCPUUS < 10*200 {
		t.Errorf("%+v: a step sleeps for more than 2000 µs", got)
	}
	if !strings.Contains(trace, "baseline's time on the card") {
		t.Errorf("the last points: %q", trace)
	}
	want := fmt.Sprintf("all training steps took %.1f s of time on the card", float64(spent.WallUS)/1e6)
	if bird == nil || bird.Spent == nil || !strings.HasPrefix(bird.Text, want) {
		t.Errorf("%+v, want %q", bird, want)
	}
}

// TestControlOfACardIsTimedByTheClock: the sides of a control are compared by the time on the
// card; the process sleeps through most of it.
func TestControlOfACardIsTimedByTheClock(t *testing.T) {
	dev, card := cudatest.New(1<<28, cuda.F32)
	card.OnLaunch = func(string, [3]int, [3]int, int, []unsafe.Pointer) error {
		time.Sleep(200 * time.Microsecond)
		return nil
	}
	computeOn(t, dev)
	r := small()
	r.Train.Epochs, r.Prune.Epochs, r.Prune.Pattern, r.Prune.Schedule = 1, 2, "neuron", "oneshot"
	r.Energy.IdleSeconds = new(float64)
	err := ControlCheck{Recipes: []*Recipe{r}, Seeds: 1, Fresh: true, Report: func(x ControlRow) {
		for name, s := range map[string]*ControlSide{"control": &x.Dense, "pared": &x.Pared, "fresh": x.Fresh} {
			// A step has more than ten launches.
			if want := float64(s.Epochs) * 10 * 200e-6; s.Busy < want {
				t.Errorf("%s: %.4f s in %d epochs, a step alone sleeps for %.4f", name, s.Busy, s.Epochs, want)
			}
		}
	}}.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
}
