// Package bench measures what products, training steps and inferences cost:
// ours, dense and packed, beside other libraries, all interleaved in one run, so
// that the figures share whatever else the machine does meanwhile. It may import
// everything of core; only the command line imports it.
package bench

import (
	"fmt"
	"math"
	"slices"
	"time"

	"pare/core/plan"
)

// Row is one contender in one case.
type Row struct {
	Group   string  `json:"group"` // kernels | train | infer
	Case    string  `json:"case"`
	Who     string  `json:"who"`
	Threads int     `json:"threads"`
	Unit    string  `json:"unit"`  // GF/s (higher is better) | ms
	Value   float64 `json:"value"` // median over the rounds
	Lo      float64 `json:"lo"`    // extremes over the rounds
	Hi      float64 `json:"hi"`
	// Times is the time as a share of that of dense turns right before and behind, the median
	// over the rounds; 0 where nothing was paired so.
	Times float64 `json:"times,omitempty"`
}

// Options of a run.
type Options struct {
	Rounds  int           // of interleaved windows; at least 5 for a claim
	Window  time.Duration // length of a window
	Threads []int
	Filter  string      // of cases: those that contain it; "" all
	Python  string      // interpreter with torch or onnxruntime for the peers; "" none
	Prices  plan.Prices // by which Chooser's formats are chosen
	Report  func(Row)
	Say     func(text string) // what was left out and why; may be nil
}

// contender is somebody who can do the work of a case.
type contender struct {
	who  string
	work float64 // floating-point operations of one call, 0 when ms are reported
	// run does the work for about a window and returns seconds per call.
	run   func(window time.Duration) (float64, error)
	rest  time.Duration // after a turn, before anybody else's
	close func()
}

// of makes a contender of a function of ours.
func of(who string, work float64, f func() error) contender {
	return contender{who: who, work: work, run: func(window time.Duration) (float64, error) {
		start, n := time.Now(), 0
		for n == 0 || time.Since(start) < window {
			if err := f(); err != nil {
				return 0, err
			}
			n++
		}
		return time.Since(start).Seconds() / float64(n), nil
	}}
}

// settle is the part of a window that each turn runs before it is measured: threads
// of OpenBLAS go on spinning for 26 ms after its last product, beside whoever comes
// next, and Linux takes some milliseconds to part two workers that slept until then.
// The first time, compilers work then.
const settle = 2

// measure interleaves the contenders of a case and reports a row for each.
func (o Options) measure(group, name string, threads int, cs []contender) error {
	defer closeAll(cs)
	times, err := o.turns(name, cs)
	if err != nil {
		return err
	}
	for i, c := range cs {
		o.Report(row(group, name, threads, c, times[i]))
	}
	return nil
}

func closeAll(cs []contender) {
	for _, c := range cs {
		if c.close != nil {
			c.close()
		}
	}
}

// turns lets everybody take a turn in every round and returns seconds per call by contender
// and round.
func (o Options) turns(name string, cs []contender) ([][]float64, error) {
	times := make([][]float64, len(cs))
	for range o.Rounds {
		for i, c := range cs {
			_, err := c.run(o.Window / settle)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", name, c.who, err)
			}
			s, err := c.run(o.Window)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", name, c.who, err)
			}
			time.Sleep(c.rest)
			times[i] = append(times[i], s)
		}
	}
	return times, nil
}

// pairs lets every contender behind the first take its turn between two of the first, and
// returns a row for each with the share of these turns' time that it takes. What the machine
// does in other minutes is so not in the share.
func (o Options) pairs(group, name string, threads int, cs []contender) ([]Row, error) {
	base, order := cs[0], []contender{cs[0]}
	for _, c := range cs[1:] {
		order = append(order, c, base)
	}
	times, err := o.turns(name, order)
	if err != nil {
		return nil, err
	}
	var all []float64 // of the first
	rows := []Row{{}}
	for i, t := range times {
		if i%2 == 0 {
			all = append(all, t...)
			continue
		}
		shares := make([]float64, len(t))
		for k := range t {
			shares[k] = 2 * t[k] / (times[i-1][k] + times[i+1][k])
		}
		r := row(group, name, threads, order[i], t)
		r.Times = median(shares)
		rows = append(rows, r)
	}
	rows[0] = row(group, name, threads, base, all)
	return rows, nil
}

// row is what a contender's seconds per call say.
func row(group, name string, threads int, c contender, times []float64) Row {
	r := Row{Group: group, Case: name, Who: c.who, Threads: threads, Unit: "ms"}
	value := func(s float64) float64 { return 1e3 * s }
	if c.work > 0 {
		r.Unit = "GF/s"
		value = func(s float64) float64 { return c.work / s / 1e9 }
	}
	r.Value = value(median(times))
	a, b := value(slices.Min(times)), value(slices.Max(times))
	r.Lo, r.Hi = min(a, b), max(a, b)
	return r
}

func median(x []float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(x))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}
