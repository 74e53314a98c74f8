package core

import (
	"strings"
	"testing"

	"pare/core/event"
)

// TestGain: noise of the clock is no gain where dense kernels ran.
func TestGain(t *testing.T) {
	for _, c := range []struct {
		runs string
		cut  bool
		now  float64
		want string
	}{
		{"dense", false, 0.5, "the reason"}, {"2:4", false, 0.5, "the reason"}, {"2:4", false, 2, "the reason"},
		{"dense", true, 0.5, "2.0× less"}, {"4×1", false, 0.5, "2.0× less"}, {"4×1", false, 1, "same CPU time"}, {"4×1", false, 2, "slower"},
	} {
		v := event.LayerVerdict{Zeros: 0.5, RunsAs: c.runs, DenseMS: 1, NowMS: c.now}
		if got := gain(v, "the reason", c.cut, "CPU time"); !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
