package core

import (
	"errors"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/event"
)

// TestMemoryIsShown: before its steps a run tells what it takes of the card. What it says
// is what the card has given, but for the small tables that the first step makes.
func TestMemoryIsShown(t *testing.T) {
	dev, card := cudatest.New(1<<28, cuda.F32)
	var st MemStore
	shown := 0
	st.On = func(e event.Event) {
		b, ok := e.Body.(*event.Plan)
		if !ok {
			return
		}
		shown++
		if m := b.Memory; m == nil || m.Takes < card.Used() || m.Takes > card.Used()+1<<10 || m.Free != 1<<28-card.Used() || m.All != 1<<28 {
			t.Errorf("%+v, the card has given %d bytes", m, card.Used())
		}
	}
	if err := onCard(t, dev, &st, nil, nil); !errors.Is(err, errEnough) || shown == 0 {
		t.Fatal(err, shown)
	}
}

// TestMemoryIsTooSmall: a run whose batch does not fit ends before its first step, in one
// line with the figures and the batch that fits.
func TestMemoryIsTooSmall(t *testing.T) {
	dev, card := cudatest.New(1<<18, cuda.F32)
	var st MemStore
	err := onCard(t, dev, &st, nil, func(r *Recipe) { r.Train.Batch = 4096 })
	if !errors.Is(err, device.ErrMemory) || card.Calls("Launch") > 0 {
		t.Fatalf("%v after %d launches", err, card.Calls("Launch"))
	}
	f := st.State.Failures[0]
	if strings.Contains(f.Text, "\n") || !strings.Contains(f.Text, "training: ") || !strings.Contains(f.Text, "use a batch of at most ") || !strings.Contains(f.Fix, "train.batch") {
		t.Errorf("%+v", f)
	}
	if l := card.Leaks(); len(l) > 0 {
		t.Errorf("left on the card: %v", l)
	}
}
