package work

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
	"pare/tui/plain"
	"pare/tui/theme"
)

// What can be done with the sessions on the shelf.

func (d *desk) canShelf() string {
	if _, ok := d.shelf.chosen(); !ok {
		return "there is no session here"
	}
	return ""
}

func (d *desk) canWhole() string {
	x, ok := d.shelf.chosen()
	switch {
	case !ok:
		return "there is no session here"
	case x.Damage != "":
		return x.ID + " is damaged: " + x.Damage
	}
	return ""
}

func (d *desk) canCompare() string {
	if w := d.canShelf(); w != "" {
		return w
	}
	if n := len(d.shelf.several()); n < 2 {
		return "mark one with space and stand on another, or mark two or more"
	} else if n > maxCompared {
		return fmt.Sprintf("%d are marked, at most %d fit side by side", n, maxCompared)
	}
	return ""
}

func openText(d *desk) string {
	if x, ok := d.shelf.chosen(); ok && x.Pid > 0 {
		return "attach"
	}
	return "open"
}

// on is a session of the shelf by its name.
func (d *desk) on(id string) *sessions.Session {
	if d.run != nil && d.run.src.ID() == id {
		switch s := d.run.src.(type) {
		case *session:
			return s.s
		case watcher:
			return s.s
		}
	}
	dir := filepath.Join(d.o.Root, id)
	if x, ok := d.shelf.find(id); ok && x.Dir != "" {
		dir = x.Dir
	}
	return &sessions.Session{ID: id, Dir: dir}
}

// openChosen follows the session under the cursor.
func (d *desk) openChosen() []effect {
	x, _ := d.shelf.chosen()
	if d.run != nil && !d.replaying() && d.run.src.ID() == x.ID {
		d.page = pageRun
		return nil
	}
	return []effect{d.opening(d.on(x.ID))}
}

// opening opens a session to follow it.
func (d *desk) opening(s *sessions.Session) effect {
	o := d.o
	return func(context.Context) any {
		x, err := sessions.Open(s.Dir)
		if err != nil {
			return openedMsg{err: err}
		}
		src, err := o.follows(x)
		if err != nil {
			return openedMsg{err: err}
		}
		return openedMsg{src: src}
	}
}

// replayChosen plays the session under the cursor.
func (d *desk) replayChosen() []effect {
	s := d.on(d.targetsOne())
	return []effect{func(context.Context) any {
		r, err := s.Replay(20)
		if err != nil {
			return openedMsg{err: err}
		}
		return openedMsg{src: &replay{r: r}}
	}}
}

func (d *desk) targetsOne() string {
	x, _ := d.shelf.chosen()
	return x.ID
}

// Deleting.

func (d *desk) deleteText() string {
	l := d.shelf.targets()
	if len(l) == 1 {
		if x, ok := d.shelf.find(l[0]); ok {
			return fmt.Sprintf("%s and all its files, %s, go for good", x.ID, plain.Bytes(x.Bytes))
		}
	}
	return fmt.Sprintf("%d sessions and all their files go for good: %s", len(l), strings.Join(l, ", "))
}

// removedMsg tells which sessions went.
type removedMsg struct {
	gone []string
	err  error
}

func (d *desk) deleteMarked() []effect {
	d.over = overNone
	var l []*sessions.Session
	for _, id := range d.shelf.targets() {
		if d.run != nil && d.run.src.ID() == id {
			d.warn(theme.Warn, id+" is open here: it stays")
			return nil
		}
		l = append(l, d.on(id))
	}
	return []effect{func(context.Context) any {
		var m removedMsg
		for _, s := range l {
			if m.err = s.Remove(); m.err != nil {
				break
			}
			m.gone = append(m.gone, s.ID)
		}
		return m
	}}
}

func (d *desk) onRemoved(m removedMsg) []effect {
	switch {
	case m.err != nil:
		d.warn(theme.Bad, m.err.Error())
	default:
		d.say(theme.Good, "gone: "+strings.Join(m.gone, ", "))
	}
	return []effect{d.listSessions()}
}

// Exporting.

// exportedMsg tells where the files are.
type exportedMsg struct {
	dirs []string
	err  error
}

func (d *desk) exportMarked() []effect {
	var l []*sessions.Session
	for _, id := range d.shelf.targets() {
		l = append(l, d.on(id))
	}
	to := d.o.ExportTo
	return []effect{func(context.Context) any {
		var m exportedMsg
		for _, s := range l {
			dir := filepath.Join(to, s.ID+"-export")
			if abs, err := filepath.Abs(dir); err == nil {
				dir = abs
			}
			if _, m.err = plain.Export(dir, s); m.err != nil {
				break
			}
			m.dirs = append(m.dirs, dir)
		}
		return m
	}}
}

func (d *desk) onExported(m exportedMsg) {
	if m.err != nil {
		d.warn(theme.Bad, "export: "+m.err.Error())
		return
	}
	for i := range m.dirs {
		m.dirs[i] = d.home(m.dirs[i])
	}
	d.warn(theme.Good, "CSV, JSON, text and HTML in "+strings.Join(m.dirs, ", "))
}

// Branching.

// pointsMsg are the checkpoints to branch from.
type pointsMsg struct {
	id  string
	l   []sessions.Point
	err error
}

func (d *desk) openBranch() []effect {
	s := d.on(d.targetsOne())
	return []effect{func(context.Context) any {
		l, err := s.Points()
		return pointsMsg{s.ID, l, err}
	}}
}

func (d *desk) onPoints(m pointsMsg) {
	switch {
	case m.err != nil:
		d.warn(theme.Bad, m.err.Error())
	case len(m.l) == 0:
		d.warn(theme.Warn, m.id+" has no checkpoint to branch from")
	case d.page == pageShelf && d.over == overNone:
		d.over, d.shelf.at, d.shelf.points, d.shelf.point = overPoint, m.id, m.l, 0
		x, _ := d.shelf.find(m.id)
		for i, p := range m.l { // where the recipe is chosen, if it has been; where the budget ended it
			if p.Stage == event.Configure && x.Status != sessions.Spent {
				d.shelf.point = len(m.l) - 1 - i
			}
		}
	}
}

func (d *desk) movePoint(by int) {
	d.shelf.point = min(max(d.shelf.point+by, 0), max(len(d.shelf.points)-1, 0))
}

func (d *desk) takePoint() { d.over, d.input = overChange, input{} }

// takeChange makes the branch and follows it.
func (d *desk) takeChange() []effect {
	s, p := d.on(d.shelf.at), d.shelf.points[len(d.shelf.points)-1-d.shelf.point]
	set := strings.Fields(d.input.text)
	d.busy = "branching …"
	return []effect{func(context.Context) any {
		b, err := s.Branch(p.Name, func(r *core.Recipe) error {
			r.Auto = false // a person is here
			return r.Set(set...)
		})
		if err != nil {
			return branchedMsg{err: err}
		}
		if err := b.Start(); err != nil {
			return branchedMsg{err: err}
		}
		src, err := openSession(b)
		return branchedMsg{src, err}
	}}
}

// branchedMsg is the new session, its run started.
type branchedMsg struct {
	src source
	err error
}

func (d *desk) onBranched(m branchedMsg) []effect {
	d.busy = ""
	if m.err != nil {
		d.input.err = m.err.Error()
		if d.over != overChange {
			d.warn(theme.Bad, m.err.Error())
			d.input = input{}
		}
		return nil
	}
	d.over, d.input = overNone, input{}
	d.leaveRun()
	d.follow(m.src)
	return d.watchOn()
}

// leaveRun lets go of the run that is followed; it goes on.
func (d *desk) leaveRun() {
	if d.run != nil {
		_ = d.run.src.Close() // only read from
	}
	d.conf, d.predict, d.hw = form{}, predictor{}, hardware{}
	d.presetAt, d.ownFields = 0, nil
	d.autoNext, d.goOn, d.compare.over = false, false, nil
}
