package work

import (
	"strings"

	"pare/tui/theme"
)

// foot is the last line: the keys that do something now. Where they are many they
// stand closer; what still does not fit is left out from the right, but q and ?
// stay; a question is shortened instead, so that all its answers are in sight.
func (d *desk) foot(w int) string {
	th := d.th
	item := func(b *binding, short bool) string {
		text := b.text(d)
		if short {
			text, _, _ = strings.Cut(strings.Replace(text, ",", "", 1), " ")
		}
		return th.Paint(theme.KeyHint, th.Tr(b.show)) + " " + th.Tr(text)
	}
	var rest, keep []*binding
	for _, b := range d.valid() {
		if b.rank < 0 {
			keep = append(keep, b)
		} else {
			rest = append(rest, b)
		}
	}
	try := func(n int, short bool, last []*binding) (string, bool) {
		var s []string
		for _, b := range rest[:n] {
			s = append(s, item(b, short))
		}
		for _, b := range last {
			s = append(s, item(b, short))
		}
		line := " " + strings.Join(s, "   ")
		if theme.Width(line) > w {
			line = " " + strings.Join(s, "  ")
		}
		return line, theme.Width(line) <= w
	}
	all := len(rest)
	question := d.place()&(inStop|inText|inRoll) != 0
	for n := all; n > 0; n-- {
		if s, ok := try(n, false, keep); ok && (n == all || !question) {
			return th.Fit(s, w)
		}
		if s, ok := try(n, true, keep); ok && question {
			return th.Fit(s, w)
		}
		if n == 1 {
			if s, ok := try(1, true, keep); ok {
				return th.Fit(s, w)
			}
		}
	}
	// Hardly any room: what the run waits for, or how to leave.
	if all > 0 && rest[0].rank == 1 {
		if s, ok := try(1, true, nil); ok {
			return th.Fit(s, w)
		}
		return th.Fit(strings.TrimSpace(item(rest[0], true)), w)
	}
	for i := range keep {
		if s, ok := try(0, false, keep[:len(keep)-i]); ok {
			return th.Fit(s, w)
		}
	}
	if len(keep) > 0 {
		return th.Fit(item(keep[0], true), w)
	}
	return th.Fit("", w)
}

// valid are the bindings of the footer that do something now, in order.
func (d *desk) valid() []*binding {
	at := d.place()
	var out []*binding
	for i := range table {
		b := &table[i]
		if b.in&at == 0 || b.show == "" || b.rank == 0 || b.can(d) != "" || b.rank > 0 && d.reading() {
			continue
		}
		out = append(out, b)
	}
	// A stable insertion by rank; negative ranks last.
	key := func(b *binding) int {
		if b.rank < 0 {
			return 1000 + b.rank
		}
		return b.rank
	}
	for i := 1; i < len(out); i++ {
		for j := i; j > 0 && key(out[j]) < key(out[j-1]); j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out
}
