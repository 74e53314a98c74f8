package bench

import (
	"math"
	"slices"
	"testing"
)

func TestRotated(t *testing.T) {
	rows := []int32{0, 1, 2, 3, 10, 11, 12, 13}
	if got := rotated(rows, 4, 0); !slices.Equal(got, rows) {
		t.Errorf("by 0: %v", got)
	}
	if got, want := rotated(rows, 4, 3), []int32{3, 0, 1, 2, 13, 10, 11, 12}; !slices.Equal(got, want) {
		t.Errorf("by 3: %v, want %v", got, want)
	}
}

// Ours 2.0 and 2.2, PyTorch's 1.9, 2.1 and 2.0 at one step, all alike at the other.
func TestNoiseOfCurves(t *testing.T) {
	var n Noise
	n.add(7, []float64{2.0, 1.9, 2.1, 2.2, 2.0}, 2)
	n.add(8, []float64{2, 2, 2, 2, 2}, 2)
	for _, c := range []struct {
		what      string
		got, want float64
	}{{"ours", n.Ours, 0.2 / 2.1}, {"theirs", n.Theirs, 0.2 / 2.0}, {"means", n.Means, 2.1/2.0 - 1}, {"step", float64(n.At), 7}} {
		if math.Abs(c.got-c.want) > 1e-12 {
			t.Errorf("%s: %g, want %g", c.what, c.got, c.want)
		}
	}
}

// TestNoiseOfOneMode: ours 2.0 and 2.2, PyTorch's, eager alone, 1.9 and 2.1.
func TestNoiseOfOneMode(t *testing.T) {
	var n Noise
	n.add(3, []float64{2.0, 1.9, 2.2, 2.1}, 1)
	if math.Abs(n.Ours-0.2/2.1) > 1e-12 || math.Abs(n.Theirs-0.2/2.0) > 1e-12 || math.Abs(n.Means-0.05) > 1e-12 {
		t.Errorf("%+v", n)
	}
}

// TestCurveModel: the GPTs of the card's bench begin as the zoo's do, with as many parameters as
// GPT-2 has; a name that is none of them is the zoo's to know.
func TestCurveModel(t *testing.T) {
	m, err := CurveModel("gpt2-124m", 1024, 1)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := m.NumParams(); n != 124_439_808 { // Radford et al. 2019, with 1024 places
		t.Errorf("%d parameters", n)
	}
	if w := m.Params[m.Param("wte.weight")]; w.Shape[0] != 50257 || slices.Max(w.Data) == 0 {
		t.Errorf("%v, largest %g", w.Shape, slices.Max(w.Data))
	}
	for _, name := range []string{"gpt-nano", "bert-base", ""} {
		if m, err := CurveModel(name, 64, 1); m != nil || err != nil {
			t.Errorf("%q: %v, %v", name, m, err)
		}
	}
}
