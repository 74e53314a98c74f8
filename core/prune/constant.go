package prune

import "fmt"

// constant has the target from one step on, as TFMOT's ConstantSparsity: masks are made
// there, and by scores that may give weights back made anew every so many steps until
// end. For other scores it is one-shot.
type constant struct {
	oneShot
	end, every int64
}

func (c constant) At(step int64) Point {
	p := c.oneShot.At(step)
	p.Remake = c.to != c.from && step > c.when && step <= c.end && (step-c.when)%c.every == 0
	return p
}

func (c constant) Next(step int64) int64 {
	if next := c.oneShot.Next(step); next >= 0 || c.to == c.from {
		return next
	}
	next := c.when + (max(step-c.when, 0)/c.every+1)*c.every
	if next > c.end {
		return -1
	}
	return next
}

// Retarget prunes at once, and goes on choosing until a quarter of the run is left.
func (c constant) Retarget(step int64, target float64, held *float64) (Schedule, error) {
	s, err := c.oneShot.Retarget(step, target, held)
	if err != nil {
		return nil, err
	}
	n := c
	n.oneShot = s.(oneShot)
	n.end = max(c.end, n.steps-quarter(n.planned))
	return n, nil
}

func (c constant) Text() string {
	return fmt.Sprintf("constant %s from step %d, chosen anew every %d until %d of %d steps", percent(c.to), c.when, c.every, c.end, c.steps)
}
