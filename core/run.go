package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"pare/core/data"
	"pare/core/device"
	"pare/core/energy"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/prune"
	"pare/core/train"
	"pare/hwprofiles"
)

// openMeter is replaced by tests.
var openMeter = energy.Open

// openDevice is, too.
var openDevice = OpenDevice

// errStop ends a run that was asked to stop: it can be resumed.
var errStop = errors.New("stopped on request")

// outcome ends a run with an exit code other than an error's.
type outcome struct {
	code int
	text string
}

func (o outcome) Error() string { return o.text }

// loop is the part of the run's state that a checkpoint carries as JSON: with
// the model and the optimiser's state it determines everything that follows.
type loop struct {
	Stage event.Stage `json:"stage"`
	Step  int64       `json:"step"`  // of the stage, finished steps
	Index int64       `json:"index"` // optimiser steps since its state was fresh

	Base    prune.Base `json:"base"`     // weights of each layer of the dense model
	BaseAcc float64    `json:"base_acc"` // validation accuracy of the dense model
	BaseN   int        `json:"base_n"`
	Floor   float64    `json:"floor"`

	Masks    string     `json:"masks,omitempty"` // hash over all masks, checked wherever they could get lost
	Share    float64    `json:"share"`           // the schedule's current share of zeros
	Retarget []retarget `json:"retarget,omitempty"`
	Frozen   bool       `json:"frozen"`            // the floor was hit: no more zeros
	Good     string     `json:"good"`              // last checkpoint above the floor
	Pass     int        `json:"pass,omitempty"`    // how often the floor sent the run back
	Replayed int        `json:"replayed"`          // decisions of the recipe already used
	Looks    int        `json:"looks"`             // at the test set
	Scored   int64      `json:"scored,omitempty"`  // steps in which scores were learnt
	History  []spent    `json:"history,omitempty"` // of the baseline, epoch by epoch
	Verdict  string     `json:"verdict,omitempty"`
	Recipe   string     `json:"recipe"` // TOML in force
	// Scan is the sensitivity scan that a spread by sensitivity follows.
	Scan *event.Scan `json:"scan,omitempty"`

	// Of the budget.
	Warned  bool     `json:"warned,omitempty"`  // it was said that most is spent
	Over    bool     `json:"over,omitempty"`    // it was said that all is spent
	Spent   string   `json:"spent,omitempty"`   // why the run ends here: the budget
	Ended   int64    `json:"ended,omitempty"`   // step at which the baseline was ended early
	Settled *float64 `json:"settled,omitempty"` // the share of zeros at which sparsifying was ended
	Broke   bool     `json:"broke,omitempty"`   // by the budget
}

// retarget is a change of the target while sparsifying.
type retarget struct {
	Step   int64    `json:"step"`
	Target float64  `json:"target"`
	Held   *float64 `json:"held,omitempty"` // share of zeros then, when the floor held the schedule back
}

type run struct {
	cfg   Config
	r     *Recipe
	dev   device.Device
	set   *data.Data
	pre   zoo.Preset
	model *graph.Model // as loaded or initialised, weights filled
	t     *train.Trainer
	hw    hwprofiles.Profile // predictions are made for it
	meter *energy.Meter
	sched prune.Schedule // of sparsify

	loop        loop
	redo        []Decision // a crash came between them and the next checkpoint
	pending     []Decision // the recipe's, still to come
	paused      bool
	fell        bool             // through the floor, and nobody was asked yet
	anew        bool             // training was set up anew while paused
	begun       bool             // the person has said that training may begin
	wrote       string           // last checkpoint's name
	files       []kept           // epoch checkpoints on disk, oldest first
	learned     *prune.Movement  // scores learnt while sparsifying
	bird        *prune.EarlyBird // masks of the last epochs of the baseline
	empty       []string         // layers that have lost all weights, as said last
	lastAcc     float64          // validation accuracy last seen, −1 unknown
	bill        bill
	rates       energy.Rates     // what a kWh costs and emits
	spentBefore *event.StageCost // at the end of the last epoch of this stage; nil: none since the run went on
	metric      metricWindow
	garbage     train.Collector
	times       *event.StepTimes // of the dense model, from the end of the baseline
	watch       *meterWatch
	scanned     *event.Scan // the newest, as far as it came
}

// Run goes through the stages until the end, a stop or an error, and returns
// the exit code. It emits everything it does; the returned error is for the
// caller's last line and is already in the log when the log could be written.
func Run(ctx context.Context, cfg Config) (int, error) {
	r := &run{cfg: cfg, r: cfg.Recipe, lastAcc: -1, fell: cfg.Resume.atFloor()}
	defer r.closeMeter() // after a panic, too
	err := r.all(ctx)
	if r.t != nil {
		r.t.Close()
	}
	var o outcome
	switch {
	case errors.Is(err, errStop), errors.Is(err, context.Canceled):
		return ExitInterrupted, nil
	case errors.As(err, &o):
		return o.code, nil
	}
	text, fix, recipe := err.Error(), "", errors.As(err, new(*wrongRecipe))
	var f *fixable
	if errors.As(err, &f) {
		text, fix = f.err.Error(), f.fix
	}
	if errors.Is(err, device.ErrLost) && r.wrote != "" {
		fix = fmt.Sprintf("nothing up to checkpoint %s is lost: see `nvidia-smi` and `pare doctor`, then `pare sessions resume` goes on from there", r.wrote)
	}
	if errors.Is(err, device.ErrKept) {
		fix = "put back the driver and libraries that the run had before (`pare doctor` lists those of today); or start a new run, whose bits will differ, from its recipe without [plan.chosen]"
	}
	if errors.Is(err, device.ErrMemory) && fix == "" {
		fix = "set train.batch (and what the text names), then start the run anew; `nvidia-smi` shows what else is on the card"
	}
	r.emit(&event.Failure{Text: text, Fix: fix, Recipe: recipe}) //nolint:errcheck // the disk may be why we are here
	return ExitError, err
}

// fixable is an error with the way out.
type fixable struct {
	err error
	fix string
}

// wrongRecipe is an error that comes again, however often the run is resumed: the
// recipe has to change, or what it names.
type wrongRecipe struct{ error }

func (w *wrongRecipe) Unwrap() error { return w.error }

func (f *fixable) Error() string { return f.err.Error() + ": " + f.fix }
func (f *fixable) Unwrap() error { return f.err }

// all never returns nil: the last stage ends in an outcome.
func (r *run) all(ctx context.Context) error {
	if err := r.open(); err != nil {
		return err
	}
	if err := r.begin(); err != nil {
		return err
	}
	if r.loop.Spent != "" { // it died before it could say so
		return r.spent()
	}
	if err := r.idle(ctx); err != nil {
		return err
	}
	for {
		var err error
		switch r.loop.Stage {
		case event.Baseline:
			err = r.baseline(ctx)
		case event.Configure:
			err = r.configure(ctx)
		case event.Sparsify:
			err = r.sparsify(ctx)
		case event.Validate:
			err = r.validate(ctx)
		case event.Deploy:
			err = r.deploy(ctx)
		}
		if errors.Is(err, errRolledBack) {
			continue // the loop state names the stage to go on with
		}
		if err != nil {
			return r.stopBetween(err)
		}
	}
}

// load loads what the recipe names and the machine offers. warn is what to say of it.
func (r *run) load() (warn []event.Warning, err error) {
	if err := r.r.Check(); err != nil {
		return nil, err
	}
	r.pending = append([]Decision(nil), r.r.Decisions...)
	dev, err := openDevice(r.r.Hardware.Device)
	if err != nil {
		return nil, err
	}
	var others []event.Warning
	if r.dev, others = r.keeping(dev); len(others) == 0 {
		others = r.elsewhere()
	}
	if r.set, err = openData(r.r); err != nil {
		return nil, err
	}
	if r.model, r.pre, warn, err = openModel(r.r, r.set, r.dev, r.cfg.Resume != nil && r.cfg.Resume.Checkpoint != ""); err != nil {
		return nil, err
	}
	r.fillRecipe()
	warn = append(append(warn, others...), r.idleCard()...)
	if r.hw, err = r.profile(r.r.Hardware.Profile); err != nil {
		return nil, err
	}
	if r.meter, err = openMeter(meterOptions(r.dev, r.r.Energy.Wall)); err != nil {
		return nil, err
	}
	r.watch = watchMeter(r.meter)
	if err := r.checkBudget(); err != nil {
		return nil, err
	}
	r.rates, err = r.r.Grid.Resolve()
	return warn, err
}

// open loads everything and says with what the run begins.
func (r *run) open() error {
	warn, err := r.load()
	if err != nil {
		return &wrongRecipe{err}
	}
	m, dev := r.model, r.dev
	toml, err := r.r.Marshal()
	if err != nil {
		return err
	}
	if res := r.cfg.Resume; res != nil && res.Log != nil && res.Log.Started.DataHash != "" && res.Log.Started.DataHash != r.set.Hash {
		return &fixable{
			fmt.Errorf("the data are not those this run began with: %s now has hash %.12s, then %.12s", r.set.Name, r.set.Hash, res.Log.Started.DataHash),
			"put the old file back, or start a new run",
		}
	}
	on, kind := hardware(dev)
	r.loop = loop{Stage: event.Baseline, Base: prune.NewBase(m), Recipe: string(toml)}
	if err := r.emit(&event.Started{
		Format: event.Version, Session: r.cfg.Session, Pare: r.cfg.Version,
		Model: m.Name, Data: r.set.Name, DataHash: r.set.Hash, Recipe: r.r.Hash(),
		Device: dev.Name(), ISA: dev.ISA(), Threads: r.threads(), Machine: hwprofiles.CPUModel(), Hardware: on, HWKind: kind,
		Meter: r.meter.Source(), Tier: string(r.meter.Tier()), MeterWhy: meterWhy(r.meter), Boundary: r.meter.Boundary(), Pid: os.Getpid(), Auto: r.r.Auto, Grid: gridOf(r.r.Grid, r.rates),
	}); err != nil {
		return err
	}
	if err := hwprofiles.Check(); err != nil {
		warn = append(warn, event.Warning{Text: "a hardware profile cannot be used: " + strings.ReplaceAll(err.Error(), "\n", "; ")})
	}
	for _, w := range warn {
		if err := r.emit(&w); err != nil {
			return err
		}
	}
	return r.describe()
}

// begin starts afresh or from the checkpoint to resume from.
func (r *run) begin() error {
	res := r.cfg.Resume
	if res == nil {
		return r.startTrainer(nil)
	}
	if res.Checkpoint == "" { // it died before the first checkpoint
		if err := r.emit(&event.Resumed{Stage: event.Baseline, Why: res.Why}); err != nil {
			return err
		}
		return r.startTrainer(nil)
	}
	c, err := r.cfg.Store.Load(res.Checkpoint)
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if err := r.restore(c); err != nil {
		return fmt.Errorf("resume from %s: %w", res.Checkpoint, err)
	}
	r.wrote = res.Checkpoint
	if res.Log != nil {
		for _, ck := range res.Log.Checkpoints {
			if !special(ck.Name) {
				r.files = append(r.files, kept{ck.Name, ck.Zeros, ck.Acc})
			}
		}
		for _, s := range res.Log.Stages {
			r.bill.restore(s.Cost)
		}
		r.times = res.Log.Times
		for i := range res.Log.Epochs {
			r.bill.train(&res.Log.Epochs[i])
		}
		// Energy of steps after the checkpoint was spent and stays billed.
		r.bill.restoreMetric(res.Log.Metric)
		for _, d := range res.Log.Fresh {
			if d.Stage == r.loop.Stage && (d.Cmd == CmdTarget || d.Cmd == CmdRollback || d.Cmd == CmdSettle) {
				r.redo = append(r.redo, Decision{Stage: int(d.Stage), Step: d.Step, Cmd: d.Cmd, Value: d.Value, Text: d.Text, Pass: d.Pass})
			}
		}
		r.loop.Looks = max(r.loop.Looks, res.Log.Looks)
		r.scanned = res.Log.Scan
		if res.Log.Frozen && r.loop.Stage == event.Sparsify { // the floor's own checkpoint was not written any more
			r.loop.Frozen = true
			r.loop.Pass++
		}
	}
	if err := r.emit(&event.Resumed{Checkpoint: res.Checkpoint, Seq: res.Seq, Stage: r.loop.Stage, Step: r.loop.Step, Why: res.Why}); err != nil {
		return err
	}
	return r.describe()
}

// restore replaces model, optimiser state and loop by the checkpoint's.
func (r *run) restore(c *Checkpoint) error {
	var l loop
	if err := json.Unmarshal(c.Loop, &l); err != nil {
		return fmt.Errorf("its loop state does not parse: %w", err)
	}
	if l.Recipe != "" {
		rec, err := ParseRecipe([]byte(l.Recipe))
		if err != nil {
			return fmt.Errorf("its recipe: %w", err)
		}
		r.r = rec
		if r.hw, err = r.profile(rec.Hardware.Profile); err != nil {
			return fmt.Errorf("its recipe: %w", err)
		}
	}
	if err := c.Model.Verify(); err != nil {
		return err
	}
	l.Looks = max(l.Looks, r.loop.Looks)
	l.Base.Complete(r.loop.Base) // that of the recipe's model: see open
	r.loop, r.model = l, c.Model
	if err := r.checkMasks(r.model); err != nil {
		return err
	}
	if l.Stage == event.Sparsify {
		if err := r.makeSchedule(); err != nil {
			return err
		}
	}
	o, err := r.trainerOptions()
	if err != nil {
		return err
	}
	if err := r.remember(c.State[min(o.Optim.Slots(), len(c.State)):]); err != nil {
		return err
	}
	if l.Replayed > 0 {
		r.pending = r.pending[min(l.Replayed, len(r.pending)):]
	}
	return r.startTrainer(c.State)
}

func (r *run) trainerOptions() (train.Options, error) {
	ts := r.r.Train
	opt, err := train.Optim(ts.Optimizer, ts.Momentum, ts.WeightDecay)
	return train.Options{Batch: min(ts.Batch, r.set.Train.N()), Micros: ts.Accumulate, Recompute: ts.Recompute, Optim: opt, Seed: r.r.Seed, Threads: r.threads(), Prices: r.r.Plan.Prices}, err
}

func (r *run) threads() int {
	if n := r.r.Hardware.Threads; n > 0 {
		return n
	}
	return train.Procs()
}

// emit writes an event, and before it what has happened to the meter's sources.
func (r *run) emit(b event.Body) error {
	for _, w := range r.watch.take() {
		if err := r.write(&w); err != nil {
			return err
		}
	}
	return r.write(b)
}

// write writes an event. When the disk is full it waits until there is room or
// the run is told to stop: nothing already written is lost.
func (r *run) write(b event.Body) error {
	for {
		_, err := r.cfg.Store.Emit(b)
		if !errors.Is(err, ErrFull) {
			return err
		}
		if err := r.waitForSpace(); err != nil {
			return err
		}
	}
}

// waitForSpace sleeps until the disk may have room again. The log cannot say
// so; the control socket's status does.
func (r *run) waitForSpace() error {
	select {
	case c, ok := <-r.cfg.Commands:
		if !ok || c.Cmd == CmdStop {
			return errStop
		}
	case <-time.After(2 * time.Second):
	}
	return nil
}

func (r *run) stage(s event.Stage, state, evidence string) error {
	return r.emit(&event.StageChange{Stage: s, State: state, Evidence: evidence})
}

// meterWhy says why no better energy source is used, and the way out.
func meterWhy(m *energy.Meter) string {
	if m.Measured() {
		return ""
	}
	for _, s := range m.Sources() {
		if s.Name == "rapl" && s.Why != "" {
			if s.Fix != "" {
				return s.Why + "; fix: " + s.Fix
			}
			return s.Why
		}
	}
	return ""
}
