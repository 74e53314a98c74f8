package work

import (
	"fmt"
	"math"
	"time"

	"pare/core/event"
	"pare/tui/plain"
)

// pace is how fast steps go by, from the times of recent metrics.
type pace struct {
	stage event.Stage
	steps int64
	seen  []beat
}

type beat struct {
	at   time.Time
	step int64
}

// memory is how much of the past counts for the pace.
const memory = 30 * time.Second

func (p *pace) fold(e event.Event) {
	switch b := e.Body.(type) {
	case *event.Metric:
		if b.Stage != p.stage || len(p.seen) > 0 && b.Step <= p.seen[len(p.seen)-1].step {
			p.seen = p.seen[:0]
		}
		p.stage, p.steps = b.Stage, b.Steps
		n := 0
		for n < len(p.seen)-1 && e.At.Sub(p.seen[n].at) > memory {
			n++
		}
		p.seen = append(p.seen[n:], beat{e.At, b.Step})
	case *event.Paused, *event.Continued, *event.Resumed, *event.Started, *event.StageChange:
		p.seen = p.seen[:0]
	}
}

func (p *pace) known() bool { return len(p.seen) >= 2 }

// left is the time to the stage's last step, −1 if unknown.
func (p *pace) left(now time.Time) time.Duration {
	if !p.known() {
		return -1
	}
	a, b := p.seen[0], p.seen[len(p.seen)-1]
	dt := b.at.Sub(a.at).Seconds()
	if dt <= 0 || b.step <= a.step {
		return -1
	}
	s := float64(p.steps-b.step) * dt / float64(b.step-a.step)
	if s -= now.Sub(b.at).Seconds(); math.IsNaN(s) || s > 1e8 {
		return -1
	}
	return time.Duration(max(s, 0) * float64(time.Second))
}

// rate is the steps a second of what counts, and how far its thirds lie apart: half of
// their range, as a share of the whole; −1 while there are no three.
func (p *pace) rate() (perSecond, spread float64) {
	n := len(p.seen)
	over := func(a, b beat) float64 { return float64(b.step-a.step) / b.at.Sub(a.at).Seconds() }
	if n < 2 || !p.seen[n-1].at.After(p.seen[0].at) {
		return 0, -1
	}
	perSecond = over(p.seen[0], p.seen[n-1])
	if n < 4 {
		return perSecond, -1
	}
	least, most := math.Inf(1), 0.0
	for k := range 3 {
		a, b := p.seen[k*(n-1)/3], p.seen[(k+1)*(n-1)/3]
		if !b.at.After(a.at) {
			return perSecond, -1
		}
		r := over(a, b)
		least, most = min(least, r), max(most, r)
	}
	return perSecond, (most - least) / 2 / perSecond
}

// text is the rate in words: as far as it varies, so does the time that is left.
func (p *pace) text() string {
	r, spread := p.rate()
	switch {
	case r <= 0 || math.IsInf(r, 0):
		return ""
	case spread < 0:
		return plain.Num(r) + " steps/s  "
	case spread > 1: // the machine did something else meanwhile
		return plain.Num(r) + " steps/s, uneven  "
	}
	return fmt.Sprintf("%s steps/s ±%.0f %%  ", plain.Num(r), math.Ceil(100*spread))
}
