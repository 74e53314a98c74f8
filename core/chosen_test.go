package core

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/event"
)

// onCard is a run of six epochs on a fake card, until its validation.
func onCard(t *testing.T, dev device.Device, st *MemStore, res *Resume, change func(*Recipe)) error {
	t.Helper()
	computeOn(t, dev)
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 3, 1
	r.Energy.IdleSeconds = new(float64)
	if change != nil {
		change(r)
	}
	st.Dir = t.TempDir()
	_, err := Run(context.Background(), Config{Recipe: clone(t, r), Store: untilValidate{st}, Session: "test", Resume: res})
	return err
}

// ofChoices are the warnings that speak of choices.
func ofChoices(all []event.Warning) (l []event.Warning) {
	for _, w := range all {
		if strings.Contains(w.Text, "cho") {
			l = append(l, w)
		}
	}
	return l
}

// TestChoicesBelongToTheRun: what a card chose by the clock stands in the log before the
// steps that use it; a resumed run takes it, whatever the clock says now, and so does a
// new one from the recipe that was used.
func TestChoicesBelongToTheRun(t *testing.T) {
	dev, card := cudatest.New(1<<28, cuda.F32)
	card.Algorithm = "fast yesterday"
	var first MemStore
	before := false
	first.On = func(e event.Event) {
		switch e.Body.(type) {
		case *event.Chosen:
			before = before || card.Calls("Run") == 0
		}
	}
	if err := onCard(t, dev, &first, nil, nil); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	chosen := first.State.Chosen[dev.Chooses()]
	if len(first.State.Chosen) != 1 || len(chosen) < 4 || !before {
		t.Fatalf("the log has %v, told before the first product: %v", first.State.Chosen, before)
	}
	for what, algo := range chosen {
		if algo != "fast yesterday" {
			t.Errorf("%s: %s", what, algo)
		}
	}

	again := func(name string, res *Resume, change func(*Recipe)) {
		t.Run(name, func(t *testing.T) {
			dev, card := cudatest.New(1<<28, cuda.F32)
			card.Algorithm = "fast today"
			st := first
			st.On, st.Events = nil, nil
			if res == nil {
				st = MemStore{}
			}
			if err := onCard(t, dev, &st, res, change); !errors.Is(err, errEnough) {
				t.Fatal(err)
			}
			if card.Calls("Prepare") > 0 || card.Calls("PrepareWith") == 0 {
				t.Errorf("%d products were chosen anew, %d taken", card.Calls("Prepare"), card.Calls("PrepareWith"))
			}
			if w := ofChoices(st.State.Warnings); len(w) > 0 {
				t.Errorf("%+v", w)
			}
		})
	}
	log := first.State
	again("resumed", &Resume{Why: "crash", Log: &log, Checkpoint: first.State.Checkpoints[0].Name}, nil)
	again("repeated", nil, func(r *Recipe) { r.Plan.With(maps.Clone(first.State.Chosen)) })
}

// TestChoiceRefused: the library does not take an algorithm any more. The run ends in one
// line that says which, where and what to do, and chooses nothing anew.
func TestChoiceRefused(t *testing.T) {
	dev, _ := cudatest.New(1<<28, cuda.F32)
	var st MemStore
	if err := onCard(t, dev, &st, nil, nil); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	dev, card := cudatest.New(1<<28, cuda.F32)
	card.Refuse = func(_, algo string) bool { return algo == "fake" }
	card.Algorithm = "another"
	log := st.State
	err := onCard(t, dev, &st, &Resume{Why: "crash", Log: &log, Checkpoint: st.State.Checkpoints[0].Name}, nil)
	if !errors.Is(err, device.ErrKept) || card.Calls("Prepare") > 0 {
		t.Fatalf("%v; %d products were chosen anew", err, card.Calls("Prepare"))
	}
	f := st.State.Failures[len(st.State.Failures)-1]
	if !strings.Contains(f.Text, "fake card, cublasLt fake") || !strings.Contains(f.Text, "f32·f32") || strings.Contains(f.Text, "\n") || !strings.Contains(f.Fix, "pare doctor") {
		t.Errorf("%+v", f)
	}
	if l := card.Leaks(); len(l) > 0 {
		t.Errorf("left on the card: %v", l)
	}
}

// TestChoicesOfAnotherCard: a run that moves to another card chooses anew and says so.
func TestChoicesOfAnotherCard(t *testing.T) {
	dev, card := cudatest.New(1<<28, cuda.F32)
	var st MemStore
	if err := onCard(t, dev, &st, nil, func(r *Recipe) {
		r.Plan.Chosen = map[string]map[string]string{"some card, cublasLt 12.1": {"a product": "an algorithm"}}
	}); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if w := ofChoices(st.State.Warnings); len(w) != 1 || !strings.Contains(w[0].Text, "some card, cublasLt 12.1") || !strings.Contains(w[0].Text, dev.Chooses()) {
		t.Errorf("%+v", w)
	}
	if card.Calls("Prepare") == 0 || len(st.State.Chosen[dev.Chooses()]) == 0 {
		t.Errorf("chosen: %v", st.State.Chosen)
	}
}

// TestGoesOnElsewhere: a run that is resumed with another instruction set says so once; with
// its own it says nothing.
func TestGoesOnElsewhere(t *testing.T) {
	dev, _ := cudatest.New(1<<28, cuda.F32)
	var first MemStore
	if err := onCard(t, dev, &first, nil, nil); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	for isa, want := range map[string]int{dev.ISA(): 0, "sm_80-f32": 1} {
		st, log := first, first.State
		log.Started.ISA = isa
		if err := onCard(t, dev, &st, &Resume{Why: "crash", Log: &log, Checkpoint: first.State.Checkpoints[0].Name}, nil); !errors.Is(err, errEnough) {
			t.Fatal(err)
		}
		if w := ofChoices(st.State.Warnings); len(w) != want || want > 0 && !strings.Contains(w[0].Text, "this run last ran on cuda (sm_80-f32) and goes on on cuda (sm_90-f32)") {
			t.Errorf("from %s: %+v", isa, w)
		}
	}
}

// TestRecipeKeepsChoices: they stand under [plan] and come back as they were.
func TestRecipeKeepsChoices(t *testing.T) {
	r := small()
	r.Plan.Prices = fixedPrices("made up", 0.5)
	r.Plan.With(map[string]map[string]string{"card 1, cublasLt 13.1": {"8×8 bf16·bf16ᵀ→f32 rows 8 0 8": "00ff"}})
	r.Plan.With(map[string]map[string]string{"card 1, cublasLt 13.1": {"another": "11"}})
	b, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseRecipe(b)
	if err != nil {
		t.Fatal(err)
	}
	on := back.Plan.Chosen["card 1, cublasLt 13.1"]
	if back.Hash() != r.Hash() || len(on) != 2 || on["8×8 bf16·bf16ᵀ→f32 rows 8 0 8"] != "00ff" || back.Plan.Linear["4×1"] != r.Plan.Linear["4×1"] || !strings.Contains(string(b), "\n[plan]\n") {
		t.Errorf("%s", b)
	}
	back.Plan.Chosen["card\x1b"] = map[string]string{"a": "b"}
	if err := back.Check(); err == nil || !strings.Contains(err.Error(), "plan.chosen") {
		t.Error(err)
	}
}
