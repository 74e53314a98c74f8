package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"pare/core/device"
	"pare/core/energy"
	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/plan"
)

// CardOptions of training steps on a card: ours and, with Python, PyTorch's in turns.
type CardOptions struct {
	Device        device.Device
	Precision     string // "f32", "tf32", "bf16": PyTorch computes in it, too
	Model         string // of CardModels
	Batch, Tokens int
	Rounds        int
	Window        time.Duration // of a turn
	Python        string        // interpreter with torch
	Report        func(CardRow)
	Calls         func(kernel string, ms float64) // time of one step by kernel, of ours; may be nil
}

// CardRow is one contender.
type CardRow struct {
	Who          string  `json:"who"`
	Model        string  `json:"model"`
	Precision    string  `json:"precision"`
	Batch        int     `json:"batch"`
	Tokens       int     `json:"tokens"` // of a sample
	StepMS       float64 `json:"step_ms"`
	TokensPerSec float64 `json:"tokens_per_s"` // median over the turns
	Lo           float64 `json:"lo"`
	Hi           float64 `json:"hi"`
	Watts        float64 `json:"watts"`                  // of the card, mean over the turns; 0: not measured
	MJPerToken   float64 `json:"mj_per_token,omitempty"` // mJ
	Tier         string  `json:"tier"`                   // of the joules, "" when not measured
	Source       string  `json:"source"`
	MemoryMiB    float64 `json:"memory_mib"` // that its process holds on the card
}

// CardModels are the sizes that are measured, by name.
var CardModels = map[string]zoo.GPT{
	"gpt2-124m": {Layers: 12, Width: 768, Heads: 12, Vocabulary: 50257, Tokens: 1024},
	"gpt2-355m": {Layers: 24, Width: 1024, Heads: 16, Vocabulary: 50257, Tokens: 1024},
	"gpt-4096":  {Layers: 4, Width: 4096, Heads: 32, Vocabulary: 50257, Tokens: 1024},
}

// Card measures training steps (forward, cross-entropy, backward, AdamW) on random ids.
func Card(o CardOptions) error {
	g, ok := CardModels[o.Model]
	if !ok {
		return fmt.Errorf("model %q: choose one of %s", o.Model, strings.Join(cardNames(), ", "))
	}
	if o.Tokens > 0 {
		g.Tokens = o.Tokens
	}
	if o.Batch < 1 || o.Rounds < 1 || o.Window <= 0 {
		return fmt.Errorf("batch %d, %d rounds, window %v: need at least 1 each", o.Batch, o.Rounds, o.Window)
	}
	card, ok := o.Device.(device.Card)
	if !ok {
		return errors.New("this measures a card: give --device cuda, cuda:tf32 or cuda:bf16")
	}
	meter, err := energy.Open(energy.Options{GPU: energy.GPUAuto, Card: card.UUID()})
	if err != nil {
		return err
	}
	defer meter.Close() //nolint:errcheck // only read
	m, err := g.Build(o.Model, 1)
	if err != nil {
		return err
	}
	e, err := newCardEngine(m, card, o, g)
	if err != nil {
		return err
	}
	defer e.close()
	cs := []cardContender{{who: "pare", window: e.window, memory: e.memory}}
	if o.Python != "" {
		p, err := startPeers(o.Python)
		if err != nil {
			return err
		}
		defer p.close()
		for _, mode := range []string{"eager", "compile"} {
			q := question{Op: "open", What: "card", Mode: mode, Precision: o.Precision, Batch: o.Batch, Sizes: []int{g.Layers, g.Width, g.Heads, g.Vocabulary, g.Tokens}}
			r, err := p.ask(q)
			if err != nil {
				return fmt.Errorf("PyTorch %s: %w", mode, err)
			}
			cs = append(cs, cardContender{who: "PyTorch " + mode, memory: func() float64 { return r.MemoryMiB }, window: func(w time.Duration) (float64, error) {
				s, err := p.ask(question{Op: "run", ID: r.ID, Seconds: w.Seconds()})
				return s.Seconds, err
			}})
		}
	}
	if err := o.turns(cs, meter, g.Tokens); err != nil {
		return err
	}
	if o.Calls != nil {
		return e.calls(o.Calls)
	}
	return nil
}

func cardNames() []string {
	var l []string
	for n := range CardModels {
		l = append(l, n)
	}
	slices.Sort(l)
	return l
}

// cardContender runs steps for about a window and returns the seconds of one.
type cardContender struct {
	who    string
	window func(time.Duration) (float64, error)
	memory func() float64 // MiB
}

// turns interleaves the contenders, each turn with its joules.
func (o CardOptions) turns(cs []cardContender, meter *energy.Meter, tokens int) error {
	rows := make([]CardRow, len(cs))
	speeds := make([][]float64, len(cs))
	joules, seconds, steps := make([]float64, len(cs)), make([]float64, len(cs)), make([]float64, len(cs))
	for _, c := range cs { // compilers, algorithms
		if _, err := c.window(o.Window / 4); err != nil {
			return fmt.Errorf("%s: %w", c.who, err)
		}
	}
	for range o.Rounds {
		for i, c := range cs {
			from := meter.Mark()
			s, err := c.window(o.Window)
			if err != nil {
				return fmt.Errorf("%s: %w", c.who, err)
			}
			to := meter.Mark()
			speeds[i] = append(speeds[i], float64(o.Batch*tokens)/s)
			r := meter.Between(from, to).Find("gpu")
			rows[i].Source, rows[i].Tier = r.Source, string(r.Tier)
			if r.UJ != nil && (r.Part == "gpu" || strings.HasPrefix(r.Source, "nv")) {
				wall := energy.Wall(from, to).Seconds()
				joules[i] += float64(*r.UJ) / 1e6
				seconds[i] += wall
				steps[i] += wall / s
			} else {
				rows[i].Source, rows[i].Tier = "", ""
			}
		}
	}
	for i, c := range cs {
		x := slices.Sorted(slices.Values(speeds[i]))
		r := &rows[i]
		r.Who, r.Model, r.Precision, r.Batch, r.Tokens = c.who, o.Model, o.Precision, o.Batch, tokens
		r.TokensPerSec, r.Lo, r.Hi = median(x), x[0], x[len(x)-1]
		r.StepMS = 1e3 * float64(o.Batch*tokens) / r.TokensPerSec
		if seconds[i] > 0 {
			r.Watts = joules[i] / seconds[i]
			r.MJPerToken = 1e3 * joules[i] / (steps[i] * float64(o.Batch*tokens))
		}
		r.MemoryMiB = c.memory()
		o.Report(*r)
	}
	return nil
}

// cardEngine is our side.
type cardEngine struct {
	bank device.Bank
	ex   device.Exec
	plan *device.Plan
	step device.Step
	held float64
}

func newCardEngine(m *graph.Model, card device.Card, o CardOptions, g zoo.GPT) (*cardEngine, error) {
	before, err := card.Free()
	if err != nil {
		return nil, err
	}
	rule := device.Optim{Kind: device.AdamW, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1}
	e := &cardEngine{}
	if e.bank, err = o.Device.NewBank(plan.Weights(m, nil), rule.Slots()); err != nil {
		return nil, err
	}
	for i, p := range m.Params {
		if err := e.bank.Set(i, p.Data); err != nil {
			return nil, err
		}
	}
	if e.plan, err = plan.Build(m, o.Device, plan.Options{Mode: plan.Train, Batch: o.Batch, Optim: rule}); err != nil {
		return nil, err
	}
	if e.ex, err = o.Device.Compile(e.plan, e.bank, 0); err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(1, 2))
	e.step = device.Step{X: make([]float32, o.Batch*g.Tokens), Labels: make([]int32, o.Batch*g.Tokens), N: o.Batch, LR: 1e-4}
	for i := range e.step.X {
		e.step.X[i], e.step.Labels[i] = float32(r.IntN(g.Vocabulary)), int32(r.IntN(g.Vocabulary))
	}
	if err := e.run(); err != nil {
		return nil, err
	}
	after, err := card.Free()
	e.held = float64(before-after) / (1 << 20)
	return e, err
}

func (e *cardEngine) run() error {
	e.step.Index++
	_, err := e.ex.Run(&e.step)
	return err
}

func (e *cardEngine) window(w time.Duration) (float64, error) { return of("", 0, e.run).run(w) }

func (e *cardEngine) memory() float64 { return e.held }

// calls reports the time of a step by kernel.
func (e *cardEngine) calls(report func(kernel string, ms float64)) error {
	e.ex.Probe(true)
	defer e.ex.Probe(false)
	const n = 5
	for range n {
		if err := e.run(); err != nil {
			return err
		}
	}
	by, order, i := map[device.Kernel]float64{}, []device.Kernel(nil), 0
	times := e.ex.Times()
	for _, r := range e.plan.Regions {
		for _, c := range r.Calls {
			if _, ok := by[c.Kernel]; !ok {
				order = append(order, c.Kernel)
			}
			by[c.Kernel] += times[i].Seconds() * 1e3 / n
			i++
		}
	}
	slices.SortFunc(order, func(a, b device.Kernel) int {
		switch {
		case by[a] > by[b]:
			return -1
		case by[a] < by[b]:
			return 1
		}
		return 0
	})
	for _, k := range order {
		report(k.String(), by[k])
	}
	return nil
}

func (e *cardEngine) close() {
	e.ex.Close()   //nolint:errcheck // nothing left to do with it
	e.bank.Close() //nolint:errcheck // the same
}
