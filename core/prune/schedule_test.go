package prune

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func schedule(t interface{ Fatal(...any) }, p ScheduleSpec) Schedule {
	s, err := p.New()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCubicPublished: TFMOT, pruning_schedule_test.py: PolynomialDecay from 0.2
// to 0.8, steps 100 to 110, power 3, frequency 2; and jaxpruner's
// target·(1 − (1 − p)³). Step 105 is off the grid of 2 and is taken with 1.
func TestCubicPublished(t *testing.T) {
	for _, c := range []struct {
		p    ScheduleSpec
		step int64
		want float64
	}{
		{ScheduleSpec{From: 0.2, Target: 0.8, Begin: 100, End: 110, Every: 2}, 99, 0.2},
		{ScheduleSpec{From: 0.2, Target: 0.8, Begin: 100, End: 110, Every: 2}, 100, 0.2},
		{ScheduleSpec{From: 0.2, Target: 0.8, Begin: 100, End: 110, Every: 2}, 102, 0.4928},
		{ScheduleSpec{From: 0.2, Target: 0.8, Begin: 100, End: 110, Every: 2}, 103, 0.4928},
		{ScheduleSpec{From: 0.2, Target: 0.8, Begin: 100, End: 110, Every: 1}, 105, 0.725},
		{ScheduleSpec{From: 0.2, Target: 0.8, Begin: 100, End: 110, Every: 2}, 110, 0.8},
		{ScheduleSpec{From: 0.2, Target: 0.8, Begin: 100, End: 110, Every: 2}, 111, 0.8},
		{ScheduleSpec{Target: 0.9, Begin: 0, End: 1000, Every: 100}, 500, 0.9 * (1 - 0.5*0.5*0.5)},
		{ScheduleSpec{Target: 0.9, Begin: 0, End: 1000, Every: 100}, 900, 0.9 * (1 - 0.1*0.1*0.1)},
	} {
		c.p.Kind, c.p.Steps = "cubic", 2000
		if got := schedule(t, c.p).At(c.step).Share; math.Abs(got-c.want) > 1e-12 {
			t.Errorf("step %d of %+v: %g, want %g", c.step, c.p, got, c.want)
		}
	}
}

// TestLinearPublished: Torch-Pruning's linear_scheduler, target·i/steps.
func TestLinearPublished(t *testing.T) {
	s := schedule(t, ScheduleSpec{Kind: "linear", Target: 0.5, Steps: 100, End: 10, Every: 1})
	for i, want := range []float64{0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.5} {
		if got := s.At(int64(i)).Share; math.Abs(got-want) > 1e-12 {
			t.Errorf("step %d: %g, want %g", i, got, want)
		}
	}
}

// TestConstant: the target at once, then new masks every so often up to the end.
func TestConstant(t *testing.T) {
	s := schedule(t, ScheduleSpec{Kind: "constant", Target: 0.5, Steps: 40, Begin: 4, Every: 10})
	var changed, remade []int64
	for i := range s.Steps() + 1 {
		p := s.At(i)
		if p.Changed {
			changed = append(changed, i)
		}
		if p.Remake {
			remade = append(remade, i)
		}
		if want := map[bool]float64{false: 0, true: 0.5}[i >= 4]; p.Share != want {
			t.Errorf("step %d: %g, want %g", i, p.Share, want)
		}
	}
	if !slices.Equal(changed, []int64{4}) || !slices.Equal(remade, []int64{14, 24}) {
		t.Errorf("changes at %v, new masks at %v: %s", changed, remade, s.Text())
	}
}

// TestIterativePublished: open_lth keeps 0.8^L of the weights after level L
// (pruning/test/test_sparse_global.py).
func TestIterativePublished(t *testing.T) {
	const levels, per = 15, 40
	s := schedule(t, ScheduleSpec{Kind: "iterative", Target: 1 - math.Pow(0.8, levels), Steps: per, Levels: levels, Rewind: true})
	for l := int64(0); l < levels; l++ {
		for _, at := range []int64{0, 1, per - 1} {
			p := s.At(l*per + at)
			if math.Abs(1-p.Share-math.Pow(0.8, float64(l+1))) > 1e-12 {
				t.Errorf("level %d: density %g", l+1, 1-p.Share)
			}
			if p.Level != int(l)+1 || p.Changed != (at == 0) || p.Rewind != (at == 0) {
				t.Errorf("step %d: %+v", l*per+at, p)
			}
		}
	}
	if end := s.At(levels * per); s.Steps() != levels*per || end.Changed || end.Rewind || end.Level != levels {
		t.Errorf("%d steps, at the end %+v", s.Steps(), end)
	}
}

func drawSchedule(t *rapid.T) ScheduleSpec {
	p := ScheduleSpec{
		Kind:   rapid.SampledFrom([]string{"oneshot", "constant", "linear", "cubic", "iterative", "earlybird"}).Draw(t, "kind"),
		From:   rapid.SampledFrom([]float64{0, 0.3}).Draw(t, "from"),
		Steps:  rapid.Int64Range(1, 60).Draw(t, "steps"),
		Every:  rapid.Int64Range(0, 9).Draw(t, "every"),
		Levels: rapid.IntRange(1, 5).Draw(t, "levels"),
		Rewind: rapid.Bool().Draw(t, "rewind"),
	}
	p.Target = rapid.Float64Range(p.From, 0.99).Draw(t, "target")
	p.Begin = rapid.Int64Range(0, p.Steps/2).Draw(t, "begin")
	return p
}

// walk runs a schedule and checks what holds for all: the share only grows, it
// changes where Changed says so and Next announced it, it ends on the target.
func walk(t *rapid.T, s Schedule, from int64, share float64) {
	next := int64(-2)
	for step := from; step <= s.Steps(); step++ {
		p := s.At(step)
		switch {
		case p.Share < share || p.Share > s.Target():
			t.Fatalf("%s: step %d goes from %g to %g", s.Text(), step, share, p.Share)
		case p.Changed != (p.Share != share):
			t.Fatalf("%s: step %d goes from %g to %g: %+v", s.Text(), step, share, p.Share, p)
		case p != s.At(step):
			t.Fatalf("%s: step %d is not a function of the step", s.Text(), step)
		case next == -1 && (p.Changed || p.Remake || p.Rewind):
			t.Fatalf("%s: step %d changes, but Next saw nothing", s.Text(), step)
		case next >= 0 && (p.Changed || p.Remake || p.Rewind) != (step == next):
			t.Fatalf("%s: step %d: %+v, Next said %d", s.Text(), step, p, next)
		}
		share = p.Share
		next = s.Next(step)
		if next >= 0 && next <= step {
			t.Fatalf("%s: Next(%d) = %d", s.Text(), step, next)
		}
	}
	if share != s.Target() || s.At(1<<40).Share != share {
		t.Fatalf("%s: ends at %g, not %g", s.Text(), share, s.Target())
	}
}

func TestSchedulesEndOnTheTarget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawSchedule(t)
		s := schedule(t, p)
		if s.Target() != p.Target {
			t.Fatalf("target %g", s.Target())
		}
		walk(t, s, 0, p.From)
	})
}

// TestRecovery: at least a quarter of the run follows the last mask.
func TestRecovery(t *testing.T) {
	for _, kind := range []string{"oneshot", "constant", "linear", "cubic", "earlybird"} {
		for steps := int64(1); steps < 100; steps++ {
			s := schedule(t, ScheduleSpec{Kind: kind, Target: 0.9, Steps: steps})
			last := int64(-1)
			for i := int64(0); i <= steps; i++ {
				if p := s.At(i); p.Changed || p.Remake {
					last = i
				}
			}
			if last < 0 || 4*(steps-last) < steps {
				t.Errorf("%s: the last mask is made at step %d", s.Text(), last)
			}
		}
	}
	// 20 updates by default.
	s := schedule(t, ScheduleSpec{Kind: "cubic", Target: 0.9, Steps: 4000})
	n := 0
	for i := s.Next(-1); i >= 0; i = s.Next(i) {
		n++
	}
	if n != 20 {
		t.Errorf("%d updates: %s", n, s.Text())
	}
}

// TestRetarget: at any step, to any larger target, twice; the share goes on from
// where it is and ends on the new target, with time left to recover.
func TestRetarget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawSchedule(t)
		s := schedule(t, p)
		from, share := int64(0), p.From
		for range 2 {
			step := rapid.Int64Range(from, s.Steps()).Draw(t, "step")
			for i := from; i < step; i++ {
				share = s.At(i).Share
			}
			if _, err := s.Retarget(step, math.Nextafter(share, 0), nil); share > 0 && err == nil {
				t.Fatalf("%s: a lower target than %g at step %d", s.Text(), share, step)
			}
			n, err := s.Retarget(step, rapid.Float64Range(share, 0.995).Draw(t, "target"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if n.Steps() < s.Steps() {
				t.Fatalf("%s, at step %d: %s", s.Text(), step, n.Text())
			}
			last, wasLast := lastChange(n, step), lastChange(s, 0)
			if last >= 0 && n.Steps()-last < min(s.Steps()-wasLast, (p.Steps+3)/4) {
				t.Fatalf("%s, at step %d: %s leaves %d steps", s.Text(), step, n.Text(), n.Steps()-last)
			}
			s, from = n, step
			walk(t, s, from, share)
		}
	})
}

func lastChange(s Schedule, from int64) int64 {
	last := int64(-1)
	for i := from; i <= s.Steps(); i++ {
		if s.At(i).Changed {
			last = i
		}
	}
	return last
}

// TestRetargetByHand spells out what happens.
func TestRetargetByHand(t *testing.T) {
	re := func(s Schedule, step int64, target float64) Schedule {
		t.Helper()
		n, err := s.Retarget(step, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	one := schedule(t, ScheduleSpec{Kind: "oneshot", Target: 0.5, Steps: 100})
	if got := re(one, 40, 0.7).Text(); got != "one-shot to 70 % at step 40 of 100" {
		t.Error(got)
	}
	if got := re(one, 90, 0.7).Text(); got != "one-shot to 70 % at step 90 of 115" {
		t.Error(got)
	}
	cubic := schedule(t, ScheduleSpec{Kind: "cubic", Target: 0.8, Steps: 100, Every: 5})
	if got := re(cubic, 30, 0.9).Text(); got != "cubic to 90 % from step 30 to 75, every 5 of 100 steps" {
		t.Error(got)
	}
	if got := re(cubic, 80, 0.9).Text(); got != "cubic to 90 % from step 80 to 117, every 5 of 142 steps" {
		t.Error(got)
	}
	it := schedule(t, ScheduleSpec{Kind: "iterative", Target: 0.75, Steps: 10, Levels: 2, Rewind: true})
	if it.At(0).Share != 0.5 || it.At(10).Share != 0.75 {
		t.Errorf("%+v %+v", it.At(0), it.At(10))
	}
	n := re(it, 5, 0.875) // level 1 runs: 0.5, then 0.875 at level 2
	if p := n.At(9); p.Share != 0.5 || p.Level != 1 || n.Steps() != 20 {
		t.Errorf("%+v, %s", p, n.Text())
	}
	if p := n.At(10); p != (Point{Share: 0.875, Changed: true, Rewind: true, Level: 2}) {
		t.Errorf("%+v", p)
	}
	n = re(it, 15, 0.875) // level 2 runs at 0.75: a third is added
	if p := n.At(20); p != (Point{Share: 0.875, Changed: true, Rewind: true, Level: 3}) || n.Steps() != 30 {
		t.Errorf("%+v, %s", p, n.Text())
	}
	n = re(it, 10, 0.875) // before level 2 begins: it takes the new target
	if p := n.At(10); p != (Point{Share: 0.875, Changed: true, Rewind: true, Level: 2}) || n.Steps() != 20 {
		t.Errorf("%+v, %s", p, n.Text())
	}
	for _, c := range []struct {
		step   int64
		target float64
		want   string
	}{
		{15, 0.7, "target 70 % is below the 75 % that are zero already, and masks only shrink: go back to an earlier checkpoint first"},
		{15, 1, "target 1:"},
		{15, math.NaN(), "target NaN"},
		{-1, 0.9, "step -1 is outside"},
		{21, 0.9, "step 21 is outside the run of 20 steps"},
	} {
		if _, err := it.Retarget(c.step, c.target, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("step %d to %g: %v, want %q", c.step, c.target, err, c.want)
		}
	}
}

func TestScheduleRefuses(t *testing.T) {
	for _, c := range []struct {
		p    ScheduleSpec
		want string
	}{
		{ScheduleSpec{Kind: "square", Target: 0.5, Steps: 9}, `schedule "square" is unknown: choose one of oneshot, cubic, linear, constant, iterative, earlybird`},
		{ScheduleSpec{Kind: "cubic", Target: 1, Steps: 9}, "target 1:"},
		{ScheduleSpec{Kind: "cubic", Target: math.NaN(), Steps: 9}, "target NaN"},
		{ScheduleSpec{Kind: "cubic", Target: 0.5, From: -1, Steps: 9}, "-1 of the weights"},
		{ScheduleSpec{Kind: "cubic", Target: 0.5, From: 0.6, Steps: 9}, "target 50 % is below the 60 %"},
		{ScheduleSpec{Kind: "cubic", Target: 0.5, Steps: -1}, "must not be negative"},
		{ScheduleSpec{Kind: "cubic", Target: 0.5, Steps: 9, Every: -1}, "must not be negative"},
		{ScheduleSpec{Kind: "cubic", Target: 0.5, Steps: 9, Begin: 10}, "begins at step 10 of a run of 9"},
		{ScheduleSpec{Kind: "cubic", Target: 0.5, Steps: 9, End: 10}, "ends at step 10, begins at 0 of a run of 9"},
		{ScheduleSpec{Kind: "cubic", Target: 0.5, Steps: 9, Begin: 5, End: 4}, "ends at step 4, begins at 5"},
		{ScheduleSpec{Kind: "iterative", Target: 0.5, Steps: 9}, "0 levels of 9 steps"},
		{ScheduleSpec{Kind: "iterative", Target: 0.5, Levels: 2}, "2 levels of 0 steps"},
	} {
		if _, err := c.p.New(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.p, err, c.want)
		}
	}
	// Pruning without any training: the one call of At makes the mask.
	for _, kind := range []string{"oneshot", "constant", "linear", "cubic", "earlybird"} {
		s := schedule(t, ScheduleSpec{Kind: kind, Target: 0.5})
		if p := s.At(0); s.Steps() != 0 || p.Share != 0.5 || !p.Changed {
			t.Errorf("%s: %+v", s.Text(), p)
		}
	}
}
