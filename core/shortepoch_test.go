package core

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pare/core/event"
)

// TestShortEpochs: epochs that are too short for the counter say so; the last of
// several in a row has their mean, and never more than the counter told.
func TestShortEpochs(t *testing.T) { onItsOwnClock(t, someShortEpochs) }

func someShortEpochs(t *testing.T, _ *pacer) {
	const watts = 40
	fakeRAPL(t, watts)
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 12, 2
	r.Energy.IdleSeconds = new(float64)
	begin, end := time.Now(), time.Time{}
	st := MemStore{Dir: t.TempDir(), On: func(e event.Event) {
		if b, ok := e.Body.(*event.Eval); ok && b.Stage == event.Baseline {
			time.Sleep(30 * time.Millisecond) // between the epochs
			end = time.Now()
		}
	}}
	runAll(t, r, nil, &st)
	short, over, uj := 0, 0, int64(0)
	for _, e := range st.State.Epochs {
		if e.Stage != event.Baseline {
			continue
		}
		switch {
		case e.Short && e.Energy.UJ != nil, !e.Short && e.Energy.UJ == nil:
			t.Errorf("epoch %d: %+v", e.Epoch, e)
		case e.Short:
			short++
		case e.Over > 0:
			over += e.Over
			uj += *e.Energy.UJ * int64(e.Over)
			if e.Energy.Tier != "B" {
				t.Errorf("epoch %d: tier %s", e.Epoch, e.Energy.Tier)
			}
		}
	}
	if short == 0 || over == 0 || uj <= 0 || float64(uj) > 1.1e6*watts*end.Sub(begin).Seconds() {
		t.Errorf("%d epochs without joules, %d with their mean, %d µJ", short, over, uj)
	}
}

// TestShortEpochsOfOneStage: the mean of short epochs is that of one stage's, so that
// sparsify is not billed for epochs of the baseline, which stands on its own bill.
func TestShortEpochsOfOneStage(t *testing.T) { onItsOwnClock(t, shortEpochsOfOneStage) }

func shortEpochsOfOneStage(t *testing.T, _ *pacer) {
	fakeRAPL(t, 40)
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 2, 12
	r.Energy.IdleSeconds = new(float64)
	st := MemStore{Dir: t.TempDir(), On: func(e event.Event) {
		if b, ok := e.Body.(*event.Eval); ok && b.Stage == event.Sparsify {
			time.Sleep(30 * time.Millisecond) // between the epochs
		}
	}}
	runAll(t, r, nil, &st)
	in := map[event.Stage]int{}
	told := 0
	for _, e := range st.State.Epochs {
		in[e.Stage]++
		if e.Over > in[e.Stage] {
			t.Errorf("stage %d, epoch %d: the mean of %d epochs, the stage has had %d", e.Stage, e.Epoch, e.Over, in[e.Stage])
		}
		if e.Stage == event.Sparsify && e.Energy.UJ != nil {
			told++
		}
	}
	if told == 0 {
		t.Error("no epoch of sparsify has joules")
	}
}

// TestLostIsNotShort: epochs after the counter has vanished have no joules, and are not said to
// be too short for it.
func TestLostIsNotShort(t *testing.T) { onItsOwnClock(t, lostIsNotShort) }

func lostIsNotShort(t *testing.T, _ *pacer) {
	root := fakeRAPL(t, 40)
	defer func(d time.Duration) { lookEvery = d }(lookEvery)
	lookEvery = 50 * time.Millisecond
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 400, 2
	r.Energy.IdleSeconds = new(float64)
	said, after := false, 0
	st := MemStore{Dir: t.TempDir()}
	st.On = func(e event.Event) {
		switch b := e.Body.(type) {
		case *event.EpochCost:
			if b.Stage == event.Baseline && b.Epoch == 1 {
				vanish(t, root)
			}
			if said {
				after++
				if b.Short || b.Energy.UJ != nil {
					t.Errorf("epoch %d: %+v", b.Epoch, b)
				}
			} else if b.Stage == event.Baseline {
				time.Sleep(15 * time.Millisecond) // until the loss is said
			}
		case *event.Warning:
			said = said || strings.Contains(b.Text, "was lost at ")
		}
	}
	if _, err := Run(t.Context(), Config{Recipe: r, Store: untilValidate{&st}, Session: "test"}); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if after == 0 {
		t.Error("the loss was not said while epochs ran")
	}
}
