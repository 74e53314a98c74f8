package prune

import "fmt"

// ramp is a gradual schedule: cubic, power 3, of Zhu & Gupta 2017
// (arXiv:1710.01878), and linear, power 1:
//
//	s(t) = s_f + (s_i − s_f)·(1 − (t − t0)/(t_end − t0))^power
//
// at t0, t0 + every, … and at t_end, where s is s_f exactly; in between the
// share stays.
type ramp struct {
	power             int
	from, to          float64
	begin, end, every int64
	steps, planned    int64 // planned: before any retarget
}

func (c ramp) share(step int64) float64 {
	switch {
	case step < c.begin:
		return c.from
	case step >= c.end:
		return c.to
	}
	at := c.begin + (step-c.begin)/c.every*c.every
	if at == c.begin {
		return c.from
	}
	left := 1 - float64(at-c.begin)/float64(c.end-c.begin)
	// The conversions keep the compiler from fusing multiply and add: equal
	// shares on every machine.
	s := c.from - c.to
	for range c.power {
		s = float64(s * left)
	}
	s += c.to
	return min(max(s, c.from), c.to) // rounding, when they are next to equal
}

func (c ramp) At(step int64) Point {
	return Point{Share: c.share(step), Changed: step >= 0 && c.share(step) != c.share(step-1)}
}

func (c ramp) Steps() int64    { return c.steps }
func (c ramp) Target() float64 { return c.to }

func (c ramp) Next(step int64) int64 {
	now := c.share(step)
	if now == c.to {
		return -1
	}
	first := c.begin + max(1, (step-c.begin)/c.every+1)*c.every
	for next := first; next < c.end; next += c.every {
		if c.share(next) != now {
			return next
		}
	}
	return c.end
}

// Retarget keeps the end of the ramp while it lies ahead. After it, a new ramp
// half as long follows. At least a quarter of the planned run is left for
// recovery, or as much as there was.
func (c ramp) Retarget(step int64, target float64, held *float64) (Schedule, error) {
	now, err := retarget(c, step, target, held)
	if err != nil {
		return nil, err
	}
	n := c
	n.from, n.to = now, target
	if step > c.begin {
		n.begin = step
	}
	if step >= c.end {
		n.end = step + max((c.end-c.begin)/2, c.every)
		n.steps = max(c.steps, n.end+quarter(c.planned))
	}
	return n, nil
}

func (c ramp) Text() string {
	kind := map[int]string{1: "linear", 3: "cubic"}[c.power]
	return fmt.Sprintf("%s to %s from step %d to %d, every %d of %d steps", kind, percent(c.to), c.begin, c.end, c.every, c.steps)
}
