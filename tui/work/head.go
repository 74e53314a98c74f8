package work

import (
	"fmt"
	"strings"
	"time"

	"pare/core"
	"pare/core/event"
	"pare/tui/chart"
	"pare/tui/theme"
)

// head is the first line: what runs, and how far it is.
func (d *desk) head(w int) string {
	th := d.th
	name := " " + th.Paint(theme.Accent, "pare")
	if d.page == pageShelf || d.page == pageCompare {
		return th.Fit(name+th.Paint(theme.Dim, "  sessions in "+th.Clean(d.home(d.o.Root))), w)
	}
	if d.run == nil {
		return th.Fit(name+th.Paint(theme.Dim, "  make a neural network spend less energy, and prove it"), w)
	}
	st := &d.run.st
	model := "starting"
	if st.Started.Model != "" {
		model = th.Clean(st.Started.Model) + " on " + th.Clean(st.Started.Data)
	}
	word, glyph, tok := d.statusText()
	right := []string{th.Paint(tok, glyph+" "+word)}
	if state, _ := d.run.status(); d.run.metric.Stage == st.Stage && d.run.metric.Steps > 0 && (state == statusRunning || state == statusPaused) {
		right = append(right, fmt.Sprintf("epoch %d of %d", d.run.metric.Epoch, d.run.metric.Epochs), fmt.Sprintf("step %d", d.run.metric.Step))
		if eta := d.eta(); eta >= 0 {
			right = append(right, "ETA "+chart.Duration(eta))
		}
	}
	if q := d.quietText(); q != "" {
		right = append(right[:1:1], append([]string{th.Paint(theme.Warn, q)}, right[1:]...)...)
	}
	if d.o.ReadOnly {
		right = append(right[:1:1], append([]string{"watching only"}, right[1:]...)...)
	}
	right = append(right, "session "+th.Clean(d.run.src.ID()))
	// What does not fit goes, the least missed first.
	left := name + "  " + model
	for _, drop := range []string{"", "step ", "epoch ", "word", "session", "model", "ETA "} {
		switch drop {
		case "word": // the name says enough
			right[len(right)-1] = strings.TrimPrefix(right[len(right)-1], "session ")
		case "session":
			right = right[:len(right)-1]
		case "":
		case "model":
			left = name
		default:
			for i, r := range right {
				if strings.HasPrefix(r, drop) {
					right = append(right[:i:i], right[i+1:]...)
					break
				}
			}
		}
		if theme.Width(th.Tr(left))+theme.Width(th.Tr(strings.Join(right, "  ")))+3 <= w {
			break
		}
	}
	r := strings.Join(right, "  ") + " "
	gap := w - theme.Width(th.Tr(left)) - theme.Width(th.Tr(r))
	return th.Fit(left+strings.Repeat(" ", max(gap, 1))+r, w)
}

// statusText is how the run stands, for the header.
func (d *desk) statusText() (word, glyph string, tok theme.Token) {
	g := d.th.G
	word, _ = d.run.status()
	if d.replaying() {
		return d.replayBadge()
	}
	if d.busy != "" {
		return "starting", g.Pending, theme.Dim
	}
	switch word {
	case statusRunning:
		return word, g.Running, theme.Good
	case statusPaused, statusStopped:
		return word, g.Paused, theme.Warn
	case statusWaiting:
		if !d.canAct() {
			return word, g.Pending, theme.Dim
		}
		return "waiting for you", g.Pending, theme.Accent
	case statusDone:
		switch d.run.st.Done.Exit {
		case core.ExitBudget:
			return "budget spent", g.Short, theme.Warn
		case core.ExitTarget:
			return "target missed", g.Short, theme.Warn
		}
		return word, g.Check, theme.Good
	case statusFailed, statusDead:
		return word, g.Cross, theme.Bad
	}
	return word, g.Pending, theme.Dim
}

// eta is the time to the end of the stage, −1 if unknown.
func (d *desk) eta() time.Duration {
	if s, _ := d.run.status(); s != statusRunning || d.run.pace.stage != d.run.st.Stage {
		return -1
	}
	return d.run.pace.left(d.clock())
}

// rail is the second line: the stages, and what the next one still needs.
func (d *desk) rail(w int) string {
	th := d.th
	if d.run == nil || d.page != pageRun {
		return th.Fit(d.crumbs(), w)
	}
	text := ""
	for level := 5; level >= 0; level-- {
		if text = d.railText(level); theme.Width(th.Tr(text)) <= w {
			break
		}
	}
	return th.Fit(text, w)
}

// railText is the rail: with names and all reasons (5), with the first reason
// only (4), with names (3), with the name of the stage at hand and the first
// reason (2), without it (1), with figures (0).
func (d *desk) railText(level int) string {
	th := d.th
	var parts []string
	first := true
	for s := event.Baseline; s <= event.Deploy; s++ {
		mark, tok, why := d.stageMark(s)
		text := fmt.Sprintf("%d", s)
		if level > 2 || level > 0 && (s == d.stage() || s == d.run.st.Stage) {
			text += " " + s.String()
		}
		if mark != "" {
			text += " " + mark
		}
		if s == d.stage() {
			text = th.Paint(theme.Selected, text)
		} else {
			text = th.Paint(tok, text)
		}
		if why != "" && (level == 5 || (level == 4 || level == 2) && first) {
			text += th.Paint(theme.Dim, " "+th.G.None+" "+why)
			first = false
		}
		parts = append(parts, text)
	}
	return " " + strings.Join(parts, [...]string{" ", "  ", " ", "  ", "  ", "   "}[level])
}

// stageMark is how a stage stands on the rail: its glyph, and if it is locked
// the evidence that is missing.
func (d *desk) stageMark(s event.Stage) (mark string, tok theme.Token, why string) {
	g, st := d.th.G, &d.run.st
	word, _ := d.run.status()
	switch {
	case st.Stages[s].State == "done":
		return g.Check, theme.Good, ""
	case st.Stages[s].State == "failed":
		return g.Cross, theme.Bad, ""
	case s == st.Stage:
		switch word {
		case statusRunning:
			return g.Running, theme.Accent, ""
		case statusPaused, statusStopped:
			return g.Paused, theme.Warn, ""
		case statusDone: // its budget ended it here, or the floor
			return g.Short, theme.Warn, ""
		case statusFailed, statusDead:
			return g.Cross, theme.Bad, ""
		}
		return g.Pending, theme.Accent, ""
	}
	return "", theme.Dim, d.missing(s)
}

// missing is the evidence a locked stage waits for.
func (d *desk) missing(s event.Stage) string {
	switch s {
	case event.Configure:
		return "needs the dense accuracy"
	case event.Sparsify:
		return "needs a recipe"
	case event.Validate:
		if t, ok := d.run.target(); ok {
			return fmt.Sprintf("needs a checkpoint at %.4g %% zeros", 100*t)
		}
		return "needs a checkpoint at the target"
	case event.Deploy:
		return "after 4"
	}
	return ""
}

func (d *desk) lockedBody(s event.Stage, w int) string {
	return " " + strings.Join(wrap("not yet: "+d.missing(s), max(w-2, 1)), "\n ")
}
