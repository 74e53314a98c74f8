package work

import (
	"fmt"
	"strings"

	"pare/core/event"
	"pare/tui/chart"
	"pare/tui/theme"
)

// bar is the line above the footer: a question, what was told last, or how far
// the stage is.
func (d *desk) bar(w int) string {
	th := d.th
	switch {
	case d.over == overStop:
		return th.Fit(" "+th.Paint(theme.Warn, "stop?")+" the run goes on without this screen unless you stop it", w)
	case d.over == overTarget, d.over == overPath, d.over == overEdit:
		return d.inputLine(w)
	case d.busy != "":
		return th.Fit(" "+d.busy, w)
	case d.toast.text != "":
		return th.Fit(" "+th.Paint(d.toast.tok, th.Clean(d.toast.text)), w)
	case d.run == nil:
		return th.Fit(" "+th.Paint(theme.Dim, d.hint()), w)
	case d.run.damage != "":
		return th.Fit(" "+th.Paint(theme.Bad, th.Clean(d.run.damage)), w)
	case d.run.problem != "":
		return th.Fit(" "+th.Paint(theme.Bad, th.Clean(d.run.problem)), w)
	}
	return d.progress(w)
}

// inputLine is the text being typed, with its question.
func (d *desk) inputLine(w int) string {
	th := d.th
	q := ""
	switch d.over {
	case overTarget:
		q = "new target, % zeros"
	case overPath:
		q = d.pick.what()
	case overEdit:
		q = d.form().fields[d.form().at].label
	}
	if d.input.err != "" { // gone with the next key
		return th.Fit(" "+th.Paint(theme.Bad, th.Clean(d.input.err)), w)
	}
	typed, cursor := th.Clean(d.input.text), th.Paint(theme.Selected, " ")
	s := " " + th.Paint(theme.Title, q+":") + " " + typed + cursor
	if theme.Width(th.Tr(s)) > w { // the end is what is being typed
		s = " " + typed + cursor
	}
	for r := []rune(typed); theme.Width(th.Tr(s)) > w && len(r) > 0; {
		r = r[min(8, len(r)):]
		s = " " + th.G.Ellipsis + string(r) + cursor
	}
	return th.Fit(s, w)
}

// progress is how far the stage is, or what it waits for.
func (d *desk) progress(w int) string {
	th, st := d.th, &d.run.st
	word, why := d.run.status()
	text := ""
	switch word {
	case statusWaiting:
		text = th.Paint(theme.Accent, "waiting for you: ") + th.Clean(why)
	case statusPaused:
		if why == "person" {
			why = "space goes on"
		}
		text = th.Paint(theme.Warn, "paused: ") + th.Clean(why)
	case statusDead:
		text = th.Paint(theme.Bad, "the run's process is gone") + "; nothing up to the last checkpoint is lost: R resumes"
	case statusFailed:
		text = th.Paint(theme.Bad, "failed: ") + th.Clean(why)
	case statusStopped:
		text = "stopped at a checkpoint; R resumes"
	case statusDone:
		text = d.doneText()
	case statusStarting:
		text = th.Paint(theme.Dim, "loading model and data …")
	}
	if text != "" {
		return th.Fit(" "+text, w)
	}
	m := d.run.metric
	if m.Stage == st.Stage && m.Steps > 0 && m.Step < m.Steps {
		label := fmt.Sprintf(" epoch %d of %d  ", m.Epoch, m.Epochs)
		if n := w - theme.Width(label) - 1; n >= 16 {
			return label + chart.Progress(th, float64(m.Step)/float64(m.Steps), d.eta(), n) + " "
		}
		return chart.Progress(th, float64(m.Step)/float64(m.Steps), d.eta(), w)
	}
	return th.Fit(" "+th.Paint(theme.Dim, doing(st)), w)
}

// doing is what a stage without steps is at.
func doing(st *event.State) string {
	switch st.Stage {
	case event.Baseline:
		return "evaluating"
	case event.Configure:
		return "predicting"
	case event.Validate:
		return "test set, then five alternations of dense and pared"
	case event.Deploy:
		return "writing, reading back, timing the layers"
	}
	return "working"
}

func (d *desk) doneText() string {
	st := &d.run.st
	tok := theme.Good
	if st.Done.Exit != 0 {
		tok = theme.Warn
	}
	return d.th.Paint(tok, "done: "+d.th.Clean(st.Done.Text)) + "   " + d.th.Paint(theme.Dim, "`pare report "+d.th.Clean(d.run.src.ID())+"` writes it to one file")
}

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
		if b.in&at == 0 || b.show == "" || b.rank == 0 || b.can(d) != "" {
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
