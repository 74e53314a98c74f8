package core

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pare/core/device"
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
	card.Takes = map[string]float32{"Run": 1, "RunSparse": 0.5, "Compress": 0.2, "pack_gather": 0.1}
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
		const fc2 = "training: forward 2:4 (0.6 ms, dense 1, packed by table), back dense (the mask is 2:4 along the inputs alone); evaluation: forward 2:4 (0.5 ms, dense 1)"
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
	card.Takes = map[string]float32{"Run": 1, "RunSparse": 0.5, "Compress": 0.2, "pack_gather": 0.1}
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
	if l := v.Layers[1]; l.RunsAs != "2:4" || !strings.Contains(l.Text, "× less time on the card; training: forward 2:4 (0.6 ms, dense 1, packed by table)") || !(l.NowMS < l.DenseMS) {
		t.Errorf("%+v", l)
	}
	if l := v.Layers[0]; l.RunsAs != "dense" || !strings.Contains(l.Text, "no gain here") || !strings.Contains(l.Text, "not 4, 64 and 16") {
		t.Errorf("%+v", l)
	}
	end, err := st.Load("final")
	if err != nil {
		t.Fatal(err)
	}
	cs, _, err := Choices(end.Model, dev, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c := cs[1]; c.Format != tensor.NM24 || c.Why != "evaluation: forward 2:4 (0.5 ms, dense 1)" {
		t.Errorf("%+v", c)
	}
	// A run in parts evaluates as many samples as are in one.
	r.Train.Batch, r.Train.Accumulate = 64, 2
	dev, card = cudatest.New(1<<28, cuda.BF16)
	var products []string
	card.Refuse = func(product, _ string) bool { products = append(products, product); return false }
	if _, _, err := Choices(end.Model, dev, r); err != nil {
		t.Fatal(err)
	}
	if len(products) < 2 || slices.ContainsFunc(products, func(p string) bool { return !strings.HasPrefix(p, "32×") }) {
		t.Errorf("in parts of 32: %q", products)
	}
	if l := card.Leaks(); len(l) > 0 {
		t.Errorf("left on the card: %v", l)
	}
}

// TestTwoFourWithoutLibrary: a run that found nothing for 2:4 products goes on dense where
// something is installed since, and says so; one of a pare that did not keep that does, too. One
// that had a library is refused where there is none, in place of going on with other products.
func TestTwoFourWithoutLibrary(t *testing.T) {
	recipe := func(r *Recipe) { r.Prune.Pattern, r.Train.Batch = "2:4", 16 }
	fast := map[string]float32{"Run": 1, "RunSparse": 0.5, "Compress": 0.2, "pack_gather": 0.1, "sparse24": 0.4}
	begin := func(dev device.Device) (st MemStore) {
		t.Helper()
		if err := onCard(t, dev, &st, nil, recipe); !errors.Is(err, errEnough) {
			t.Fatal(err)
		}
		return st
	}
	formats := func(st *MemStore) string {
		s := ""
		for _, l := range st.State.Plan.Layers {
			s += l.Format + " "
		}
		return s
	}
	bare, _ := cudatest.Dense(1<<28, cuda.BF16)
	first := begin(bare)
	pared := func(st *MemStore) string { // a checkpoint with zeros, before the last steps
		all := st.State.Checkpoints
		i := slices.IndexFunc(all, func(c event.Checkpoint) bool { return c.Zeros > 0 })
		if i < 0 || i == len(all)-1 {
			t.Fatalf("%+v", all)
		}
		return all[i].Name
	}
	if f := formats(&first); f != "dense dense dense " {
		t.Fatal(f)
	}
	old := first.State
	old.Chosen = map[string]map[string]string{}
	for on, all := range first.State.Chosen {
		old.Chosen[on] = maps.Clone(all)
		delete(old.Chosen[on], "ways of 2:4 products")
		if len(old.Chosen[on]) != len(all)-1 {
			t.Fatalf("%v", all)
		}
	}
	for name, log := range map[string]event.State{"kept": first.State, "of an older pare": old} {
		for _, hopper := range []bool{false, true} {
			dev, card := cudatest.New(1<<28, cuda.BF16)
			card.Takes, card.Hopper = fast, hopper
			st := first
			st.State = log
			if err := onCard(t, dev, &st, &Resume{Why: "crash", Log: &log, Checkpoint: pared(&first)}, recipe); !errors.Is(err, errEnough) {
				t.Fatal(err)
			}
			if n := card.Calls("Prepare2of4") + card.Calls("RunSparse") + card.Calls("sparse24"); n > 0 || formats(&st) != "dense dense dense " {
				t.Errorf("%s, Hopper %v: %d calls of 2:4, formats %s", name, hopper, n, formats(&st))
			}
			if w := ofChoices(st.State.Warnings); len(w) != 1 || !strings.Contains(w[0].Text, "2:4 weights of this run have dense products") {
				t.Errorf("%s: %+v", name, w)
			}
		}
	}
	// Before it has zeros it has chosen nothing.
	dev, card := cudatest.New(1<<28, cuda.BF16)
	card.Takes = fast
	st, log := first, first.State
	log.Chosen = old.Chosen
	st.State = log
	if err := onCard(t, dev, &st, &Resume{Why: "crash", Log: &log, Checkpoint: first.State.Checkpoints[0].Name}, recipe); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if f := formats(&st); f != "dense 2:4 dense " || len(ofChoices(st.State.Warnings)) > 0 {
		t.Errorf("%s, %+v", f, st.State.Warnings)
	}

	dev, card = cudatest.New(1<<28, cuda.BF16)
	card.Takes = fast
	with := begin(dev)
	bare, card = cudatest.Dense(1<<28, cuda.BF16)
	log = with.State
	err := onCard(t, bare, &with, &Resume{Why: "crash", Log: &log, Checkpoint: pared(&with)}, recipe)
	if f := with.State.Failures; !errors.Is(err, device.ErrKept) || len(f) == 0 || !strings.Contains(f[len(f)-1].Text, "version fake, here are none") || !strings.Contains(f[len(f)-1].Fix, "pare doctor") {
		t.Errorf("%v, %+v", err, f)
	}
	if l := card.Leaks(); len(l) > 0 {
		t.Errorf("left on the card: %v", l)
	}
}
