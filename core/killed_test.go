package core

import (
	"context"
	"testing"

	"pare/core/event"
)

// dies runs cfg in memory until at holds of an event that the store has taken, and returns
// what a process that is killed there leaves behind.
func dies(t *testing.T, cfg Config, at func(st *MemStore, e event.Event) bool) *MemStore {
	t.Helper()
	st := &MemStore{Dir: t.TempDir()}
	hit := false
	st.On = func(e event.Event) {
		if hit = at(st, e); hit {
			panic("killed")
		}
	}
	cfg.Store, cfg.Session = st, "test"
	func() {
		defer func() {
			if p := recover(); p != nil && p != "killed" {
				panic(p)
			}
		}()
		Run(context.Background(), cfg) //nolint:errcheck // it is killed
	}()
	if st.On = nil; !hit {
		t.Fatal("the run ended before it could be killed")
	}
	return st
}

// killed is a run that died at event n and went on from its last checkpoint to its end.
func killed(t *testing.T, r *Recipe, n int64) *MemStore {
	t.Helper()
	st := dies(t, Config{Recipe: clone(t, r)}, atEvent(n))
	wakes(t, r, st)
	return st
}

// atEvent holds of event n, at the latest of the run's last word: that of another run may
// have had more events, since what takes long tells of its progress.
func atEvent(n int64) func(*MemStore, event.Event) bool {
	return func(_ *MemStore, e event.Event) bool { return e.Seq == n || e.Body.Kind() == "done" }
}

// atKind holds of the first event of a kind.
func atKind(kind string) func(*MemStore, event.Event) bool {
	return func(_ *MemStore, e event.Event) bool { return e.Body.Kind() == kind }
}

// wakes goes on with r from the last checkpoint of a run that died, and returns the exit code.
// A run that left none fails the test: begun anew it would end in equal bits, and show nothing.
func wakes(t *testing.T, r *Recipe, st *MemStore) int {
	t.Helper()
	if len(st.State.Checkpoints) == 0 {
		t.Fatal("the run died without a checkpoint")
	}
	return wakesAnyhow(t, r, st)
}

// wakesAnyhow is wakes, or from the beginning where there is no checkpoint.
func wakesAnyhow(t *testing.T, r *Recipe, st *MemStore) int {
	t.Helper()
	log := st.State // the run's own goes on
	res := &Resume{Why: "crash", Log: &log}
	if k := len(log.Checkpoints); k > 0 {
		res.Checkpoint = log.Checkpoints[k-1].Name
	}
	return runAll(t, clone(t, r), res, st)
}
