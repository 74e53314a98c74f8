package sessions

import (
	"fmt"
	"slices"

	"pare/core"
	"pare/core/event"
)

// history is what the writing end knows of the log: the fold, and from which
// checkpoint the run would go on.
type history struct {
	state event.State
	// line holds the checkpoints the run's present state descends from, oldest
	// first. Going back to one of them cuts those after it.
	line []mark
	// all has the newest event of every checkpoint written under a name.
	all map[string]mark
	// stopped: the run ended because it was told to.
	stopped bool
	failed  bool
}

// mark is a checkpoint in the log.
type mark struct {
	name, sha string
	seq       int64
}

func (h *history) apply(e event.Event) {
	h.state.Apply(e)
	switch b := e.Body.(type) {
	case *event.Checkpoint:
		if h.all == nil {
			h.all = map[string]mark{}
		}
		k := mark{b.Name, b.SHA, e.Seq}
		h.all[b.Name] = k
		h.line = append(h.without(b.Name), k) // an overwritten file is no way back
	case *event.Dropped:
		h.line = h.without(b.Name)
		delete(h.all, b.Name)
	case *event.Resumed:
		h.back(b.Checkpoint)
	}
	switch b := e.Body.(type) {
	case *event.Failure:
		h.failed = true
	case *event.Paused:
		h.stopped = b.Why == "stopped"
	case *event.Started, *event.Resumed, *event.Continued:
		h.stopped, h.failed = false, false
	}
}

func (h *history) without(name string) []mark {
	out := h.line[:0]
	for _, k := range h.line {
		if k.name != name {
			out = append(out, k)
		}
	}
	return out
}

// back goes to a checkpoint: those after it are no longer behind the run. One
// from another branch starts a line of its own.
func (h *history) back(name string) {
	for i, k := range h.line {
		if k.name == name {
			h.line = h.line[:i+1]
			return
		}
	}
	h.line = nil
	if k, ok := h.all[name]; ok {
		h.line = []mark{k}
	}
}

// resume finds the checkpoint to go on from: the last one behind the run whose
// file is whole. It says in warnings what it had to pass over. An empty log
// needs no resume.
func (h *history) resume(dir string) (*core.Resume, []event.Warning) {
	if h.state.Seq == 0 {
		return nil, nil
	}
	r := &core.Resume{Why: "crash", Log: h.snapshot()}
	if p, err := readRun(dir); h.stopped || err == nil && p.stopped() {
		r.Why = "stop"
	}
	var warn []event.Warning
	for i := len(h.line) - 1; i >= 0; i-- {
		k := h.line[i]
		if _, err := verifyFile(dir, k.name, k.sha); err != nil {
			warn = append(warn, event.Warning{Text: fmt.Sprintf("checkpoint %s cannot be used: %v", k.name, err), Fix: "going on from the one before it"})
			continue
		}
		r.Checkpoint, r.Seq = k.name, k.seq
		return r, warn
	}
	if len(warn) > 0 {
		warn[len(warn)-1].Fix = "starting from the beginning"
	}
	return r, warn
}

// snapshot is a copy of the fold that later events do not change.
func (h *history) snapshot() *event.State {
	s := h.state
	for i := range s.Curves {
		c := &s.Curves[i]
		for _, p := range []*[]event.Point{&c.Acc, &c.Perplexity, &c.Loss, &c.Joules, &c.CPU, &c.Zeros} {
			*p = slices.Clone(*p)
		}
	}
	s.Exports = slices.Clone(s.Exports)
	return &s
}
