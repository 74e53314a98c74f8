package sessions

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pare/core"
	"pare/core/energy"
	"pare/core/event"
)

// recorded is a small session with a fixed clock: two epochs of baseline with a
// pause, two of sparsify with a crash in the second, which is trained again in a
// new process, validate, and a deploy that goes on. One epoch is too short for
// the counter.
func recorded() []event.Event {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	var out []event.Event
	prev := ""
	tell := func(after time.Duration, bodies ...event.Body) {
		at = at.Add(after)
		for _, b := range bodies {
			e := event.Event{Seq: int64(len(out) + 1), At: at, Body: b, Prev: prev}
			line, err := event.Encode(e)
			if err != nil {
				panic(err)
			}
			prev = link(line)
			out = append(out, e)
		}
	}
	b := func(uj int64, band, cover float64) event.Joules {
		return event.Joules{UJ: &uj, Tier: "B", Source: "rapl", Band: band, Coverage: &cover}
	}
	wraps := func(j event.Joules, n int) event.Joules { j.Wraps = n; return j }
	one := 1.0
	none := event.Joules{Source: "rapl", Coverage: &one}
	started := event.Started{
		Format: event.Version, Session: "brisk-heron", Pare: "9.0", Model: "lenet-300-100", Data: "digits", Device: "cpu", ISA: "avx512", Threads: 2,
		Machine: "AMD EPYC 9R14", Hardware: "generic-x86-cpu", Meter: "rapl", Tier: "B", Boundary: "CPU package, all processes", Auto: true,
	}
	again := started
	again.Pare = "9.1"
	metric := func(s event.Stage, step int64, cpu, wall int64, j event.Joules, zeros float64) *event.Metric {
		return &event.Metric{Stage: s, Epoch: int(step-1)/4 + 1, Epochs: 2, Step: step, Steps: 8, Loss: 1, Acc: 0.8, Zeros: zeros, CPUUS: cpu, WallUS: wall, Energy: j}
	}
	eval := func(s event.Stage, epoch, correct int, zeros float64) *event.Eval {
		return &event.Eval{Stage: s, Epoch: epoch, Step: int64(4 * epoch), Split: "val", Correct: correct, N: 50, Zeros: zeros}
	}
	tell(0, &started, &event.Model{Name: "lenet-300-100", Params: 266610, MACs: 266200, Train: 250, Val: 50, Test: 50}, &event.StageChange{Stage: event.Baseline, State: "started"})
	tell(time.Second, metric(event.Baseline, 3, 1_500_000, 900_000, b(4_000_000, 2, 1), 0))
	tell(time.Second,
		&event.EpochCost{Stage: event.Baseline, Epoch: 1, Step: 4, Steps: 4, CPUUS: 3_000_000, WallUS: 1_900_000, Energy: b(8_000_000, 1, 1), MACs: 199_650_000},
		eval(event.Baseline, 1, 40, 0))
	tell(time.Second, &event.Paused{Stage: event.Baseline, Step: 6, Why: "person"})
	tell(time.Hour, &event.Continued{Stage: event.Baseline, Step: 6})
	tell(time.Second,
		&event.EpochCost{Stage: event.Baseline, Epoch: 2, Step: 8, Steps: 4, CPUUS: 3_100_000, WallUS: 2_000_000, Energy: wraps(b(8_200_000, 1, 0.9), 1), MACs: 199_650_000},
		eval(event.Baseline, 2, 44, 0))
	tell(time.Second,
		&event.StageCost{Stage: event.Baseline, CPUUS: 7_000_000, WallUS: 5_000_000, Energy: wraps(b(19_000_000, 1, 0.95), 2)},
		&event.StageChange{Stage: event.Baseline, State: "done"}, &event.StageChange{Stage: event.Configure, State: "started"},
		&event.StageCost{Stage: event.Configure, CPUUS: 20_000, WallUS: 10_000, Energy: none}, &event.StageChange{Stage: event.Sparsify, State: "started"})
	tell(100*time.Millisecond,
		&event.EpochCost{Stage: event.Sparsify, Epoch: 1, Step: 4, Steps: 4, CPUUS: 150_000, WallUS: 90_000, Energy: none, Zeros: 0.5, MACs: 199_650_000, Skipped: 90_000_000},
		eval(event.Sparsify, 1, 44, 0.5), &event.Checkpoint{Name: "s3-000004", Stage: event.Sparsify, Step: 4, Acc: 0.88, Zeros: 0.5, Good: true})
	tell(900*time.Millisecond, metric(event.Sparsify, 7, 1_300_000, 1_000_000, b(3_000_000, 4, 1), 0.9))
	tell(time.Minute, &again, &event.Resumed{Checkpoint: "s3-000004", Stage: event.Sparsify, Step: 4, Why: "crash"}, &event.StageChange{Stage: event.Sparsify, State: "started"})
	tell(2*time.Second,
		&event.EpochCost{Stage: event.Sparsify, Epoch: 2, Step: 8, Steps: 4, CPUUS: 1_000_000, WallUS: 1_900_000, Energy: b(3_500_000, 3, 1), Zeros: 0.9, MACs: 199_650_000, Skipped: 170_000_000},
		eval(event.Sparsify, 2, 43, 0.9))
	tell(time.Second, &event.StageCost{Stage: event.Sparsify, CPUUS: 2_500_000, WallUS: 3_500_000, Energy: b(7_500_000, 3, 1)}, &event.StageChange{Stage: event.Sparsify, State: "done"},
		&event.StageChange{Stage: event.Validate, State: "started"})
	uj := func(v int64) event.Joules { return event.Joules{UJ: &v, Tier: "B", Source: "rapl", Band: 2} }
	tell(2*time.Second, &event.Eval{Stage: event.Validate, Step: 8, Split: "test", Correct: 42, N: 50, Zeros: 0.9},
		&event.Ledger{
			Hardware: "generic-x86-cpu", Rounds: 5, Batch: 64,
			Dense: event.Side{Acc: 0.86, Params: 266610, InferUS: 18.8, InferBand: 6, InferEnergy: uj(410)},
			Now:   event.Side{Acc: 0.84, Zeros: 0.9, Params: 27028, InferUS: 7.27, InferBand: 11, InferEnergy: uj(150)},
		},
		&event.StageCost{Stage: event.Validate, CPUUS: 2_000_000, WallUS: 1_900_000, Energy: b(5_000_000, 2, 1)},
		&event.StageChange{Stage: event.Validate, State: "done"}, &event.StageChange{Stage: event.Deploy, State: "started"})
	tell(time.Second, &event.StageCost{Stage: event.Deploy, CPUUS: 1_000_000, WallUS: 900_000, Energy: b(2_500_000, 2, 1)}, &event.StageChange{Stage: event.Deploy, State: "done"},
		&event.Done{Text: "verdict PASS", Weights: "d41d8cd98f00b204e9800998ecf8427e"})
	return out
}

// golden compares with a file of testdata; PARE_UPDATE=1 writes it anew.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", filepath.FromSlash(name))
	if os.Getenv("PARE_UPDATE") != "" {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (PARE_UPDATE=1 takes it):\n%s", name, got)
	}
}

// TestEnergyLog: the log of the recorded session, byte for byte; its lines add up
// to the bill.
func TestEnergyLog(t *testing.T) {
	var log bytes.Buffer
	for _, e := range recorded() {
		line, err := event.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		log.Write(append(line, '\n'))
	}
	r := core.DefaultRecipe()
	r.Train.Batch, r.Budget.Joules = 64, 50
	recipe, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "brisk-heron/events.jsonl", log.Bytes()) // other packages read it
	golden(t, "brisk-heron/recipe.toml", recipe)

	s, err := Open("testdata/brisk-heron")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := s.EnergyLog()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := energy.NewLogWriter(&out, s.ID)
	sum, cpu, wall := int64(0), int64(0), int64(0)
	for i, l := range lines {
		if err := w.Write(l); err != nil {
			t.Fatal(err)
		}
		if l.UJ != nil {
			sum += *l.UJ
		}
		cpu, wall = cpu+l.CPUUS, wall+l.WallUS
		if i > 0 && l.Epoch != nil && lines[i-1].Epoch != nil && l.T0.Before(lines[i-1].T1) {
			t.Errorf("epoch of line %d began before the last ended", i+1)
		}
	}
	golden(t, "energy.jsonl", out.Bytes())
	if err := energy.VerifyLog(&out); err != nil {
		t.Error(err)
	}
	if sum != 34_000_000 || cpu != 12_520_000 || wall != 11_310_000 {
		t.Errorf("the lines hold %d µJ, %d µs of CPU, %d µs", sum, cpu, wall)
	}
	if len(lines) != 9 {
		t.Errorf("%d lines", len(lines))
	}
}

// TestBillPauses: a pause lies inside an epoch's window but not in its time; an
// epoch of a new process begins after the process.
func TestBillPauses(t *testing.T) {
	var b Bill
	for _, e := range recorded() {
		b.Apply(e)
	}
	second, again := b.Epochs[1], b.Epochs[3]
	if d := second.Ended.Sub(second.Begun); d != time.Hour+2*time.Second {
		t.Errorf("the paused epoch's window is %v", d)
	}
	if d := again.Ended.Sub(again.Begun); d != 1900*time.Millisecond || again.By.Pare != "9.1" {
		t.Errorf("the resumed epoch's window is %v, by %s", d, again.By.Pare)
	}
	if b.Epochs[2].By.Pare != "9.0" || *again.Acc != 0.86 || b.Stages[event.Sparsify].By.Pare != "9.1" {
		t.Error("who billed what")
	}
}

// TestLess: unknown stays unknown, a model's share stays, a counter's edges add
// up, and nothing falls below zero.
func TestLess(t *testing.T) {
	j := func(uj int64, tier string, band float64) event.Joules {
		return event.Joules{UJ: &uj, Tier: tier, Band: band}
	}
	if x := less(j(100, "B", 1), j(60, "B", 2), 10, 6); *x.UJ != 40 || x.Band != (100*1+60*2)/40.0 || x.Coverage != nil {
		t.Errorf("counter: %+v", x)
	}
	if x := less(j(100, "E", 70), j(60, "E", 70), 10, 6); *x.UJ != 40 || x.Band != 70 {
		t.Errorf("profile: %+v", x)
	}
	if x := less(j(60, "B", 1), j(61, "B", 1), 10, 10); *x.UJ != 0 || x.Band != 1 {
		t.Errorf("billed a moment later: %+v", x)
	}
	if x := less(event.Joules{}, j(1, "B", 1), 10, 5); x.UJ != nil {
		t.Errorf("a bill that is not known: %+v", x)
	}
	if x := less(j(100, "B", 1), event.Joules{}, 10, 5); *x.UJ != 100 {
		t.Errorf("an epoch that is not known: %+v", x)
	}
	half, full := 0.5, 1.0
	a, p := j(9, "B", 1), j(5, "B", 1)
	a.Coverage, a.Rejected, p.Coverage, p.Rejected = &half, 3, &full, 1
	if x := less(a, p, 10, 5); *x.Coverage != 0 || x.Rejected != 2 || *a.Coverage != 0.5 {
		t.Errorf("coverage %v, %+v", *x.Coverage, x)
	}
	if x := less(a, p, 5, 5); *x.Coverage != 0.5 {
		t.Errorf("no time left: coverage %v", *x.Coverage)
	}
}

func TestSamples(t *testing.T) {
	for _, c := range []struct {
		train, batch, epoch int
		step, steps, want   int64 // −1: not known
	}{
		{250, 64, 1, 4, 4, 250},
		{250, 64, 2, 8, 4, 250},
		{256, 64, 2, 8, 4, 256},
		{250, 64, 2, 8, 1, 58},  // resumed before the last step
		{250, 64, 2, 8, 3, 186}, // two whole batches and the last
		{257, 64, 1, 4, 4, 256}, // a last batch of one, left out
		{257, 64, 1, 5, 5, 257}, // and kept
		{50, 64, 3, 3, 1, 50},   // a batch larger than the split
		{250, 32, 1, 4, 4, -1},  // not this recipe's steps
		{250, 128, 1, 4, 4, -1},
		{0, 64, 1, 4, 4, -1},
		{250, 0, 1, 4, 4, -1},
		{250, 64, 0, 4, 4, -1},
		{250, 64, 2, 7, 3, -1},
		{250, 64, 2, 8, 0, -1}, // rolled back within the epoch
		{250, 64, 2, 8, 5, -1},
	} {
		e := EpochBill{EpochCost: event.EpochCost{Epoch: c.epoch, Step: c.step, Steps: c.steps}, Train: c.train}
		got := int64(-1)
		if n := e.samples(c.batch); n != nil {
			got = *n
		}
		if got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
