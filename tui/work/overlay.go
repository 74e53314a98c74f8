package work

import (
	"fmt"
	"strings"
	"unicode"

	"pare/core"
	"pare/core/event"
	"pare/tui/theme"
)

// overPane is what stands in place of the four panes.
func (d *desk) overPane(w, h int) string {
	switch {
	case d.over == overHelp:
		return d.helpPane(w, h)
	case d.over == overRoll:
		return d.rollPane(w, h)
	case d.page == pagePick:
		return d.pickPane(w, h)
	}
	return d.setupPane(w, h)
}

// helpPane lists the keys, from the table.
func (d *desk) helpPane(w, h int) string {
	th := d.th
	var lines []string
	for _, sec := range whereNames {
		if d.relevant()&sec.w == 0 {
			continue
		}
		var part []string
		for i := range table {
			b := &table[i]
			if b.in&sec.w == 0 || b.help == "" {
				continue
			}
			keys := b.show
			if keys == "" {
				keys = strings.Join(b.keys, " ")
			}
			if b.keys[0] == "]" {
				keys = "[ ]"
			}
			part = append(part, " "+th.Paint(theme.KeyHint, th.Fit(keys, 7))+" "+b.help)
		}
		lines = append(lines, " "+th.Paint(theme.Title, sec.name))
		lines = append(lines, part...)
		lines = append(lines, "")
	}
	d.scroll = min(d.scroll, max(len(lines)-(h-2), 0))
	lines = lines[d.scroll:]
	return th.Box("keys", "", strings.Join(lines, "\n"), w, h)
}

// relevant are the situations the help speaks of: those of the page.
func (d *desk) relevant() where {
	switch d.page {
	case pagePick:
		return inPick | inSetup
	case pageSetup:
		return inSetup
	}
	return inRun | inConf | inRoll
}

// Roll back.

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

func (d *desk) openRoll() { d.over, d.roll = overRoll, 0 }

func (d *desk) moveRoll(dir int) {
	d.roll = min(max(d.roll+dir, 0), max(len(d.backs())-1, 0))
}

func (d *desk) rollBack() []effect {
	l := d.backs()
	d.over = overNone
	if d.roll >= len(l) {
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
	d.roll = min(d.roll, max(len(l)-1, 0))
	room := max(h-2, 1)
	from := min(max(d.roll-room+1, 0), max(len(l)-room, 0))
	var b strings.Builder
	for i := from; i < min(from+room, len(l)); i++ {
		s := d.rollLine(i)
		if i == d.roll {
			s = th.Paint(theme.Accent, ">") + " " + th.Paint(theme.Selected, s)
		} else {
			s = "  " + s
		}
		b.WriteString(" " + s + "\n")
	}
	return th.Box("roll back to a checkpoint", "the run pauses there", strings.TrimSuffix(b.String(), "\n"), w, h)
}

// rollLine is one checkpoint of the list.
func (d *desk) rollLine(i int) string {
	l := d.backs()
	if i >= len(l) {
		return ""
	}
	c, th := l[i], d.th
	acc := "–"
	if c.Acc >= 0 {
		acc = percent(c.Acc)
	}
	s := fmt.Sprintf("%s  stage %d  step %6d  accuracy %7s  %7s zeros", th.Fit(th.Clean(c.Name), 14), c.Stage, c.Step, acc, percent(c.Zeros))
	if d.w < 70 {
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

// Typing.

func (d *desk) canTarget() string {
	if w := d.notRunning(); w != "" {
		return w
	}
	if d.run.st.Stage != event.Sparsify {
		return "the target changes while sparsifying; before that, in stage 2"
	}
	return ""
}

func (d *desk) openTarget() { d.over, d.input = overTarget, input{} }

// inputRoom bounds what is typed.
const inputRoom = 4096

// typed takes printable text into the input line.
func (d *desk) typed(s string) {
	d.input.err = ""
	for _, r := range s {
		if unicode.IsPrint(r) && len(d.input.text) < inputRoom {
			d.input.text += string(r)
		}
	}
}

// paste takes text from the clipboard, where text is taken.
func (d *desk) paste(s string) {
	if d.place()&inText != 0 {
		d.touch()
		d.typed(strings.TrimSpace(s))
	}
}

func (d *desk) backspace() {
	d.input.err = ""
	if r := []rune(d.input.text); len(r) > 0 {
		d.input.text = string(r[:len(r)-1])
	}
}

// take uses what was typed.
func (d *desk) take() []effect {
	switch d.over {
	case overPath:
		return d.takePath(d.input.text)
	case overEdit:
		f := &d.form().fields[d.form().at]
		if err := f.set(d.input.text); err != nil {
			d.input.err = err.Error()
			return nil
		}
		d.closeOver()
		return d.changed()
	case overTarget:
		f := field{kind: slider, hi: 0.999}
		if err := f.set(d.input.text); err != nil {
			d.input.err = err.Error() + " per cent, such as 95"
			return nil
		}
		d.closeOver()
		d.promise("new target " + percent(f.num) + " …")
		return []effect{d.send(core.Command{Cmd: core.CmdTarget, Value: f.num})}
	}
	return nil
}
