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
)

// cardRule is the optimiser of all contenders.
var cardRule = device.Optim{Kind: device.AdamW, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1}

// cardPlan is the plan of a training step, with the weights it runs on.
func cardPlan(m *treated, dev device.Device, batch int) (*device.Plan, []device.Weight, error) {
	p, err := plan.Build(m.Model, dev, plan.Options{Mode: plan.Train, Batch: batch, Optim: cardRule})
	return p, plan.Weights(m.Model, nil), err
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
func openCard(m *treated, card device.Card, batch int) (*cardEngine, error) {
	before, err := card.Free()
	if err != nil {
		return nil, err
	}
	e := &cardEngine{}
	if err = e.open(m, card, batch); err == nil {
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

func (e *cardEngine) open(m *treated, dev device.Device, batch int) error {
	p, ws, err := cardPlan(m, dev, batch)
	if err != nil {
		return err
	}
	e.plan = p
	if e.bank, err = dev.NewBank(ws, cardRule.Slots()); err != nil {
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
	r, err := e.ex.Run(&e.step)
	if err == nil && r.Loss != r.Loss {
		err = fmt.Errorf("step %d: the loss is not a number", e.step.Index)
	}
	return err
}

func (e *cardEngine) window(w time.Duration) (float64, error) { return of("", 0, e.run).run(w) }

func (e *cardEngine) memory() float64 { return e.held }

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
