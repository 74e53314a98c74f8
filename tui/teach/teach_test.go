package teach

import (
	"strings"
	"testing"

	"pare/core/event"
)

// TestClaimsAreWhole: none without what is known of it and where from, every stage
// but none in vain.
func TestClaimsAreWhole(t *testing.T) {
	n := 0
	for s := event.Baseline; s <= event.Deploy; s++ {
		l := Claims(s)
		if len(l) == 0 {
			t.Errorf("stage %v has no claim", s)
		}
		n += len(l)
		for _, c := range l {
			for _, x := range []string{c.Said, c.By, c.Known, c.Source} {
				if x == "" || strings.HasSuffix(x, ".") {
					t.Errorf("%+v", c)
				}
			}
		}
	}
	if n != len(claims) {
		t.Errorf("%d claims of %d belong to a stage", n, len(claims))
	}
}

// TestGlossaryIsInOrder and says of every term what it means.
func TestGlossaryIsInOrder(t *testing.T) {
	last := ""
	for _, g := range Glossary() {
		if g.Means == "" || strings.ToLower(g.Word) <= strings.ToLower(last) {
			t.Errorf("%q after %q", g.Word, last)
		}
		last = g.Word
	}
}

// TestEmptyRunIsExplained: before there is any figure, nothing is made up.
func TestEmptyRunIsExplained(t *testing.T) {
	for s := event.Baseline; s <= event.Deploy; s++ {
		for _, x := range Explain(Of{State: &event.State{}, Stage: s}) {
			for _, p := range x.Paras {
				if strings.Contains(p, "NaN") || strings.HasPrefix(p, "Here:") || strings.Contains(p, " 0.0 %") || strings.Contains(p, "0 of 0") {
					t.Errorf("stage %v: %q", s, p)
				}
			}
		}
	}
}

// TestEstimatesAreCalledSo: joules of tier E are never left to stand as measured.
func TestEstimatesAreCalledSo(t *testing.T) {
	uj := int64(2_000_000)
	for tier, want := range map[string]bool{"B": false, "E": true} {
		var st event.State
		for i, b := range []event.Body{
			&event.EpochCost{Stage: event.Baseline, Epoch: 1, Step: 100, Steps: 100, CPUUS: 1_000_000, Energy: event.Joules{UJ: &uj, Tier: tier, Band: 40}},
			&event.Eval{Stage: event.Baseline, Epoch: 1, Step: 100, Split: "val", Correct: 80, N: 100, Lo: 0.7, Hi: 0.87},
		} {
			st.Apply(event.Event{Seq: int64(i + 1), Body: b})
		}
		text := ""
		for _, x := range Explain(Of{State: &st, Stage: event.Baseline}) {
			text += strings.Join(x.Paras, "\n")
		}
		if strings.Contains(text, "power taken as constant") != want || !strings.Contains(text, "80 of 100 validation samples were right: 80.0 %") {
			t.Errorf("tier %s: %s", tier, text)
		}
	}
}
