package core

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestControlCheck: both sides come from one dense model and train as long, the pared one
// with fewer multiply-adds; fresh weights get the pared shape; a seed's rows repeat.
func TestControlCheck(t *testing.T) { onItsOwnClock(t, controlCheck) }

func controlCheck(t *testing.T, _ *pacer) {
	r := small()
	r.Train.Epochs, r.Prune.Epochs, r.Prune.Pattern = 4, 3, "neuron"
	r.Prune.Schedule = "oneshot"
	var rows []ControlRow
	c := ControlCheck{Recipes: []*Recipe{r}, Seeds: 1, Fresh: true, Report: func(x ControlRow) { rows = append(rows, x) }}
	for range 2 {
		if err := c.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	x := rows[0]
	if x.Dense.Epochs != 3 || x.Pared.Epochs != 3 {
		t.Errorf("%d and %d epochs, want 3 of each", x.Dense.Epochs, x.Pared.Epochs)
	}
	if b := x.Before; b == nil || b.Epochs != 4 || b.Busy <= 0 || b.Params != x.Dense.Params || b.Acc <= 0 || b.Lo >= b.Acc || b.Hi <= b.Acc || x.Kept() != x.Pared.Acc/b.Acc {
		t.Errorf("before both %+v, kept %g, want the dense model after 4 epochs", b, x.Kept())
	}
	if x.Pared.Params >= x.Dense.Params*3/4 || x.Pared.MACs >= x.Dense.MACs || x.Pared.Busy <= 0 || x.Dense.Busy <= 0 {
		t.Errorf("control %+v, pared %+v", x.Dense, x.Pared)
	}
	if f := x.Fresh; f == nil || f.Params != x.Pared.Params || f.Epochs != 4+3 {
		t.Errorf("fresh %+v, want the %d parameters of the pared model, and as many seconds as both its stages", f, x.Pared.Params)
	}
	if y := rows[1]; y.Dense.Acc != x.Dense.Acc || y.Pared.Acc != x.Pared.Acc {
		t.Errorf("the same seed gave %g and %g, then %g and %g", x.Dense.Acc, x.Pared.Acc, y.Dense.Acc, y.Pared.Acc)
	}
}

// TestControlsAreShared: recipes of one dense training train it once and have one control, whose
// seconds are taken again beside each; each has the outcome it has alone. Another rate has a
// control of its own.
func TestControlsAreShared(t *testing.T) { onItsOwnClock(t, controlsAreShared) }

func controlsAreShared(t *testing.T, p *pacer) {
	took := 100 * time.Microsecond
	p.pace = func(float64) time.Duration { took += time.Microsecond; return took } // no two are timed alike
	half := small()
	half.Train.Epochs, half.Prune.Epochs, half.Prune.Pattern, half.Prune.Schedule = 4, 3, "neuron", "oneshot"
	less, other := *half, *half
	less.Name, less.Prune.Target = "less", 0.3
	other.Prune.LR = 0.02
	var rows []ControlRow
	report := func(x ControlRow) { rows = append(rows, x) }
	for _, rs := range [][]*Recipe{{half, &less, &other}, {&less}} {
		if err := (ControlCheck{Recipes: rs, Seeds: 1, Report: report}).Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := rows[0].Before, rows[1].Before; !slices.Equal(a.EpochS, b.EpochS) || rows[1].Recipe != "less" {
		t.Errorf("dense training %+v and %+v of %q: want one", a, b, rows[1].Recipe)
	}
	if a, b := rows[0].Dense, rows[1].Dense; a.Acc != b.Acc || a.MACs != b.MACs || a.Epochs != b.Epochs || slices.Equal(a.EpochS, b.EpochS) {
		t.Errorf("controls %+v and %+v: want one outcome, timed twice", a, b)
	}
	if a, b := rows[1], rows[3]; a.Pared.Acc != b.Pared.Acc || a.Pared.Params != b.Pared.Params || a.Pared.Params <= rows[0].Pared.Params {
		t.Errorf("beside others %+v, alone %+v", a.Pared, b.Pared)
	}
	if slices.Equal(rows[0].Before.EpochS, rows[2].Before.EpochS) {
		t.Error("another rate has the same dense training")
	}
}

// TestControlDrifts: a machine that gets three times as slow between two recipes changes no
// comparison.
func TestControlDrifts(t *testing.T) { onItsOwnClock(t, controlDrifts) }

func controlDrifts(t *testing.T, p *pacer) {
	took := time.Millisecond
	p.pace = func(float64) time.Duration { return took }
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 1, 2
	again := *r
	again.Name = "again"
	var saved []float64
	if err := (ControlCheck{Recipes: []*Recipe{r, &again}, Seeds: 1, Report: func(x ControlRow) {
		saved = append(saved, x.Saved())
		took *= 3
	}}).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, s := range saved {
		if s < -0.01 || s > 0.01 { // −2 with a control that was timed before
			t.Errorf("saved %.2f", saved)
		}
	}
}

// TestControlCheckOfBird: its control is the whole dense training, and both stages count.
func TestControlCheckOfBird(t *testing.T) {
	r := small()
	r.Train.Epochs, r.Prune = 12, PruneSpec{Score: "magnitude", Pattern: "element", Distribution: "global", Schedule: earlyBird, Target: 0.5, RewindStep: -1, Distance: 1}
	err := ControlCheck{Recipes: []*Recipe{r}, Seeds: 1, Report: func(x ControlRow) {
		if x.Before != nil || x.Kept() != 0 {
			t.Errorf("before both %+v: there is no such model", x.Before)
		}
		if x.Dense.Epochs != 12 || x.Pared.Epochs != 12 || x.Early != 6 || x.Planned != 12 {
			t.Errorf("%d and %d epochs, ended at %d of %d, want 12 of each and 6", x.Dense.Epochs, x.Pared.Epochs, x.Early, x.Planned)
		}
	}}.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
}

// TestControlCheckOfTeacher: the control and what both go on from have no teacher.
func TestControlCheckOfTeacher(t *testing.T) {
	var rows []ControlRow
	for _, alpha := range []float64{0, 0.9} {
		r := small()
		r.Train.Epochs, r.Prune.Epochs, r.Distill.Alpha = 4, 3, alpha
		c := ControlCheck{Recipes: []*Recipe{r}, Seeds: 1, Report: func(x ControlRow) { rows = append(rows, x) }}
		if err := c.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	x, y := rows[0], rows[1]
	if x.Dense.Acc != y.Dense.Acc || x.Before.Acc != y.Before.Acc {
		t.Errorf("control %g and %g, before both %g and %g: the teacher changed them", x.Dense.Acc, y.Dense.Acc, x.Before.Acc, y.Before.Acc)
	}
}

func TestControlCheckRefuses(t *testing.T) {
	for want, set := range map[string]func(c *ControlCheck){
		"its own control": func(c *ControlCheck) { c.Recipes[0].Prune.Target = 0 },
		"rewind_step = 0": func(c *ControlCheck) {
			c.Recipes[0].Prune.Schedule, c.Recipes[0].Prune.Levels, c.Recipes[0].Prune.RewindStep = "iterative", 2, 0
		},
		"has a mask": func(c *ControlCheck) { c.Fresh = true },
	} {
		r := small()
		r.Train.Epochs, r.Prune.Epochs = 1, 1
		c := ControlCheck{Recipes: []*Recipe{r}, Seeds: 1, Report: func(ControlRow) {}}
		set(&c)
		if err := c.Run(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
