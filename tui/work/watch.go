package work

import (
	"context"
	"fmt"
	"math"
	"time"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
	"pare/tui/chart"
	"pare/tui/theme"
)

// How the log is sampled.
const (
	// A reader sees no more than two looks a second; keys are answered at once.
	DefaultHz = 2
	MostHz    = fps

	period  = time.Second / DefaultHz
	budget  = 2000        // events read at once
	recheck = time.Second // between looks at the run's process
)

// How a run stands, in the words of the header.
const (
	statusStarting = "starting"
	statusRunning  = "running"
	statusPaused   = "paused"
	statusWaiting  = "waiting"
	statusDone     = "done"
	statusFailed   = "failed"
	statusStopped  = "stopped"
	statusDead     = "dead"
)

// watch is what the screen knows of the run it follows.
type watch struct {
	src    source
	st     event.State
	recipe *core.Recipe
	marks  [event.Deploy + 1][]chart.Event
	// What is in force now; the log's fold does not take it back with a roll-back.
	now    inForce
	metric event.Metric       // the newest; after a roll-back, where the run went on
	kept   map[string]inForce // by checkpoint
	waits  int64              // number of the event that said so last
	told   int64              // waits, when the run was told to go on: it is not told twice
	toldAt time.Time
	moved  bool // something was computed since the run began to wait: it does not any more
	listed bool // opened from the list of sessions
	pace   pace

	reads   reads
	caught  bool // the log has been read up to its end once
	empty   int  // samples in a row without an event
	gone    int  // looks in a row at which no process carried the run
	checked time.Time
	problem string
	heat    []heatCol  // of the layers, over the steps of sparsify
	weights layerStats // of the layer looked at last
	losses  [event.Deploy + 1]grown
	watches string // who drives, when somebody else does
	asked   string // who asks this screen for the driver's seat
	asking  bool   // this screen asks for it
	damage  string // the log cannot be read on
	second  int64  // shown last, of what ticks without events

	replay *sessions.Replay // what src plays, nil for a run
	gen    int              // seeks of the replay whose events are folded
	stand  sessions.Stand   // how far the replay is
}

// inForce is what a checkpoint holds besides weights.
type inForce struct {
	mask event.Mask
	goal float64 // target set by a person, 0 for the recipe's
}

// follow makes src the run of the desk.
func (d *desk) follow(src source) {
	l := d.look
	d.page, d.run, d.look = pageRun, &watch{src: src, kept: map[string]inForce{}}, look{log: l.log, ema: l.ema, view: l.view}
	if p, ok := src.(*replay); ok {
		d.run.replay, d.run.stand = p.r, p.r.Stand()
	}
	d.over = overNone
	d.touch()
}

// watchOn begins to read the run's log and recipe.
func (d *desk) watchOn() []effect { return []effect{d.read(0), d.readRecipe()} }

// logMsg is a piece of the log.
type logMsg struct {
	src     source
	events  []event.Event
	gen     int // see watch.gen
	err     error
	through float64 // share of the log's bytes that are read; NaN unknown
	checked bool
	alive   bool
	problem string
	watches string // see source.Watching
	asked   string // see seater
	asking  bool
	refused bool
}

// read samples the log after a while.
func (d *desk) read(wait time.Duration) effect {
	src := d.run.src
	check := d.now.Sub(d.run.checked) >= recheck
	nap := d.sleep
	quiet := d.run.empty >= 4 // a run that cannot write its log says nothing there
	return func(ctx context.Context) any {
		if !nap(ctx, wait) {
			return nil
		}
		m := logMsg{src: src, checked: check}
		if check { // before the log is read: its last words are then in it
			m.alive = src.Alive()
			if m.alive { // also takes the driver's seat, and keeps it
				c, cancel := context.WithTimeout(ctx, time.Second)
				if p := src.Problem(c); quiet {
					m.problem = p
				}
				cancel()
				m.watches = src.Watching()
				if s, ok := src.(seater); ok {
					m.asked, m.asking, m.refused = s.Asked(), s.Asking(), s.Refused()
				}
			}
		}
		if p, ok := src.(*replay); ok {
			m.events, m.gen, m.err = p.NextOf(budget)
		} else {
			m.events, m.err = src.Next(budget)
		}
		m.through = math.NaN()
		if s, ok := src.(*session); ok {
			m.through = s.t.Through()
		}
		return m
	}
}

// onLog folds what is new and asks for the next sample.
func (d *desk) onLog(m logMsg) []effect {
	r := d.run
	if r == nil || m.src != r.src {
		return nil
	}
	if m.gen > r.gen {
		d.rewind(m.gen)
		r = d.run
	}
	if m.gen < r.gen { // of before the seek
		return []effect{d.read(0)}
	}
	if r.replay != nil {
		d.tickReplay()
	}
	var todo []effect
	for _, e := range m.events {
		todo = append(todo, d.fold(e)...)
	}
	if m.checked {
		r.checked = d.now
		was, _ := r.status()
		if m.alive {
			r.gone = 0
		} else {
			r.gone++
		}
		if m.watches != r.watches {
			if r.watches != "" && m.alive {
				d.say(theme.Good, "you drive now")
			}
			r.watches = m.watches
			d.touch()
		}
		d.seated(m.asked, m.asking, m.refused)
		if m.problem != r.problem {
			r.problem = m.problem
			d.touch()
		}
		if is, _ := r.status(); is != was {
			d.touch()
		}
	}
	if len(m.events) > 0 {
		r.empty = 0
	} else {
		r.empty++
	}
	if d.hold = len(m.events) == budget && !r.caught; d.hold {
		d.readOn(m.through)
		return append(todo, d.read(0)) // catching up: the run is drawn at the end
	}
	if !r.caught {
		r.caught = true
		if d.cost.lean != nil {
			d.cost.lean()
		}
		d.touch()
		d.toast = toast{} // of the past
	}
	if m.err != nil && r.damage == "" {
		r.damage = m.err.Error()
		d.touch()
		if r.st.Seq == 0 { // of a newer pare, or no log at all: nothing to show
			d.quit = true
		}
	}
	if len(m.events) > 0 {
		d.dirty = true
		todo = append(todo, d.react()...)
	}
	d.tick()
	todo = append(todo, d.tourNext()...)
	return append(todo, d.read(d.period()))
}

// tick looks for what changes without an event: the time left, and toasts that
// have been shown for long enough.
func (d *desk) tick() {
	r := d.run
	if d.late && d.now.Sub(d.touched) >= period {
		d.touch()
	}
	s, _ := r.status()
	d.cost.spare(s == statusRunning && !d.replaying())
	if s == statusRunning && (r.pace.known() || d.silent() > 0) {
		if sec := d.clock().Unix(); sec != r.second {
			r.second, d.dirty = sec, true
		}
	}
	if t := d.toast; t.text != "" && d.now.After(t.until) {
		d.toast = toast{}
		d.touch()
	}
}

// fold takes one event in.
func (d *desk) fold(e event.Event) []effect {
	r := d.run
	r.st.Apply(e)
	if b, ok := e.Body.(*event.Metrics); ok { // of the past, many at once
		e.Body = &b.Last
	}
	r.pace.fold(e)
	switch b := e.Body.(type) {
	case *event.Metric:
		if !r.moved || r.metric.Stage != b.Stage || r.metric.Steps != b.Steps {
			d.touch()
		}
		if d.look.view == viewLoss {
			d.touchLater() // a point more
		}
		r.moved, r.metric = true, *b
		return nil
	case *event.Eval, *event.EpochCost, *event.Mask, *event.Plan, *event.Checkpoint:
		d.touchLater() // a short epoch brings them many times a second
	default:
		d.touch()
	}
	switch b := e.Body.(type) {
	case *event.Plan, *event.Eval, *event.EpochCost, *event.Export, *event.Verdict, *event.LayerVerdicts:
		r.moved = true
	case *event.Paused, *event.Continued, *event.StageChange:
		c, ok := b.(*event.StageChange)
		r.moved = ok && c.State == "done" // the next stage is about to begin: nothing waits meanwhile
		if ok && c.State == "waiting" {
			r.waits = e.Seq
		}
		if p, ok := b.(*event.Paused); d.toast.soon || ok && (p.Why == event.WhyFloor || p.Why == event.WhyDiverged) { // the bar says it, with the ways out
			d.toast = toast{}
		}
	case *event.Decision:
		if d.toast.soon {
			d.toast = toast{}
		}
		r.mark(b.Stage, b.Step, chart.Mark, decided(b))
		switch b.Cmd {
		case core.CmdTarget:
			r.now.goal = b.Value
		case core.CmdSettle:
			if b.Stage != event.Sparsify {
				break
			}
			r.now.goal = math.Round(1000*b.Value) / 1000 // nobody typed it
		}
		if b.Cmd == core.CmdConfigure {
			if n, err := core.ParseRecipe([]byte(b.Text)); err == nil {
				r.recipe = n
			}
			if d.goOn {
				d.goOn = false
				return []effect{d.send(core.Command{Cmd: core.CmdNext})}
			}
		}
	case *event.Floor:
		r.mark(event.Sparsify, b.Step, chart.Bad, fmt.Sprintf("under the floor of %s: back to %s", percent(b.Floor), b.Back))
		d.warn(theme.Warn, fmt.Sprintf("%s is under the floor of %s: back to %s, no more zeros from here", percent(b.Acc), percent(b.Floor), b.Back))
	case *event.Diverged:
		r.mark(b.Stage, b.Step, chart.Bad, "the loss became "+b.Loss)
		d.warn(theme.Bad, fmt.Sprintf("the loss became %s at step %d: back to checkpoint %s", b.Loss, b.Step, b.Back))
	case *event.Mask:
		r.now.mask = *b
		r.heated(b)
	case *event.Checkpoint:
		r.kept[b.Name] = r.now
		d.keepBack()
	case *event.Dropped:
		delete(r.kept, b.Name)
		d.keepBack()
	case *event.Resumed:
		r.losses = [event.Deploy + 1]grown{} // points went, others come in their place
		r.now = r.kept[b.Checkpoint]
		r.weights = layerStats{} // a name may be written again
		switch {
		case b.Stage < event.Sparsify:
			r.cool(-1)
		case b.Stage == event.Sparsify:
			r.cool(b.Step)
		}
		r.metric.Step = b.Step
		if m := &r.metric; m.Stage != b.Stage {
			*m = event.Metric{Stage: b.Stage}
		} else if m.Steps > 0 {
			m.Epoch = min(int(b.Step*int64(m.Epochs)/m.Steps)+1, m.Epochs)
		}
		if b.Why == "crash" || b.Why == "stop" {
			r.mark(b.Stage, b.Step, chart.Mark, "resumed")
		}
	case *event.Warning:
		d.goOn = false
		d.warn(theme.Warn, withFix(b.Text, b.Fix))
	case *event.Failure:
		d.goOn = false
		d.warn(theme.Bad, withFix(b.Text, b.Fix))
	case *event.Model:
		return []effect{d.readRecipe()}
	case *event.Done:
		if d.toast.soon || b.Exit == core.ExitBudget { // the bar says that it is spent, not that it will be
			d.toast = toast{}
		}
		if e.At.After(d.opened) {
			d.exit = b.Exit
		}
	}
	return nil
}

func (r *watch) mark(s event.Stage, step int64, kind chart.EventKind, label string) {
	if s >= event.Baseline && s <= event.Deploy {
		r.marks[s] = append(r.marks[s], chart.Event{X: float64(step), Kind: kind, Label: label})
	}
}

// react does what new events call for.
func (d *desk) react() []effect {
	st := &d.run.st
	if s, _ := d.run.status(); s != statusWaiting || d.replaying() {
		return nil
	}
	switch st.Stage {
	case event.Baseline:
		if d.autoNext {
			d.autoNext = false
			return []effect{d.send(core.Command{Cmd: core.CmdNext})}
		}
	case event.Configure:
		return d.openConf()
	}
	return nil
}

// status is how the run stands, and why.
func (r *watch) status() (word, why string) {
	st := &r.st
	switch {
	case st.Done != nil:
		return statusDone, st.Done.Text
	case st.Status == event.StatusFailed:
		return statusFailed, st.Why
	case st.Status == event.StatusPaused && st.Why == "stopped":
		return statusStopped, stoppedText(st)
	case r.gone >= 2:
		return statusDead, "its process is gone"
	case st.Status == event.StatusNew:
		return statusStarting, ""
	case st.Status == event.StatusWaiting && r.moved:
		return statusRunning, ""
	}
	return string(st.Status), st.Why
}

// zeros is the share of zeros now.
func (r *watch) zeros() float64 {
	st := &r.st
	switch {
	case st.Ledger != nil:
		return st.Ledger.Now.Zeros
	case r.now.mask.Of > 0:
		return float64(r.now.mask.Zeros) / float64(r.now.mask.Of)
	}
	return 0
}

// floor is the lowest accepted validation accuracy, and whether it is known.
func (r *watch) floor() (float64, bool) {
	if r.recipe == nil {
		return 0, false
	}
	if a := r.recipe.Floor.Accuracy; a > 0 {
		return a, true
	}
	b, ok := r.st.BaselineAcc()
	return b - r.recipe.Floor.Points/100, ok && r.st.Stages[event.Baseline].State == "done"
}

// target is the share of zeros asked for, and whether it is known.
func (r *watch) target() (float64, bool) {
	if r.now.goal > 0 {
		return r.now.goal, true
	}
	if r.recipe == nil {
		return 0, false
	}
	return r.recipe.Prune.Target, true
}
