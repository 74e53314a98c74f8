package work

import (
	"fmt"
	"strings"

	"pare/core"
	"pare/core/event"
	"pare/tui/chart"
	"pare/tui/theme"
)

// saying is a text of the bar: a word or two that stand out, and the rest.
type saying struct {
	lead    string
	leadTok theme.Token
	text    string
	tok     theme.Token
}

// saying is what the bar tells now; ok is false when it has nothing to tell.
func (d *desk) saying() (s saying, ok bool) {
	switch {
	case d.over == overStop:
		return saying{"stop?", theme.Warn, "the run goes on without this screen unless stopped", 0}, true
	case d.over == overDelete:
		return saying{"delete?", theme.Bad, d.deleteText(), 0}, true
	case d.input.err != "": // gone with the next key
		return saying{text: d.input.err, tok: theme.Bad}, true
	case d.over == overTarget, d.over == overPath, d.over == overEdit, d.over == overHW, d.over == overFilter, d.over == overPalette, d.over == overChange && d.busy == "":
		return s, false
	case d.busy != "":
		return saying{text: d.busy}, true
	case d.toast.text != "": // what a key just did, or why not; who asks stands here again after it
		return saying{text: d.toast.text, tok: d.toast.tok}, true
	case d.run != nil && d.run.asked != "" && d.page == pageRun && d.over == overNone:
		return saying{d.th.Clean(d.run.asked) + " asks to drive:", theme.Accent, "A hands the run over, K keeps it", 0}, true
	case d.run == nil, d.page != pageRun, d.over == overPoint:
		return saying{text: d.hint(), tok: theme.Dim}, true
	case d.replaying():
		return d.replaySaying()
	case d.run.damage != "":
		return saying{text: d.run.damage, tok: theme.Bad}, true
	case strings.Contains(d.run.problem, core.ErrFull.Error()): // the way out first
		say := "free some, the run goes on by itself"
		if d.run.problem != core.ErrFull.Error() {
			say += "; " + d.run.problem
		}
		return saying{core.ErrFull.Error() + ":", theme.Bad, say, 0}, true
	case d.run.problem != "":
		return saying{text: d.run.problem, tok: theme.Bad}, true
	}
	if d.over == overTour && d.tourHolds {
		return saying{text: "the run holds here until you go on", tok: theme.Dim}, true
	}
	word, why := d.run.status()
	if d.run.watches != "" && word != statusDone && word != statusFailed {
		say := d.run.watches
		if d.canAsk() == "" {
			say += " (a asks)"
		}
		return saying{text: say, tok: theme.Warn}, true
	}
	switch word {
	case statusWaiting:
		if c := d.cautions(); len(c) > 0 && d.over == overNone && (d.w < wideW || d.h < wideH) { // the pane has no room for it
			return saying{"care:", theme.Warn, strings.Join(c, "; "), 0}, true
		}
		if x, ok := d.cutChoice(); ok {
			return saying{x.label + ":", theme.Accent, x.value(), 0}, true
		}
		if !d.canAct() {
			return saying{"waiting for who drives:", theme.Dim, why, 0}, true
		}
		return saying{"waiting for you:", theme.Accent, why, 0}, true
	case statusPaused:
		switch {
		case why != event.WhyPerson:
			why = d.run.st.PausedFor() + d.ours(d.waysOn())
		case d.canAct():
			why = "space goes on"
		default:
			why = "by the person who drives"
		}
		return saying{"paused:", theme.Warn, why, 0}, true
	case statusDead:
		return saying{"the run's process is gone:", theme.Bad, strings.TrimPrefix(d.may("; R resumes")+"; nothing up to the last checkpoint is lost", "; "), 0}, true
	case statusFailed:
		if d.run.wrongRecipe() {
			why += d.may("; E edits the recipe")
		}
		return saying{"failed:", theme.Bad, why, 0}, true
	case statusStopped:
		return saying{text: why + d.may("; R resumes")}, true
	case statusDone:
		return d.doneSaying(), true
	case statusStarting:
		return saying{text: "loading model and data …", tok: theme.Dim}, true
	}
	return s, false
}

// waysOn are the keys by which a pause that nobody asked for ends.
func (d *desk) waysOn() string {
	switch why := d.run.st.Why; {
	case why == event.WhyFloor && d.run.st.AtFloor:
		return "; space goes on without more zeros, e sets another target, r rolls back"
	case why == event.WhyFloor: // another target was set
		return "; space goes on, r rolls back"
	case why == event.WhyDiverged:
		return "; space goes on from there, r rolls back"
	}
	return ""
}

// cutChoice is the chosen field of the configure form where its words do not fit there.
func (d *desk) cutChoice() (field, bool) {
	if !d.formOpen() || d.over != overNone || d.w >= wideW || len(d.conf.fields) == 0 {
		return field{}, false
	}
	x := d.conf.fields[d.conf.at]
	return x, x.kind == choice && theme.Width(d.th.Tr(x.label+x.value())) > d.w/2-12
}

func (d *desk) doneSaying() saying {
	st := &d.run.st
	tok := theme.Good
	if st.Done.Exit != 0 {
		tok = theme.Warn
	}
	return saying{"done: " + d.th.Clean(st.Done.Text), tok, "· `pare report " + d.th.Clean(d.run.src.ID()) + "` writes it to one file", theme.Dim}
}

// barLines is what the bar says, in at most n lines.
func (d *desk) barLines(w, n int) []string {
	th := d.th
	s, ok := d.saying()
	if !ok {
		return nil
	}
	lead := th.Clean(s.lead)
	lines := few(th, wrap(lead+" "+th.Clean(s.text), max(w-1, 1)), n, max(w-1, 1))
	for i, l := range lines {
		if rest, ok := strings.CutPrefix(l, lead); ok && i == 0 && lead != "" {
			lines[i] = " " + th.Paint(s.leadTok, lead) + th.Paint(s.tok, rest)
			continue
		}
		lines[i] = " " + th.Paint(s.tok, l)
	}
	return lines
}

// runLines is how to run the pared model, where the run is done and the bar has
// room for it: there no border gets in the way of copying.
func (d *desk) runLines(w, h int) []string {
	if d.run == nil || d.page != pageRun || d.replaying() || d.run.st.Done == nil || d.toast.text != "" || d.busy != "" {
		return nil
	}
	said := len(d.barLines(w, barRoom(h)))
	lines := breakPath(d.predictCmd(), max(w-1, 1))
	if len(lines) == 0 || said+len(lines) > barRoom(h) {
		return nil
	}
	for i := range lines {
		lines[i] = " " + d.th.Paint(theme.KeyHint, d.th.Tr(lines[i]))
	}
	return lines
}

// barNeed is how many lines the bar asks for.
func (d *desk) barNeed() int {
	return len(d.barLines(d.w, barRoom(d.h))) + len(d.runLines(d.w, d.h))
}

// barRoom is how many lines the bar may take from the panes.
func barRoom(h int) int { return min(max((h-14)/3, 1), 3) }

// bar stands above the footer: a question, what was told last, or how far the
// stage is.
func (d *desk) bar(w, h int) string {
	if lines := append(d.barLines(w, h), d.runLines(w, d.h)...); len(lines) > 0 {
		return d.th.Block(strings.Join(lines, "\n"), w, h)
	}
	one := d.progress
	if d.place()&inText != 0 {
		one = d.inputLine
	}
	return d.th.Block(one(w), w, h)
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
	case overPalette:
		q = "command"
	case overFilter:
		q = "show sessions with"
		if d.page == pageRun {
			q = "show layers and metrics with"
		}
	case overChange:
		q = "change (key=value …, or nothing)"
	case overHW:
		q = "find hardware"
	case overEdit:
		q = d.form().fields[d.form().at].label
	}
	if d.input.err != "" {
		return th.Fit(" "+th.Paint(theme.Bad, th.Clean(d.input.err)), w)
	}
	typed, cursor := th.Clean(d.input.text), th.Paint(theme.Selected, " ")
	s := " " + th.Paint(theme.Title, q+":") + " " + typed + cursor
	if d.over == overFilter && d.page == pageRun {
		s += d.siftSays()
	}
	if d.over == overHW {
		if i := d.markedHW(); i >= 0 { // where the list itself has no room
			s += " " + th.Paint(theme.Dim, th.G.Arrow+" "+th.Clean(d.conf.get("hardware").words[i]))
		}
	}
	if theme.Width(th.Tr(s)) > w { // the end is what is being typed
		s = " " + typed + cursor
	}
	for r := []rune(typed); theme.Width(th.Tr(s)) > w && len(r) > 0; {
		r = r[min(8, len(r)):]
		s = " " + th.G.Ellipsis + string(r) + cursor
	}
	return th.Fit(s, w)
}

// progress is how far the stage is.
func (d *desk) progress(w int) string {
	if d.replaying() {
		return d.replayBar(w)
	}
	th, st := d.th, &d.run.st
	m := d.run.metric
	if m.Stage == st.Stage && m.Steps > 0 && m.Step < m.Steps {
		label := fmt.Sprintf(" epoch %d of %d  ", m.Epoch, m.Epochs)
		if d.w >= 80 && m.Stage == d.run.pace.stage {
			label += d.run.pace.text()
		}
		label = th.Tr(label)
		if n := w - theme.Width(label) - 1; n >= 16 {
			return label + chart.Progress(th, float64(m.Step)/float64(m.Steps), d.eta(), n) + " "
		}
		return chart.Progress(th, float64(m.Step)/float64(m.Steps), d.eta(), w)
	}
	if p := st.Progress; p != nil && p.Stage == st.Stage && p.Of > 0 {
		label, of := " "+th.Clean(p.What)+"  ", fmt.Sprintf("  %d of %d", p.Done, p.Of)
		if n := w - theme.Width(label) - theme.Width(of) - 1; n >= 8 {
			label += chart.Bar(th, float64(p.Done)/float64(p.Of), n)
		}
		return th.Fit(label+of, w)
	}
	return th.Fit(" "+th.Paint(theme.Dim, doing(st)), w)
}

// may is what a key would do, where this screen may change anything.
func (d *desk) may(s string) string {
	if d.bound() != "" {
		return ""
	}
	return s
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
