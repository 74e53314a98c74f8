package energy

import "time"

// alarm wakes a sampler: every period, and at once when it is rung. What waking up costs is
// most of what sampling a counter costs, so it is the system's own timer where that is
// cheaper than the runtime's (alarm_linux.go).
type alarm interface {
	// every sets the period. Only the goroutine that waits may call it.
	every(period time.Duration)
	// wait returns when a period is over or the alarm was rung. What happened since the
	// last wait ends this one at once, however often it happened.
	wait()
	// ring ends the wait now, or the next one. Any goroutine may call it, at any time.
	ring()
	// stop gives back what the alarm holds. Only the goroutine that waits may call it.
	stop()
}

// clockAlarm is an alarm by the runtime's timers.
type clockAlarm struct {
	t      *time.Timer
	period time.Duration
	rung   chan struct{}
}

func newClockAlarm() alarm { return &clockAlarm{rung: make(chan struct{}, 1)} }

func (a *clockAlarm) every(period time.Duration) {
	a.stop()
	a.t, a.period = time.NewTimer(period), period
}

func (a *clockAlarm) wait() {
	select {
	case <-a.rung:
	case <-a.t.C:
	}
	a.t.Reset(a.period)
}

func (a *clockAlarm) ring() {
	select {
	case a.rung <- struct{}{}:
	default: // it rings
	}
}

func (a *clockAlarm) stop() {
	if a.t != nil {
		a.t.Stop()
	}
}
