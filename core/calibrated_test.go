package core

import (
	"math"
	"testing"

	"pare/hwprofiles"
)

// TestCalibratedFactors: what is left of a layer that became two factors takes time by its
// multiply-adds, and a factor with zeros that its format's share of that.
func TestCalibratedFactors(t *testing.T) {
	layer, down, bias := place{"fc", "linear"}, place{"fc.down", "linear"}, place{"fc", "bias.d"}
	c := calibrated{
		times: map[place]float64{layer: 100, bias: 10},
		dense: map[place]amount{layer: {macs: 1000}, bias: {bytes: 40}},
	}
	w := work{{at: layer}, {at: down}, {at: bias}}
	costs := []hwprofiles.Cost{{MACs: 200}, {MACs: 600}, {Read: 40}}
	for _, x := range []struct {
		scale map[string]float64
		want  float64
	}{
		{nil, 20 + 60 + 10},
		{map[string]float64{"fc.down": 0.1}, 20 + 6 + 10},
		{map[string]float64{"fc": 0.5, "fc.down": 0.1}, 10 + 6 + 5},
	} {
		if got := c.of(w, costs, x.scale); math.Abs(got-x.want) > 1e-9 {
			t.Errorf("%v: %g µs, want %g", x.scale, got, x.want)
		}
	}
}
