package work

import (
	"fmt"
	"strings"
	"testing"

	"pare/core/event"
	"pare/tui/theme"
)

// TestOutcomeFits: what core writes of a verdict has room on the last stage at 80×24, by
// leaving out what stands in stage 4 and in the ledger, never what it says.
func TestOutcomeFits(t *testing.T) {
	judged := "%s  82.3 %% against a floor of 77.5 %%, 2 points under dense (difference +2.8 pt, 95 %%: +1.9 to +3.8, 5000 test samples)"
	for word, says := range map[string][]string{
		" · CPU time per step −82 % (5 alternations, ±5 %) · J −82 % by tier E: busy power taken as constant, so it equals the saving in CPU time": {"82.3 %", "77.5 %", "−82 %", "±5 %", "by tier E"},
		" · CPU time per step −82 % (5 alternations, ±5 %) · J −80 % by tier D: estimated by this machine's load curve, ±15 %":                     {"−82 %", "−80 % by tier D"},
		" · CPU time per step −64 % (5 alternations, ±2 %) · J per step −64 % (±3 %), measured, tier B":                                            {"−64 %", "measured, tier B"},
		" · CPU time per step −1 % (5 alternations, ±5 %): no saving shown, nor in J by tier E, which follow CPU time":                             {"no saving shown", "which follow CPU"},
		" · CPU time per step −64 % (5 alternations, ±2 %) · J not measured":                                                                       {"J not measured"},
	} {
		for _, v := range []string{"PASS", "FAIL", "UNDECIDED"} {
			s := newStory().start("E").baselineDone("E").configured("E").sparsified("E").validated("E").deployed()
			for _, e := range s.es {
				if b, ok := e.Body.(*event.Verdict); ok {
					b.Verdict, b.Text = v, fmt.Sprintf(judged, v)+word
				}
			}
			for _, missed := range []bool{false, true} {
				h, also := 8, []string{v, "82.3 %", "+1.9 to +3.8"}
				if missed { // how to run the model stands there, too; the ledger has the intervals
					s.missed()
					h, also = 9, []string{v, "82.3 %", "pare predict", "--input FILE"}
				}
				d, _ := watching(t, 80, 24, s)
				pane := strings.Join(strings.Fields(strings.Map(func(r rune) rune {
					if strings.ContainsRune("│╭╮╰╯─", r) {
						return ' '
					}
					return r
				}, bare(d.finalPane(40, h)))), " ")
				for _, w := range append(also, says...) {
					if missed && (strings.HasPrefix(w, "±") || strings.HasPrefix(w, "which")) {
						continue
					}
					if !strings.Contains(pane, w) {
						t.Errorf("the outcome of %q, missed %v, does not say %q: %s", v+word, missed, w, pane)
					}
				}
				if strings.Contains(pane, "…") {
					t.Errorf("the outcome of %q, missed %v, is cut: %s", v+word, missed, pane)
				}
			}
		}
	}
}

// TestMissedIsNoSuccess: the verdict of a run that missed its target is not in the colour of
// success, in stage 4 or 5.
func TestMissedIsNoSuccess(t *testing.T) {
	dep := func() *story {
		return newStory().start("B").baselineDone("B").configured("B").sparsified("B").validated("B")
	}
	for name, c := range map[string]struct {
		s    *story
		want theme.Token
	}{
		"PASS":                {dep().deployed(), theme.Good},
		"PASS, not yet ended": {dep(), theme.Good},
		"PASS, target missed": {dep().missed(), theme.Warn},
	} {
		d, _ := watching(t, 80, 24, c.s)
		d.th = theme.New(theme.Dark, true, false)
		for _, pane := range []string{d.verdictPane(60, 20), d.finalPane(60, 20)} {
			ink, _, _ := strings.Cut(d.th.Paint(c.want, "PASS"), "PASS")
			if !strings.Contains(pane, ink+"PASS 88.4 %") {
				t.Errorf("%s: not in colour %q: %q", name, ink, pane)
			}
		}
	}
}

// TestPickerTellsAll: at 80 columns no model's and no data set's own words are cut.
func TestPickerTellsAll(t *testing.T) {
	d, _ := watching(t, 80, 24, newStory())
	p := newPicker(d.o.Recipe)
	for l := listModels; l <= listData; l++ {
		for i := range p.len(l) {
			about := ""
			if l == listData {
				about = p.data[i].Description
			} else {
				about = p.models[i].About
			}
			d.pick = p
			d.pick.on, d.pick.at[l] = l, i
			if got := bare(d.listBox(l, 80, 30)); theme.Width(about) == 0 || !strings.Contains(got, about) && (l == listModels || p.data[i].Ready) {
				t.Errorf("%q is cut:\n%s", about, got)
			}
		}
	}
}
