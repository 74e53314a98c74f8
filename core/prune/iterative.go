package prune

import (
	"fmt"
	"math"
)

// iterative is iterative magnitude pruning (Frankle & Carbin 2019,
// arXiv:1803.03635): each level takes the same part p of the weights that are
// left, so that after level l the density is
//
//	(1 − from)·(1 − p)^l,  1 − p = ((1 − to)/(1 − from))^(1/levels)
//
// and the share is to exactly at the last level; then the level's training
// follows. With rewind, the survivors go back to the weights of an early step
// (Frankle et al. 2019, arXiv:1903.01611) when a level begins.
type iterative struct {
	from, to float64
	start    int64 // step at which level first+1 begins
	per      int64 // steps of a level
	levels   int
	rewind   bool
	first    int // levels done before start, after a retarget
}

// level that runs at step, 1…levels; 0 before the start.
func (s iterative) level(step int64) int {
	if step < s.start {
		return 0
	}
	return int(min((step-s.start)/s.per+1, int64(s.levels)))
}

func (s iterative) share(level int) float64 {
	switch level {
	case 0:
		return s.from
	case s.levels:
		return s.to
	}
	left := float64((1 - s.from) * math.Pow((1-s.to)/(1-s.from), float64(level)/float64(s.levels)))
	return min(max(1-left, s.from), s.to) // rounding, when they are next to equal
}

func (s iterative) At(step int64) Point {
	l := s.level(step)
	p := Point{Share: s.share(l), Level: s.first + l}
	if l > 0 && step == s.start+int64(l-1)*s.per {
		p.Changed, p.Rewind = p.Share != s.share(l-1), s.rewind
	}
	return p
}

func (s iterative) Steps() int64    { return s.start + int64(s.levels)*s.per }
func (s iterative) Target() float64 { return s.to }

func (s iterative) Next(step int64) int64 {
	for l := s.level(step) + 1; l <= s.levels; l++ {
		if s.rewind || s.share(l) != s.share(l-1) {
			return s.start + int64(l-1)*s.per
		}
	}
	return -1
}

// Retarget spreads the way to the new target over the levels that have not
// begun; if none is left, one is added.
func (s iterative) Retarget(step int64, target float64, held *float64) (Schedule, error) {
	now, err := retarget(s, step, target, held)
	if err != nil {
		return nil, err
	}
	done := 0 // levels that began before step
	if step > s.start {
		done = int((step - s.start + s.per - 1) / s.per)
	}
	n := s
	n.from, n.to = now, target
	n.start += int64(done) * s.per
	n.levels = max(s.levels-done, 1)
	n.first += done
	return n, nil
}

func (s iterative) Text() string {
	r := ""
	if s.rewind {
		r = ", rewinding each time"
	}
	return fmt.Sprintf("%d levels of %d steps to %s%s", s.levels, s.per, percent(s.to), r)
}
