package work

import (
	"errors"
	"math"
	"testing"

	"pare/core/event"
	"pare/core/tensor"
	"pare/sessions"
)

// Weights of the tests: a bell, pruned in 4×1 blocks by magnitude.
func (f *fake) Weights(checkpoint, layer string) (*sessions.Weights, error) {
	for _, l := range layers() {
		if l.Name != layer {
			continue
		}
		rows, cols := l.Shape[0], l.Shape[1]
		w := &sessions.Weights{Checkpoint: checkpoint, Layer: layer, Shape: l.Shape, Data: make([]float32, rows*cols), Mask: tensor.NewMask(rows * cols)}
		for i := range w.Data {
			r, c := i/cols, i%cols
			u := math.Sin(float64(r*7+c*13)) + math.Sin(float64(r*3-c*5)) + math.Sin(float64(i))
			w.Data[i] = float32(u / 30)
			if (r/4*31+c*17)%10 < 8 {
				w.Mask.Drop(i)
			}
		}
		return w, nil
	}
	return nil, errors.New("it has no layer " + layer)
}

// TestLayerInDetail: the keys go through the layers; what is shown of each is its own.
func TestLayerInDetail(t *testing.T) {
	d, _ := watching(t, 120, 40, newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B"))
	key(d, "i")
	sees(t, d, "zeros by layer", "linear 300×784, 235,200 weights", "runs as 4×1", "kept weights at s3-000900", "mask 300×784", "dots are kept")
	key(d, "down")
	sees(t, d, "linear 100×300, 30,000 weights", "mask 100×300", "2 of 3")
	key(d, "G", "down")
	sees(t, d, "3 of 3")
	key(d, "esc")
	if d.over != overNone {
		t.Error("esc stays")
	}
	d, _ = watching(t, 120, 40, newStory())
	key(d, "i")
	sees(t, d, "the model is not loaded yet")
}

// TestLayerCosts: what was not timed or metered is a dash with its reason, and joules of
// a layer are said to be shared out.
func TestLayerCosts(t *testing.T) {
	base := func() *story { return newStory().start("B").baselineDone("B").configured("B").sparsify(2, "B") }
	d, _ := watching(t, 120, 40, base())
	key(d, "i")
	sees(t, d, "ms and J: – until the end of the baseline")
	times := &event.StepTimes{Batch: 64, StepCPUUS: 2000, StepEnergy: uj(20000, "B"), Calls: []event.CallTime{{Node: "fc1", StepUS: 75}, {Node: "fc2", StepUS: 25}}}
	d, _ = watching(t, 120, 40, base().add(times))
	key(d, "i")
	sees(t, d, "dense: 1.500 CPU ms of a training step, 75.0 % of it", "dense 15.0 mJ B", "no counter")
	key(d, "G")
	sees(t, d, "no call of this layer was timed by itself")
	times2 := *times
	times2.StepEnergy = event.Joules{}
	d, _ = watching(t, 120, 40, base().add(&times2))
	key(d, "i")
	sees(t, d, "J: – not measured")
}

// TestHeatGoesBack: a roll-back takes the steps after it off the strip, and a long run
// keeps a bounded number of them.
func TestHeatGoesBack(t *testing.T) {
	s := newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B")
	d, _ := watching(t, 120, 40, s)
	if n := len(d.run.heat); n != 9 {
		t.Fatalf("%d masks kept, want 9", n)
	}
	v := d.run.strip(0, 20)
	for i := 1; i < 9; i++ {
		if v[i] < v[i-1] {
			t.Errorf("column %d has %.2f zeros after %.2f", i, v[i], v[i-1])
		}
	}
	if v[9] == v[9] && v[10] == v[10] {
		t.Errorf("columns of steps to come are filled: %v", v)
	}
	d.fold(event.Event{Body: &event.Resumed{Checkpoint: "s3-000400", Stage: event.Sparsify, Step: 400, Why: "rollback"}})
	if n := len(d.run.heat); n != 5 {
		t.Errorf("%d masks kept after going back to step 400, want those of steps 0 to 400", n)
	}
	for i := range int64(5000) {
		d.run.heated(&event.Mask{Stage: event.Sparsify, Step: 400 + i, Layers: []event.LayerMask{{Name: "fc1", Zeros: 1, Of: 2}}})
	}
	if n := len(d.run.heat); n > heatMost+1 || d.run.heat[n-1].step != 5399 {
		t.Errorf("%d masks kept, the last of step %d", n, d.run.heat[n-1].step)
	}
}

// TestLayerStats sums up weights that are nasty.
func TestLayerStats(t *testing.T) {
	m := tensor.NewMask(6)
	m.Drop(1)
	var s layerStats
	s.sum(&sessions.Weights{Shape: []int{2, 3}, Data: []float32{1, 100, -2, float32(math.NaN()), float32(math.Inf(1)), 0.5}, Mask: m})
	if s.zeros != 1 || s.odd != 2 || s.lim != 2 || s.least != 0.5 || math.Abs(s.mean+1.0/6) > 1e-9 {
		t.Errorf("%+v", s)
	}
	total := 0.0
	for _, n := range []int{1, 7, 60, 500} {
		total = 0
		for _, k := range s.histogram(n) {
			total += k
		}
		if total != 3 {
			t.Errorf("%d columns hold %g weights, want 3", n, total)
		}
	}
	var e layerStats
	e.sum(&sessions.Weights{})
	if e.gr != 0 || len(e.kept) != 0 {
		t.Errorf("no weights: %+v", e)
	}
}
