package core

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"pare/core/energy"
	"pare/core/event"
)

// lookEvery is how often a run looks whether its meter's sources still answer.
var lookEvery = time.Second

// meterWatch says when a source of energy is lost in the middle of a run, and when
// it is back. The run goes on either way: what was not measured is left out. It looks
// by itself, as a stage may say nothing for a while; what is due waits for the run's
// next event.
type meterWatch struct {
	stop, stopped chan struct{}

	mu  sync.Mutex
	due []event.Warning

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
			Text: fmt.Sprintf("the energy source %s was lost at %s: %s; its joules are missing from the bill until it is back", l.Name, clock(since, now), l.Why),
			Fix:  "see `pare doctor`",
		})
	}
	for _, name := range slices.Sorted(maps.Keys(w.told)) {
		if _, still := silent[name]; !still {
			gone := now.Sub(w.told[name]).Round(time.Second)
			out = append(out, event.Warning{Text: fmt.Sprintf("the energy source %s is back at %s, after %v", name, clock(now, now), gone)})
			delete(w.told, name)
		}
	}
	w.seen = silent
	return out
}

// clock is when t was, with the date where that is a day or more before now.
func clock(t, now time.Time) string {
	if now.Sub(t) >= 24*time.Hour {
		return t.UTC().Format("15:04:05 UTC on 2 January 2006")
	}
	return t.UTC().Format("15:04:05 UTC")
}

// watchMeter starts to look every lookEvery.
func watchMeter(m *energy.Meter) *meterWatch {
	w := &meterWatch{stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(w.stopped)
		t := time.NewTicker(lookEvery)
		defer t.Stop()
		for {
			select {
			case <-w.stop:
				return
			case now := <-t.C:
				if said := w.look(now, m.Lost()); said != nil {
					w.mu.Lock()
					w.due = append(w.due, said...)
					w.mu.Unlock()
				}
			}
		}
	}()
	return w
}

// take gives what is due; a nil watch has nothing.
func (w *meterWatch) take() []event.Warning {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	due := w.due
	w.due = nil
	return due
}

func (w *meterWatch) close() {
	close(w.stop)
	<-w.stopped
}

// closeMeter ends what reads the meter of a run, if it has come that far.
func (r *run) closeMeter() {
	if r.watch != nil {
		r.watch.close()
	}
	if r.meter != nil {
		r.meter.Close() //nolint:errcheck // nothing more is read from it
	}
}
