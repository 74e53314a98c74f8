package core

import (
	"time"

	"pare/core/event"
)

// progress tells of work without steps how far it is, if it takes long: nothing in the
// first second, and then at most once a second.
type progress struct {
	r    *run
	what string
	of   int
	last time.Time
}

func (r *run) progress(what string, of int) *progress {
	return &progress{r, what, of, time.Now()}
}

func (p *progress) at(done int) error {
	if time.Since(p.last) < time.Second {
		return nil
	}
	p.last = time.Now()
	return p.r.emit(&event.Progress{Stage: p.r.loop.Stage, What: p.what, Done: done, Of: p.of})
}
