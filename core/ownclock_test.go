package core

import (
	"math"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/energy"
)

// pacer is a processor on which every run of a plan takes as long as pace says, by the clock
// and of CPU time, whatever it computes. left is the share of its weights' values that their
// formats store.
type pacer struct {
	device.Device
	pace func(left float64) time.Duration
	used atomic.Int64 // CPU time, ns
}

// onItsOwnClock runs a test by a clock that only sleeping and the pacer's work move: what a run
// measures there is the same on a busy machine, and on one that stands still for a while.
func onItsOwnClock(t *testing.T, test func(t *testing.T, p *pacer)) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a trainer that collects waits by the clock, awake
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	t.Setenv("PARE_ENERGY", energy.SourceProfile) // a real counter knows nothing of that clock
	synctest.Test(t, func(t *testing.T) {
		p := &pacer{Device: cpu.New(), pace: func(float64) time.Duration { return 100 * time.Microsecond }}
		computeOn(t, p)
		old := openMeter
		openMeter = func(o energy.Options) (*energy.Meter, error) {
			o.CPU = func() (int64, bool) { return p.used.Load() / 1000, true }
			return old(o)
		}
		t.Cleanup(func() { openMeter = old })
		test(t, p)
	})
}

// Compile has one thread: workers wait for work awake, by the clock.
func (p *pacer) Compile(plan *device.Plan, b device.Bank, _ int) (device.Exec, error) {
	e, err := p.Device.Compile(plan, b, 1)
	stored, all := 0, 0
	for _, w := range b.Weights() {
		stored, all = stored+w.Stored(), all+w.Shape.Len()
	}
	return &pacedExec{Exec: e, p: p, left: float64(stored) / float64(max(all, 1))}, err
}

type pacedExec struct {
	device.Exec
	p      *pacer
	left   float64
	probed time.Duration // since Probe(true)
}

func (e *pacedExec) Run(s *device.Step) (device.Result, error) {
	took := e.p.pace(e.left)
	time.Sleep(took)
	e.p.used.Add(int64(took))
	e.probed += took
	return e.Exec.Run(s)
}

func (e *pacedExec) Probe(on bool) {
	e.probed = 0
	e.Exec.Probe(on)
}

// Times are equal for all calls.
func (e *pacedExec) Times() []time.Duration {
	l := e.Exec.Times()
	for i := range l {
		l[i] = e.probed / time.Duration(len(l))
	}
	return l
}
