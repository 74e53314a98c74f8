package core

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"pare/core/energy"
	"pare/core/event"
)

// lookEvery is how often a run looks whether its meter's sources still answer.
var lookEvery = time.Second

// meterWatch says when a source of energy is lost in the middle of a run, and when
// it is back. The run goes on either way: what was not measured is left out.
type meterWatch struct {
	next time.Time
	seen map[string]time.Time // since when a source is silent, seen by one look
	told map[string]time.Time // … and said
}

// look gives the warnings that are due. A source is called lost when two looks in
// a row find it so: a process that was stopped wakes before its sampler reads.
func (w *meterWatch) look(now time.Time, lost []energy.Lost) []event.Warning {
	var out []event.Warning
	silent := map[string]time.Time{}
	for _, l := range lost {
		since := now.Add(-l.For)
		silent[l.Name] = since
		if _, twice := w.seen[l.Name]; !twice {
			continue
		}
		if _, said := w.told[l.Name]; said {
			continue
		}
		if w.told == nil {
			w.told = map[string]time.Time{}
		}
		w.told[l.Name] = since
		out = append(out, event.Warning{
			Text: fmt.Sprintf("the energy source %s was lost at %s: %s; its joules are missing from the bill until it is back", l.Name, clock(since), l.Why),
			Fix:  "see `pare doctor`",
		})
	}
	for _, name := range slices.Sorted(maps.Keys(w.told)) {
		if _, still := silent[name]; !still {
			gone := now.Sub(w.told[name]).Round(time.Second)
			out = append(out, event.Warning{Text: fmt.Sprintf("the energy source %s is back at %s, after %v", name, clock(now), gone)})
			delete(w.told, name)
		}
	}
	w.seen = silent
	return out
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }

// lookAtMeter looks once a second at most, whenever the run has something to say.
func (r *run) lookAtMeter() []event.Warning {
	now := time.Now()
	if r.meter == nil || now.Before(r.watch.next) {
		return nil
	}
	r.watch.next = now.Add(lookEvery)
	return r.watch.look(now, r.meter.Lost())
}
