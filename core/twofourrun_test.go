package core

import (
	"errors"
	"strings"
	"testing"

	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/event"
	"pare/core/tensor"
)

// TestTwoFourOnACard: a run of 2:4 weights on a card whose 2:4 products are faster says for
// each layer what was measured; the choice stands in the log, and a resumed run takes it
// though the clock says otherwise by then.
func TestTwoFourOnACard(t *testing.T) {
	recipe := func(r *Recipe) {
		r.Prune.Pattern, r.Train.Batch = "2:4", 16
	}
	layers := func(st *MemStore) (all []event.RunsAs) {
		for _, e := range st.Events {
			if p, ok := e.Body.(*event.Plan); ok {
				all = p.Layers
			}
		}
		return all
	}
	dev, card := cudatest.New(1<<28, cuda.BF16)
	card.Takes = map[string]float32{"Run": 1, "RunSparse": 0.5, "Compress": 0.1}
	var first MemStore
	if err := onCard(t, dev, &first, nil, recipe); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	want := func(st *MemStore) {
		t.Helper()
		all := layers(st)
		if len(all) != 3 {
			t.Fatalf("%+v", all)
		}
		const fc2 = "training: forward 2:4 (0.6 ms, dense 1), back dense (the mask is 2:4 along the inputs alone); evaluation: forward 2:4 (0.5 ms, dense 1)"
		if l := all[1]; l.Format != "2:4" || l.Why != fc2 {
			t.Errorf("%+v", l)
		}
		for _, i := range []int{0, 2} {
			if l := all[i]; l.Format != "dense" || !strings.Contains(l.Why, "multiples of 16") {
				t.Errorf("%+v", l)
			}
		}
	}
	want(&first)
	chosen := 0
	for what, choice := range first.State.Chosen[dev.Chooses()] {
		if strings.HasPrefix(what, "2:4 ") && strings.HasPrefix(choice, "2:4 fake ") {
			chosen++
		}
	}
	if chosen < 2 || card.Calls("Compress") == 0 {
		t.Errorf("%d choices of 2:4 in the log: %v", chosen, first.State.Chosen)
	}

	dev, card = cudatest.New(1<<28, cuda.BF16)
	card.Takes = map[string]float32{"Run": 1, "RunSparse": 3}
	second, log := first, first.State
	second.Events = nil
	if err := onCard(t, dev, &second, &Resume{Why: "crash", Log: &log, Checkpoint: first.State.Checkpoints[0].Name}, recipe); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if want(&second); card.Calls("Prepare2of4") > 0 {
		t.Errorf("%d 2:4 products were chosen anew", card.Calls("Prepare2of4"))
	}
	if l := card.Leaks(); len(l) > 0 {
		t.Errorf("left on the card: %v", l)
	}
}

// TestTwoFourVerdicts: stage 5 on such a card says for each layer how it runs, its times in a
// training step, and the products that were measured; so does inspect, of an evaluation.
func TestTwoFourVerdicts(t *testing.T) {
	dev, card := cudatest.New(1<<28, cuda.BF16)
	card.Takes = map[string]float32{"Run": 1, "RunSparse": 0.5, "Compress": 0.1}
	computeOn(t, dev)
	r := small()
	r.Train.Epochs, r.Prune.Epochs, r.Train.Batch, r.Prune.Pattern = 1, 1, 16, "2:4"
	r.Energy.IdleSeconds = new(float64)
	var st MemStore
	runAll(t, clone(t, r), nil, &st)
	v := st.State.LayerVerdicts
	if v == nil || len(v.Layers) != 3 {
		t.Fatalf("%+v", v)
	}
	if l := v.Layers[1]; l.RunsAs != "2:4" || !strings.Contains(l.Text, "× less time on the card; training: forward 2:4 (0.6 ms, dense 1)") || !(l.NowMS < l.DenseMS) {
		t.Errorf("%+v", l)
	}
	if l := v.Layers[0]; l.RunsAs != "dense" || !strings.Contains(l.Text, "no gain here") || !strings.Contains(l.Text, "not 4, 64 and 16") {
		t.Errorf("%+v", l)
	}
	end, err := st.Load("final")
	if err != nil {
		t.Fatal(err)
	}
	cs, _, err := Choices(end.Model, dev)
	if err != nil {
		t.Fatal(err)
	}
	if c := cs[1]; c.Format != tensor.NM24 || c.Why != "evaluation: forward 2:4 (0.5 ms, dense 1)" {
		t.Errorf("%+v", c)
	}
	if l := card.Leaks(); len(l) > 0 {
		t.Errorf("left on the card: %v", l)
	}
}
