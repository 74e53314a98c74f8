package core

import (
	"math"
	"time"

	"pare/core/energy"
	"pare/core/event"
	"pare/core/train"
)

// inferWindows is in how many windows inferences are timed: their spread tells how
// well the mean is known.
const inferWindows = 5

// inferCost times single inferences with the weights as they are, for at most a
// quarter of an alternation's window and at most a twentieth of what the epoch took:
// what is measured must not cost what is saved. It moves nothing.
func (r *run) inferCost(stage event.Stage, epoch time.Duration) error {
	long := min(window/4, max(epoch/20, 2*time.Millisecond))
	out := make([]float32, r.model.Values[r.model.Output].Len())
	k := 0
	one := func() error {
		k++
		return r.t.Infer(r.set.Val, (k-1)%r.set.Val.N(), out)
	}
	if err := one(); err != nil { // to warm up
		return err
	}
	e := &event.Infer{Stage: stage, Step: r.loop.Step, Zeros: r.zeros()}
	var per []float64 // µs of one, in each window: busyUS
	from, all := r.meter.Edge(), time.Now()
	for range inferWindows {
		begin, mark, n := time.Now(), r.meter.Mark(), 0
		for ; n == 0 || time.Since(begin) < long/inferWindows; n++ {
			if err := one(); err != nil {
				return err
			}
		}
		per = append(per, float64(r.busyUS(mark, r.meter.Mark()))/float64(n))
		e.N += n
	}
	e.WallUS = time.Since(all).Microseconds()
	to := r.meter.Edge()
	e.CPUUS, e.Energy = energy.CPUMicros(from, to), joules(r.meter.Between(from, to))
	if mean, half := train.Mean(per); mean > 0 && !math.IsInf(half, 0) {
		e.Band = percent(half, mean)
	}
	return r.emit(e)
}
