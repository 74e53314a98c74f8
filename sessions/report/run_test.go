package report

import (
	"math"
	"strings"
	"testing"
	"time"

	"pare/core"
	"pare/core/event"
	"pare/core/train"
)

// story is a run told in events, as core tells it.
type story struct {
	st   event.State
	at   time.Time
	tier string
	band float64
}

func (s *story) tell(bodies ...event.Body) {
	for _, b := range bodies {
		s.at = s.at.Add(700 * time.Millisecond)
		s.st.Apply(event.Event{Seq: s.st.Seq + 1, At: s.at, Body: b})
	}
}

// joules is an amount by the story's meter; nil without one.
func (s *story) joules(j float64) event.Joules {
	if s.tier == "" {
		return event.Joules{}
	}
	uj := int64(j * 1e6)
	source := "rapl"
	if s.tier == "E" {
		source = "profile generic-x86-cpu"
	}
	return event.Joules{UJ: &uj, Tier: s.tier, Source: source, Band: s.band}
}

func eval(stage event.Stage, epoch int, step int64, acc, zeros float64) *event.Eval {
	n := 4000
	e := &event.Eval{Stage: stage, Epoch: epoch, Step: step, Split: "val", Correct: int(math.Round(acc * float64(n))), N: n, Zeros: zeros}
	e.Lo, e.Hi = train.Wilson(e.Correct, e.N)
	return e
}

const perEpoch = 234

// start is the run up to the end of baseline.
func start(tier string, band float64) *story {
	s := &story{at: time.Date(2026, 11, 23, 14, 5, 9, 0, time.UTC), tier: tier, band: band}
	b := &event.Started{
		Format: 1, Session: "brisk-heron", Pare: "0.1.0", Model: "lenet-300-100", Data: "fashion-mnist", DataHash: "5c1e0f7ab2d94e33", Recipe: "9a41c0de77f0b512",
		Device: "cpu", ISA: "avx512", Threads: 2, Machine: "AMD EPYC 9R14", Hardware: "generic-x86-cpu", Tier: tier,
	}
	switch tier {
	case "":
		b.MeterWhy = "no counter may be read, and the profile has no watts: give --hardware PROFILE"
	case "E":
		b.Meter, b.Boundary, b.MeterWhy = "profile generic-x86-cpu", "CPU time of this process, watts of CPU package", "/sys/class/powercap holds no counter (a virtual machine?): run on the host itself, or calibrate with a wall meter"
	default:
		b.Meter, b.Boundary = "rapl", "CPU package + DRAM"
	}
	model := &event.Model{
		Name: "lenet-300-100", Params: 266610, MACs: 266200, Input: []int{1, 28, 28}, Train: 30000, Val: 4000, Test: 10000,
		Layers: []event.Layer{
			{Name: "fc1", Op: "linear", Shape: []int{300, 784}, Params: 235500, MACs: 235200, Prunable: true},
			{Name: "fc2", Op: "linear", Shape: []int{100, 300}, Params: 30100, MACs: 30000, Prunable: true},
			{Name: "out", Op: "linear", Shape: []int{10, 100}, Params: 1010, MACs: 1000, Prunable: true},
		},
	}
	for _, c := range clothes {
		model.Classes = append(model.Classes, c.name)
	}
	s.tell(b, model, &event.StageChange{Stage: event.Baseline, State: "started"})
	for e := 1; e <= 15; e++ {
		step := int64(e * perEpoch)
		s.tell(&event.Metric{Stage: event.Baseline, Epoch: e, Epochs: 15, Step: step, Steps: 15 * perEpoch, Loss: 2 / float64(e), LR: .05})
		acc := .887 - .14*math.Exp(-float64(e)/2.6) + .003*math.Sin(3*float64(e))
		s.tell(&event.EpochCost{Stage: event.Baseline, Epoch: e, Step: step, Steps: perEpoch, CPUUS: 426000 + int64(9000*math.Sin(float64(e))), WallUS: 231000, Energy: s.joules(4.9 + .12*math.Sin(float64(e)))})
		s.tell(eval(event.Baseline, e, step, acc, 0))
	}
	text := "the last 2 points cost 54 % of the baseline's joules"
	if tier == "" || tier == "E" {
		text = "the last 2 points cost 54 % of the baseline's CPU time"
	}
	s.tell(&event.LastPoints{Points: []float64{1, 2, 3}, Share: []float64{.32, .54, .67}, Text: text},
		&event.StageCost{Stage: event.Baseline, CPUUS: 7_120_000, WallUS: 3_900_000, Energy: s.joules(81.4)},
		&event.StageChange{Stage: event.Baseline, State: "done", Evidence: "88.7 % on validation (95 %: 87.7–89.7)"})
	return s
}

// configured goes on to the end of configure.
func (s *story) configured() *story {
	uj := int64(21000)
	s.tell(&event.StageChange{Stage: event.Configure, State: "started"},
		&event.Ledger{
			Predicted: true, Hardware: "generic-x86-cpu", Batch: 128,
			Dense: event.Side{Params: 266610, FileBytes: 1066440, StepCPUUS: 1900, StepBand: 40, StepEnergy: event.Joules{UJ: &uj, Tier: "E", Source: "profile generic-x86-cpu", Band: 40}, InferUS: 41, InferBand: 40},
			Now:   event.Side{Params: 27010, Zeros: .9, FileBytes: 121300, StepCPUUS: 510, StepBand: 40, InferUS: 9, InferBand: 40},
		},
		&event.Decision{Stage: event.Configure, Step: 0, Cmd: "configure", Text: recipe, By: "person"},
		&event.StageChange{Stage: event.Configure, State: "done", Evidence: "magnitude, 4×1 blocks, global, cubic, 90 % zeros, floor 86.7 %; sensitivity scan skipped"},
		&event.StageCost{Stage: event.Configure, CPUUS: 3100, WallUS: 3300, Energy: s.joules(.04)})
	return s
}

// sparsified goes on for some epochs of sparsify, done when they are 20.
func (s *story) sparsified(epochs int) *story {
	s.tell(&event.StageChange{Stage: event.Sparsify, State: "started"})
	zeros := func(step int64) float64 {
		left := 1 - min(float64(step)/(15*perEpoch), 1)
		return .9 * (1 - left*left*left)
	}
	shown := 0.0
	for e := 1; e <= epochs; e++ {
		for k := int64(1); k <= 6; k++ {
			step := int64(e-1)*perEpoch + k*perEpoch/6
			shown = zeros(step - step%(perEpoch/3))
			s.tell(&event.Metric{Stage: event.Sparsify, Epoch: e, Epochs: 20, Step: step, Steps: 20 * perEpoch, Loss: .3, Zeros: shown, Target: shown, CPUUS: 200000 * int64(e), WallUS: 100000 * int64(e), Energy: s.joules(2.2 * float64(e))})
		}
		step := int64(e * perEpoch)
		f := 1 - .72*shown/.9
		acc := .8865 - .012*math.Exp(-float64((e-9)*(e-9))/14) + .0016*math.Sin(2.1*float64(e))
		s.tell(&event.EpochCost{Stage: event.Sparsify, Epoch: e, Step: step, Steps: perEpoch, CPUUS: int64(430000 * f), WallUS: 120000, Energy: s.joules(4.9 * f), Zeros: shown})
		s.tell(eval(event.Sparsify, e, step, acc, shown))
		for _, l := range []string{"fc1", "fc2"} {
			s.tell(&event.Rewrite{Stage: event.Sparsify, Step: step, Op: `graph.SetMask{"param":"` + l + `.weight"}`, Text: "mask " + l + ".weight"})
		}
		if e == 7 {
			s.tell(&event.Decision{Stage: event.Sparsify, Step: step + 12, Cmd: "target", Value: .9, By: "person"},
				&event.Warning{Text: "the disk is 94 % full", Fix: "free some space; checkpoints need about 4 MB each"})
		}
		s.tell(&event.Checkpoint{Name: "step", Stage: event.Sparsify, Epoch: e, Step: step, SHA: strings.Repeat("ab", 32), Bytes: 3_200_000, Acc: acc, Zeros: shown, Good: true})
	}
	s.tell(&event.Mask{
		Stage: event.Sparsify, Step: int64(epochs * perEpoch), Rule: "magnitude, global, 4×1 blocks, cubic", Target: .9, Zeros: int(266200 * shown), Of: 266200, Hash: "77ab90c1d2e3f405",
		Layers: []event.LayerMask{{Name: "fc1", Zeros: int(235200 * min(shown*1.015, 1)), Of: 235200}, {Name: "fc2", Zeros: int(30000 * shown * .9), Of: 30000}, {Name: "out", Of: 1000}},
	}, &event.Plan{Stage: event.Sparsify, Hash: "c0ffee0012345678", Layers: []event.RunsAs{{Name: "fc1", Format: "4×1", Why: "timed: 3.9× faster"}, {Name: "fc2", Format: "4×1", Why: "timed: 2.0× faster"}, {Name: "out", Format: "dense", Why: "too few zeros"}}})
	if epochs == 20 {
		s.tell(&event.StageCost{Stage: event.Sparsify, CPUUS: 4_630_000, WallUS: 2_600_000, Energy: s.joules(51.7)},
			&event.StageChange{Stage: event.Sparsify, State: "done", Evidence: "90.0 % zeros, 88.4 % on validation"})
	}
	return s
}

var clothes = []struct {
	name       string
	dense, now int
}{{"T-shirt/top", 842, 839}, {"Trouser", 972, 973}, {"Pullover", 801, 796}, {"Dress", 893, 890}, {"Coat", 815, 812}, {"Sandal", 962, 960}, {"Shirt", 697, 684}, {"Sneaker", 950, 951}, {"Bag", 968, 967}, {"Ankle boot", 959, 957}}

// validated goes on to the verdict.
func (s *story) validated() *story {
	s.tell(&event.StageChange{Stage: event.Validate, State: "started"})
	l := &event.Ledger{
		Hardware: "generic-x86-cpu", Rounds: 5, Batch: 128,
		Dense: event.Side{Acc: .8859, Params: 266610, FileBytes: 1068520, Resident: 3_200_000, StepCPUUS: 1820, StepBand: 1.4, StepEnergy: s.joules(.021), InferUS: 38.2, InferBand: 2.1, InferEnergy: s.joules(.00041)},
		Now:   event.Side{Acc: .8829, Zeros: .9, Params: 27030, FileBytes: 121950, Resident: 640_000, StepCPUUS: 512, StepBand: 2, StepEnergy: s.joules(.0059), InferUS: 9.1, InferBand: 3.4, InferEnergy: s.joules(.0001)},
	}
	l.Dense.Lo, l.Dense.Hi = train.Wilson(8859, 10000)
	l.Now.Lo, l.Now.Hi = train.Wilson(8829, 10000)
	text := "PASS  88.3 % against a floor of 86.6 % (difference -0.3 pt, 95 %: -0.7 to +0.1, 10000 test samples) · CPU time per step -72 % (5 alternations, ±1 %)"
	switch s.tier {
	case "":
		text += " · J not measured"
	case "E":
		text += " · J -72 % by tier E: busy power taken as constant, so it equals the saving in CPU time"
	default:
		text += " · J per step -72 %, measured, tier " + s.tier
	}
	v := &event.Verdict{Verdict: "PASS", Diff: -.003, Lo: -.007, Hi: .001, Floor: .8659, N: 10000, Looks: 1, Text: text}
	for _, c := range clothes {
		v.Classes = append(v.Classes, event.ClassRow{Name: c.name, N: 1000, Dense: c.dense, Now: c.now})
	}
	s.tell(l, s.attribution(), v, &event.StageCost{Stage: event.Validate, CPUUS: 5_100_000, WallUS: 3_000_000, Energy: s.joules(57)},
		&event.StageChange{Stage: event.Validate, State: "done", Evidence: "PASS, 10000 test samples, look 1 at the test set"})
	return s
}

// attribution shares the joules of training out by the time of a step's calls.
func (s *story) attribution() *event.Attribution {
	a := &event.Attribution{Steps: 5, Batch: 128, Dense: s.joules(73.4), Now: s.joules(43.1), Text: map[string]string{
		"": "by probe time; joules are not known", "E": "share of the estimated total by probe time", "B": "share of the measured total by probe time",
	}[s.tier]}
	for _, r := range []struct {
		class      string
		dense, now float64
	}{{"linear", .962, .845}, {"activation", .006, .0295}, {"loss", .004, .0202}, {"optimiser", .0002, .0003}, {"other", .0278, .105}} {
		a.Rows = append(a.Rows, event.ClassShare{Class: r.class, ShareDense: r.dense, ShareNow: r.now, DenseEnergy: a.Dense.Part(r.dense), NowEnergy: a.Now.Part(r.now)})
	}
	return a
}

// deployed goes on to the end.
func (s *story) deployed() *story {
	s.tell(&event.StageChange{Stage: event.Deploy, State: "started"},
		&event.Export{Format: "packed", File: "exports/lenet-300-100.packed.safetensors", Bytes: 121950, SHA: "1f" + strings.Repeat("0d", 31), MaxDiff: 0, Samples: 64},
		&event.Export{Format: "safetensors", File: "exports/lenet-300-100.safetensors", Bytes: 1068520, SHA: "2e" + strings.Repeat("7c", 31), MaxDiff: 0, Samples: 64},
		&event.Export{Format: "onnx", File: "exports/lenet-300-100.onnx", Bytes: 1067310, SHA: "3d" + strings.Repeat("5b", 31), MaxDiff: 1.9e-6, Samples: 64},
		&event.LayerVerdicts{Layers: []event.LayerVerdict{
			{Name: "fc1", Shape: []int{300, 784}, Zeros: .913, RunsAs: "4×1", DenseMS: 1.391, NowMS: .31, Text: "4.5× less CPU time"},
			{Name: "fc2", Shape: []int{100, 300}, Zeros: .81, RunsAs: "4×1", DenseMS: .172, NowMS: .071, Text: "2.4× less CPU time"},
			{Name: "out", Shape: []int{10, 100}, Zeros: .05, RunsAs: "dense", DenseMS: .021, NowMS: .021, Text: "no gain here: 5 % zeros are too few for blocks to be faster"},
		}},
		&event.StageCost{Stage: event.Deploy, CPUUS: 900_000, WallUS: 610_000, Energy: s.joules(10.1)},
		&event.StageChange{Stage: event.Deploy, State: "done", Evidence: "3 files written, read again and compared"},
		&event.Done{Exit: 0, Text: "verdict PASS", Weights: "d41d8cd98f00b204e9800998ecf8427e"})
	return s
}

// whole is a finished run.
func whole(tier string, band float64) *story {
	return start(tier, band).configured().sparsified(20).validated().deployed()
}

var recipe = func() string {
	r := core.DefaultRecipe()
	r.Train = core.TrainSpec{Epochs: 15, Batch: 128, Optimizer: "momentum", LR: .05, Momentum: .9, WeightDecay: .0001, Schedule: "cosine"}
	b, err := r.Marshal()
	if err != nil {
		panic(err)
	}
	return string(b)
}()

func render(t testing.TB, st *event.State, recipe string) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, st, recipe); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
