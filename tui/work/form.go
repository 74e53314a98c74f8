package work

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"pare/tui/chart"
	"pare/tui/theme"
)

// kind is what a field holds.
type kind uint8

const (
	choice kind = iota // one of opts
	number
	slider // a share as per cent, with a bar
)

// field is a line of a form.
type field struct {
	key, label string
	kind       kind
	opts       []string // values of a choice
	words      []string // the same for people
	at         int      // chosen of opts
	num        float64
	lo, hi     float64
	step       float64 // of ← and →; 0 doubles and halves
	whole      bool
	zero       string  // what 0 means
	first      float64 // of a number that doubles: the least above 0
	unset      string  // what a slider below 0 means
	touched    bool    // changed by the person
}

// value is what the field shows.
func (f *field) value() string {
	switch {
	case f.kind == choice:
		return f.words[f.at]
	case f.open():
		return f.unset
	case f.kind == slider:
		return fmt.Sprintf("%.4g %%", 100*f.num)
	case f.num == 0 && f.zero != "":
		return f.zero
	}
	return strconv.FormatFloat(f.num, 'g', 6, 64)
}

// thousands are written so on the screen; a comma is that of decimals, too.
var thousands = regexp.MustCompile(`^-?[1-9][0-9]{0,2},[0-9]{3}$`)

// set takes what was typed.
func (f *field) set(s string) error {
	if f.unset != "" && strings.TrimSpace(s) == "" {
		f.num, f.touched = f.lo, true
		return nil
	}
	s = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s), "%"))
	if thousands.MatchString(s) {
		return fmt.Errorf("%q: give %s or %s", s, strings.Replace(s, ",", "", 1), strings.Replace(s, ",", ".", 1))
	}
	x, err := strconv.ParseFloat(strings.Replace(s, ",", ".", 1), 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return fmt.Errorf("%q is not a number", s)
	}
	lo, hi := f.lo, f.hi
	if f.kind == slider {
		lo, hi = 100*max(lo, 0), 100*hi
	}
	switch {
	case f.whole && x != math.Trunc(x):
		return fmt.Errorf("give a whole number")
	case x < lo || x > hi:
		return fmt.Errorf("give %g to %g", lo, hi)
	}
	if f.kind == slider {
		x /= 100
	}
	f.num, f.touched = x, true
	return nil
}

// turn moves the field by one notch.
func (f *field) turn(dir int) {
	f.touched = true
	switch {
	case f.kind == choice:
		f.at = (f.at + dir + len(f.opts)) % len(f.opts)
	case f.step > 0:
		n := math.Round(f.num/f.step+float64(dir)) * f.step
		f.num = min(max(n, f.lo), f.hi)
	default:
		x := f.num
		if dir > 0 {
			x = max(2*x, f.first)
		} else if x /= 2; x < f.first {
			x = f.lo
		}
		if f.whole {
			x = math.Max(math.Round(x), 1)
		}
		f.num = min(max(x, f.lo), f.hi)
	}
}

// form is fields with one of them chosen.
type form struct {
	fields []field
	at     int
	err    string
	busy   bool
	source string // where the set-up comes from
}

func (f *form) move(dir int) {
	if n := len(f.fields); n > 0 {
		f.at = min(max(f.at+dir, 0), n-1)
	}
}

func (f *form) get(key string) *field {
	for i := range f.fields {
		if f.fields[i].key == key {
			return &f.fields[i]
		}
	}
	return &field{opts: []string{""}, words: []string{""}}
}

func pick(key, label, now string, opts, words []string) field {
	f := field{key: key, label: label, kind: choice, opts: opts, words: words}
	for i, o := range opts {
		if o == now {
			f.at = i
		}
	}
	return f
}

func (f *field) chosen() string { return f.opts[f.at] }

// form is the form that has the keys.
func (d *desk) form() *form {
	if d.page == pageSetup {
		return &d.setup
	}
	return &d.conf
}

func (d *desk) canType() string {
	f := d.form()
	if len(f.fields) == 0 || f.fields[f.at].kind == choice {
		return "this field takes ← and →, not a number"
	}
	return ""
}

// change turns the chosen field.
func (d *desk) change(dir int) []effect {
	f := d.form()
	if len(f.fields) == 0 {
		return nil
	}
	f.turn(dir)
	return d.changed()
}

// takeAndMove ends the typing of a number and goes to another field; a number
// that will not do keeps the keys.
func (d *desk) takeAndMove(dir int) []effect {
	todo := d.take()
	if d.over != overEdit {
		d.form().move(dir)
	}
	return todo
}

// changed is what follows from a new value.
func (d *desk) changed() []effect {
	d.form().fit()
	if d.page == pageSetup {
		d.setup.err = ""
		d.suggestLR()
		return nil
	}
	return d.predictNow()
}

// fieldLines draws a form's fields in exactly h lines, the chosen one in sight.
func (d *desk) fieldLines(f *form, w, h int, notes []string) string {
	th := d.th
	label := 0
	for _, x := range f.fields {
		if x.unset == "" { // names of layers are shortened
			label = max(label, theme.Width(x.label))
		}
	}
	label = min(label, max(w/2, 4))
	lines := make([]string, 0, len(f.fields))
	for i := range f.fields {
		x := &f.fields[i]
		on := i == f.at
		mark := "  "
		if on {
			mark = th.Paint(theme.Accent, ">") + " "
		}
		v := th.Tr(x.value())
		if on && d.over == overEdit {
			v = th.Clean(d.input.text) + "_"
		}
		bar := ""
		if n := w - label - 11 - max(7, len(x.unset)); x.kind == slider && n >= 8 {
			share := x.num
			if x.open() {
				share = math.NaN()
			}
			bar = chart.Bar(th, share, min(n, 30)) + " "
		}
		n, label := w-label-7, label
		if on { // its arrows stay in sight
			n -= 2
		}
		if over := theme.Width(v) + 1 - n; x.kind == choice && over > 0 {
			// Words that are too long begin earlier, as far as the label lets them.
			back := max(min(over, label-theme.Width(x.label)), 0)
			n, label = n+back, label-back
			v = strings.TrimRight(th.Fit(v, n), " ")
		}
		if on {
			v = th.G.Left + " " + bar + th.Paint(theme.Selected, v) + " " + th.G.Right
		} else {
			v = "  " + bar + v
		}
		name := th.Fit(x.label, label)
		if x.unset != "" {
			name = layerName(th, x.label, label)
		}
		lines = append(lines, " "+mark+name+"  "+v)
	}
	from := 0
	if len(lines) > h {
		from = min(max(f.at-h/2, 0), len(lines)-h)
		lines = lines[from : from+max(h, 0)]
		more := func(i int, glyph string) { lines[i] = th.Paint(theme.Dim, glyph) + lines[i][1:] }
		if n := len(lines); n > 1 && from > 0 {
			more(0, th.G.UpKey)
		}
		if n := len(lines); n > 1 && from+n < len(f.fields) {
			more(n-1, th.G.DownKey)
		}
	}
	if room := h - len(lines); room >= 2 {
		lines = append(lines, "")
		for _, n := range notes[:min(len(notes), room-1)] {
			lines = append(lines, " "+n)
		}
	}
	return strings.Join(lines, "\n")
}
