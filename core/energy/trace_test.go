package energy

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// finalSteps are the medians of the issue: the share of a run's epochs that its
// task's final step of accuracy took, in %.
var finalSteps = map[string]float64{"imagenet": 45, "squad": 40, "sentiment140": 67, "librispeech": 50, "movielens-1m": 25, "cifar100": 47}

func testFinalSteps(t *testing.T, path string) {
	l, err := ReadTraceFile(path, TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !l.Levels || l.Unit != "epochs" || len(l.Tasks) != len(finalSteps) {
		t.Fatalf("%d tasks, unit %s, levels %v", len(l.Tasks), l.Unit, l.Levels)
	}
	for _, task := range l.Tasks {
		s, err := FinalStepOf(task, l.Of(task), l.Lower[task], 2)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d of %d runs, %g → %g: %.1f %% (%.0f–%.0f)", task, s.Runs, s.Of, s.From, s.To, 100*s.Median, 100*s.Quartile[0], 100*s.Quartile[1])
		if math.Abs(100*s.Median-finalSteps[task]) > 0.51 {
			t.Errorf("%s: median %.1f %%, want %g", task, 100*s.Median, finalSteps[task])
		}
		if s.Lower != (task == "librispeech") {
			t.Errorf("%s: lower is better: %v", task, s.Lower)
		}
	}
}

func TestFinalSteps(t *testing.T) { testFinalSteps(t, "testdata/zeus/summary_train_part.csv") }

// The same on all 377 runs, where PARE_DATA names the project's data folder.
func TestFinalStepsFullData(t *testing.T) {
	dir := os.Getenv("PARE_DATA")
	if dir == "" {
		t.Skip("the whole published data: PARE_DATA names the folder; a part of it is in testdata and always tested")
	}
	testFinalSteps(t, filepath.Join(dir, "zeus-traces", "summary_train.csv"))
}

func TestLastPoints(t *testing.T) {
	// 1 J an epoch: 60, 70, 75, 78, 79, 79.5, 80 %; one row out of line.
	tr := Trace{}
	for i, a := range []float64{60, 70, 75, 78, 79, 79.5, 80} {
		tr.Points = append(tr.Points, TracePoint{float64(i + 1), a, float64(i + 1)})
	}
	r, err := LastPoints(tr, false, 1, 2, 3, 30)
	if err != nil {
		t.Fatal(err)
	}
	if r.End != 80 || r.Total != 7 {
		t.Errorf("%+v", r)
	}
	for i, want := range []float64{2.0 / 7, 3.0 / 7, 1 - (3+2.0/3)/7} {
		if got := r.Last[i].Share; got == nil || math.Abs(*got-want) > 1e-12 || *r.Last[i].Lo > *got || *r.Last[i].Hi < *got {
			t.Errorf("last %g points: %v, want %g", r.Last[i].N, r.Last[i], want)
		}
	}
	if r.Last[3].Share != nil {
		t.Error("30 points: the log starts above, nothing is known")
	}
	if r.Marginal == nil || *r.Marginal != 2 || r.MarginalHalf == nil || math.Abs(*r.MarginalHalf-0.15) > 1e-9 {
		t.Errorf("marginal %v, half-way %v", *r.Marginal, *r.MarginalHalf)
	}
	// Lower is better: the mirror image tells the same.
	low := Trace{}
	for _, p := range tr.Points {
		low.Points = append(low.Points, TracePoint{p.Epoch, 100 - p.Acc, p.Cost})
	}
	m, err := LastPoints(low, true, 1, 2, 3)
	if err != nil || m.End != 20 || math.Abs(*m.Last[1].Share-3.0/7) > 1e-12 {
		t.Errorf("mirrored: %+v, %v", m, err)
	}
	if _, err := LastPoints(Trace{Name: "a"}, false, 1); err == nil || !strings.Contains(err.Error(), "a: only 0 row") {
		t.Errorf("empty: %v", err)
	}
}

// Shares lie in 0 to 1, grow with the points, and noise never makes them fall.
func TestLastPointsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 40).Draw(t, "n")
		tr, cost := Trace{}, 0.0
		for range n {
			cost += rapid.Float64Range(0.01, 10).Draw(t, "cost")
			tr.Points = append(tr.Points, TracePoint{Acc: rapid.Float64Range(0, 100).Draw(t, "acc"), Cost: cost})
		}
		r, err := LastPoints(tr, rapid.Bool().Draw(t, "lower"), 0.5, 1, 2, 5)
		if err != nil {
			t.Fatal(err)
		}
		last := 0.0
		for _, p := range r.Last {
			if p.Share == nil {
				continue
			}
			if *p.Share < last-1e-12 || *p.Share > 1 || *p.Lo > *p.Share+1e-12 || *p.Hi < *p.Share-1e-12 {
				t.Fatalf("%+v after %g", p, last)
			}
			last = *p.Share
		}
	})
}

func power(rng *rand.Rand, rows int, a, b, c, noise float64) Trace {
	tr := Trace{}
	for i := range rows {
		x := float64(i+1) * 1000
		tr.Points = append(tr.Points, TracePoint{float64(i + 1), a - b*math.Pow(float64(i+1), -c) + noise*rng.NormFloat64(), x})
	}
	return tr
}

// On curves of the model's own kind with noise the interval holds the truth nine
// times in ten.
func TestForecastHoldsTruth(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	in, n, open := 0, 0, 0
	for range 200 {
		a, b, c := 70+20*rng.Float64(), 20+20*rng.Float64(), 0.4+0.8*rng.Float64()
		const rows = 30
		f := NextPoints(power(rng, rows, a, b, c, 0.1), false, 0.5)
		if !f.fitted {
			t.Fatal(f.Note)
		}
		truth := math.Inf(1)
		if f.Target < a {
			truth = 1000*math.Pow(b/(a-f.Target), 1/c) - f.Total
		}
		n++
		lo := math.Inf(1)
		if f.Lo != nil {
			lo = *f.Lo
		}
		if f.Hi == nil {
			open++
		}
		if truth >= lo && (f.Hi == nil || truth <= *f.Hi) {
			in++
		}
	}
	t.Logf("the interval holds %d of %d, %d without an upper end", in, n, open)
	if in*10 < n*9 || open*2 > n {
		t.Errorf("the interval holds %d of %d, %d without an upper end", in, n, open)
	}
}

// On real runs: the cost of a run's last level, forecast from the levels before.
func TestForecastOnRealRuns(t *testing.T) {
	l, err := ReadTraceFile("testdata/zeus/summary_train_part.csv", TraceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n, in := 0, 0
	for _, tr := range l.Traces {
		k := len(tr.Points)
		for k > 1 && tr.Points[k-1].Cost == tr.Points[k-2].Cost {
			k--
		}
		if k < 3 {
			continue
		}
		last, prev := tr.Points[k-1], tr.Points[k-2]
		f := NextPoints(Trace{Points: tr.Points[:k-1]}, l.Lower[tr.Task], math.Abs(last.Acc-prev.Acc))
		if !f.fitted {
			continue
		}
		n++
		if truth := last.Cost - prev.Cost; f.Lo != nil && truth >= *f.Lo && (f.Hi == nil || truth <= *f.Hi) {
			in++
		}
	}
	t.Logf("the interval holds %d of %d last levels", in, n)
	if n < 30 || in*100 < n*85 {
		t.Errorf("the interval holds %d of %d last levels", in, n)
	}
}

// Student's t at 97.5 % from the tables.
func TestF95(t *testing.T) {
	for nu, want := range map[float64]float64{2: 4.3027, 5: 2.5706, 10: 2.2281, 30: 2.0423, 497: 1.9648} {
		if got := math.Sqrt(f95(nu)); math.Abs(got-want) > 1e-4 {
			t.Errorf("%g degrees of freedom: %.4f, want %.4f", nu, got, want)
		}
	}
}

func TestAdvice(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	if f := NextPoints(power(rng, 20, 90, 60, 0.5, 0), false, 0.5); f.Advice().Stop || !strings.Contains(f.Advice().Text, "going on pays") {
		t.Errorf("a steep curve: %+v %+v", f, f.Advice())
	}
	if f := NextPoints(power(rng, 60, 90, 30, 1, 0.01), false, 0.5); !f.Advice().Stop {
		t.Errorf("a flat curve: %+v %+v", f, f.Advice())
	}
	if a := NextPoints(Trace{}, false, 0.5).Advice(); a.Stop || !strings.Contains(a.Text, "no advice") {
		t.Errorf("nothing: %+v", a)
	}
	if a := NextPoints(power(rng, 3, 90, 30, 1, 0), false, 0.5).Advice(); a.Stop || !strings.Contains(a.Text, "at least 5") {
		t.Errorf("three rows: %+v", a)
	}
}

// Rows that have levelled off below the power law that fits them best have no half point
// to come for nothing.
func TestForecastPastItsCurve(t *testing.T) {
	var tr Trace
	for i, acc := range []float64{50, 60, 66, 70, 72, 73, 73.5, 73.6} {
		tr.Points = append(tr.Points, TracePoint{float64(i + 1), acc, 100 * float64(i+1)})
	}
	f := NextPoints(tr, false, 0.5)
	if f.Known() || f.More != nil || !strings.Contains(f.Advice().Text, "no advice: no forecast: the curve") {
		t.Errorf("%+v %q", f, f.Advice().Text)
	}
}
