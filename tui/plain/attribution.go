package plain

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"pare/core/event"
)

// attribution is the table of where a training step's time goes, and the joules of
// the training stages shared out by it.
func attribution(b *event.Attribution, c event.Clock) string {
	var s strings.Builder
	fmt.Fprintf(&s, "  where a training step's %s goes; J: %s\n", c.Name, b.Text)
	dense, now := 19, 19 // columns of J: a part that is covered in part takes more
	for _, r := range b.Rows {
		dense, now = max(dense, utf8.RuneCountInString(Joules(r.DenseEnergy))), max(now, utf8.RuneCountInString(Joules(r.NowEnergy)))
	}
	row := func(class, a, b, j, k string) {
		fmt.Fprintf(&s, "  %-16s %s %s  %s  %s", class, padLeft(a, 7), padLeft(b, 9), padLeft(j, dense), padLeft(k, now))
	}
	row("work", "dense", "now", "J of baseline", "J of sparsify")
	for _, r := range b.Rows {
		s.WriteByte('\n')
		row(r.Class, Share(r.ShareDense), Share(r.ShareNow), Joules(r.DenseEnergy), Joules(r.NowEnergy))
	}
	return s.String()
}

// Share prints a share in percent: "81.3 %", "<0.1 %" for what is there but rounds to
// nothing.
func Share(x float64) string {
	if x > 0 && x < 0.0005 {
		return "<0.1 %"
	}
	return fmt.Sprintf("%.1f %%", 100*x)
}
