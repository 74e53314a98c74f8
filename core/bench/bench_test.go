package bench

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pare/core/plan"
)

func TestMeasure(t *testing.T) {
	var rows []Row
	o := Options{Rounds: 5, Window: time.Microsecond, Report: func(r Row) { rows = append(rows, r) }}
	turn, seen := 0, ""
	fixed := func(who string, s ...float64) contender {
		calls := 0 // the odd ones settle
		return contender{who: who, run: func(time.Duration) (float64, error) {
			calls++
			seen += who
			if calls%2 == 1 {
				return 1e9, nil
			}
			return s[calls/2-1], nil
		}, close: func() { turn++ }}
	}
	a, b := fixed("a", 5, 1, 2, 9, 3), fixed("b", 1, 1, 1, 1, 1)
	b.work = 2e9
	if err := o.measure("g", "c", 2, []contender{a, b}); err != nil {
		t.Fatal(err)
	}
	want := []Row{{"g", "c", "a", 2, "ms", 3000, 1000, 9000, 0}, {"g", "c", "b", 2, "GF/s", 2, 2, 2, 0}}
	if len(rows) != 2 || rows[0] != want[0] || rows[1] != want[1] {
		t.Errorf("rows %v, want %v", rows, want)
	}
	if seen != "aabbaabbaabbaabbaabb" {
		t.Errorf("turns %s: contenders must take turns", seen)
	}
	if turn != 2 {
		t.Errorf("%d contenders closed", turn)
	}
	a.run = func(time.Duration) (float64, error) { return 0, errors.New("broken") }
	if err := o.measure("g", "c", 1, []contender{a}); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("error %v", err)
	}
}

// TestPairs lets the machine become slower while it measures: a share must not see that.
func TestPairs(t *testing.T) {
	now := 1.0
	slower := func(who string, share float64) contender {
		return contender{who: who, run: func(time.Duration) (float64, error) { now++; return now * share, nil }}
	}
	rows, err := Options{Rounds: 3}.pairs("g", "c", 1, []contender{slower("base", 1), slower("same", 1), slower("half", 0.5)})
	if err != nil {
		t.Fatal(err)
	}
	want := []Row{ // two calls a turn, the second counts: 3 5 7 9 11, 13 15 17 19 21, 23 …
		{"g", "c", "base", 1, "ms", 17000, 3000, 31000, 0},
		{"g", "c", "same", 1, "ms", 15000, 5000, 25000, 1},
		{"g", "c", "half", 1, "ms", 9500, 4500, 14500, 0.5},
	}
	if !slices.Equal(rows, want) {
		t.Errorf("rows %v, want %v", rows, want)
	}
}

// TestVerbs runs one case of each kind for a moment.
func TestVerbs(t *testing.T) {
	for name, c := range map[string]struct {
		run    func(Options) error
		filter string
		want   []string // contenders
	}{
		"kernels": {Kernels, "gemm 256×300", []string{"pare", "pare float64", "gonum"}},
		"layers":  {Kernels, "layer 256×784", []string{"pare dense linear", "pare dense linear.dw", "pare 1×1 at 90 % linear.dx"}},
		"train":   {Train, "lenet-5", []string{"pare dense", "pare 4×1 at 90 %"}},
		"infer":   {Infer, "784-300-100-10 batch 1", []string{"pare dense", "pare 16×1 at 90 %"}},
		"chooser": {Chooser, "784-300-100-10 batch 128", []string{"pare dense", "pare dense again", "1×1 at 10 %: 3 dense", "1×1 at 95 %: 2 in 1×1, 1 dense", "4×1 at 90 %: 2 in 4×1, 1 dense"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := map[string]Row{}
			o := Options{Rounds: 1, Window: time.Microsecond, Threads: []int{2}, Filter: c.filter, Prices: plan.DefaultPrices(), Report: func(r Row) { got[r.Who] = r }}
			if err := c.run(o); err != nil {
				t.Fatal(err)
			}
			for _, who := range c.want {
				if r := got[who]; !(r.Value > 0) || r.Threads != 2 {
					t.Errorf("%s: %+v", who, r)
				}
			}
		})
	}
}

func TestPeersThatCannotStart(t *testing.T) {
	o := Options{Rounds: 1, Window: time.Microsecond, Threads: []int{1}, Filter: "784-300-100-10 batch 128", Python: "no-such-python", Report: func(Row) {}}
	if err := Train(o); err == nil || !strings.Contains(err.Error(), "no-such-python") {
		t.Errorf("error %v", err)
	}
}
