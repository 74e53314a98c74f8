package core

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"pare/core/event"
)

// keepFiles is how many epoch checkpoints stay on disk for rolling back, next
// to the special ones and the last good one.
const keepFiles = 12

// keepLast is how many of these are the newest ones.
const keepLast = 4

// stepName names the checkpoint of the current step.
func (r *run) stepName() string { return fmt.Sprintf("s%d-%06d", r.loop.Stage, r.loop.Step) }

// ofStep matches what stepName makes.
var ofStep = regexp.MustCompile(`^s[1-5]-\d+$`)

// special reports whether a checkpoint is kept for the whole run: the ends of
// stages and the rewind point.
func special(name string) bool {
	return !ofStep.MatchString(name) || strings.HasSuffix(name, "-000000")
}

// checkpoint writes everything needed to go on from here.
func (r *run) checkpoint(name string, acc float64) error {
	if err := r.t.Pull(); err != nil {
		return err
	}
	for _, p := range r.model.Params {
		for _, x := range p.Data {
			if x-x != 0 {
				return nil // NaN or Inf: the next loss will say so, and the last checkpoint is still finite
			}
		}
	}
	state, err := r.t.State()
	if err != nil {
		return err
	}
	state = append(state, r.memory()...)
	if acc < 0 && name == r.wrote { // the weights are those it has, and as accurate
		if i := slices.IndexFunc(r.files, func(f kept) bool { return f.name == name }); i >= 0 {
			acc = r.files[i].acc
		}
	}
	good := r.loop.Stage != event.Sparsify || acc < 0 || acc >= r.loop.Floor
	zeros := r.zeros()
	if r.loop.Stage == event.Sparsify && good && acc >= 0 {
		r.loop.Good = name
	}
	l, err := json.Marshal(r.loop)
	if err != nil {
		return err
	}
	c := &Checkpoint{Model: r.model, State: state, Loop: l}
	var sha string
	var size int64
	if err := r.whenThereIsSpace(func() (err error) { sha, size, err = r.cfg.Store.Save(name, c); return err }); err != nil {
		return err
	}
	if err := r.emit(&event.Checkpoint{
		Name: name, Stage: r.loop.Stage, Epoch: int(r.loop.Step / r.perEpoch()), Step: r.loop.Step, SHA: sha, Bytes: size,
		Acc: acc, Zeros: zeros, Good: good, AtGoal: r.loop.Stage >= event.Sparsify && zeros >= r.target()-1e-3,
	}); err != nil {
		return err
	}
	r.wrote = name
	return r.tidy(kept{name, zeros, acc})
}

// whenThereIsSpace writes something; while the disk is full the run waits.
func (r *run) whenThereIsSpace(write func() error) error {
	err := write()
	if !isFull(err) {
		return err
	}
	if err := r.emit(&event.Paused{Stage: r.loop.Stage, Step: r.loop.Step, Why: "no space left on the disk: free some, the run goes on by itself"}); err != nil {
		return err
	}
	if r.bill.running {
		r.bill.hold(r)
		defer r.bill.resume(r)
	}
	for isFull(err) {
		if err := r.waitForSpace(); err != nil {
			return err
		}
		err = write()
	}
	if err != nil {
		return err
	}
	return r.emit(&event.Continued{Stage: r.loop.Stage, Step: r.loop.Step})
}

// kept is an epoch checkpoint on disk.
type kept struct {
	name       string
	zeros, acc float64 // acc is −1 when it was not judged
}

// tidy removes epoch checkpoints that rolling back needs least.
func (r *run) tidy(k kept) error {
	if special(k.name) {
		return nil
	}
	r.files = append(slices.DeleteFunc(r.files, func(f kept) bool { return f.name == k.name }), k)
	for len(r.files) > keepFiles {
		i := leastNeeded(r.files, r.loop.Good)
		f := r.files[i].name
		if err := r.emit(&event.Dropped{Name: f}); err != nil {
			return err
		}
		if err := r.cfg.Store.Drop(f); err != nil {
			return err
		}
		r.files = slices.Delete(r.files, i, i+1)
	}
	return nil
}

// leastNeeded picks the checkpoint to remove: not one of the last few, the last
// good one, or the most accurate one; of the others the one between whose
// neighbours the zeros differ least, so that a few stay all along the way.
func leastNeeded(files []kept, good string) int {
	best := 0
	for i, f := range files {
		if f.acc > files[best].acc {
			best = i
		}
	}
	least, gap := -1, math.Inf(1)
	for i := range len(files) - keepLast {
		if files[i].name == good || i == best && files[i].acc >= 0 {
			continue
		}
		before := 0.0
		if i > 0 {
			before = files[i-1].zeros
		}
		if d := math.Abs(files[i+1].zeros - before); d < gap {
			least, gap = i, d
		}
	}
	return max(least, 0)
}

// goBack loads a checkpoint and goes on from there.
func (r *run) goBack(name, why string) error {
	c, err := r.cfg.Store.Load(name)
	if err != nil {
		return err
	}
	pending, replayed, before, recipe := r.pending, r.loop.Replayed, r.model.StructHash(), r.loop.Recipe
	r.pending = nil
	if err := r.restore(c); err != nil {
		return err
	}
	r.pending, r.loop.Replayed = pending, replayed
	r.wrote = name
	if g := r.loop.Good; g != "" && !special(g) && !slices.ContainsFunc(r.files, func(k kept) bool { return k.name == g }) {
		r.loop.Good = fmt.Sprintf("s%d-000000", event.Sparsify) // removed meanwhile: the stage's door stands
	}
	if err := r.emit(&event.Resumed{Checkpoint: name, Stage: r.loop.Stage, Step: r.loop.Step, Why: why}); err != nil {
		return err
	}
	if r.loop.Recipe != recipe { // the checkpoint's is in force again
		if err := r.emit(&event.Decision{Stage: r.loop.Stage, Step: r.loop.Step, Cmd: CmdConfigure, Text: r.loop.Recipe, By: "pare", Pass: r.loop.Pass}); err != nil {
			return err
		}
	}
	if r.model.StructHash() != before {
		if err := r.describe(); err != nil {
			return err
		}
	}
	return r.choices()
}

// enter moves on to the next stage and leaves a checkpoint at its door.
func (r *run) enter(s event.Stage) error {
	if err := r.t.Pull(); err != nil {
		return err
	}
	if err := r.checkMasks(r.model); err != nil {
		return fmt.Errorf("at the end of %s: %w", r.loop.Stage, err)
	}
	r.bill.tick(r)
	r.loop.Stage, r.loop.Step = s, 0
	r.learned, r.bird, r.spentBefore = nil, nil, nil // of the stage that ends
	if r.bill.running {
		r.bill.resume(r)
	}
	acc := r.lastAcc
	if s == event.Sparsify { // where the floor goes back to when nothing else is above it
		acc = r.loop.BaseAcc
	}
	return r.checkpoint(r.stepName(), acc)
}
