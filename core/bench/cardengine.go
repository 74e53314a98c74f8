package bench

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"pare/core/device"
	"pare/core/plan"
	"pare/core/tensor"
)

// cardRule is the optimiser of all contenders.
var cardRule = device.Optim{Kind: device.AdamW, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1}

// cardPlan is the plan of a training step or an inference, with the weights it runs on.
func (s *setup) cardPlan(m *treated) (*device.Plan, []device.Weight, error) {
	o := plan.Options{Mode: plan.Train, Batch: s.Batch, Micros: s.Accumulate, Recompute: s.Recompute, Optim: cardRule}
	if s.Infer {
		o = plan.Options{Mode: plan.Infer, Batch: s.Batch}
	}
	var pairs []plan.Choice
	for _, l := range m.Layers() {
		if q := m.Params[l.Param]; s.Device.Supports(device.Linear, tensor.NM24) && tensor.TwoInFour(q.Mask, q.Shape[0], q.Shape[1:].Len()) {
			pairs = append(pairs, plan.Choice{Param: l.Param, Format: tensor.NM24})
		}
	}
	p, err := plan.Build(m.Model, s.Device, o)
	ws := plan.Weights(m.Model, pairs)
	for i := range ws {
		ws[i].Train = ws[i].Train && !s.Infer
	}
	return p, ws, err
}

// cardEngine is our side: a model on the card, ready for steps on random ids.
type cardEngine struct {
	bank device.Bank
	ex   device.Exec
	plan *device.Plan
	step device.Step
	held float64 // MiB
}

// openCard brings a model on the card and takes a first step.
func (s *setup) openCard(m *treated, card device.Card) (*cardEngine, error) {
	before, err := card.Free()
	if err != nil {
		return nil, err
	}
	e := &cardEngine{}
	if err = e.open(s, m, card); err == nil {
		err = e.run()
	}
	var after int64
	if err == nil {
		after, err = card.Free()
	}
	if err != nil {
		e.close()
		return nil, err
	}
	e.held = float64(before-after) / (1 << 20)
	return e, nil
}

func (e *cardEngine) open(s *setup, m *treated, dev device.Device) error {
	p, ws, err := s.cardPlan(m)
	if err != nil {
		return err
	}
	e.plan = p
	slots := cardRule.Slots()
	if s.Infer {
		slots = 0
	}
	if e.bank, err = dev.NewBank(ws, slots); err != nil {
		return err
	}
	var buf []float32
	for i := range m.Params {
		x := m.Params[i].Data // of adapters
		if x == nil {
			buf = values(&m.Params[i], uint64(i)<<40, buf)
			x = buf
		}
		if err := e.bank.Set(i, x); err != nil {
			return err
		}
	}
	if e.ex, err = dev.Compile(p, e.bank, 0); err != nil {
		return err
	}
	batch := s.Batch
	ids, labels := m.Input().Seq*batch, batch*p.Per(p.Output)
	vocabulary, classes := m.Params[m.Nodes[0].Params[0]].Shape[0], p.Vals[p.Output].C
	r := rand.New(rand.NewPCG(1, 2))
	e.step = device.Step{X: make([]float32, ids), Labels: make([]int32, labels), N: batch, LR: 1e-4}
	for i := range e.step.X {
		e.step.X[i] = float32(r.IntN(vocabulary))
	}
	for i := range e.step.Labels {
		e.step.Labels[i] = int32(r.IntN(classes))
	}
	return nil
}

func (e *cardEngine) run() error {
	e.step.Index++
	r, err := device.RunParts(e.ex, e.plan, &e.step)
	if err == nil && r.Loss != r.Loss {
		err = fmt.Errorf("step %d: the loss is not a number", e.step.Index)
	}
	return err
}

func (e *cardEngine) window(w time.Duration) (float64, error) { return of("", 0, e.run).run(w) }

func (e *cardEngine) memory() float64 { return e.held }

// TwoFourRow is what a card made of 2:4 products: how many there are, how many leave two of
// four out, and what all take that could be timed, dense and as chosen, ms.
type TwoFourRow struct {
	Products int     `json:"products"`
	Used     int     `json:"used"`
	DenseMS  float64 `json:"dense_ms"`
	NowMS    float64 `json:"now_ms"`
}

// twoFour is nil without 2:4 weights.
func (e *cardEngine) twoFour() *TwoFourRow {
	all := plan.Measured("", e.ex).Of
	if len(all) == 0 {
		return nil
	}
	r := &TwoFourRow{Products: len(all)}
	for _, p := range all {
		now := p.Dense
		if p.Used {
			now, r.Used = p.MS, r.Used+1
		}
		r.DenseMS, r.NowMS = r.DenseMS+p.Dense, r.NowMS+now
	}
	return r
}

// calls reports the time of a step by kernel, the longest first.
func (e *cardEngine) calls(report func(kernel string, ms float64)) error {
	e.ex.Probe(true)
	defer e.ex.Probe(false)
	const n = 5
	for range n {
		if err := e.run(); err != nil {
			return err
		}
	}
	by, order, i := map[string]float64{}, []string(nil), 0
	times := e.ex.Times()
	for _, r := range e.plan.Regions {
		for _, c := range r.Calls {
			k := c.Kernel.String()
			if w := e.bank.Weights(); len(c.W) > 0 && slices.Contains([]device.Kernel{device.Linear, device.LinearDX, device.LinearDW}, c.Kernel) && min(w[c.W[0]].N(), w[c.W[0]].K()) <= cardRank {
				k += " of adapters"
			}
			if _, ok := by[k]; !ok {
				order = append(order, k)
			}
			by[k] += times[i].Seconds() * 1e3 / n
			i++
		}
	}
	slices.SortStableFunc(order, func(a, b string) int {
		switch {
		case by[a] > by[b]:
			return -1
		case by[a] < by[b]:
			return 1
		}
		return 0
	})
	for _, k := range order {
		report(k, by[k])
	}
	return nil
}

func (e *cardEngine) close() {
	if e.ex != nil {
		e.ex.Close() //nolint:errcheck // nothing left to do with it
	}
	if e.bank != nil {
		e.bank.Close() //nolint:errcheck // the same
	}
}

// inParallel calls f for pieces of 0…n−1, on all CPUs.
func inParallel(n int, f func(from, to int)) {
	workers := runtime.GOMAXPROCS(0)
	if n < 1<<16 {
		workers = 1
	}
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() { f(i*n/workers, (i+1)*n/workers) })
	}
	all.Wait()
}
