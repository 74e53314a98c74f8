package work

import (
	"fmt"
	"slices"
	"strings"

	"pare/core/event"
	"pare/sessions"
	"pare/tui/plain"
	"pare/tui/theme"
)

// shelf is the page of all sessions.
type shelf struct {
	list   []sessions.Summary
	read   bool // it has been looked at
	at     string
	marked []string // in the order they were marked
	filter string
	back   page

	points []sessions.Point // of the session to branch from
	point  int
}

// openShelf shows the sessions.
func (d *desk) openShelf() []effect {
	if d.page != pageCompare {
		d.shelf.back = d.page
	}
	d.page, d.over = pageShelf, overNone
	return []effect{d.listSessions()}
}

// What esc does where a run is shown: the cursor goes, then the run.

func escText(d *desk) string {
	if d.look.cursor != nil {
		return "cursor off"
	}
	return "sessions"
}

func (d *desk) canEsc() string {
	if d.look.cursor == nil && !d.run.listed {
		return "no cursor, and no list that this session was chosen from: S shows all"
	}
	return ""
}

func (d *desk) esc() []effect {
	if d.look.cursor == nil {
		return d.openShelf()
	}
	d.look.cursor = nil
	return nil
}

func (d *desk) leaveShelf() { d.page, d.over, d.input = d.shelf.back, overNone, input{} }

// found are the sessions that the filter leaves: all its words occur.
func (s *shelf) found() []sessions.Summary {
	if strings.TrimSpace(s.filter) == "" {
		return s.list
	}
	var out []sessions.Summary
	for _, x := range s.list {
		if holds(s.filter, strings.Join([]string{x.ID, x.Status, x.Model, x.Data, x.Stage.String(), x.Verdict}, " ")) {
			out = append(out, x)
		}
	}
	return out
}

// chosen is the session under the cursor.
func (s *shelf) chosen() (sessions.Summary, bool) {
	l := s.found()
	if len(l) == 0 {
		return sessions.Summary{}, false
	}
	return l[s.row(l)], true
}

// row is where the cursor stands in a list; a session that has gone leaves it on
// the first.
func (s *shelf) row(l []sessions.Summary) int {
	return max(slices.IndexFunc(l, func(x sessions.Summary) bool { return x.ID == s.at }), 0)
}

func (s *shelf) move(by int) {
	if l := s.found(); len(l) > 0 {
		s.at = l[min(max(s.row(l)+by, 0), len(l)-1)].ID
	}
}

// onShelf takes the list as it is now.
func (d *desk) onShelf(l []sessions.Summary) {
	s := &d.shelf
	s.list, s.read = l, true
	s.marked = slices.DeleteFunc(s.marked, func(id string) bool {
		return !slices.ContainsFunc(l, func(x sessions.Summary) bool { return x.ID == id })
	})
}

// mark marks the session under the cursor and goes on to the next, or takes its
// mark off.
func (s *shelf) mark() {
	x, ok := s.chosen()
	if !ok {
		return
	}
	if i := slices.Index(s.marked, x.ID); i >= 0 {
		s.marked = slices.Delete(s.marked, i, i+1)
		return
	}
	s.marked = append(s.marked, x.ID)
	s.move(1)
}

// several are the marked sessions, and the one under the cursor when that makes
// two.
func (s *shelf) several() []string {
	l := slices.Clone(s.marked)
	if x, ok := s.chosen(); ok && len(l) == 1 && l[0] != x.ID {
		l = append(l, x.ID)
	}
	return l
}

// targets are the sessions a command is for: the marked ones, else the chosen.
func (s *shelf) targets() []string {
	if len(s.marked) > 0 {
		return s.marked
	}
	if x, ok := s.chosen(); ok {
		return []string{x.ID}
	}
	return nil
}

func (s *shelf) find(id string) (sessions.Summary, bool) {
	i := slices.IndexFunc(s.list, func(x sessions.Summary) bool { return x.ID == id })
	if i < 0 {
		return sessions.Summary{}, false
	}
	return s.list[i], true
}

// shelfPane is the list with what hangs on it.
func (d *desk) shelfPane(w, h int) string {
	th, s := d.th, &d.shelf
	l := s.found()
	right := fmt.Sprint(len(s.list))
	if s.filter != "" {
		right = fmt.Sprintf("%d of %d with %s", len(l), len(s.list), s.filter)
	}
	if n := len(s.marked); n > 0 {
		right += fmt.Sprintf(" · %d marked", n)
	}
	o := theme.BoxOptions{Title: "sessions", Right: right, BorderToken: theme.Accent}
	switch {
	case !s.read:
		o.Body = th.Paint(theme.Dim, " reading the sessions …")
		return th.BoxWith(o, w, h)
	case len(s.list) == 0:
		o.Body = th.Paint(theme.Dim, " none yet: esc goes back, then choose a model")
		return th.BoxWith(o, w, h)
	case len(l) == 0:
		o.Body = th.Paint(theme.Dim, " no session holds all of these words")
		return th.BoxWith(o, w, h)
	}
	room := max(h-2, 1)
	detail := 0
	if room >= len(l)+5 || room >= 14 {
		detail = 1 + shelfSays
	}
	room -= detail
	at := s.row(l)
	from := min(max(at-room/2, 0), max(len(l)-room, 0))
	form := 0 // the longest in which all lines fit
	for form < shelfForms-1 && slices.ContainsFunc(l, func(x sessions.Summary) bool { return theme.Width(th.Tr(d.shelfLine(x, form))) > w-7 }) {
		form++
	}
	var lines []string
	for i, x := range l[from:min(from+room, len(l))] {
		text := d.shelfLine(x, form)
		mark, dot := " ", " "
		if slices.Contains(s.marked, x.ID) {
			dot = th.Paint(theme.Accent, th.G.Bullet)
		}
		if from+i == at {
			mark, text = th.Paint(theme.Accent, ">"), th.Paint(theme.Selected, th.Tr(text))
		}
		lines = append(lines, " "+mark+dot+" "+text)
	}
	if detail > 0 {
		for len(lines) < room {
			lines = append(lines, "")
		}
		lines = append(lines, "")
		t := d.text(w - 2)
		d.shelfDetail(t, l[at])
		lines = append(lines, strings.Split(t.String(), "\n")...)
	}
	o.Body = strings.Join(lines, "\n")
	return th.BoxWith(o, w, h)
}

// shelfForms is how many ways there are to write a line of the list.
const shelfForms = 4

// shelfLine is a session in one line; a higher form takes less room.
func (d *desk) shelfLine(x sessions.Summary, form int) string {
	th := d.th
	id, status := th.Fit(th.Clean(x.ID), 16), th.Fit(x.Status, 8)
	if x.Damage != "" {
		return id + " damaged"
	}
	zeros, acc, verdict := "      –", "           –", ""
	if x.Zeros > 0 {
		zeros = fmt.Sprintf("%7s", percent(x.Zeros))
	}
	switch {
	case x.TestAcc >= 0:
		acc = fmt.Sprintf("test %7s", percent(x.TestAcc))
	case x.Acc >= 0:
		acc = fmt.Sprintf(" val %7s", percent(x.Acc))
	}
	if verdict = th.Clean(x.Verdict); verdict == "" {
		verdict = x.Stage.String()
	}
	verdict = th.Fit(verdict, 9)
	what := th.Fit(th.Clean(x.Model)+" on "+th.Clean(x.Data), 27)
	begun := "                "
	if !x.Begun.IsZero() {
		begun = x.Begun.Local().Format("2006-01-02 15:04")
	}
	switch form {
	case 0:
		return strings.Join([]string{id, begun, status, what, zeros + " zeros", acc, verdict}, "  ")
	case 1:
		return strings.Join([]string{id, status, th.Fit(th.Clean(x.Model), 14), zeros, acc, verdict}, "  ")
	case 2:
		return strings.Join([]string{id, status, zeros, acc, verdict}, "  ")
	}
	return id + " " + status
}

// shelfSays is how many lines shelfDetail has.
const shelfSays = 3

// shelfDetail says more of the chosen session.
func (d *desk) shelfDetail(t *text, x sessions.Summary) {
	if x.Damage != "" {
		t.fill(theme.Bad, "damaged: "+x.Damage, 3)
		return
	}
	s := fmt.Sprintf("%s on %s, begun %s, %s on disk", x.Model, x.Data, x.Begun.Local().Format("2006-01-02 15:04"), plain.Bytes(x.Bytes))
	if x.Pid > 0 {
		s += fmt.Sprintf(", runs as process %d", x.Pid)
	}
	t.fill(theme.Dim, s, 2)
	switch {
	case x.Status == sessions.Dead:
		t.fill(theme.Warn, "its process is gone without a word: open it and press R, it goes on from its last checkpoint", 1)
	case x.Status == sessions.Stopped:
		t.fill(theme.Dim, "stopped at a checkpoint: open it and press R to go on", 1)
	case x.Status == sessions.Spent:
		t.fill(theme.Warn, "ended by its budget: b branches from its last checkpoint with a larger one", 1)
	case x.Status == sessions.Missed:
		t.fill(theme.Warn, "its target was not reached: b branches with another target, floor or budget", 1)
		if x.Stage == event.Deploy && t.n < shelfSays {
			t.fill(theme.Dim, d.home(x.Dir), 1)
		}
	case x.Status == sessions.Done && x.Stage == event.Deploy:
		if x.OverBudget {
			t.fill(theme.Warn, "it spent more than its budget, as its recipe allows", 1)
		}
		if t.n < shelfSays {
			t.fill(theme.Dim, d.home(x.Dir), 1)
		}
	}
}

// pointPane is the list of checkpoints to branch from.
func (d *desk) pointPane(w, h int) string {
	th, s := d.th, &d.shelf
	room := max(h-2, 1)
	n := len(s.points)
	from := min(max(s.point-room/2, 0), max(n-room, 0))
	var lines []string
	for i := from; i < min(from+room, n); i++ {
		p := s.points[n-1-i]
		acc := "–"
		if p.Acc >= 0 {
			acc = percent(p.Acc)
		}
		text := th.Fit(th.Clean(p.Name), 12) + fmt.Sprintf("  %-9s  %7s  %7s zeros", p.Stage, acc, percent(p.Zeros))
		if w >= 70 {
			text += fmt.Sprintf("  step %d", p.Step)
		}
		if w >= 76 && p.Stage == event.Configure {
			text += "  here the recipe is chosen"
		}
		mark := " "
		if i == s.point {
			mark, text = th.Paint(theme.Accent, ">"), th.Paint(theme.Selected, th.Tr(text))
		}
		lines = append(lines, " "+mark+" "+text)
	}
	return th.BoxWith(theme.BoxOptions{Title: "branch of " + s.at + " from", Right: "a new session", Body: strings.Join(lines, "\n"), BorderToken: theme.Accent}, w, h)
}
