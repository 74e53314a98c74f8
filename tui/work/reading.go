package work

import (
	"fmt"
	"strings"
	"time"

	"pare/tui/chart"
	"pare/tui/plain"
	"pare/tui/theme"
)

// slowRead is after how long a screen that is still reading a record says so: before that
// the run itself is there sooner than anybody could read it.
const slowRead = 300 * time.Millisecond

// stillRead says why keys wait for the end of a record: what it has said so far is past.
const stillRead = "the record is being read"

// reads is how far a record has been read.
type reads struct {
	begun   time.Time // when its first piece was there
	through float64   // the share of its bytes; NaN unknown
}

// reading reports whether the record takes long enough to say so.
func (d *desk) reading() bool {
	return d.hold && d.run != nil && d.now.Sub(d.run.reads.begun) >= slowRead
}

// readOn takes note of a piece of a record whose end is not reached.
func (d *desk) readOn(through float64) {
	r := &d.run.reads
	if r.through = through; r.begun.IsZero() {
		r.begun = d.now
	}
	if d.reading() {
		d.touch()
	}
}

// readingScreen is shown while a long record is read: the keys of the footer work.
func (d *desk) readingScreen() string {
	th, st := d.th, &d.run.st
	head := th.Fit(" "+th.Paint(theme.Title, "pare")+"  reading the record of session "+th.Clean(d.run.src.ID()), d.w)
	if d.h < 3 {
		return th.Block(head, d.w, d.h)
	}
	t := d.text(max(d.w-2, 1))
	t.add(theme.Text, plain.Count(st.Seq)+" events so far")
	right := ""
	if x := d.run.reads.through; x == x {
		right = fmt.Sprintf("%.0f %%", 100*x)
		t.b.WriteString(" " + chart.Bar(th, x, t.w) + "\n")
	}
	t.blank().add(theme.Dim, "A long record is read line by line and checked the first time. An index is left beside it then, and it opens at once.")
	return strings.Join([]string{head, th.Box("reading", right, t.String(), d.w, d.h-2), d.foot(d.w)}, "\n")
}
