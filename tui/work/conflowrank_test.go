package work

import (
	"reflect"
	"testing"

	"pare/core"
)

// TestLowRankFields: the form says what the recipe says, and takes what is chosen.
func TestLowRankFields(t *testing.T) {
	one := []core.LowRankSpec{{Method: "svd", Energy: 0.8, Layers: []string{"fc1"}, Measured: true, Ranks: map[string]int{"fc1": 9}}}
	two := []core.LowRankSpec{{Method: "svd", Rank: 4}, {Method: "lora", Rank: 2, After: 3}}
	for _, x := range []struct {
		name      string
		have      []core.LowRankSpec
		method    string // chosen, "" as it stands
		rank      float64
		want      []core.LowRankSpec
		untouched bool
	}{
		{name: "none", want: nil, untouched: true},
		{name: "one stays", have: one, want: one, untouched: true},
		{name: "several stay", have: two, want: two, untouched: true},
		{name: "adapters", method: "lora", rank: 16, want: []core.LowRankSpec{{Method: "lora", Rank: 16}}},
		{name: "by energy", method: "svd", rank: 0, want: []core.LowRankSpec{{Method: "svd", Energy: 0.9}}},
		{name: "another rank", have: one, method: "svd", rank: 5, want: []core.LowRankSpec{{Method: "svd", Rank: 5, Layers: []string{"fc1"}}}},
		{name: "taken off", have: two, method: "none", want: nil},
	} {
		r := &core.Recipe{LowRank: x.have}
		f := form{fields: lowRankFields(r)}
		if !x.untouched {
			m := f.get("lowrank")
			for m.chosen() != x.method {
				m.at = (m.at + 1) % len(m.opts)
			}
			f.get("rank").num = x.rank
		}
		f.setLowRank(r)
		if !reflect.DeepEqual(r.LowRank, x.want) {
			t.Errorf("%s: %+v, want %+v", x.name, r.LowRank, x.want)
		}
		if len(x.have) == 1 && !one[0].Measured {
			t.Fatal("the run's own recipe changed")
		}
	}
}
