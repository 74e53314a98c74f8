package core

import (
	"context"
	"errors"
	"testing"
	"time"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/event"
)

// TestStepsOfACardAreTimedByTheClock: while a card works the process sleeps. What a
// training step of the baseline takes, from which predictions start, is the card's time.
func TestStepsOfACardAreTimedByTheClock(t *testing.T) {
	dev, card := cudatest.New(1<<28, cuda.F32)
	card.OnLaunch = func(string, [3]int, [3]int, int, []unsafe.Pointer) error {
		time.Sleep(200 * time.Microsecond)
		return nil
	}
	old := openDevice
	t.Cleanup(func() { openDevice = old })
	openDevice = func(string) (device.Device, error) { return dev, nil }
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 2, 1
	r.Energy.IdleSeconds = new(float64)
	var st MemStore
	st.Dir = t.TempDir()
	var got *event.StepTimes
	st.On = func(e event.Event) {
		if b, ok := e.Body.(*event.StepTimes); ok {
			got = b
		}
	}
	if _, err := Run(context.Background(), Config{Recipe: r, Store: untilValidate{&st}, Session: "test"}); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	// An MLP's step has more than ten launches.
	if got == nil || got.Steps == 0 || got.StepCPUUS < 10*200 {
		t.Errorf("%+v: a step sleeps for more than 2000 µs", got)
	}
}
