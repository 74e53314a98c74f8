package work

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pare/core/event"
)

// TestTradeIsHonest: joules are named only where they were measured; an estimate
// is as good as the CPU seconds it was made of, and those are named.
func TestTradeIsHonest(t *testing.T) {
	for tier, want := range map[string]string{"A": "J for −0.3 pt", "B": "(−60 % J for −0.3 pt)", "C": "J for −0.3 pt", "D": "CPU s for −0.3 pt", "E": "(−60 % CPU s for −0.3 pt)", "": "CPU s for −0.3 pt"} {
		d, _ := watching(t, 120, 40, newStory().start(tier).baselineDone(tier).configured(tier).sparsify(9, tier))
		sees(t, d, want)
	}
}

// TestUnmeasuredEpochIsAGap: the line does not go across an epoch whose joules are
// not known, and the epoch is marked.
func TestUnmeasuredEpochIsAGap(t *testing.T) {
	s := newStory().start("B").baselineDone("B").configured("B")
	for e := 1; e <= 9; e++ {
		tier := "B"
		if e == 5 {
			tier = ""
		}
		s.epoch(event.Sparsify, e, 9, 0.88, 0.1*float64(e), 3_000_000, tier)
	}
	d, _ := watching(t, 120, 40, s)
	c, _ := d.energyChart(event.Sparsify)
	gaps := 0
	for _, p := range c.Series[0].Points {
		if math.IsNaN(p.Y) {
			gaps++
			if p.X != 500 {
				t.Errorf("gap at %g", p.X)
			}
		}
	}
	if gaps != 1 {
		t.Errorf("%d gaps", gaps)
	}
	for range 5 { // to the epoch that was not measured
		key(d, "left")
	}
	sees(t, d, "at step 500: – J per epoch")
	key(d, "esc")
	if got := bare(d.energyPane(60, 20)); !strings.Contains(got, "✗") {
		t.Errorf("the gap is not marked:\n%s", got)
	}
}

// TestPanAndFollow: the title says what part is shown, and whether it follows.
func TestPanAndFollow(t *testing.T) {
	s := newStory().start("B").baselineDone("B").configured("B").sparsify(20, "B")
	d, f := watching(t, 120, 40, s)
	key(d, "<")
	sees(t, d, "zoom in first")
	key(d, "f")
	sees(t, d, "followed already")
	key(d, "+", "+")
	sees(t, d, " follows")
	key(d, "<")
	sees(t, d, " held")
	before := bare(d.accPane(60, 20))
	f.push(s, func(s *story) { s.epoch(event.Sparsify, 21, 25, 0.88, 0.9, 1_900_000, "B") })
	sample(d)
	if after := bare(d.accPane(60, 20)); after != before && !strings.Contains(after, "held") {
		t.Errorf("it did not stay:\n%s\n%s", before, after)
	}
	key(d, "f")
	sees(t, d, "follows")
	key(d, ">", "0")
	sees(t, d, "!follows", "!held")
}

// TestLossSpikeIsSeen: one bad step among thousands stands in the picture, smoothed
// or not, and every new metric is drawn.
func TestLossSpikeIsSeen(t *testing.T) {
	s := newStory().start("B")
	for i := int64(1); i <= 3000; i++ {
		loss := 0.5
		if i == 1700 {
			loss = 9
		}
		s.add(&event.Metric{Stage: event.Baseline, Epoch: 1, Epochs: 1, Step: i, Steps: 3000, Loss: loss})
	}
	s.add(&event.Eval{Stage: event.Baseline, Step: 3000, Split: "val", Correct: 80, N: 100})
	d, f := watching(t, 120, 40, s)
	key(d, "v", "s", "s")
	pane := func() string { return bare(d.lossPane(60, 20)) }
	for _, z := range []string{"", "+"} {
		if z != "" {
			key(d, z)
		}
		top := strings.Join(strings.Split(pane(), "\n")[1:6], "\n")
		if z == "" && !strings.Contains(top, "╎") {
			t.Errorf("the spike is lost:\n%s", pane())
		}
	}
	sees(t, d, "ema 0.9", "training loss", "power")
	f.push(s, func(s *story) { s.add(&event.Metric{Stage: event.Baseline, Step: 3001, Steps: 3100, Loss: 0.123}) })
	sample(d)
	sees(t, d, "step 3001: 0.123")
}

func TestGoldenViews(t *testing.T) {
	for _, z := range [][2]int{{120, 40}, {80, 24}, {60, 20}} {
		d, _ := watching(t, z[0], z[1], newStory().start("B").baselineDone("B").configured("B").sparsify(12, "B"))
		key(d, "v", "+")
		golden(t, fmt.Sprintf("loss-%dx%d", z[0], z[1]), bare(d.Render()))
	}
}
