package data

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		classes := rapid.IntRange(1, 6).Draw(t, "classes")
		var labels []int32
		n := make([]int, classes)
		for c := range classes {
			if n[c] = rapid.IntRange(2, 60).Draw(t, "n"); n[c] == 2 {
				n[c] = 0 // an unused class
			}
			for range n[c] {
				labels = append(labels, int32(c))
			}
		}
		for i, k := range Order(len(labels), 9, 9) { // mixed rows
			labels[i], labels[k] = labels[k], labels[i]
		}
		val := rapid.Float64Range(0.01, 0.6).Draw(t, "val")
		test := rapid.SampledFrom([]float64{0, 0.01, 0.2, 0.39}).Draw(t, "test")
		seed := rapid.Uint64().Draw(t, "seed")

		part, bad := split(labels, classes, val, test, seed)
		if bad >= 0 || len(part) != len(labels) { // one part per sample: disjoint and complete
			t.Fatalf("class %d refused, %d parts for %d samples", bad, len(part), len(labels))
		}
		again, _ := split(labels, classes, val, test, seed)
		if !slices.Equal(part, again) {
			t.Fatal("two calls differ")
		}
		var got [3][]int
		for p := range got {
			got[p] = make([]int, classes)
		}
		for i, p := range part {
			got[p][labels[i]]++
		}
		for c := range classes {
			if n[c] == 0 {
				continue
			}
			for p, s := range map[int]float64{inVal: val, inTest: test} {
				if off := math.Abs(float64(got[p][c]) - s*float64(n[c])); off > 1 {
					t.Errorf("class %d: %d of %d samples in part %d, wanted a share of %v", c, got[p][c], n[c], p, s)
				}
			}
			if got[inTrain][c] < 1 || got[inVal][c] < 1 || (test > 0) != (got[inTest][c] > 0) {
				t.Errorf("class %d has %d, %d and %d samples", c, got[inTrain][c], got[inVal][c], got[inTest][c])
			}
		}
	})
}

func TestSplitDependsOnSeed(t *testing.T) {
	labels := make([]int32, 100)
	a, _ := split(labels, 1, 0.3, 0.3, 1)
	b, _ := split(labels, 1, 0.3, 0.3, 2)
	if slices.Equal(a, b) {
		t.Error("seeds 1 and 2 split alike")
	}
}

func TestSplitNamesSmallClass(t *testing.T) {
	labels := []int32{0, 0, 0, 2, 2, 2, 1, 1}
	if _, c := split(labels, 3, 0.1, 0.2, 0); c != 1 {
		t.Errorf("three parts: class %d refused, want 1", c)
	}
	if _, c := split(labels, 3, 0.1, 0, 0); c != -1 {
		t.Errorf("two parts: class %d refused, want none", c)
	}
}

func TestShares(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, ""},
		{Options{Val: 0.5, Test: 0.4}, ""},
		{Options{Val: 1.2}, "validation share 1.2: choose a share between 0 and 1, such as 0.1"},
		{Options{Val: -0.1}, "validation share -0.1: choose"},
		{Options{Test: math.NaN()}, "test share NaN: choose"},
		{Options{Val: 0.5, Test: 0.5}, "validation share 0.5 and test share 0.5 leave nothing to train on"},
	} {
		for _, name := range []string{"iris", "fashion-mnist"} {
			if name != "iris" && c.want == "" {
				continue
			}
			_, err := Open(name, c.o)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s with %+v: error %v, want %q", name, c.o, err, c.want)
			}
		}
	}
}
