package work

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pare/core"
	"pare/core/event"
	"pare/tui/theme"
)

// fake is a run without a process: its log is what a test puts in.
type fake struct {
	mu              sync.Mutex
	id              string
	log             []event.Event
	at              int
	sent            []core.Command
	alive           bool
	problem         string
	watches         string
	asking, refused bool
	asked, answered string
	starts          int
	err             error // of Send
	damage          error // of Next, at the end of the log
	recipe          *core.Recipe
}

func (f *fake) ID() string { return f.id }
func (f *fake) Next(max int) ([]event.Event, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(len(f.log)-f.at, max)
	es := f.log[f.at : f.at+n]
	f.at += n
	if f.at == len(f.log) {
		return es, f.damage
	}
	return es, nil
}

func (f *fake) Send(_ context.Context, c core.Command) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, c)
	return f.err
}
func (f *fake) Alive() bool                    { f.mu.Lock(); defer f.mu.Unlock(); return f.alive }
func (f *fake) Problem(context.Context) string { f.mu.Lock(); defer f.mu.Unlock(); return f.problem }
func (f *fake) Watching() string               { f.mu.Lock(); defer f.mu.Unlock(); return f.watches }
func (f *fake) Start() error                   { f.starts++; f.alive = true; return nil }
func (f *fake) Recipe() (*core.Recipe, error)  { return f.recipe, nil }
func (f *fake) Close() error                   { return nil }

func (f *fake) commands() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var s []string
	for _, c := range f.sent {
		t := c.Cmd
		if c.Value != 0 {
			t += fmt.Sprintf(" %g", c.Value)
		}
		if c.Text != "" && c.Cmd != core.CmdConfigure {
			t += " " + c.Text
		}
		s = append(s, t)
	}
	return strings.Join(s, ", ")
}

// begun is when the story of the tests begins.
var begun = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// story writes the log of a run, a tenth of a second an event.
type story struct {
	es      []event.Event
	at      time.Time
	cpu, uj [event.Deploy + 1]int64 // of each stage so far, CPU µs and µJ
}

// What a step takes, CPU µs and µJ: 11.5 W, whatever is known of them.
const (
	stepCPU, stepCPUPared = 1820, 660
	stepUJ, stepUJPared   = 21000, 7600
)

func (s *story) add(bs ...event.Body) *story {
	for _, b := range bs {
		s.at = s.at.Add(100 * time.Millisecond)
		s.es = append(s.es, event.Event{Seq: int64(len(s.es) + 1), At: s.at, Body: b})
	}
	return s
}

func newStory() *story { return &story{at: begun} }

func uj(n int64, tier string) event.Joules {
	j := event.Joules{UJ: &n, Tier: tier, Source: "rapl"}
	if tier == "E" {
		j.Source, j.Band = "profile generic-x86-cpu", 40
	}
	return j
}

func layers() []event.Layer {
	return []event.Layer{
		{Name: "fc1", Op: "linear", Shape: []int{300, 784}, Params: 235200, MACs: 235200, Prunable: true},
		{Name: "fc2", Op: "linear", Shape: []int{100, 300}, Params: 30000, MACs: 30000, Prunable: true},
		{Name: "out", Op: "linear", Shape: []int{10, 100}, Params: 1000, MACs: 1000, Prunable: true},
	}
}

var classNames = []string{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"}

// start is what every log begins with.
func (s *story) start(tier string) *story {
	return s.add(
		&event.Started{Format: 1, Session: "brisk-heron", Model: "lenet-300-100", Data: "fashion-mnist", Device: "cpu", ISA: "avx512", Threads: 2, Hardware: "generic-x86-cpu", Meter: "rapl", Tier: tier},
		&event.Model{Name: "lenet-300-100", Params: 266610, MACs: 266200, Layers: layers(), Input: []int{1, 28, 28}, Classes: classNames, Train: 8000, Val: 1500, Test: 5000},
		&event.StageChange{Stage: event.Baseline, State: "started"},
	)
}

func (s *story) wait(st event.Stage, why string) *story {
	return s.add(&event.StageChange{Stage: st, State: "waiting", Evidence: why})
}

func (s *story) plan(st event.Stage, formats ...string) *story {
	p := &event.Plan{Stage: st}
	for i, l := range layers() {
		f := "dense"
		why := "no gain yet: 7 % zeros, 4×1 kernels pay from 25 %"
		if i < len(formats) {
			f = formats[i]
		}
		p.Layers = append(p.Layers, event.RunsAs{Name: l.Name, Format: f, Why: why})
	}
	return s.add(p)
}

// epoch is one epoch of 100 steps: metrics, its bill, its evaluation.
func (s *story) epoch(st event.Stage, e, of int, acc, zeros float64, energy int64, tier string) *story {
	step, cpu := int64(e)*100, energy*stepCPU/stepUJ
	for k := int64(1); k <= 2; k++ {
		s.cpu[st], s.uj[st] = s.cpu[st]+cpu/2, s.uj[st]+energy/2
		s.add(&event.Metric{Stage: st, Epoch: e, Epochs: of, Step: step - 100 + 50*k, Steps: int64(of) * 100, Loss: 1 / float64(e), Acc: acc, LR: 0.1, Zeros: zeros, CPUUS: s.cpu[st], WallUS: s.cpu[st] / 2, StepCPU: float64(cpu) / 100, StepWall: float64(cpu) / 200, Energy: s.joules(s.uj[st], tier)})
	}
	return s.add(
		&event.EpochCost{Stage: st, Epoch: e, Step: step, Steps: 100, CPUUS: cpu, WallUS: cpu / 2, Energy: s.joules(energy, tier), Zeros: zeros},
		&event.Eval{Stage: st, Epoch: e, Step: step, Split: "val", Correct: int(acc * 1500), N: 1500, Lo: acc - 0.01, Hi: acc + 0.01, Zeros: zeros},
		&event.Checkpoint{Name: fmt.Sprintf("s%d-%06d", st, step), Stage: st, Epoch: e, Step: step, Acc: acc, Zeros: zeros, Good: true},
	)
}

// billed is what a stage took in all: its epochs, and a twentieth more for the evaluations.
func (s *story) billed(st event.Stage, tier string) *event.StageCost {
	cpu, uj := s.cpu[st]*21/20, s.uj[st]*21/20
	return &event.StageCost{Stage: st, CPUUS: cpu, WallUS: cpu / 2, Energy: s.joules(uj, tier)}
}

func (s *story) joules(n int64, tier string) event.Joules {
	if tier == "" {
		return event.Joules{}
	}
	return uj(n, tier)
}

func (s *story) baseline(tier string) *story {
	s.plan(event.Baseline)
	for e := 1; e <= 6; e++ {
		s.epoch(event.Baseline, e, 6, 0.887-0.1/float64(e*e), 0, 100*stepUJ, tier)
	}
	return s
}

func (s *story) baselineDone(tier string) *story {
	what := "CPU time"
	if tier == "B" {
		what = "joules"
	}
	return s.baseline(tier).add(
		&event.LastPoints{Points: []float64{1, 2, 3}, Share: []float64{0.3, 0.54, 0.6}, Text: "the last 2 points cost 54 % of the baseline's " + what},
		&event.Checkpoint{Name: "baseline", Stage: event.Baseline, Step: 600, Acc: 0.884, Good: true},
		s.billed(event.Baseline, tier),
		&event.StageChange{Stage: event.Baseline, State: "done", Evidence: "88.4 % on validation (95 %: 86.7–89.9)"},
		&event.StageChange{Stage: event.Configure, State: "started"},
		&event.Ledger{Predicted: true, Hardware: "generic-x86-cpu", Batch: 128, Dense: foretold(side(0.884, 0, 266610, 1066440, stepCPU, stepUJ, tier)), Now: foretold(side(0, 0.9, 27030, 122000, 260, 3000, tier))},
	)
}

// foretold is a side whose times nobody took.
func foretold(s event.Side) event.Side { s.StepBand, s.InferBand = 70, 70; return s }

func side(acc, zeros float64, params, bytes int64, cpu float64, e int64, tier string) event.Side {
	s := event.Side{Acc: acc, Zeros: zeros, Params: params, FileBytes: bytes, StepCPUUS: cpu, StepBand: 2, InferUS: cpu / 20, InferBand: 3}
	if acc > 0 {
		s.Lo, s.Hi = acc-0.009, acc+0.009
	}
	if tier != "" {
		s.StepEnergy, s.InferEnergy = uj(e, tier), uj(e/20, tier)
	}
	return s
}

func (s *story) configured(tier string) *story {
	return s.add(
		&event.Decision{Stage: event.Configure, Cmd: core.CmdConfigure, Text: recipeText(), By: "person"},
		&event.StageChange{Stage: event.Configure, State: "done", Evidence: "magnitude, 4×1 blocks, global, cubic, 90 % zeros, floor 86.4 %; sensitivity scan skipped"},
		&event.StageChange{Stage: event.Sparsify, State: "started"},
	)
}

func (s *story) mask(step int64, zeros float64) *story {
	m := &event.Mask{Stage: event.Sparsify, Step: step, Rule: "magnitude, global, 4×1 blocks, cubic", Target: zeros, Of: 266200}
	for i, l := range layers() {
		z := int(zeros * float64(l.Params) * []float64{1.02, 0.9, 0.1}[i])
		m.Zeros += z
		m.Layers = append(m.Layers, event.LayerMask{Name: l.Name, Zeros: z, Of: int(l.Params)})
	}
	return s.add(m)
}

// sparsify goes through n of 20 epochs.
func (s *story) sparsify(n int, tier string) *story {
	for e := 1; e <= n; e++ {
		t := min(float64(e)/15, 1)
		zeros := 0.9 * (1 - (1-t)*(1-t)*(1-t))
		s.mask(int64(e-1)*100, zeros).plan(event.Sparsify, "4×1", "4×1", "dense")
		s.epoch(event.Sparsify, e, 20, 0.884-0.004*t, zeros, int64(100*(stepUJ-(stepUJ-stepUJPared)*zeros/0.9)), tier)
	}
	return s
}

func (s *story) sparsified(tier string) *story {
	return s.sparsify(20, tier).add(
		&event.Checkpoint{Name: "sparse", Stage: event.Sparsify, Step: 2000, Acc: 0.88, Zeros: 0.9, Good: true, AtGoal: true},
		s.billed(event.Sparsify, tier),
		&event.StageChange{Stage: event.Sparsify, State: "done", Evidence: "90.0 % zeros, 88.0 % on validation"},
		&event.StageChange{Stage: event.Validate, State: "started"},
	)
}

func (s *story) validated(tier string) *story {
	l := &event.Ledger{Hardware: "generic-x86-cpu", Rounds: 5, Batch: 128, Dense: side(0.887, 0, 266610, 1067000, stepCPU, stepUJ, tier), Now: side(0.884, 0.9, 27030, 125000, stepCPUPared, stepUJPared, tier)}
	v := &event.Verdict{
		Verdict: "PASS", Diff: -0.003, Lo: -0.007, Hi: 0.001, Floor: 0.867, N: 5000, Looks: 1,
		Text: "PASS  88.4 % against a floor of 86.7 %, 2 points under dense (difference −0.3 pt, 95 %: −0.7 to +0.1, 5000 test samples) · CPU time per step −64 % (5 alternations, ±2 %) · " +
			map[string]string{"": "J not measured", "B": "J per step −64 % (±3 %), measured, tier B", "E": "J −64 % by tier E: busy power taken as constant, so it equals the saving in CPU time"}[tier],
	}
	for i, c := range classNames {
		v.Classes = append(v.Classes, event.ClassRow{Name: c, N: 500, Dense: 440 + i, Now: 438 + i})
	}
	return s.add(
		&event.Eval{Stage: event.Validate, Step: 2000, Split: "test", Correct: 4420, N: 5000, Lo: 0.875, Hi: 0.893, Zeros: 0.9},
		l, attribution(s.joules(5*stepUJ, tier), s.joules(5*stepUJPared, tier)), v,
		&event.StageChange{Stage: event.Validate, State: "done", Evidence: "PASS, 5000 test samples, look 1 at the test set"},
		&event.StageChange{Stage: event.Deploy, State: "started"},
	)
}

// attribution shares joules out.
func attribution(dense, now event.Joules) *event.Attribution {
	text := map[string]string{"": "by probe time; joules are not known", "E": "share of the estimated total by probe time"}
	a := &event.Attribution{Steps: 5, Batch: 128, Dense: dense, Now: now, Text: text[dense.Tier]}
	if a.Text == "" {
		a.Text = "share of the measured total by probe time"
	}
	for _, r := range []struct {
		class      string
		dense, now float64
	}{{"linear", 0.962, 0.845}, {"activation", 0.006, 0.0295}, {"loss", 0.004, 0.0202}, {"other", 0.028, 0.1053}} {
		a.Rows = append(a.Rows, event.ClassShare{Class: r.class, ShareDense: r.dense, ShareNow: r.now, DenseEnergy: dense.Part(r.dense), NowEnergy: now.Part(r.now)})
	}
	return a
}

func (s *story) deployed() *story {
	lv := &event.LayerVerdicts{}
	for i, l := range layers() {
		x := event.LayerVerdict{Name: l.Name, Shape: l.Shape, Zeros: []float64{0.92, 0.81, 0.09}[i], RunsAs: []string{"4×1", "4×1", "dense"}[i], DenseMS: []float64{1.2, 0.4, 0.03}[i], NowMS: []float64{0.2, 0.15, 0.03}[i]}
		x.Text = []string{"6.0× less CPU time", "2.7× less CPU time", "no gain here: 9 % zeros, 4×1 kernels pay from 25 %"}[i]
		lv.Layers = append(lv.Layers, x)
	}
	for i, f := range []string{"packed", "safetensors", "onnx"} {
		s.add(&event.Export{Format: f, File: "/home/u/.local/share/pare/sessions/brisk-heron/exports/" + []string{"lenet-300-100.packed.safetensors", "lenet-300-100.safetensors", "lenet-300-100.onnx"}[i], Bytes: []int64{125000, 1067000, 1067500}[i], MaxDiff: []float64{0, 0, 1.2e-6}[i], Samples: 64})
	}
	return s.add(lv,
		&event.StageChange{Stage: event.Deploy, State: "done", Evidence: "3 files written, read again and compared"},
		&event.Checkpoint{Name: "final", Stage: event.Deploy, Acc: -1, Zeros: 0.9, Good: true},
		&event.Done{Exit: 0, Text: "verdict PASS", Weights: "abc"})
}

// missed is deployed short of a target.
func (s *story) missed() *story {
	s.deployed()
	*s.es[len(s.es)-1].Body.(*event.Done) = event.Done{Exit: core.ExitTarget, Text: "target of 95.0 % zeros not reached above the floor", Weights: "abc"}
	return s
}

func testRecipe() *core.Recipe {
	r := core.DefaultRecipe()
	r.Train = core.TrainSpec{Epochs: 6, Batch: 128, Optimizer: "sgd", LR: 0.1, Schedule: "constant"}
	r.Hardware.Profile, r.Hardware.Device = "generic-x86-cpu", "ref"
	return r
}

func recipeText() string {
	b, err := testRecipe().Marshal()
	if err != nil {
		panic(err)
	}
	return string(b)
}

// testDesk is a desk for tests: its clock stands, and nothing waits.
func testDesk(t testing.TB, w, h int, mode theme.Mode, ascii bool) *desk {
	t.Helper()
	root := t.TempDir()
	d := newDesk(Options{Root: root, CopyTo: filepath.Join(root, ".copied.txt")}, mode, ascii)
	d.now, d.opened = begun, begun
	d.shell = func() string { return "" }
	d.sleep = func(ctx context.Context, _ time.Duration) bool { return ctx.Err() == nil }
	d.resize(w, h)
	return d
}

// watching is a desk that follows a log, read to its end.
func watching(t testing.TB, w, h int, s *story) (*desk, *fake) {
	t.Helper()
	d := testDesk(t, w, h, theme.Mono, false)
	f := &fake{id: "brisk-heron", log: s.es, alive: true, recipe: testRecipe()}
	d.follow(f)
	work(d, d.begin())
	return d, f
}

// work carries out effects and what follows from them, but reads the log only
// until it is at its end: the loop that samples it has no end.
func work(d *desk, es []effect) {
	for len(es) > 0 {
		e := es[0]
		es = es[1:]
		m := e(context.Background())
		if m == nil {
			continue
		}
		if l, ok := m.(logMsg); ok {
			if n := len(l.events); n > 0 {
				d.now = l.events[n-1].At
			}
			more := d.handle(m)
			if len(l.events) == 0 { // the last one is the next sample
				more = more[:len(more)-1]
			}
			es = append(es, more...)
			continue
		}
		es = append(es, d.handle(m)...)
	}
}

// sample reads the log once more, as the next tick would.
func sample(d *desk) { work(d, []effect{d.read(0)}) }

// key presses keys by name; what is no name is typed.
func key(d *desk, names ...string) {
	for _, n := range names {
		text := ""
		if len([]rune(n)) == 1 {
			text = n
		}
		if n == "space" {
			text = " "
		}
		work(d, d.press(n, text))
	}
}

// The seat of a fake.
func (f *fake) Ask(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asking = true
	return nil
}
func (f *fake) Asking() bool  { f.mu.Lock(); defer f.mu.Unlock(); return f.asking }
func (f *fake) Asked() string { f.mu.Lock(); defer f.mu.Unlock(); return f.asked }
func (f *fake) Refused() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.refused
	f.refused = false
	return was
}

func (f *fake) Answer(_ context.Context, give bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked, f.answered = "", fmt.Sprint(give)
	if give {
		f.watches = "watching: the seat was handed over"
	}
	return nil
}
