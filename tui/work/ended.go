package work

import (
	"pare/core/event"
	"pare/tui/theme"
)

// What is said of a run that does not go on, or that somebody else drives.

// over says whether the run has ended, or holds until somebody resumes it: of it the
// screen speaks in the past.
func (r *watch) over() bool {
	switch s, _ := r.status(); s {
	case statusDone, statusFailed, statusStopped, statusDead:
		return true
	}
	return false
}

// tense is now while the run is there, else past.
func (d *desk) tense(now, past string) string {
	if d.run.over() {
		return past
	}
	return now
}

// canAct says whether a key at this screen can move the run.
func (d *desk) canAct() bool {
	return !d.o.ReadOnly && !d.replaying() && d.run.watches == "" && !d.run.over()
}

// ours is a line about a key, "" where the key would do nothing.
func (d *desk) ours(line string) string {
	if d.canAct() {
		return line
	}
	return ""
}

// wrongRecipe says whether the run failed for its recipe: going on would end in the
// same way.
func (r *watch) wrongRecipe() bool {
	s, _ := r.status()
	n := len(r.st.Failures)
	return s == statusFailed && n > 0 && r.st.Failures[n-1].Recipe
}

func (d *desk) canEdit() string {
	switch {
	case d.bound() != "":
		return d.bound()
	case !d.run.wrongRecipe():
		return "the recipe is not what ended it"
	case d.run.recipe == nil:
		return "the recipe has not been read"
	}
	return ""
}

// editRecipe opens the set-up with the run's recipe: what is started from there is a
// new session.
func (d *desk) editRecipe() []effect {
	r := *d.run.recipe
	r.Auto, r.Decisions = false, nil // a person is here
	why := withFix(d.run.st.Why, "")
	d.leaveRun()
	d.run, d.look.stage = nil, 0
	d.o.Recipe, d.o.Epochs, d.drafts = &r, true, nil
	d.pick = newPicker(&r)
	todo := append(d.toSetup(), d.listSessions())
	d.warn(theme.Bad, "it failed: "+why)
	return todo
}

// leaving is what becomes of the run when the screen is left.
func (d *desk) leaving() string {
	if d.run == nil || d.page != pageRun || d.replaying() || d.run.over() {
		return ""
	}
	return "; the run goes on"
}

// stoppedText says where a stop came from, as far as the log tells.
func stoppedText(st *event.State) string {
	if st.By == "" {
		return "stopped at a checkpoint"
	}
	return "stopped by " + st.By + ", at a checkpoint"
}
