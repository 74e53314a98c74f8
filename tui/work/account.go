package work

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

// account is what the screen itself costs, from its start to the last frame.
type account struct {
	frames int64
	drawn  time.Duration // spent on drawing them
	since  time.Time
	bytes  func() int64                 // sent to the terminal; nil when that is not counted
	cpu    func() (time.Duration, bool) // of this process; nil likewise
	lean   func()                       // called once the log has been read; may be nil
	alone  func(bool)                   // one processor is enough for this process, or not any more; may be nil
	single bool                         // what alone was told last
}

// oneProcessor keeps a process that only watches to one of its processors: a second one is
// woken for every look, finds nothing to do, and costs the run a sixth more.
func oneProcessor() func(bool) {
	all := runtime.GOMAXPROCS(0)
	return func(one bool) {
		if one {
			runtime.GOMAXPROCS(1)
			return
		}
		runtime.GOMAXPROCS(all)
	}
}

// spare has the process use one processor while the run is at work. What a person waits for
// while it is not, such as a prediction, may use all.
func (a *account) spare(running bool) {
	if a.alone != nil && a.single != running {
		a.single = running
		a.alone(running)
	}
}

// lean has the garbage collector run less often in a process whose heap is a few megabytes:
// at every four of them it is a good part of what a screen costs that looks often. A long
// session has a heap of its own, and stays as it is.
func lean() {
	var m runtime.MemStats
	if runtime.ReadMemStats(&m); m.HeapAlloc < 16<<20 {
		debug.SetGCPercent(400)
	}
}

// text is one line of the costs, "" before there are any. cores is how many the run keeps
// busy, 0 when that is not known or it does not run.
func (a *account) text(now time.Time, cores float64) string {
	if a.frames == 0 {
		return ""
	}
	s := fmt.Sprintf("this screen: %d µs a frame", a.drawn.Microseconds()/a.frames)
	sec := now.Sub(a.since).Seconds()
	if sec < 1 {
		return s
	}
	if a.bytes != nil {
		s += fmt.Sprintf(", %.1f KiB/s sent", float64(a.bytes())/1024/sec)
	}
	if a.cpu == nil {
		return s
	}
	if c, ok := a.cpu(); ok {
		s += fmt.Sprintf(", CPU %.1f ms/s", 1000*c.Seconds()/sec)
		if cores > 0 {
			s += fmt.Sprintf(", %.1f %% of the run's", 100*c.Seconds()/sec/cores)
		}
	}
	return s
}

// cores is how many processors the run has kept busy in its stage, on the average.
func (r *watch) cores() float64 {
	m := &r.metric
	if s, _ := r.status(); s != statusRunning || m.Stage != r.st.Stage || m.WallUS <= 0 {
		return 0
	}
	return float64(m.CPUUS) / float64(m.WallUS)
}

// frugal has the screen look less often, down to a quarter, while it costs more than a
// hundredth of the run's CPU time and nobody types.
type frugal struct {
	since time.Time
	cpu   time.Duration // of this process, then
	slow  time.Duration // a sample is so many periods; 0 is 1
	began bool          // the first while is over, in which the screen was drawn for the first time
}

// Judged over so long, and between these shares of the run's CPU time.
const (
	judgedOver = 5 * time.Second
	dear       = 0.01
	cheap      = 0.004
	mostSlow   = 4
)

// times is how many periods pass between samples. The figures are those of now.
func (f *frugal) times(now time.Time, cpu func() (time.Duration, bool), cores float64) time.Duration {
	if cpu == nil || now.Sub(f.since) < judgedOver && !f.since.IsZero() {
		return max(f.slow, 1)
	}
	used, ok := cpu()
	took := now.Sub(f.since)
	share := (used - f.cpu).Seconds() / took.Seconds() / cores
	switch {
	case !ok || f.since.IsZero() || cores <= 0:
	case !f.began:
		f.began = true
	case share > dear:
		f.slow = min(2*max(f.slow, 1), mostSlow)
	case share < cheap:
		f.slow /= 2
	}
	f.since, f.cpu = now, used
	return max(f.slow, 1)
}

// wake ends it: somebody is there.
func (f *frugal) wake() { *f = frugal{} }

// screenFile is the terminal's file in all but what is written to it, so that size and
// colours are found as ever.
type screenFile struct {
	*os.File
	frames *frames
}

func (s *screenFile) Write(b []byte) (int, error) { return s.frames.Write(b) }
