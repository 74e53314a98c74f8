package work

import (
	"math"
	"strings"
	"testing"

	"pare/core/event"
	"pare/sessions"
	"pare/tui/chart"
)

// inferred adds what an inference took at the end of the baseline and of each epoch of
// sparsify so far.
func (s *story) inferred(tier string) *story {
	for _, e := range s.es {
		c, ok := e.Body.(*event.EpochCost)
		if !ok || c.Stage == event.Baseline && c.Epoch != 6 {
			continue
		}
		us := 54 * (1 - 0.75*c.Zeros)
		x := &event.Infer{Stage: c.Stage, Step: c.Step, N: 500, CPUUS: int64(500 * us), WallUS: int64(500 * us), Band: 1.2, Zeros: c.Zeros}
		if tier != "" {
			x.Energy = uj(int64(500*us*stepUJ/stepCPU), tier)
		}
		s.add(x)
	}
	return s
}

// TestTradeView: a point is chosen with the keys, and roll back and branch begin there.
func TestTradeView(t *testing.T) {
	spar := func() *story {
		return newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B").inferred("B")
	}
	d, f := watching(t, 120, 40, spar())
	key(d, "v", "v")
	l, unit, _ := d.tradeOffs()
	if len(l) != 10 || unit != "J" {
		t.Fatalf("%d points in %s, want the end of the baseline and nine epochs in J", len(l), unit)
	}
	for i := 1; i < len(l); i++ {
		if l[i].cost < l[i-1].cost {
			t.Errorf("point %d costs less than the one before", i)
		}
	}
	if i := d.chosenTrade(l); l[i].step != 900 {
		t.Errorf("the cursor begins at step %d, want the newest", l[i].step)
	}
	key(d, "right", "right", "right")
	if c := d.tradeCheckpoint(); c != "s3-000600" {
		t.Fatalf("three dearer than the newest is %q", c)
	}
	sees(t, d, "accuracy against µJ per inference", "s3-000600", "± ")
	key(d, "+")
	sees(t, d, "all points are in sight here")
	key(d, "r", "enter")
	if got := f.commands(); got != "rollback s3-000600" {
		t.Errorf("r and enter sent %q", got)
	}

	d, _ = watching(t, 120, 40, spar())
	key(d, "v", "v", "right")
	d.onHerePoints(herePointsMsg{pointsMsg{id: "brisk-heron", l: []sessions.Point{{Checkpoint: event.Checkpoint{Name: "baseline"}}, {Checkpoint: event.Checkpoint{Name: "s3-000800"}}, {Checkpoint: event.Checkpoint{Name: "s3-000900"}}}}, d.tradeCheckpoint()})
	if d.over != overPoint || d.shelf.points[len(d.shelf.points)-1-d.shelf.point].Name != "s3-000800" {
		t.Errorf("b does not begin at the point: overlay %d, point %d", d.over, d.shelf.point)
	}
	sees(t, d, "branch of brisk-heron from", "s3-000800")
	key(d, "esc")
	if d.over != overNone || d.page != pageRun {
		t.Error("esc does not go back to the run")
	}
}

// TestTradeFront: on the front is what no cheaper point equals; a point under the floor
// is none of it, and a point that was not measured is not there.
func TestTradeFront(t *testing.T) {
	s := newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B").inferred("B")
	s.add(&event.Infer{Stage: event.Sparsify, Step: 5000, N: 100, CPUUS: 100, WallUS: 100}) // never judged
	d, _ := watching(t, 120, 40, s)
	l, _, _ := d.tradeOffs()
	best, floor := math.Inf(-1), 0.0
	floor, _ = d.run.floor()
	for _, x := range l {
		if x.step == 5000 {
			t.Error("a point without an accuracy is shown")
		}
		want := chart.SpotBeaten
		switch {
		case x.stage == event.Baseline:
			want = chart.SpotDense
		case x.acc < floor:
			want = chart.SpotBad
		case x.acc > best:
			want, best = chart.SpotFront, x.acc
		}
		if x.kind != want {
			t.Errorf("step %d, %.3f for %g: kind %d, want %d", x.step, x.acc, x.cost, x.kind, want)
		}
	}
}

// TestTradeUnits: joules are the axis only where a counter told them.
func TestTradeUnits(t *testing.T) {
	for tier, want := range map[string]string{"B": "J", "C": "J", "E": "CPU µs", "D": "CPU µs", "": "CPU µs"} {
		d, _ := watching(t, 120, 40, newStory().start(tier).baselineDone(tier).configured(tier).sparsify(3, tier).inferred(tier))
		if _, unit, why := d.tradeOffs(); unit != want || (why == "") != (want == "J") {
			t.Errorf("tier %q: %s (%s), want %s", tier, unit, why, want)
		}
	}
	d, _ := watching(t, 120, 40, newStory().start("B").baselineDone("B").configured("B").sparsify(3, "B"))
	key(d, "v", "v")
	if got := bare(d.Render()); !strings.Contains(got, "inferences were not timed in this run") {
		t.Errorf("an old run does not say why there is no point:\n%s", got)
	}
}
