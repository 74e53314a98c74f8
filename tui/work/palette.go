package work

import (
	"fmt"
	"slices"
	"strings"

	"pare/tui/theme"
)

// below is the situation that an overlay was opened in.
func (d *desk) below() where {
	o := d.over
	d.over = overNone
	p := d.place()
	d.over = o
	return p
}

// whyNot says why a key does nothing where the overlay was opened.
func (d *desk) whyNot(b *binding) string {
	o := d.over
	d.over = overNone
	why := b.can(d)
	d.over = o
	return why
}

// openPalette lists what can be done here, by words.
func (d *desk) openPalette() { d.over, d.input, d.cmd = overPalette, input{}, 0 }

// command is a line of the palette.
type command struct {
	b    *binding
	key  string
	text string
	why  string // it cannot be done now, "" if it can
}

// moves says of a key that it goes to another line: nobody asks for that by words.
func (b *binding) moves() bool {
	switch b.keys[0] {
	case "up", "down", "pgup", "pgdown", "home", "end", "shift+tab":
		return true
	}
	return false
}

// commands are the bindings of the place below that hold all words typed: what can
// be done now first, then what cannot, with the reason.
func (d *desk) commands() []command {
	at := d.below()
	words := strings.Fields(strings.ToLower(d.input.text))
	var can, cannot []command
	for i := range table {
		b := &table[i]
		if b.in&at == 0 || b.do == nil || slices.Contains(b.keys, ":") || b.moves() {
			continue
		}
		c := command{b: b, key: b.keys[0], text: b.help, why: d.whyNot(b)}
		if b.show != "" && !strings.Contains(b.show, " ") {
			c.key = b.show
		}
		if t := b.text(d); c.text == "" {
			c.text = t
		} else if !strings.Contains(c.text, t) {
			c.text = t + ": " + c.text
		}
		hay := strings.ToLower(c.text + " " + c.key)
		if slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(hay, w) }) {
			continue
		}
		if c.why == "" {
			can = append(can, c)
		} else {
			cannot = append(cannot, c)
		}
	}
	return append(can, cannot...)
}

func (d *desk) moveCommand(by int) {
	d.cmd = min(max(d.cmd+by, 0), max(len(d.commands())-1, 0))
}

// takeCommand does what is marked, or says why not.
func (d *desk) takeCommand() []effect {
	l := d.commands()
	if len(l) == 0 {
		d.input.err = "nothing here is called so; esc goes back"
		return nil
	}
	c := l[min(d.cmd, len(l)-1)]
	if c.why != "" {
		d.input.err = c.why
		return nil
	}
	d.closeOver()
	return c.b.do(d)
}

// palettePane is the list.
func (d *desk) palettePane(w, h int) string {
	th := d.th
	l := d.commands()
	d.cmd = min(d.cmd, max(len(l)-1, 0))
	room := max(h-2, 1)
	from := min(max(d.cmd-room/2, 0), max(len(l)-room, 0))
	var lines []string
	for i, c := range l[from:min(from+room, len(l))] {
		text := th.Fit(th.Tr(brisk(th, c.text, max(w-14, 1))), max(w-14, 1))
		if c.why != "" {
			if theme.Width(th.Tr(c.text+c.why)) > w-17 {
				c.text = c.b.text(d)
			}
			text = th.Fit(th.Paint(theme.Dim, th.Tr(c.text))+th.Paint(theme.Warn, th.Tr(" · "+th.Clean(c.why))), max(w-14, 1))
		}
		mark := " "
		if from+i == d.cmd {
			mark = th.Paint(theme.Accent, ">")
			if c.why == "" {
				text = th.Paint(theme.Selected, text)
			}
		}
		lines = append(lines, " "+mark+" "+th.Paint(theme.KeyHint, th.Fit(c.key, 7))+" "+text)
	}
	if len(l) == 0 {
		lines = []string{th.Paint(theme.Dim, " nothing here is called so")}
	}
	return th.BoxWith(theme.BoxOptions{Title: "commands", Right: fmt.Sprint(len(l)), Body: strings.Join(lines, "\n"), BorderToken: theme.Accent}, w, h)
}
