package work

import (
	"strings"
	"testing"
	"time"
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
	d.frugal = frugal{since: d.now, slow: 4}
	if got := d.period(); got != 4*period {
		t.Errorf("the log is sampled every %v", got)
	}
	key(d, "l")
	if got := d.period(); got != period {
		t.Errorf("after a key the log is sampled every %v", got)
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
