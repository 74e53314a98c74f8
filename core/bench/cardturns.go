package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pare/core/energy"
)

// onCard is a model that is ready for steps.
type onCard interface {
	// window runs steps for about a window and returns the seconds of one.
	window(time.Duration) (float64, error)
	memory() float64 // MiB
	close()
}

// cardContender is one that takes turns.
type cardContender struct {
	row  CardRow // so far
	open func() (onCard, error)
	on   onCard // nil between the turns of a large model

	speeds                 []float64 // tokens/s, by turn
	joules, seconds, steps float64
}

func (c *cardContender) name() string { return c.row.Who + " " + c.row.Treatment }

// ready opens a contender that is not, and lets it warm up: compilers, algorithms, clocks.
func (c *cardContender) ready(warm time.Duration) error {
	if c.on != nil {
		return nil
	}
	var err error
	if c.on, err = c.open(); err == nil {
		_, err = c.on.window(warm)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.name(), err)
	}
	c.row.MemoryMiB = c.on.memory()
	if e, ok := c.on.(*cardEngine); ok {
		c.row.TwoFour = e.twoFour()
	}
	return nil
}

func (c *cardContender) shut() {
	if c.on != nil {
		c.on.close()
		c.on = nil
	}
}

// turn is one window with its joules.
func (c *cardContender) turn(w time.Duration, meter *energy.Meter) error {
	from := meter.Edge()
	s, err := c.on.window(w)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name(), err)
	}
	to := meter.Edge()
	c.speeds = append(c.speeds, float64(c.row.Batch*c.row.Tokens)/s)
	if g, ok := cardPart(meter.Between(from, to)); ok {
		c.row.Source, c.row.Tier = g.Source, string(g.Tier)
		wall := energy.Wall(from, to).Seconds()
		c.joules += meanWatts(g) * wall
		c.seconds += wall
		c.steps += wall / s
	}
	return nil
}

// finish works the turns into the row.
func (c *cardContender) finish() {
	r, tokens := &c.row, float64(c.row.Batch*c.row.Tokens)
	x := slices.Sorted(slices.Values(c.speeds))
	r.TokensPerSec, r.Lo, r.Hi = median(x), x[0], x[len(x)-1]
	r.StepMS = 1e3 * tokens / r.TokensPerSec
	if c.seconds > 0 {
		r.Watts = c.joules / c.seconds
		j := c.joules / c.steps
		mj := 1e3 * j / tokens
		r.StepJ, r.MJPerToken = &j, &mj
	}
}

// turns interleaves the contenders and reports a row for each, ours first.
func (s *setup) turns(cs []*cardContender, meter *energy.Meter) error {
	warm := s.Window / 4
	if !s.model.large {
		for _, c := range cs {
			if err := c.ready(warm); err != nil {
				return err
			}
		}
	}
	for range s.Rounds {
		for _, c := range cs {
			if err := c.ready(warm); err != nil {
				return err
			}
			if err := c.turn(s.Window, meter); err != nil {
				return err
			}
			if s.model.large {
				c.shut()
			}
		}
	}
	for _, c := range cs {
		c.finish()
	}
	compare(cs)
	for _, c := range cs {
		s.Report(c.row)
	}
	return nil
}

// compare sets the joules beside those of our full treatment, and of PyTorch's first.
func compare(cs []*cardContender) {
	full := func(who string) *float64 {
		for _, c := range cs {
			if c.row.Treatment == "full" && strings.HasPrefix(c.row.Who, who) {
				return c.row.StepJ
			}
		}
		return nil
	}
	ours, theirs := full("pare"), full("torch")
	for _, c := range cs {
		if c.row.StepJ == nil {
			continue
		}
		if ours != nil {
			c.row.OfOurs = over(*c.row.StepJ, *ours)
		}
		if theirs != nil {
			c.row.OfTheirs = over(*c.row.StepJ, *theirs)
		}
	}
}
