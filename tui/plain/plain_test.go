package plain

import (
	"strings"
	"testing"

	"pare/core/event"
)

// fold applies the bodies and returns the line of the last one.
func fold(bodies ...event.Body) string {
	var st event.State
	line := ""
	for i, b := range bodies {
		e := event.Event{Seq: int64(i + 1), Body: b}
		st.Apply(e)
		line = Line(e, &st)
	}
	return line
}

// TestEndShowsWeights: two runs of equal bits can be told by their last line.
func TestEndShowsWeights(t *testing.T) {
	if l := fold(&event.Done{Text: "verdict PASS", Weights: "d93f00"}); !strings.HasSuffix(l, "verdict PASS\nweights d93f00") {
		t.Errorf("the end is %q", l)
	}
	if l := fold(&event.Done{Text: "verdict PASS"}); strings.Contains(l, "weights") {
		t.Errorf("the end is %q", l)
	}
}
