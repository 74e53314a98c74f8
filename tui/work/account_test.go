package work

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pare/core/event"
)

// TestFrugal: a screen that costs more than a hundredth of the run looks less often, goes
// back when it is cheap, and at once when a key is pressed.
func TestFrugal(t *testing.T) {
	var f frugal
	now, used := begun, time.Duration(0)
	cpu := func() (time.Duration, bool) { return used, true }
	step := func(ms int, cores float64) time.Duration {
		now, used = now.Add(judgedOver), used+time.Duration(ms)*5*time.Millisecond
		return f.times(now, cpu, cores)
	}
	for i, c := range []struct {
		ms    int // of CPU time a second
		cores float64
		want  time.Duration
	}{{100, 1, 1}, {7, 1, 1}, {7, 0.1, 2}, {5, 0.1, 4}, {2, 0.1, 4}, {0, 0.1, 2}, {5, 0, 2}, {5, 2, 1}, {50, 1, 2}} {
		if got := step(c.ms, c.cores); got != c.want {
			t.Errorf("%d: %d ms/s beside %g cores: every %d periods, want %d", i, c.ms, c.cores, got, c.want)
		}
	}
	if got := f.times(now.Add(time.Second), cpu, 0.001); got != 2 {
		t.Errorf("judged too soon: %d", got)
	}
	d, _ := watching(t, 120, 40, newStory().start("B").baselineDone("B").configured("B").sparsify(3, "B"))
	d.cost.cpu = cpu
	d.frugal = frugal{since: d.now, slow: 4, began: true}
	if got := d.period(); got != 4*period {
		t.Errorf("the log is sampled every %v", got)
	}
	key(d, "l")
	if got := d.period(); got != period {
		t.Errorf("after a key the log is sampled every %v", got)
	}
}

// TestSpare: while the run is at work the screen keeps to one processor, and to all when it
// waits: what is then predicted is waited for.
func TestSpare(t *testing.T) {
	s := newStory().start("B").baselineDone("B").configured("B").sparsify(3, "B")
	d, f := watching(t, 80, 24, s)
	var told []bool
	d.cost.alone = func(one bool) { told = append(told, one) }
	sample(d)
	sample(d)
	f.push(s, func(s *story) { s.add(&event.Paused{Stage: event.Sparsify, Step: 300, Why: "person"}) })
	sample(d)
	sample(d)
	if len(told) != 2 || !told[0] || told[1] {
		t.Errorf("told %v, want one processor, then all", told)
	}
}

// TestAccountText: what the screen says of its cost.
func TestAccountText(t *testing.T) {
	a := account{
		frames: 10, drawn: 4 * time.Millisecond, since: begun,
		bytes: func() int64 { return 20480 }, cpu: func() (time.Duration, bool) { return 50 * time.Millisecond, true },
	}
	for cores, want := range map[float64]string{
		0: "this screen: 400 µs a frame, 2.0 KiB/s sent, CPU 5.0 ms/s", 2: "this screen: 400 µs a frame, 2.0 KiB/s sent, CPU 5.0 ms/s, 0.2 % of the run's",
	} {
		if got := a.text(begun.Add(10*time.Second), cores); got != want {
			t.Errorf("%g cores: %q, want %q", cores, got, want)
		}
	}
	a.cpu = func() (time.Duration, bool) { return 0, false }
	if got := a.text(begun.Add(10*time.Second), 1); strings.Contains(got, "CPU") {
		t.Errorf("a CPU time that is not known: %q", got)
	}
}

// TestManyLooks: a screen that looks ten times a second draws the header and the ledger as
// often, the charts twice a second, and ends up as one that draws all of it at once.
func TestManyLooks(t *testing.T) {
	s := newStory().start("B").baselineDone("B").configured("B").sparsify(3, "B")
	d, f := watching(t, 120, 40, s)
	d.o.Hz = MostHz
	d.touch()
	d.Render()
	begin := d.now
	charts, frames := 0, 0
	for e := 4; e < 24; e++ { // an epoch each tenth of a second
		f.push(s, func(s *story) { s.mask(int64(e)*100, 0.8).epoch(event.Sparsify, e, 40, 0.88, 0.8, 2_000_000, "B") })
		d.now = begin.Add(time.Duration(e-3) * 100 * time.Millisecond)
		es, _ := f.Next(budget)
		d.handle(logMsg{src: f, events: es})
		was := d.kept[paneA].rev
		if got := bare(d.Render()); !strings.Contains(got, fmt.Sprintf("epoch %d of 40", e)) {
			t.Fatalf("epoch %d is not in the header:\n%s", e, got)
		}
		frames++
		if d.kept[paneA].rev != was {
			charts++
		}
	}
	if charts < 3 || charts > 5 {
		t.Errorf("%d frames drew the charts %d times, want twice a second", frames, charts)
	}
	d.now = begin.Add(3 * time.Second)
	d.dirty = false
	d.handle(logMsg{src: f})
	if !d.dirty {
		t.Fatal("what was put off is never drawn")
	}
	late := bare(d.Render())
	d.touch()
	if now := bare(d.Render()); late != now {
		t.Errorf("what was put off:\n%s\nat once:\n%s", late, now)
	}
}
