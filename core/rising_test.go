package core

import (
	"math"
	"strings"
	"testing"

	"pare/core/plan"
	"pare/core/train"
)

// TestStillRising: a last epoch that brought more than the interval is said.
func TestStillRising(t *testing.T) {
	score := func(right int) train.Score { return train.Score{Correct: right, N: 1000} }
	for _, c := range []struct {
		accs []float64
		want string
	}{
		{nil, ""}, {[]float64{0.8}, "one epoch long"}, {[]float64{0.795, 0.8}, ""}, {[]float64{0.7, 0.8}, "still rising when the baseline ended: the last epoch brought +10.0 points"}, {[]float64{0.5, 0.85, 0.8}, ""},
	} {
		r := &run{}
		for _, a := range c.accs {
			r.loop.History = append(r.loop.History, spent{Acc: a})
		}
		w := r.stillRising(score(800))
		if (w == nil) != (c.want == "") || w != nil && !strings.Contains(w.Text, c.want) {
			t.Errorf("%v: %+v", c.accs, w)
		}
	}
}

// TestWhileSparsifying: the joules of sparsify follow the zeros of its epochs.
func TestWhileSparsifying(t *testing.T) {
	dense, now := map[plan.Class]float64{plan.ClassLinear: 90, plan.ClassOther: 10}, map[plan.Class]float64{plan.ClassLinear: 10, plan.ClassOther: 10}
	for _, c := range []struct {
		epochs []sparseSteps
		want   float64 // share of the layers
	}{
		{nil, 0.5}, {[]sparseSteps{{10, 0.8}}, 0.5}, {[]sparseSteps{{10, 0}}, 0.9}, {[]sparseSteps{{10, 0}, {10, 0.8}}, 100.0 / 120}, {[]sparseSteps{{30, 0.4}}, 50.0 / 60},
	} {
		b := bill{sparse: c.epochs}
		if got := shares(b.while(dense, now, 0.8))[plan.ClassLinear]; math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v: %g, want %g", c.epochs, got, c.want)
		}
	}
}
