package plain

import (
	"fmt"
	"strings"

	"pare/core/event"
)

// attribution is the table of where a training step's time goes, and the joules of
// the training stages shared out by it.
func attribution(b *event.Attribution, c event.Clock) string {
	var s strings.Builder
	fmt.Fprintf(&s, "  where a training step's %s goes; J: %s\n", c.Name, b.Text)
	fmt.Fprintf(&s, "  %-16s %7s %9s %20s %20s", "work", "dense", "now", "J of baseline", "J of sparsify")
	for _, r := range b.Rows {
		fmt.Fprintf(&s, "\n  %-16s %s %s %s %s", r.Class, padLeft(Share(r.ShareDense), 7), padLeft(Share(r.ShareNow), 9), padLeft(Joules(r.DenseEnergy), 20), padLeft(Joules(r.NowEnergy), 20))
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
