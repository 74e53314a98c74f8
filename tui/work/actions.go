package work

import (
	"time"

	"pare/core"
	"pare/core/event"
	"pare/tui/chart"
)

// The commands.

func (d *desk) notRunning() string {
	if w := d.bound(); w != "" {
		return w
	}
	if d.run.watches != "" && !d.run.over() {
		return "another screen drives: a asks it for the seat"
	}
	switch s, _ := d.run.status(); s {
	case statusDone:
		return "the run is done"
	case statusFailed, statusStopped, statusDead:
		if d.run.wrongRecipe() {
			return "the run failed for its recipe: press E to edit it"
		}
		return "the run is " + s + ": press R to resume it"
	case statusStarting:
		return "the run has not begun yet"
	}
	return ""
}

func (d *desk) canPause() string {
	if w := d.notRunning(); w != "" {
		return w
	}
	if s, _ := d.run.status(); s == statusWaiting {
		return "the run is waiting already: press enter to go on"
	}
	return ""
}

func (d *desk) pause() []effect {
	if s, _ := d.run.status(); s == statusPaused {
		return []effect{d.send(core.Command{Cmd: core.CmdGo})}
	}
	d.promise("pausing at the next step …")
	return []effect{d.send(core.Command{Cmd: core.CmdPause})}
}

func pauseText(d *desk) string {
	if s, _ := d.run.status(); s == statusPaused {
		return "go on"
	}
	return "pause"
}

func (d *desk) canEnter() string {
	if w := d.notRunning(); w != "" {
		return w
	}
	switch s, _ := d.run.status(); s {
	case statusWaiting:
		if d.run.told == d.run.waits && d.now.Sub(d.run.toldAt) < patience { // the log has not said so yet
			return "the run has been told; it is about to go on"
		}
	case statusPaused:
		return "the run is paused: space goes on"
	default:
		return "nothing waits for you: the run goes on by itself"
	}
	return ""
}

func enterText(d *desk) string {
	switch d.run.st.Stage {
	case event.Baseline:
		return "train"
	case event.Validate:
		return "look at the test set"
	case event.Deploy:
		return "write the files"
	}
	return "go on"
}

func (d *desk) enter() []effect {
	if d.run.st.Stage == event.Configure { // looked at another stage meanwhile
		d.lookAt(event.Configure)
		return nil
	}
	d.look.stage = 0
	d.run.told, d.run.toldAt = d.run.waits, d.now
	return []effect{d.send(core.Command{Cmd: core.CmdNext})}
}

// patience is how long a run that was told to go on is waited for.
const patience = 10 * time.Second

func (d *desk) canResume() string {
	switch s, _ := d.run.status(); {
	case d.bound() != "":
		return d.bound()
	case d.busy != "":
		return d.busy
	case s == statusDone && d.run.st.Done.Exit == core.ExitBudget:
		return "its budget ended the run: b branches from a checkpoint with a larger one"
	case s == statusDone:
		return "the run is done: there is nothing to go on with"
	case d.run.wrongRecipe():
		return "it would fail again: the recipe has to change first, press E"
	case s == statusFailed || s == statusStopped || s == statusDead:
		return ""
	}
	return "the run is there: nothing to resume"
}

func (d *desk) canStop() string {
	if w := d.notRunning(); w != "" {
		return w
	}
	return ""
}

func (d *desk) openStop() { d.over = overStop }

func (d *desk) stop() []effect {
	d.over = overNone
	d.promise("stopping at a checkpoint …")
	return []effect{d.send(core.Command{Cmd: core.CmdStop, Text: "the keys x s"})}
}

func (d *desk) canEnd() string {
	if w := d.notRunning(); w != "" {
		return w
	}
	switch s, _ := d.run.status(); {
	case s != statusRunning:
		return "nothing is training"
	case d.run.st.Stage != event.Baseline && d.run.st.Stage != event.Sparsify:
		return "nothing is training in this stage"
	}
	return ""
}

func (d *desk) end() []effect {
	d.over = overNone
	d.promise("ending the training at the next step …")
	return []effect{d.send(core.Command{Cmd: core.CmdSettle})}
}

// What is looked at.

func (d *desk) lookAt(s event.Stage) {
	if s < event.Baseline || s > event.Deploy {
		return
	}
	cur := d.stage()
	d.look.stage = s
	if d.run.st.Stage == s {
		d.look.stage = 0 // follow it on
	}
	if cur != s {
		d.look.win, d.look.cursor = chart.Window{}, nil
	}
}

func (d *desk) canTab() string {
	if views(d.w, d.h) == 1 {
		return "everything is in sight"
	}
	return ""
}

func (l *look) smooth() {
	switch l.ema {
	case 0:
		l.ema = 0.6
	case 0.6:
		l.ema = 0.9
	default:
		l.ema = 0
	}
}
