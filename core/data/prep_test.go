package data

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// meanStd is over channel or column k of a preprocessed split.
func meanStd(s *Set, k int) (mean, std float64) {
	inner := s.F() / s.Shape[0]
	var n, sum, sq float64
	for lo := 0; lo < len(s.X); lo += s.F() {
		for _, v := range s.X[lo+k*inner : lo+(k+1)*inner] {
			n++
			sum += float64(v)
			sq += float64(v) * float64(v)
		}
	}
	mean = sum / n
	return mean, math.Sqrt(sq/n - mean*mean)
}

func TestPrepStandardisesTraining(t *testing.T) {
	for _, name := range []string{"fashion-mnist", "iris"} {
		d, err := Open(name, Options{Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		for k := range d.Prep.Mean {
			if m, s := meanStd(d.Train, k); math.Abs(m) > 1e-4 || math.Abs(s-1) > 1e-4 {
				t.Errorf("%s, %d: mean %g, deviation %g", name, k, m, s)
			}
		}
	}
}

// A recipe carries Prep as text; opening with it must give the same bits.
func TestPrepSurvivesRecipe(t *testing.T) {
	for _, name := range []string{"fashion-mnist", "iris"} {
		if testing.Short() && name != "iris" {
			continue
		}
		d, err := Open(name, Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		for codec, trip := range map[string]func(Prep) (Prep, error){
			"toml": func(p Prep) (q Prep, err error) {
				b, err := toml.Marshal(p)
				if err == nil {
					err = toml.Unmarshal(b, &q)
				}
				return q, err
			},
			"json": func(p Prep) (q Prep, err error) {
				b, err := json.Marshal(p)
				if err == nil {
					err = json.Unmarshal(b, &q)
				}
				return q, err
			},
		} {
			p, err := trip(d.Prep)
			if err != nil || !reflect.DeepEqual(p, d.Prep) {
				t.Fatalf("%s, %s: %+v became %+v, %v", name, codec, d.Prep, p, err)
			}
			e, err := Open(name, Options{Seed: 1, Prep: &p})
			if err != nil {
				t.Fatal(err)
			}
			if e.Hash != d.Hash || !slices.Equal(e.Test.X, d.Test.X) || !slices.Equal(e.Train.X, d.Train.X) {
				t.Errorf("%s, %s: given its own preprocessing it gives other values", name, codec)
			}
		}
	}
}

// Apply on raw values gives the bits that Open gives.
func TestApplyMatchesOpen(t *testing.T) {
	for _, name := range []string{"fashion-mnist", "iris"} {
		d, err := fashion(), error(nil)
		if name == "iris" {
			d, err = Open(name, Options{})
		}
		if err != nil {
			t.Fatal(err)
		}
		id := Prep{Scale: 1}
		for range d.Prep.Mean {
			id.Mean, id.Std = append(id.Mean, 0), append(id.Std, 1)
		}
		raw, err := Open(name, Options{Prep: &id})
		if err != nil {
			t.Fatal(err)
		}
		if raw.Hash != d.Hash {
			t.Errorf("%s: the hash depends on the preprocessing", name)
		}
		if err := d.Prep.Apply(raw.Test.X, raw.Test.Shape); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(raw.Test.X, d.Test.X) {
			t.Errorf("%s: Apply and Open differ", name)
		}
	}
}

func TestPrepErrors(t *testing.T) {
	image, tab := []int{3, 2, 2}, []int{2}
	for _, c := range []struct {
		p     Prep
		shape []int
		n     int
		want  string
	}{
		{Prep{}, tab, 2, "scale is 0: it must be a number other than 0"},
		{Prep{Scale: math.Inf(1)}, tab, 2, "scale is +Inf"},
		{Prep{Scale: 1, Mean: []float64{0}, Std: []float64{1}}, image, 12, "1 means and 1 deviations for samples with 3 channels: give one of each per channel"},
		{Prep{Scale: 1, Mean: []float64{0, 0}, Std: []float64{1}}, tab, 2, "2 means and 1 deviations for samples with 2 columns"},
		{Prep{Scale: 1, Mean: []float64{0, 0}, Std: []float64{1, 0}}, tab, 2, "column 2 has mean 0 and deviation 0"},
		{Prep{Scale: 1, Mean: []float64{0, math.NaN()}, Std: []float64{1, 1}}, tab, 2, "column 2 has mean NaN"},
		{Prep{Scale: 1, Mean: []float64{0, 0}, Std: []float64{1, 1}}, tab, 3, "3 values are no whole number of samples of 2"},
		{Prep{Scale: 1, Mean: []float64{0, 0}, Std: []float64{1, 1e-45}}, tab, 2, "sample 1: 1 becomes +Inf"},
		{Prep{Scale: 1}, nil, 0, "needs samples with a shape"},
	} {
		x := make([]float32, c.n)
		for i := range x {
			x[i] = 1
		}
		err := c.p.Apply(x, c.shape)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v on %v: error %v, want %q in it", c.p, c.shape, err, c.want)
		}
	}
	tiny := Prep{Scale: 1, Mean: []float64{0}, Std: []float64{1e-300}}
	if _, err := Open("fashion-mnist", Options{Prep: &tiny}); err == nil || !strings.Contains(err.Error(), "channel 1: bytes become") {
		t.Errorf("a deviation of 1e-300: error %v", err)
	}
}

func TestConstantColumn(t *testing.T) {
	p, err := measure(func(do func(x []float32)) error {
		for _, x := range [][]float32{{7, 1}, {7, 3}, {7, 5}} {
			do(x)
		}
		return nil
	}, []int{2})
	if err != nil || p.Mean[0] != 7 || p.Std[0] != 1 || p.Mean[1] != 3 || math.Abs(p.Std[1]-math.Sqrt(8.0/3)) > 1e-12 {
		t.Errorf("%+v", p)
	}
	h := make([][256]uint64, 1)
	h[0][9] = 4
	if v := imagePrep(h).value(9, 0); v != 0 {
		t.Errorf("a constant channel becomes %v", v)
	}
}
