package core

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"pare/core/data"
	"pare/core/event"
)

// BenchmarkMovementOrder asks whether movement's scores mean anything: it lets them add up
// for two epochs after 1 and after 20 dense ones, cuts next to nothing, and reports the rank
// correlation of the first epoch's scores with the second's (1: the same order; 0: the
// batches' draw), of the scores with what w² has grown by since they began, and the mean
// |w| of the tenth that a cut would take first against the mean of all. Figures:
// prune/ACCURACY.md.
//
//	go test ./core -run - -bench MovementOrder -benchtime 1x
func BenchmarkMovementOrder(b *testing.B) {
	if _, err := data.Open("fashion-mnist-full", data.Options{}); err != nil {
		b.Skip(err)
	}
	for _, epochs := range []int{1, 20} {
		b.Run(fmt.Sprintf("dense=%d", epochs), func(b *testing.B) {
			for b.Loop() {
				first, both, before, w := movementScores(b, epochs)
				second, grown, mean := make([]float64, len(both)), make([]float64, len(both)), 0.0
				for i, s := range both {
					second[i], grown[i] = s-first[i], w[i]*w[i]-before[i]*before[i]
					mean += math.Abs(w[i]) / float64(len(w))
				}
				order := ascending(both)
				low := 0.0
				for _, i := range order[:len(order)/10] {
					low += math.Abs(w[i]) / float64(len(order)/10)
				}
				b.ReportMetric(rankCorrelation(first, second), "corr-epochs")
				b.ReportMetric(rankCorrelation(both, grown), "corr-growth")
				b.ReportMetric(low/mean, "lowest/mean-|w|")
			}
		})
	}
}

// movementScores are the scores after one and after two epochs, and the weights before both
// and after.
func movementScores(b *testing.B, dense int) (one, two, before, w []float64) {
	r := DefaultRecipe()
	r.Auto, r.Floor.Points, r.Deploy.Formats = true, 100, nil
	r.Model.Name, r.Data.Name = "lenet-300-100", "fashion-mnist-full"
	r.Train.Epochs = dense
	r.Hardware.Device, r.Hardware.Threads = "cpu", 1
	r.Prune = PruneSpec{Score: "movement", Pattern: "element", Distribution: "global", Schedule: "cubic", Target: 1e-5, Epochs: 2, Ramp: 1, Levels: 1, RewindStep: -1, LRSchedule: "constant"}
	from, err := Dense(context.Background(), r)
	if err != nil {
		b.Fatal(err)
	}
	start, err := from.Load(trained)
	if err != nil {
		b.Fatal(err)
	}
	to := &MemStore{Dir: b.TempDir()}
	to.On = func(e event.Event) {
		c, ok := e.Body.(*event.Checkpoint)
		if !ok || c.Stage != event.Sparsify || c.Step == 0 || two != nil {
			return
		}
		x, err := to.Load(c.Name)
		if err != nil {
			b.Fatal(err)
		}
		slots := x.State[len(x.State)-2:] // S and W, behind the optimiser's
		var scores []float64
		before, w = nil, nil
		for p := range slots[0] {
			for i, s := range slots[0][p] {
				scores = append(scores, float64(s))
				before, w = append(before, float64(start.Model.Params[p].Data[i])), append(w, float64(slots[1][p][i]))
			}
		}
		if one == nil {
			one = scores
		} else {
			two = scores
		}
	}
	if err := GoOn(context.Background(), from, to, r); err != nil {
		b.Fatal(err)
	}
	if len(one) == 0 || len(two) != len(one) {
		b.Fatalf("%d and %d scores", len(one), len(two))
	}
	return one, two, before, w
}

// ascending is the order of x from the least.
func ascending(x []float64) []int {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Or(cmp.Compare(x[i], x[j]), i-j) })
	return order
}

// rankCorrelation is Spearman's, of values that are hardly ever equal.
func rankCorrelation(x, y []float64) float64 {
	rank := make([]float64, len(x))
	for r, i := range ascending(x) {
		rank[i] = float64(r)
	}
	mean, cov, vari := float64(len(x)-1)/2, 0.0, 0.0
	for r, i := range ascending(y) {
		d := float64(r) - mean
		cov, vari = cov+d*(rank[i]-mean), vari+d*d
	}
	return cov / vari
}
