package core

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pare/core/device/ref"
	"pare/core/event"
	"pare/core/prune"
)

// scanning is a recipe that spreads by sensitivity.
func scanning() *Recipe {
	r := small()
	r.Prune.Distribution, r.Prune.Pattern, r.Prune.Target = "sensitivity", "element", 0.6
	r.Train.Epochs, r.Prune.Epochs = 6, 4
	return r
}

// kinds counts the events of each kind.
func kinds(st *MemStore) map[string]int {
	n := map[string]int{}
	for _, e := range st.Events {
		n[e.Body.Kind()]++
	}
	return n
}

// TestSensitivityRun: the scan happens before anything is taken away, is billed to its
// stage with a source, and the spread it leads to is what the masks end in.
func TestSensitivityRun(t *testing.T) {
	for _, pattern := range []string{"element", "block4x1", "neuron"} {
		t.Run(pattern, func(t *testing.T) {
			r := scanning()
			r.Prune.Pattern, r.Floor.Points = pattern, 100
			var st MemStore
			runAll(t, r, nil, &st)
			s := st.State.Scan
			if !s.Complete() || len(s.Rows) != s.Of || s.Groups != (pattern == "neuron") || s.Split != "val" {
				t.Fatalf("scan %+v", s)
			}
			if c := s.Cost; c.CPUUS <= 0 || c.WallUS <= 0 || c.Energy.UJ == nil || c.Energy.Tier == "" || c.Energy.Source == "" {
				t.Errorf("its bill: %+v", c)
			}
			if c := st.State.Stages[event.Configure].Cost; c.CPUUS < s.Cost.CPUUS || *c.Energy.UJ < *s.Cost.Energy.UJ {
				t.Errorf("the stage's bill %+v is below the scan's %+v", c, s.Cost)
			}
			if l := s.Levels; len(l) < 2 || l[len(l)-2] <= r.Prune.Target {
				t.Errorf("levels %v: two above the target of %v are needed", l, r.Prune.Target)
			}
			for _, row := range s.Rows {
				if row.Refused != "" {
					continue
				}
				if len(row.Cells) != len(s.Levels) {
					t.Fatalf("%s: %d cells, %d levels", row.Name, len(row.Cells), len(s.Levels))
				}
				for i, c := range row.Cells {
					if c.Gone < c.Level-0.5 || c.Cost.StepUS <= 0 || c.Cost.StepEnergy.Tier != "E" || i > 0 && c.Weights < row.Cells[i-1].Weights {
						t.Errorf("%s: %+v", row.Name, c)
					}
				}
				if a, z := row.Cells[0].Cost, row.Cells[len(row.Cells)-1].Cost; pattern == "neuron" && z.StepUS >= a.StepUS {
					t.Errorf("%s: a step takes %v µs with little gone and %v with much", row.Name, a.StepUS, z.StepUS)
				}
			}
			sp := st.State.Spread
			if sp == nil || sp.Zeros < int(0.6*float64(sp.Of)+0.5) || pattern == "element" && sp.Zeros != int(0.6*float64(sp.Of)+0.5) {
				t.Fatalf("spread %+v", sp)
			}
			for _, e := range st.Events {
				if e.Body.Kind() == "mask" && e.Seq < seqOf(&st, "spread") {
					t.Error("weights went before the spread was said")
				}
			}
			if pattern != "element" {
				return
			}
			for i, l := range st.State.Mask.Layers {
				if l.Zeros != sp.Layers[i].Zeros {
					t.Errorf("%s ends with %d zeros, the spread said %d", l.Name, l.Zeros, sp.Layers[i].Zeros)
				}
			}
		})
	}
}

func seqOf(st *MemStore, kind string) int64 {
	for _, e := range st.Events {
		if e.Body.Kind() == kind {
			return e.Seq
		}
	}
	return 0
}

// TestSensitivityResume: killed anywhere, also in the middle of the scan, the run ends
// in the same bits, and what was scanned is not scanned again.
func TestSensitivityResume(t *testing.T) {
	r := scanning()
	var whole MemStore
	runAll(t, r, nil, &whole)
	want, rows := whole.State.Done.Weights, whole.State.Scan.Of
	if rows < 2 {
		t.Fatalf("%d layers: nothing to stop between", rows)
	}
	at := []int64{seqOf(&whole, "scan") + 1, seqOf(&whole, "scan") + 2, seqOf(&whole, "spread"), seqOf(&whole, "spread") + 3, whole.State.Seq - 12}
	for _, n := range at {
		st := dies(t, Config{Recipe: clone(t, r)}, atEvent(n))
		had := 0
		if st.State.Scan != nil {
			had = len(st.State.Scan.Rows)
		}
		logged := len(st.Events)
		wakes(t, r, st)
		if got := st.State.Done.Weights; got != want {
			t.Errorf("killed at event %d: weights %s, want %s", n, got, want)
		}
		for _, e := range st.Events[logged:] {
			if s, ok := e.Body.(*event.Scan); ok && s.State == scanDone && s.Known != had {
				t.Errorf("killed at event %d with %d rows: the resumed scan knew %d", n, had, s.Known)
			}
		}
		if had == rows && st.State.Scan.State == scanDone && slices.ContainsFunc(st.Events[logged:], func(e event.Event) bool { return e.Body.Kind() == "scan_row" }) && n > seqOf(&whole, "spread") {
			t.Errorf("killed at event %d, after the scan: it was scanned again", n)
		}
	}
}

// TestPersonScans: a scan on request is billed, can be cancelled with what it has, and
// is not made twice; a spread by sensitivity goes on with it.
func TestPersonScans(t *testing.T) {
	r := scanning()
	r.Auto = false
	r.Prune.Distribution = "global"
	scanned := clone(t, r)
	scanned.Prune.Distribution = "sensitivity"
	toml, err := scanned.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var st MemStore
	asked, cancelled := false, false
	_, err = drive(t, r, &st, func(e event.Event, send func(Command)) {
		switch b := e.Body.(type) {
		case *event.StageChange:
			if b.State != "waiting" {
				return
			}
			if b.Stage == event.Configure && !asked {
				asked = true
				send(Command{Cmd: CmdScan, Text: string(toml)})
				return
			}
			send(Command{Cmd: CmdNext})
		case *event.ScanRow:
			if !cancelled {
				cancelled = true
				send(Command{Cmd: CmdCancel})
			}
		case *event.Scan:
			if b.State == scanCancelled {
				if len(b.Rows) != 1 {
					t.Errorf("cancelled after the first row, and there are %d", len(b.Rows))
				}
				send(Command{Cmd: CmdNext}) // the spread needs the rest
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	s := st.State.Scan
	if !cancelled || !s.Complete() || s.Known != 1 || st.State.Spread == nil {
		t.Errorf("scan %+v, spread %+v", s, st.State.Spread)
	}
	if e := st.State.Stages[event.Configure].Evidence; !strings.Contains(e, "sensitivity scan of") || strings.Contains(e, "cancelled") {
		t.Errorf("evidence: %s", e)
	}
	if n := kinds(&st)["scan"]; n != 4 {
		t.Errorf("%d scan events, want two beginnings and two ends", n)
	}
}

// TestScanRefused: what cannot be scanned is refused before anything runs.
func TestScanRefused(t *testing.T) {
	for text, change := range map[string]func(r *Recipe){
		"scan.levels":  func(r *Recipe) { r.Scan.Levels = []float64{0.5, 0.5} },
		"scan.samples": func(r *Recipe) { r.Scan.Samples = -1 },
		"of svd":       func(r *Recipe) { r.LowRank = []LowRankSpec{{Method: "svd", Rank: 2}} },
	} {
		r := scanning()
		change(r)
		if err := r.Check(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestScanAlone: outside a run the same, on one's own model; cut short by ctx it keeps
// what it has.
func TestScanAlone(t *testing.T) {
	for _, score := range []string{"magnitude", "taylor"} {
		r := scanning()
		r.Prune.Score = score
		ctx, cancel := context.WithCancel(context.Background())
		rows := 0
		s, err := Scan(ctx, ScanSource{Recipe: r, Say: func(b event.Body) error {
			if b.Kind() == "scan_row" {
				rows++
				cancel()
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if rows != 1 || s.State != scanCancelled || len(s.Rows) != 1 || s.Cost.Energy.Source == "" {
			t.Errorf("%s: %d rows told, %+v", score, rows, s)
		}
	}
}

// TestScanKeyLeavesTheTargetOut: what a layer loses hangs neither on the target nor on shares by
// hand, so that a scan is good for another of them, and for a pare that knew no shares by hand.
func TestScanKeyLeavesTheTargetOut(t *testing.T) {
	r := scanning()
	r.Scan.Levels = []float64{0.5, 0.9}
	first := (&ScanJob{Recipe: r, Dev: ref.New()}).spec()
	r.Prune.Target, r.Prune.ByHand = 0.7, map[string]float64{"fc1": 0.8}
	for _, s := range []prune.Spec{first, (&ScanJob{Recipe: r, Dev: ref.New()}).spec()} {
		b, err := json.Marshal(s)
		if want := `{"score":"magnitude","pattern":"element","distribution":"layer","seed":1}`; err != nil || string(b) != want {
			t.Errorf("%s, want %s (%v)", b, want, err)
		}
	}
}
