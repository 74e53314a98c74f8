package work

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"pare/core"
	"pare/core/event"
	"pare/tui/theme"
)

// backs are the checkpoints to go back to, the newest first.
func (d *desk) backs() []event.Checkpoint {
	l := d.run.st.Checkpoints
	out := make([]event.Checkpoint, 0, len(l))
	for i := len(l) - 1; i >= 0; i-- {
		out = append(out, l[i])
	}
	return out
}

func (d *desk) canRoll() string {
	if w := d.notRunning(); w != "" {
		return w
	}
	if len(d.run.st.Checkpoints) == 0 {
		return "there is no checkpoint yet"
	}
	return ""
}

func (d *desk) openRoll() {
	d.over = overRoll
	d.markBack(0)
	if want := d.tradeCheckpoint(); want != "" {
		d.markBack(slices.IndexFunc(d.backs(), func(c event.Checkpoint) bool { return c.Name == want }))
	}
}

func (d *desk) moveRoll(dir int) { d.markBack(d.roll + dir) }

// markBack marks a line of the list.
func (d *desk) markBack(i int) {
	l := d.backs()
	d.roll, d.rollOn, d.rollLost = min(max(i, 0), max(len(l)-1, 0)), event.Checkpoint{}, false
	if len(l) > 0 {
		d.rollOn = l[d.roll]
	}
}

// keepBack keeps the mark on its checkpoint while the run writes new ones and
// removes old ones. When the marked one goes, the nearest is marked, and enter
// must be pressed once more: nobody goes back to what they did not choose.
func (d *desk) keepBack() {
	was := d.rollOn
	if was.Name == "" {
		return
	}
	l := d.backs()
	far := func(i int) int64 { // in steps; another stage is farther than any
		if l[i].Stage != was.Stage {
			return math.MaxInt64
		}
		return max(l[i].Step-was.Step, was.Step-l[i].Step)
	}
	near := -1
	for i := range l {
		if l[i].Name == was.Name {
			d.roll = i
			return
		}
		if near < 0 || far(i) <= far(near) {
			near = i
		}
	}
	if d.markBack(near); d.over == overRoll && d.rollOn.Name != "" {
		d.rollLost = true
		d.say(theme.Warn, was.Name+" has made room for newer ones: choose again, or press esc and pause first")
	}
}

func (d *desk) rollBack() []effect {
	l := d.backs()
	if d.rollLost {
		d.rollLost = false
		d.say(theme.Warn, "press enter once more to go back to "+d.rollOn.Name)
		return nil
	}
	d.over = overNone
	if w := d.canRoll(); w != "" { // it ended meanwhile
		d.say(0, w)
		return nil
	}
	c := l[d.roll]
	d.promise("going back to " + c.Name + " …")
	d.look.stage, d.look.cursor = 0, nil
	return []effect{d.send(core.Command{Cmd: core.CmdRollback, Text: c.Name})}
}

func (d *desk) rollPane(w, h int) string {
	th := d.th
	l := d.backs()
	room := max(h-2, 1)
	from := min(max(d.roll-room+1, 0), max(len(l)-room, 0))
	form := 0 // the longest in which all lines fit
	for i := range l {
		for form < rollForms-1 && theme.Width(th.Tr(d.rollLine(i, form))) > w-5 {
			form++
		}
	}
	var b strings.Builder
	for i := from; i < min(from+room, len(l)); i++ {
		s := d.rollLine(i, form)
		if i == d.roll {
			s = th.Paint(theme.Accent, ">") + " " + th.Paint(theme.Selected, s)
		} else {
			s = "  " + s
		}
		b.WriteString(" " + s + "\n")
	}
	return th.Box("roll back to a checkpoint", "the run pauses there", strings.TrimSuffix(b.String(), "\n"), w, h)
}

// rollForms is how many ways there are to write a line of the list.
const rollForms = 4

// rollLine is one checkpoint of the list; a higher form takes less room.
func (d *desk) rollLine(i, form int) string {
	l := d.backs()
	if i >= len(l) {
		return ""
	}
	c, th := l[i], d.th
	acc := "–"
	if c.Acc >= 0 {
		acc = percent(c.Acc)
	}
	name := th.Fit(th.Clean(c.Name), 14)
	s := ""
	switch form {
	case 0:
		s = fmt.Sprintf("%s  stage %d  step %6d  accuracy %7s  %7s zeros", name, c.Stage, c.Step, acc, percent(c.Zeros))
	case 1:
		s = fmt.Sprintf("%s  stage %d  step %6d  %7s  %7s zeros", name, c.Stage, c.Step, acc, percent(c.Zeros))
	case 2:
		s = fmt.Sprintf("%s  step %6d  %7s  %7s zeros", name, c.Step, acc, percent(c.Zeros))
	default:
		s = fmt.Sprintf("%s  %7s  %7s zeros", th.Fit(th.Clean(c.Name), 10), acc, percent(c.Zeros))
	}
	switch {
	case c.Acc >= 0 && !c.Good && c.Stage == event.Sparsify:
		s += "  under the floor"
	case c.AtGoal:
		s += "  at the target"
	}
	return s
}
