package prune

import (
	"fmt"
	"strings"
)

// Schedule says how large the share of zeros is at each step of a run: a pure
// function of the step, so that a resumed run goes on where the old one was.
//
// Call At before each training step, 0 … Steps()−1, and once more with Steps()
// after the last one; when Changed is set, make the masks of Share first.
type Schedule interface {
	// At is the state when step training steps are done.
	At(step int64) Point
	// Steps is the length of the run.
	Steps() int64
	// Next is the first step after the given one at which the share changes, masks
	// are made anew or weights are rewound, −1 if there is none. A level ends there.
	Next(step int64) int64
	// Retarget goes on from the share in force just before At(step) to a new
	// target. Call it before At(step) and use the result from there on. The run
	// becomes longer when too little of it is left. Less than what is gone
	// already cannot be reached: masks only shrink.
	// held is the share that is really zero when something held the schedule back
	// (a floor), nil otherwise.
	Retarget(step int64, target float64, held *float64) (Schedule, error)
	// Target is the share at the end of the run, exactly.
	Target() float64
	// Text describes the schedule in words.
	Text() string
}

// Point is a schedule at a step.
type Point struct {
	Share   float64 // of zeros, 0…1
	Changed bool    // the share has just changed: make new masks
	Remake  bool    // the share is as before: scores that may give weights back make new masks all the same
	Rewind  bool    // then set the weights that stay to those of the rewind step
	Level   int     // iterative: the level that runs, from 1; 0 before the first
}

// ScheduleSpec describes a schedule; zero fields take the defaults.
type ScheduleSpec struct {
	Kind   string  `json:"kind"` // oneshot | constant | linear | cubic | iterative | earlybird
	From   float64 `json:"from"` // share of zeros at the start
	Target float64 `json:"target"`
	Steps  int64   `json:"steps"` // of the run; iterative: of each level

	Begin int64 `json:"begin,omitempty"` // first step of the ramp; of oneshot and constant: when
	End   int64 `json:"end,omitempty"`   // linear, cubic: last step of the ramp, constant: of new masks; 0 leaves a quarter of the run for recovery
	Every int64 `json:"every,omitempty"` // linear, cubic, constant: steps between new masks; 0 = a twentieth of the ramp

	Levels int  `json:"levels,omitempty"` // iterative
	Rewind bool `json:"rewind,omitempty"` // iterative: rewind at each level
}

// Schedules lists the words of ScheduleSpec.Kind.
func Schedules() []Word {
	return []Word{
		{"oneshot", "all at once, then recover"},
		{"cubic", "many small cuts while training, fast at first (Zhu & Gupta)"},
		{"linear", "many small cuts while training, all of one size"},
		{"constant", "all at once; scores that give weights back choose anew again and again"},
		{"iterative", "a cut, then a whole training, again and again (lottery ticket)"},
		{"earlybird", "the dense training ends when the mask has settled, then all at once (early-bird ticket)"},
	}
}

// New makes the schedule.
func (p ScheduleSpec) New() (Schedule, error) {
	switch {
	case !(p.Target >= 0 && p.Target < 1):
		return nil, checkShare(p.Target)
	case !(p.From >= 0 && p.From < 1):
		return nil, fmt.Errorf("schedule: %g of the weights are zero at the start: must be at least 0 and below 1", p.From)
	case p.From > p.Target:
		return nil, below(p.Target, p.From)
	case p.Steps < 0 || p.Begin < 0 || p.End < 0 || p.Every < 0:
		return nil, fmt.Errorf("schedule: %d steps, begin %d, end %d, every %d: must not be negative", p.Steps, p.Begin, p.End, p.Every)
	case p.Begin > p.Steps:
		return nil, fmt.Errorf("schedule: begins at step %d of a run of %d", p.Begin, p.Steps)
	}
	switch p.Kind {
	case "oneshot", "earlybird": // what ends the dense training early lies before the first step of this run
		return oneShot{p.From, p.Target, p.Begin, p.Steps, p.Steps}, nil
	case "linear", "cubic", "constant":
		end, every := p.End, p.Every
		if end == 0 {
			end = max(p.Begin, p.Steps-quarter(p.Steps))
		}
		if end < p.Begin || end > p.Steps {
			return nil, fmt.Errorf("schedule: ends at step %d, begins at %d of a run of %d", end, p.Begin, p.Steps)
		}
		if every == 0 {
			every = max(1, (end-p.Begin)/20)
		}
		if p.Kind == "constant" {
			return constant{oneShot{p.From, p.Target, p.Begin, p.Steps, p.Steps}, end, every}, nil
		}
		power := map[string]int{"linear": 1, "cubic": 3}[p.Kind]
		return ramp{power: power, from: p.From, to: p.Target, begin: p.Begin, end: end, every: every, steps: p.Steps, planned: p.Steps}, nil
	case "iterative":
		if p.Levels < 1 || p.Steps < 1 {
			return nil, fmt.Errorf("schedule: %d levels of %d steps: iterative pruning needs at least one of each", p.Levels, p.Steps)
		}
		return iterative{from: p.From, to: p.Target, start: p.Begin, per: p.Steps, levels: p.Levels, rewind: p.Rewind}, nil
	}
	var known []string
	for _, w := range Schedules() {
		known = append(known, w.Name)
	}
	return nil, fmt.Errorf("schedule %q is unknown: choose one of %s", p.Kind, strings.Join(known, ", "))
}

// quarter of a run is left for recovery after the last mask, rounded up.
func quarter(steps int64) int64 { return (steps + 3) / 4 }

func below(target, now float64) error {
	return fmt.Errorf("schedule: target %g %% is below the %.4g %% that are zero already, and masks only shrink: go back to an earlier checkpoint first", 100*target, 100*now)
}

// retarget checks the arguments of Retarget and gives the share in force.
func retarget(s Schedule, step int64, target float64, held *float64) (float64, error) {
	if err := checkShare(target); err != nil {
		return 0, err
	}
	if step < 0 || step > s.Steps() {
		return 0, fmt.Errorf("schedule: step %d is outside the run of %d steps", step, s.Steps())
	}
	now := s.At(-1).Share
	if step > 0 {
		now = s.At(step - 1).Share
	}
	if held != nil {
		now = *held
	}
	if target < now {
		return 0, below(target, now)
	}
	return now, nil
}

// oneShot goes from one share to the other at one step.
type oneShot struct {
	from, to       float64
	when           int64
	steps, planned int64 // planned: before any retarget
}

func (s oneShot) At(step int64) Point {
	if step < s.when {
		return Point{Share: s.from}
	}
	return Point{Share: s.to, Changed: step == s.when && s.to != s.from}
}

func (s oneShot) Steps() int64    { return s.steps }
func (s oneShot) Target() float64 { return s.to }

func (s oneShot) Next(step int64) int64 {
	if step < s.when && s.to != s.from {
		return s.when
	}
	return -1
}

// Retarget prunes at once; at least a quarter of the planned run follows.
func (s oneShot) Retarget(step int64, target float64, held *float64) (Schedule, error) {
	now, err := retarget(s, step, target, held)
	if err != nil {
		return nil, err
	}
	when := max(step, s.when)
	return oneShot{now, target, when, max(s.steps, when+quarter(s.planned)), s.planned}, nil
}

func (s oneShot) Text() string {
	return fmt.Sprintf("one-shot to %s at step %d of %d", percent(s.to), s.when, s.steps)
}

// percent writes a share as people read it.
func percent(s float64) string { return fmt.Sprintf("%.4g %%", 100*s) }
