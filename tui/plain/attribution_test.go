package plain

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pare/core/event"
)

// TestAttributionLinesUp: the columns of joules end where their names do, however long what
// stands in them is.
func TestAttributionLinesUp(t *testing.T) {
	j := func(uj int64, covered float64) event.Joules {
		return event.Joules{UJ: &uj, Tier: "A", Band: 74, Coverage: &covered}
	}
	for _, covered := range []float64{1, 0.2} {
		a := &event.Attribution{Text: "share of the measured total by probe time", Rows: []event.ClassShare{
			{Class: "linear", ShareDense: 0.96, ShareNow: 0.78, DenseEnergy: j(126e6, covered), NowEnergy: j(46.4e6, covered)},
			{Class: "loss", ShareDense: 0.04, ShareNow: 0.22, DenseEnergy: j(513e3, covered)},
		}}
		lines := strings.Split(attribution(a, event.ClockOf("cpu")), "\n")[1:]
		for _, l := range lines {
			if utf8.RuneCountInString(l) != utf8.RuneCountInString(lines[0]) {
				t.Errorf("%g covered:\n%s", covered, strings.Join(lines, "\n"))
				break
			}
		}
		if covered < 1 && !strings.Contains(lines[1], "(20 % covered)  46.4 J") {
			t.Errorf("%q", lines[1])
		}
	}
}
