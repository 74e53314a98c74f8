package core

import (
	"context"
	"errors"
	"fmt"

	"pare/core/event"
)

// obey takes the commands that came in since the last step, first those the
// recipe says a person gave at this step. While paused it waits.
func (r *run) obey(ctx context.Context, stage event.Stage) error {
	for _, list := range []*[]Decision{&r.redo, &r.pending} {
		for len(*list) > 0 {
			d := (*list)[0]
			if event.Stage(d.Stage) != stage || d.Pass > r.loop.Pass || d.Step > r.loop.Step && d.Pass == r.loop.Pass {
				break
			}
			*list = (*list)[1:]
			if list == &r.pending {
				r.loop.Replayed++
			}
			if err := r.act(ctx, Command{Cmd: d.Cmd, Value: d.Value, Text: d.Text}, "recipe"); err != nil {
				return err
			}
		}
	}
	for {
		select {
		case <-ctx.Done():
			return r.stop(endedBy(ctx))
		case c, ok := <-r.cfg.Commands:
			if !ok {
				r.cfg.Commands = nil
				continue
			}
			if err := r.act(ctx, c, "person"); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// act carries out one command.
func (r *run) act(ctx context.Context, c Command, by string) error {
	switch c.Cmd {
	case CmdPause:
		return r.pause(ctx, event.WhyPerson)
	case CmdGo, CmdNext:
		return nil // nothing to end
	case CmdStop:
		return r.stop(c.Text)
	case CmdTarget:
		if r.loop.Stage != event.Sparsify {
			return r.refuse("the target can be changed while sparsifying, not in stage %s", r.loop.Stage)
		}
		if r.loop.Settled != nil {
			return r.refuse("sparsifying was ended at %.1f %% zeros: roll back to a checkpoint before that to go on", 100**r.loop.Settled)
		}
		if r.r.Prune.Control != "" {
			return r.refuse("this run is the control of a lottery ticket (%s): its target is the ticket's", r.r.Prune.Control)
		}
		if err := r.rule().CheckTarget(c.Value); err != nil {
			return r.refuse("%v", err)
		}
		var held *float64
		if r.loop.Frozen { // the schedule went on without the masks
			z := r.zeros()
			held = &z
		}
		next, err := r.sched.Retarget(r.loop.Step, c.Value, held)
		if err != nil {
			return r.refuse("%v", err)
		}
		if err := r.decide(c, by); err != nil {
			return err
		}
		r.sched = next
		r.loop.Retarget = append(r.loop.Retarget, retarget{Step: r.loop.Step, Target: c.Value, Held: held})
		r.loop.Frozen = false // the person wants more
		return r.checkpoint(r.stepName(), -1)
	case CmdRollback:
		if _, err := r.cfg.Store.Load(c.Text); err != nil { // not decided, as it cannot be done
			return r.refuse("roll back: %v", err)
		}
		if err := r.decide(c, by); err != nil {
			return err
		}
		stage, held := r.loop.Stage, r.paused
		if err := r.goBack(c.Text, "rollback"); err != nil {
			return r.refuse("roll back: %v", err)
		}
		if by == "person" {
			if err := r.pause(ctx, "rolled back to "+c.Text); err != nil {
				return err
			}
		}
		if r.loop.Stage != stage && !held { // the pause that holds the run sees to it
			return errRolledBack
		}
		return nil
	case CmdSettle:
		return r.settle(c, by)
	case CmdScan:
		if r.loop.Stage != event.Configure {
			return r.refuse("a scan is of the dense model: roll back to a checkpoint of stage 2 first")
		}
		return r.scanNow(ctx, c.Text)
	case CmdCancel:
		return nil // nothing to end
	case CmdConfigure:
		if r.loop.Stage != event.Configure && r.loop.Stage != event.Baseline {
			return r.refuse("the recipe is settled once sparsifying has begun: roll back to a checkpoint of stage 2 first")
		}
		return r.reconfigure(c.Text)
	}
	return r.refuse("unknown command %q", c.Cmd)
}

// refuse answers a command that cannot be carried out; the run goes on.
func (r *run) refuse(format string, a ...any) error {
	return r.emit(&event.Warning{Text: fmt.Sprintf(format, a...)})
}

// decide writes a decision before it takes effect.
func (r *run) decide(c Command, by string) error {
	return r.emit(&event.Decision{Stage: r.loop.Stage, Step: r.loop.Step, Cmd: c.Cmd, Value: c.Value, Text: c.Text, By: by, Pass: r.loop.Pass})
}

// pause holds the run until go, stop or a rollback.
func (r *run) pause(ctx context.Context, why string) error {
	if r.paused { // rolled back meanwhile: still paused, and the log must say so
		return r.emit(&event.Paused{Stage: r.loop.Stage, Step: r.loop.Step, Why: why})
	}
	r.paused = true
	defer func() { r.paused = false }()
	if r.wrote != r.stepName() { // not judged by its accuracy: a pause changes nothing that is computed
		if err := r.checkpoint(r.stepName(), -1); err != nil {
			return err
		}
	}
	if err := r.emit(&event.Paused{Stage: r.loop.Stage, Step: r.loop.Step, Why: why}); err != nil {
		return err
	}
	stage := r.loop.Stage
	r.bill.hold(r)
	defer r.bill.resume(r)
	for {
		select {
		case <-ctx.Done():
			return r.stop(endedBy(ctx))
		case c, ok := <-r.cfg.Commands:
			switch {
			case !ok || c.Cmd == CmdStop:
				return r.stop(c.Text)
			case c.Cmd == CmdGo || c.Cmd == CmdNext:
				if err := r.emit(&event.Continued{Stage: r.loop.Stage, Step: r.loop.Step}); err != nil {
					return err
				}
				if r.loop.Stage != stage || r.anew {
					r.anew = false
					return errRolledBack // the stage begins again from the loop's state
				}
				return nil
			case c.Cmd == CmdPause:
			default:
				if err := r.act(ctx, c, "person"); err != nil {
					return err
				}
			}
		}
	}
}

// endedBy is what ended the context, in words, "" if nobody said.
func endedBy(ctx context.Context) string {
	if why := context.Cause(ctx); why != nil && !errors.Is(why, context.Canceled) && !errors.Is(why, context.DeadlineExceeded) {
		return why.Error()
	}
	return ""
}

// stop leaves a checkpoint to resume from and ends the run. by is where the wish
// came from, "" if it did not say.
func (r *run) stop(by string) error {
	if r.t != nil && r.wrote != r.stepName() {
		if err := r.checkpoint(r.stepName(), -1); err != nil {
			return err
		}
	}
	if err := r.emit(&event.Paused{Stage: r.loop.Stage, Step: r.loop.Step, Why: event.WhyStopped, By: by}); err != nil {
		return err
	}
	return errStop
}

// wait holds the run between stages until the person says next. Commands that
// a stage allows are carried out meanwhile.
func (r *run) wait(ctx context.Context, stage event.Stage, evidence string) error {
	if r.r.Auto {
		return nil
	}
	said, err := r.door(stage, evidence)
	if err != nil {
		return err
	}
	r.bill.hold(r)
	defer r.bill.resume(r)
	for {
		var c Command
		ok := true
		if len(said) > 0 {
			c, said = said[0], said[1:]
		} else {
			c, ok = r.taken(ctx)
		}
		switch {
		case !ok || c.Cmd == CmdStop:
			return r.stop(c.Text)
		case c.Cmd == CmdNext || c.Cmd == CmdGo:
			return nil
		case c.Cmd == CmdPause:
		default:
			if err := r.act(ctx, c, "person"); err != nil {
				return err
			}
			if c.Cmd == CmdRollback { // to this stage: it waits again
				more, err := r.door(stage, evidence)
				if err != nil {
					return err
				}
				said = append(said, more...)
			}
		}
	}
}

// door says that the run waits. It returns the commands that came in since the last step, but
// those to go on: they were said of what is over, perhaps twice for want of an answer, and must
// not open a door that nobody has seen yet. Who said them is told.
func (r *run) door(stage event.Stage, evidence string) (said []Command, err error) {
	early := 0
	for more := true; more; {
		select {
		case c, ok := <-r.cfg.Commands:
			switch more = ok; {
			case !ok:
			case c.Cmd == CmdNext || c.Cmd == CmdGo:
				early++
			default:
				said = append(said, c)
			}
		default:
			more = false
		}
	}
	if err := r.stage(stage, "waiting", evidence); err != nil || early == 0 {
		return said, err
	}
	return said, r.emit(&event.Warning{Text: "a next that came before the run waited was not taken", Fix: "say next again"})
}

// taken is the next command; false where there will be none any more.
func (r *run) taken(ctx context.Context) (Command, bool) {
	select {
	case <-ctx.Done():
		return Command{Cmd: CmdStop, Text: endedBy(ctx)}, true
	case c, ok := <-r.cfg.Commands:
		return c, ok
	}
}
