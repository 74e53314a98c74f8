package work

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"pare/core"
	"pare/core/event"
	"pare/tui/plain"
	"pare/tui/theme"
)

// text is lines of a pane: painted paragraphs.
type text struct {
	th *theme.Theme
	w  int
	n  int // lines so far
	b  strings.Builder
}

func (d *desk) text(w int) *text { return &text{th: d.th, w: max(w-2, 1)} }

func (t *text) add(tok theme.Token, s string) *text {
	for _, l := range wrap(t.th.Clean(s), t.w) {
		t.b.WriteString(" " + t.th.Paint(tok, t.th.Tr(l)) + "\n")
		t.n++
	}
	return t
}

// fill adds a paragraph in at most n lines; what does not fit ends in an
// ellipsis.
func (t *text) fill(tok theme.Token, s string, n int) {
	if n > 0 {
		t.add(tok, strings.Join(few(t.th, wrap(t.th.Clean(s), t.w), n, t.w), " "))
	}
}

// asides are what a verdict can be told without, in the order they go: all of it stands in
// stage 4 and in the ledger.
var asides = []*regexp.Regexp{
	regexp.MustCompile(`, [0-9.]+ points under dense`),
	regexp.MustCompile(`[0-9]+ alternations, `),
	regexp.MustCompile(`, [0-9]+ test [a-z]+`),
	regexp.MustCompile(`: (busy power taken|estimated by this machine's load curve)[^·]*`),
	regexp.MustCompile(`, which follow CPU time`),
	regexp.MustCompile(` \([^()]*(±[0-9.]+ %|95 %: [^()]*)\)`),
}

// shorter is a verdict without as many of its asides as n lines have no room for.
func (t *text) shorter(s string, n int) string {
	for _, a := range asides {
		if t.lines(s) <= n {
			break
		}
		s = a.ReplaceAllString(s, "")
	}
	return s
}

// lines is how many lines paragraphs take.
func (t *text) lines(ss ...string) int {
	n := 0
	for _, s := range ss {
		n += len(wrap(t.th.Clean(s), t.w))
	}
	return n
}

// line is one line as it is, cut if need be.
func (t *text) line(tok theme.Token, s string) *text {
	t.b.WriteString(" " + t.th.Paint(tok, t.th.Fit(s, t.w)) + "\n")
	t.n++
	return t
}

func (t *text) blank() *text { t.b.WriteByte('\n'); t.n++; return t }

func (t *text) String() string { return strings.TrimSuffix(t.b.String(), "\n") }

// verdictPane is the sentence of the validate stage and its evidence.
func (d *desk) verdictPane(w, h int) string {
	st := &d.run.st
	t := d.text(w - 2)
	v := st.Verdict
	word, _ := d.run.status()
	switch {
	case v != nil:
		t.add(d.verdictTok(), v.Text)
		t.add(theme.Dim, fmt.Sprintf("look %d at the test set; each further look makes it less of a test", v.Looks))
		say := "UNDECIDED: the paired 95 % interval holds the floor. More test samples would tell."
		switch v.Verdict {
		case "PASS":
			say = "PASS: the lower end of the paired 95 % interval lies above the floor."
		case "FAIL":
			say = "FAIL: the upper end of the paired 95 % interval lies below the floor. A lower target, other blocks or more epochs may help."
		}
		t.fill(theme.Dim, say, h-2-t.n)
		if a := st.Attribution; a != nil {
			t.work(a, d.clockOf(), h-2)
		}
	case st.Stage == event.Validate && word == statusWaiting:
		looks := fmt.Sprintf("looks at the test set so far: %d", st.Looks)
		keys := d.ours("enter looks at the test set; r goes back to a checkpoint instead")
		room := h - 2 - t.lines(looks, keys)
		say := "Everything so far was judged on the validation set. Now the test set is looked at, dense against pared on the same samples, and both are timed in five alternations."
		if t.lines(say) > room {
			say = "Now the test set is looked at, dense against pared on the same samples; both are timed in five alternations."
		}
		t.fill(theme.Text, say, room)
		if t.n < room {
			t.blank()
		}
		t.add(theme.Dim, looks).add(theme.Accent, keys)
	default:
		t.add(theme.Dim, d.tense("the test set is being looked at; dense and pared are timed in alternation", "there is no verdict: the run ended before it"))
	}
	return d.th.Box("verdict", "", t.String(), w, h)
}

// verdictTok is the colour of the verdict: of a run that missed its target a PASS is no
// success.
func (d *desk) verdictTok() theme.Token {
	st := &d.run.st
	switch {
	case st.Verdict.Verdict == "FAIL":
		return theme.Bad
	case st.Verdict.Verdict != "PASS", st.Done != nil && st.Done.Exit != core.ExitOK:
		return theme.Warn
	}
	return theme.Good
}

// work says by kind of work where a training step's time goes and what of sparsify's
// joules that is, if all of it has room in h lines.
func (t *text) work(a *event.Attribution, clock event.Clock, h int) {
	head := clock.Name + " of a step, dense → now; J of sparsify: " + a.Text
	if len(a.Rows) == 0 || t.n+1+t.lines(head)+len(a.Rows) > h {
		return
	}
	t.blank().add(theme.Dim, head)
	for _, r := range a.Rows {
		s := fmt.Sprintf("%-11s%7s → %6s", t.th.Clean(r.Class), plain.Share(r.ShareDense), plain.Share(r.ShareNow))
		if r.NowEnergy.UJ != nil {
			s += fmt.Sprintf("  %s", plain.Joules(r.NowEnergy))
		}
		t.line(theme.Text, s)
	}
}

// classesPane is the accuracy per class.
func (d *desk) classesPane(w, h int) string {
	v := d.run.st.Verdict
	if v == nil {
		return d.th.Box("classes", "", d.text(w-2).add(theme.Dim, d.tense("per class, once the test set has been looked at", "the test set was not looked at")).String(), w, h)
	}
	rows := make([]plain.Row, 0, len(v.Classes))
	share := func(k, n int) string {
		if n == 0 {
			return "–"
		}
		return percent(float64(k) / float64(n))
	}
	for _, c := range v.Classes {
		r := plain.Row{Name: d.th.Fit(d.th.Clean(c.Name), min(theme.Width(d.th.Clean(c.Name)), max(w/3, 4))), Dense: share(c.Dense, c.N), Now: share(c.Now, c.N)}
		if c.N > 0 {
			r.Change = points(float64(c.Now-c.Dense) / float64(c.N))
		}
		rows = append(rows, r)
	}
	if room := h - 2; len(rows) > room {
		more := len(rows) - max(room-1, 0)
		rows = append(rows[:max(room-1, 0)], plain.Row{Name: fmt.Sprintf("%d more", more)})
	}
	right := fmt.Sprintf("%d test samples", v.N)
	if w < 50 { // which column is which matters more; the verdict says it too
		right = ""
	}
	return d.table("classes", right, "dense", "now", rows, nil, w, h)
}

// filesPane is what deploy wrote.
func (d *desk) filesPane(w, h int) string {
	st := &d.run.st
	t := d.text(w - 2)
	word, _ := d.run.status()
	if len(st.Exports) == 0 {
		switch {
		case st.Stage == event.Deploy && word == statusWaiting:
			formats := "the chosen formats"
			if r := d.run.recipe; r != nil {
				formats = strings.Join(r.Deploy.Formats, ", ")
			}
			t.add(theme.Text, "Writes "+formats+"; each file is read again and run against the model in memory before it is called done. Then every layer is timed, dense against now.").blank()
			t.add(theme.Accent, d.ours("enter writes the files"))
		default:
			t.add(theme.Dim, d.tense("writing the files", "no file was written: the run ended before it"))
		}
		return d.th.Box("files", "", t.String(), w, h)
	}
	dir := filepath.Dir(st.Exports[0].File)
	for _, e := range st.Exports {
		size := plain.Bytes(e.Bytes)
		t.line(theme.Text, d.th.Fit(d.th.Clean(filepath.Base(e.File)), max(w-6-theme.Width(size), 1))+"  "+size)
		read := fmt.Sprintf("  %s, read again: off by %.1g", d.th.Clean(e.Format), e.MaxDiff)
		t.line(theme.Dim, d.fitting([]string{read + fmt.Sprintf(" at most, %d samples", e.Samples), read, "  " + d.th.Clean(e.Format)}, t.w))
	}
	where := breakPath(d.th.Clean(d.home(dir)), t.w)
	if t.n+len(where) < h-2 {
		t.blank()
	}
	for _, l := range where {
		t.line(theme.Dim, l)
	}
	return d.th.Box("files", plural(len(st.Exports), "file", "files"), t.String(), w, h)
}

// finalPane says how it ended and what one can do with it.
func (d *desk) finalPane(w, h int) string {
	st := &d.run.st
	t := d.text(w - 2)
	var run []string // how to run the model, unless it stands in the bar
	if st.Done != nil && len(d.runLines(d.w, d.h)) == 0 {
		run = breakPath(d.predictCmd(), t.w)
	}
	if v := st.Verdict; v != nil {
		t.fill(d.verdictTok(), t.shorter(v.Text, max(h-2-len(run), 1)), max(h-2-len(run), 1)) // whole in stage 4
	}
	tight := t.n+len(run)+6 > h-2 // no room to explain
	if !tight {
		t.blank()
	}
	for _, l := range run {
		t.line(theme.KeyHint, l)
	}
	if st.Done != nil && !tight {
		if len(run) > 0 {
			t.line(theme.Dim, "  run the pared model")
		}
		id := d.th.Clean(d.run.src.ID())
		t.line(theme.KeyHint, "pare report "+id).line(theme.Dim, "  charts and ledger as one HTML file")
		t.line(theme.KeyHint, "pare sessions show "+id+" --recipe").line(theme.Dim, "  the recipe as used, to run it again")
	}
	return d.th.Box("outcome", "", t.String(), w, h)
}

// predictCmd runs the pared model, from wherever one is; "" when it was not
// written.
func (d *desk) predictCmd() string {
	for _, e := range d.run.st.Exports {
		if e.Format == "packed" {
			return "pare predict " + quoted(d.th.Clean(d.home(e.File))) + " --input FILE"
		}
	}
	return ""
}

// home writes ~ for the home folder, unless the path must be quoted.
func (d *desk) home(path string) string {
	if rest, ok := strings.CutPrefix(path, d.homeDir+string(filepath.Separator)); ok && d.homeDir != "" && quoted(rest) == rest {
		return "~" + string(filepath.Separator) + rest
	}
	return path
}

// quoted is a path as a shell takes it.
func quoted(path string) string {
	if strings.ContainsAny(path, " '\"$&;()<>|*?[]!`#\\") {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}

// breakPath breaks a command or a path into lines of at most w characters,
// between words or after a slash; a longer name is left to be cut.
func breakPath(s string, w int) []string {
	var out []string
	line := ""
	for len(s) > 0 {
		n := strings.IndexAny(s, " /")
		part := s[:n+1]
		if n < 0 {
			part = s
		}
		if theme.Width(line)+theme.Width(strings.TrimRight(part, " ")) > w && line != "" {
			out = append(out, strings.TrimRight(line, " "))
			line = ""
		}
		line, s = line+part, s[len(part):]
	}
	if line != "" {
		out = append(out, strings.TrimRight(line, " "))
	}
	return out
}
