package work

import (
	"slices"
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
	case d.over == overPalette:
		return d.palettePane(w, h)
	case d.over == overTour:
		return d.tourPane(w, h)
	case d.over == overWrong:
		return d.wrongPane(w, h)
	case d.over == overLayer:
		return d.layerPane(w, h)
	case d.over == overTeach:
		return d.lessonPane(w, h)
	case d.over == overRoll:
		return d.rollPane(w, h)
	case d.over == overPath:
		return d.pathPane(w, h)
	case d.over == overHW:
		return d.hwPane(w, h)
	case d.over == overPoint, d.over == overChange:
		return d.pointPane(w, h)
	case d.page == pageShelf:
		return d.shelfPane(w, h)
	case d.page == pagePick:
		return d.pickPane(w, h)
	}
	return d.setupPane(w, h)
}

// helpPane lists the keys, from the table.
func (d *desk) helpPane(w, h int) string {
	th, at := d.th, d.below()
	var lines []string
	order := slices.Clone(whereNames)
	slices.SortStableFunc(order, func(a, b section) int { // the place one is in comes first
		return int(min(b.w&at, 1)) - int(min(a.w&at, 1))
	})
	for _, sec := range order {
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
			switch b.keys[0] {
			case "]":
				keys = "[ ]"
			case "home":
				keys = "g G"
			}
			why := ""
			if b.in&at != 0 {
				why = d.whyNot(b)
			}
			says, tok := []string{strings.ReplaceAll(b.help, "; the run goes on", d.leaving())}, theme.Text
			switch said := " · not now: " + th.Clean(why); {
			case why == "":
			case d.replaying(): // it has been what it is: nothing to wait for
				continue
			case theme.Width(th.Tr(b.help+said)) > w-12: // a line of its own
				says, tok = []string{b.help, "not now: " + th.Clean(why)}, theme.Dim
			default:
				says, tok = []string{b.help + said}, theme.Dim
			}
			key := th.Paint(theme.KeyHint, th.Fit(keys, 7))
			for i, x := range says {
				for _, l := range wrap(x, max(w-12-i, 1)) {
					part = append(part, " "+key+strings.Repeat(" ", 1+i)+th.Paint(tok, th.Tr(l)))
					key = strings.Repeat(" ", 7)
				}
			}
		}
		lines = append(lines, " "+th.Paint(theme.Title, sec.name))
		lines = append(lines, part...)
		lines = append(lines, "")
	}
	cores := 0.0
	if d.run != nil && !d.replaying() {
		cores = d.run.cores()
	}
	right := d.cost.text(d.now, cores)
	if theme.Width(th.Tr(right)) > w-14 { // lines of its own, before the keys
		var own []string
		for _, l := range wrap(right, max(w-4, 1)) {
			own = append(own, " "+th.Paint(theme.Dim, th.Tr(l)))
		}
		lines, right = append(append(own, ""), lines...), ""
	}
	d.scroll = min(d.scroll, max(len(lines)-(h-2), 0))
	lines = lines[d.scroll:]
	return th.Box("keys", right, strings.Join(lines, "\n"), w, h)
}

// relevant are the situations the help speaks of: those of the page.
func (d *desk) relevant() where {
	switch d.page {
	case pagePick:
		return inPick | inSetup
	case pageSetup:
		return inSetup
	case pageShelf:
		return inShelf | inPoint
	case pageCompare:
		return inCompare
	}
	if d.replaying() {
		return inReplay | inLayer | inWrong
	}
	return inRun | inConf | inHW | inRoll | inTeach | inLayer | inWrong
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
	d.input.err, d.hw.at = "", 0
	for _, r := range s {
		if unicode.IsPrint(r) && len(d.input.text) < inputRoom {
			d.input.text += string(r)
		}
	}
	d.refilter()
}

// paste takes text from the clipboard, where text is taken.
func (d *desk) paste(s string) {
	if d.place()&inText != 0 {
		d.touch()
		d.typed(strings.TrimSpace(s))
	}
}

func (d *desk) backspace() {
	d.input.err, d.hw.at = "", 0
	if r := []rune(d.input.text); len(r) > 0 {
		d.input.text = string(r[:len(r)-1])
	}
	d.refilter()
}

// refilter filters while one types.
func (d *desk) refilter() {
	switch d.over {
	case overFilter:
		if d.page == pageRun {
			d.look.sift, d.look.layer = d.input.text, 0
			d.turnToSifted()
			break
		}
		d.shelf.filter = d.input.text
	case overPalette:
		d.cmd = 0
	}
}

// take uses what was typed.
func (d *desk) take() []effect {
	switch d.over {
	case overPath:
		return d.takePath(d.input.text)
	case overHW:
		return d.takeHW()
	case overFilter:
		d.over = overNone
		return nil
	case overChange:
		return d.takeChange()
	case overPalette:
		return d.takeCommand()
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
