package core

import (
	"context"
	"errors"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/event"
)

// TestLostCard: the card falls off the bus in the middle of the baseline. The run ends
// with what happened, where it goes on from and how; resumed on a card that is there it
// goes on from the last checkpoint, and nothing of the first is left in its memory.
func TestLostCard(t *testing.T) {
	dev, card := cudatest.New(1<<28, cuda.F32)
	computeOn(t, dev)
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 6, 2
	r.Energy.IdleSeconds = new(float64)
	var st MemStore
	st.Dir = t.TempDir()
	var f *event.Failure
	st.On = func(e event.Event) {
		if b, ok := e.Body.(*event.Failure); ok {
			f = b
		}
		if b, ok := e.Body.(*event.EpochCost); ok && b.Epoch == 3 {
			card.Lose("Sync", 2)
		}
	}
	_, err := Run(context.Background(), Config{Recipe: r, Store: untilValidate{&st}, Session: "test"})
	if !errors.Is(err, device.ErrLost) {
		t.Fatal(err)
	}
	if f == nil || !strings.Contains(f.Text, "lost") || !strings.Contains(f.Fix, "pare sessions resume") || !strings.Contains(f.Fix, st.State.Checkpoints[len(st.State.Checkpoints)-1].Name) {
		t.Errorf("%+v", f)
	}
	last := st.State.Checkpoints[len(st.State.Checkpoints)-1]

	dev, card = cudatest.New(1<<28, cuda.F32)
	computeOn(t, dev)
	var from []int64
	st.On = func(e event.Event) {
		if b, ok := e.Body.(*event.Resumed); ok {
			from = append(from, b.Step)
		}
	}
	_, err = Run(context.Background(), Config{Recipe: clone(t, r), Store: untilValidate{&st}, Session: "test", Resume: &Resume{Why: "crash", Log: &st.State, Checkpoint: last.Name}})
	if !errors.Is(err, errEnough) || len(from) != 1 || from[0] != last.Step {
		t.Errorf("%v, resumed at %v, the checkpoint is of %d", err, from, last.Step)
	}
	if l := card.Leaks(); len(l) > 0 {
		t.Errorf("left on the card: %v", l)
	}
}
