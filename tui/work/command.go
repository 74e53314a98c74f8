package work

import (
	"context"
	"errors"
	"time"

	"pare/core"
	"pare/tui/theme"
)

// sentMsg tells how a command was received.
type sentMsg struct {
	c   core.Command
	err error
}

// send hands a command to the run.
func (d *desk) send(c core.Command) effect {
	src := d.run.src
	return func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return sentMsg{c, src.Send(ctx, c)}
	}
}

func (d *desk) onSent(m sentMsg) {
	if m.err == nil || errors.Is(m.err, context.Canceled) {
		return
	}
	d.goOn = false
	if d.run != nil {
		d.run.told = 0
	}
	if m.c.Cmd == core.CmdRollback && d.over == overNone && d.canRoll() == "" {
		d.openRoll() // it may have gone a moment ago
	}
	d.warn(theme.Bad, m.err.Error())
}

// resumedMsg tells whether the run's process came up again.
type resumedMsg struct{ err error }

func (d *desk) resume() []effect {
	src := d.run.src
	d.busy = "starting the run again …"
	return []effect{func(context.Context) any { return resumedMsg{src.Start()} }}
}

func (d *desk) onResumed(m resumedMsg) []effect {
	d.busy = ""
	if m.err != nil {
		d.warn(theme.Bad, m.err.Error())
		return nil
	}
	d.run.gone = 0
	d.exit = 0
	if s, _ := d.run.status(); s != statusWaiting { // it is told what it waits for
		d.say(theme.Good, "the run goes on from its last checkpoint")
		d.toast.soon = true
	}
	return nil
}

// recipeMsg is the session's recipe.
type recipeMsg struct {
	src source
	r   *core.Recipe
	err error
}

func (d *desk) readRecipe() effect {
	src := d.run.src
	return func(context.Context) any {
		r, err := src.Recipe()
		return recipeMsg{src, r, err}
	}
}

func (d *desk) onRecipe(m recipeMsg) []effect {
	if d.run == nil || m.src != d.run.src {
		return nil
	}
	if m.err != nil {
		d.warn(theme.Bad, m.err.Error())
		return nil
	}
	d.run.recipe = m.r
	return d.react()
}
