package energy

import (
	"math"
	"strings"
	"testing"
)

func read(t *testing.T, text string, o TraceOptions) *TraceLog {
	t.Helper()
	l, err := ReadTraces(strings.NewReader(text), "log.csv", o)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return l
}

func TestTraceColumns(t *testing.T) {
	for _, c := range []struct {
		text, metric, cost, unit string
		last                     TracePoint
		cum                      bool
	}{
		{"epoch,val_acc,energy_kj\n1,0.5,2\n2,0.75,2\n", "val_acc", "energy_kj", "J", TracePoint{2, 75, 4000}, false},
		{"epoch,val_acc,energy_kj\n1,0.5,2\n2,0.75,4\n", "val_acc", "energy_kj", "J", TracePoint{2, 75, 4000}, true},
		{"\ufeffEpoch;Accuracy (%);Energy [Wh]\n1;50,5;1\n2;60,5 %;1\n", "Accuracy (%)", "Energy [Wh]", "J", TracePoint{2, 60.5, 7200}, false},
		{"step\ttrain_acc\ttest_acc\tJ\n10\t1\t50\t3\n20\t1\t60\t3\n", "test_acc", "J", "J", TracePoint{20, 60, 6}, false},
		{"# a comment\nstep,train_acc,val_top1,total energy (kWh)\n1,9,50,1\n2,9,60,1.1\n", "val_top1", "total energy (kWh)", "J", TracePoint{2, 60, 1.1 * 3.6e6}, true},
		{"timestamp,emissions_rate,cpu_energy,energy_consumed,accuracy,epoch\nx,1,2,0.5,70,1\ny,1,2,1,80,2\n", "accuracy", "energy_consumed", "J", TracePoint{2, 80, 3.6e6}, true},
		{"iteration,wer\n1,90\n2,40\n", "wer", "iteration", "steps", TracePoint{2, 40, 2}, false},
		{"epoch,acc,energy_per_epoch_j\n1,50,1\n2,60,2\n3,65,3\n", "acc", "energy_per_epoch_j", "J", TracePoint{3, 65, 6}, false},
		{"acc,mJ\n1,1\n5,1\n", "acc", "mJ", "J", TracePoint{math.NaN(), 5, 0.002}, false},
	} {
		l := read(t, c.text, TraceOptions{})
		p := l.Traces[0].Points
		got := p[len(p)-1]
		if l.Metric != c.metric || l.Cost != c.cost || l.Unit != c.unit || l.Cum != c.cum ||
			math.Abs(got.Acc-c.last.Acc) > 1e-9 || math.Abs(got.Cost-c.last.Cost) > 1e-9*c.last.Cost || got.Epoch != c.last.Epoch && !math.IsNaN(c.last.Epoch) {
			t.Errorf("%q: metric %s, cost %s in %s, sum %v, last %+v", c.text, l.Metric, l.Cost, l.Unit, l.Cum, got)
		}
	}
	l := read(t, "epoch,wer,quality,energy_j\n1,90,B,1\n2,40,E,1\n", TraceOptions{})
	if l.Tier != TierE || !l.Lower[""] {
		t.Errorf("tier %q, lower %v", l.Tier, l.Lower)
	}
	l = read(t, "epoch,acc,energy_a_j,energy_b_j\n1,50,1,10\n2,60,1,10\n", TraceOptions{Energy: "energy_b_j"})
	if p := l.Traces[0].Points; p[1].Cost != 20 {
		t.Errorf("named column: %+v", p)
	}
}

func TestTraceRuns(t *testing.T) {
	l := read(t, "run,epoch,acc,lr\na,1,50,0.1\na,2,60,0.01\nb,1,50,0.1\nb,2,61,0.01\n", TraceOptions{})
	if len(l.Traces) != 2 || l.Traces[1].Name != "b" {
		t.Errorf("a falling rate is no run of its own: %+v", l.Traces)
	}
	l = read(t, "dataset,epoch,acc,learning_rate\nm,1,50,0.1\nm,2,60,0.1\nm,1,50,0.2\nm,2,61,0.2\n", TraceOptions{})
	if len(l.Traces) != 2 || l.Traces[1].Name != "m 0.2" || l.Traces[1].Task != "m" || len(l.Tasks) != 1 {
		t.Errorf("the rate tells runs apart here: %+v", l.Traces)
	}
	l = read(t, "who,epoch,acc\nx,1,50\ny,1,55\nx,2,60\ny,2,nan\n", TraceOptions{By: []string{"who"}})
	if len(l.Traces) != 2 || len(l.Notes) != 1 || len(l.Of("x")) != 1 {
		t.Errorf("named: %+v %v", l.Traces, l.Notes)
	}
}

func TestTraceErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "log.csv: empty",
		"a,b\n1,2\n":                           "no column with an accuracy",
		"acc,b\n1,2\n":                         "no column with epochs, steps or energy",
		"epoch,acc,energy_j\n1,50,0\n2,60,0\n": "log.csv: energy_j is 0 in every row: nothing was measured",
		"epoch,acc,energy\n1,2,3\n":            `column "energy" has no unit`,
		"epoch,acc,energy_mj\n1,2,3\n":         "milli or mega",
		"epoch,acc,cpu_j,gpu_j\n1,2,3,4\n":     "several columns with energy (cpu_j, gpu_j)",
		"epoch,acc\n1,2\n2\n":                  "log.csv:3: 1 fields, but the header has 2",
		"epoch,acc\n1,high\n":                  `log.csv:2: acc = "high" is no number`,
		"epoch,acc\n1,2\n2,\"x\n":              "log.csv:3: not CSV",
		"epoch,acc\n2,50\n1,60\n":              "log.csv:3: epoch falls from 2 to 1 in one run (the only one)",
		"run,epoch,acc\na,2,50\na,1,60\n":      "in one run (a)",
		"epoch,acc,total_j\n1,50,5\n2,60,4\n":  "log.csv:3: total_j is a running sum by its name, but falls",
		"epoch,acc,energy_j\n1,50,-5\n":        "log.csv:2: a negative cost",
		"epoch,acc\n1,nan\n":                   "no row has a number",
		"epoch,loss\n1,2\n":                    "no column with an accuracy",
		"epoch,acc,energy_j\n1,nan,2\n2,3,\n1": "fields",
	} {
		_, err := ReadTraces(strings.NewReader(text), "log.csv", TraceOptions{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "log.csv:") {
			t.Errorf("%q: got %v, want …%s…", text, err, want)
		}
	}
	if _, err := ReadTraces(strings.NewReader("epoch,acc\n1,2\n"), "log.csv", TraceOptions{Metric: "f1"}); err == nil || !strings.Contains(err.Error(), `no column "f1" for the metric; columns are epoch, acc`) {
		t.Error(err)
	}
	if _, err := ReadTraceFile(t.TempDir(), TraceOptions{}); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Error(err)
	}
}

func FuzzTraces(f *testing.F) {
	f.Add("epoch,acc,energy_j\n1,2,3\n2,3,4\n")
	f.Add("dataset;run;step;wer;kWh\na;1;2;3,5;4\n")
	f.Add("dataset,target_metric,target_epoch\na,1,2\na,2,3\na,3,4\na,4,nan\n")
	f.Add("epoch\tacc\n1\t1e300\n2\t-1e300\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ReadTraces(strings.NewReader(text), "f", TraceOptions{})
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Fatal("empty error")
			}
			return
		}
		for _, tr := range l.Traces {
			r, err := LastPoints(tr, l.Lower[tr.Task], 1, 2)
			if err != nil {
				continue
			}
			for _, p := range r.Last {
				if p.Share != nil && !(*p.Share >= -1e-9 && *p.Share <= 1+1e-9) {
					t.Fatalf("share %g of %q", *p.Share, text)
				}
			}
			if len(tr.Points) < 50 {
				f := NextPoints(tr, l.Lower[tr.Task], 0.5)
				if f.Lo != nil && !(*f.Lo >= 0) || f.Hi != nil && f.Lo != nil && *f.Hi < *f.Lo {
					t.Fatalf("forecast %+v of %q", f, text)
				}
				_ = f.Advice()
			}
		}
		for _, task := range l.Tasks {
			if s, err := FinalStepOf(task, l.Of(task), l.Lower[task], 2); err == nil && math.IsNaN(s.Median) {
				t.Fatalf("%+v", s)
			}
		}
	})
}

// Accuracy is often known of some epochs only: the joules of the others were spent all the
// same. An amount that is missing makes the sum a lower limit, and that is said.
func TestTraceRowsWithoutAccuracy(t *testing.T) {
	l := read(t, "run,epoch,acc,energy_j\na,1,50,100\na,2,,100\na,3,60,100\na,4,nan,90\na,5,65,80\nb,1,,5\n", TraceOptions{})
	if p := l.Traces[0].Points; l.Cum || len(l.Traces) != 1 || len(p) != 3 || p[0].Cost != 100 || p[1].Cost != 300 || p[2].Cost != 470 {
		t.Errorf("sum %v: %+v", l.Cum, l.Traces)
	}
	if n := strings.Join(l.Notes, "\n"); n != "3 rows without a number in acc: only their energy is counted" {
		t.Errorf("%q", n)
	}
	l = read(t, "epoch,acc,energy_j\n1,50,100\n2,55,\n3,60,100\n", TraceOptions{})
	if n := strings.Join(l.Notes, "\n"); n != "1 row without a number in energy_j left out: what was spent is more than the joules here" {
		t.Errorf("%q", n)
	}
	l = read(t, "epoch,acc,total_j\n1,50,100\n2,,200\n3,60,300\n4,62,\n", TraceOptions{})
	if p := l.Traces[0].Points; !l.Cum || len(p) != 2 || p[1].Cost != 300 || strings.Join(l.Notes, "\n") != "2 rows without a number in acc or total_j left out" {
		t.Errorf("%+v, %q", l.Traces, l.Notes)
	}
	l = read(t, "epoch,acc\n1,50\n2,\n3,60\n", TraceOptions{})
	if strings.Join(l.Notes, "\n") != "1 row without a number in acc or epoch left out" {
		t.Errorf("%q", l.Notes)
	}
}
