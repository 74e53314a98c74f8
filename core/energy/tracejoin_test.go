package energy

import (
	"strings"
	"testing"
)

// Weights & Biases exports a row for each call of log: one step's accuracy stands in another
// row than its energy, and the rest of either row is empty.
func TestTraceRowsOfOneStepAreJoined(t *testing.T) {
	for name, text := range map[string]string{
		"by step":                      "_step,_runtime,val/acc,energy_kj\n0,1.5,,2\n0,1.5,0.5,\n1,3.1,0.75,\n1,3.1,,2\n",
		"by epoch, a step a call":      "_step,epoch,val/acc,energy_kj\n0,1,,2\n1,1,0.5,\n2,2,,2\n3,2,0.75,\n",
		"the epoch in one of the rows": "_step,epoch,val/acc,energy_kj\n0,1,,2\n0,,0.5,\n1,,0.75,\n1,2,,2\n",
		"energy before, in pieces":     "_step,epoch,val/acc,energy_per_call_kj\n0,1,,0.5\n1,1,,1.5\n2,1,0.5,\n3,2,,1\n4,2,,1\n5,2,0.75,\n",
		"other metrics between":        "_step,epoch,loss,val/acc,energy_kj\n0,1,2.1,,\n0,1,,,2\n1,1,,0.5,\n2,2,1.9,,\n2,2,,,2\n3,2,,0.75,\n",
	} {
		l := read(t, text, TraceOptions{})
		p := l.Traces[0].Points
		if len(l.Traces) != 1 || len(p) != 2 || p[0].Acc != 50 || p[0].Cost != 2000 || p[1].Acc != 75 || p[1].Cost != 4000 {
			t.Errorf("%s: %+v", name, l.Traces)
		}
		if len(l.Notes) == 0 || !strings.Contains(l.Notes[0], "2 rows joined with others of the same step") {
			t.Errorf("%s: notes %q", name, l.Notes)
		}
	}
	// Two runs side by side, and nothing to count but steps.
	l := read(t, "run,_step,acc,energy_j\na,0,,3\nb,0,,5\na,0,50,\nb,0,40,\na,1,,3\na,1,60,\nb,1,,5\nb,1,45,\n", TraceOptions{})
	if len(l.Traces) != 2 || len(l.Of("")) != 2 || l.Traces[1].Points[1].Cost != 10 || l.Traces[0].Points[1].Cost != 6 {
		t.Errorf("%+v", l.Traces)
	}
	l = read(t, "_step,epoch,acc\n0,1,\n0,,50\n1,,60\n1,2,\n", TraceOptions{})
	if p := l.Traces[0].Points; len(p) != 2 || p[1].Cost != 2 || p[1].Acc != 60 {
		t.Errorf("without energy: %+v", l.Traces)
	}
}

// What is no split row stays as it was: two full rows of one step, rows of other runs.
func TestTraceFullRowsAreNotJoined(t *testing.T) {
	l := read(t, "epoch,acc,energy_j\n1,50,1\n1,55,1\n2,60,1\n2,,1\n3,,\n3,65,\n", TraceOptions{})
	if p := l.Traces[0].Points; len(p) != 3 || p[2].Cost != 3 {
		t.Errorf("%+v", p)
	}
	if got := strings.Join(l.Notes, "; "); strings.Contains(got, "joined with") && !strings.Contains(got, "left out") {
		t.Errorf("%q", got)
	}
	l = read(t, "run,epoch,acc,energy_j\na,1,50,\nb,1,,7\nb,2,60,7\na,2,55,3\nb,3,65,7\na,3,56,3\n", TraceOptions{})
	for _, tr := range l.Traces {
		for _, p := range tr.Points {
			if tr.Name == "a" && p.Acc == 50 {
				t.Errorf("a row of run a took the energy of run b: %+v", l.Traces)
			}
		}
	}
}
