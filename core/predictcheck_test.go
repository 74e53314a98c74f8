package core

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"
)

// TestPredictCheck: every case has its row, by the models that the recipe makes.
func TestPredictCheck(t *testing.T) { onItsOwnClock(t, predictCheck) }

func predictCheck(t *testing.T, _ *pacer) {
	old := checkWindow
	checkWindow = time.Millisecond
	t.Cleanup(func() { checkWindow = old })
	r := small()
	cut, mask := r.Prune, r.Prune
	cut.Pattern, cut.Target, cut.Distribution = "neuron", 0.5, "layer"
	mask.Pattern, mask.Target = "element", 0.9
	far := cut
	far.Target = 0.9999
	var rows []PredictRow
	c := PredictCheck{Recipe: r, Steps: 10, Report: func(x PredictRow) { rows = append(rows, x) }, Cases: []PredictCase{
		{Prune: mask}, {Prune: cut}, {Prune: PruneSpec{Score: "magnitude", Pattern: "element", Distribution: "layer"}, LowRank: []LowRankSpec{{Method: "lora", Rank: 2}}},
		{Prune: far},
	}}
	if err := c.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(c.Cases) {
		t.Fatalf("%d rows", len(rows))
	}
	if x := rows[3]; !strings.Contains(x.Skipped, "can be cut out") || x.NowUS != 0 {
		t.Errorf("a target out of reach: %+v", x)
	}
	for i, x := range rows[:3] {
		if x.Pattern != c.Cases[i].Prune.Pattern || (x.LowRank == "") != (i < 2) || x.Text == "" || x.Skipped != "" {
			t.Errorf("%+v", x)
		}
		for _, v := range []float64{x.BaseUS, x.DenseUS, x.NowUS, 1 + x.Predicted, 1 + x.Measured, 1 + x.Error} {
			if !(v > 0) || math.IsInf(v, 0) {
				t.Errorf("%+v", x)
				break
			}
		}
	}
	if rows[1].Predicted >= 0 || rows[0].BaseUS != rows[1].BaseUS {
		t.Errorf("half of the neurons: %+v", rows[1])
	}
}
