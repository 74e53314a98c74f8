package bench

import (
	"math/rand/v2"
	"time"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/prune"
	"pare/core/tensor"
)

// engine is a model on the cpu device with random weights, masks and data.
type engine struct {
	ex     device.Exec
	plan   *device.Plan
	step   device.Step
	chosen []plan.Choice // by prices
}

type engineOptions struct {
	mode           plan.Mode
	batch, threads int
	share               // of blocks that random masks drop, and their format
	all            bool // also in the last layer
	inGrad         bool
	prices         *plan.Prices // the chooser picks the formats, whatever the masks' is
}

func newEngine(m *graph.Model, o engineOptions) (*engine, error) {
	r := rand.New(rand.NewPCG(1, 2))
	var formats []plan.Choice
	if layers := m.Layers(); o.format != tensor.Dense {
		if last := layers[len(layers)-1]; !o.all && last.Node == len(m.Nodes)-1 {
			layers = layers[:len(layers)-1]
		}
		for _, l := range layers {
			p := &m.Params[l.Param]
			if o.format == tensor.NM24 {
				mask, err := prune.TwoOfFour(random(r, p.Shape.Len()), p.Shape)
				if err != nil || len(p.Shape) != 2 || o.mode != plan.Infer {
					continue // stays dense: for one sample at a time, and inputs in fours
				}
				p.Mask, p.Frozen = mask, true
			} else {
				p.Mask = randomMask(r, p.Shape, o.format.Height(), o.zeros)
			}
			formats = append(formats, plan.Choice{Param: l.Param, Format: o.format})
		}
	}
	dev, rule := cpu.New(), device.Optim{Momentum: 0.9}
	if o.prices != nil {
		formats = plan.Choose(m, dev, *o.prices)
	}
	ws := plan.Weights(m, formats)
	if o.mode == plan.Infer { // as package infer has them
		rule = device.Optim{}
		for i := range ws {
			ws[i].Train = false
		}
	}
	values := func(i int) []float32 {
		x := make([]float32, ws[i].Shape.Len())
		for k := range x {
			x[k] = 1
			if ws[i].Matrix {
				x[k] = (2*r.Float32() - 1) / float32(ws[i].K())
			}
		}
		return x
	}
	p, err := plan.Build(m, dev, plan.Options{Mode: o.mode, Batch: o.batch, Optim: rule, InGrad: o.inGrad})
	if err != nil {
		return nil, err
	}
	ex, err := device.Alone(dev, p, ws, rule.Slots(), o.threads, values)
	if err != nil {
		return nil, err
	}
	e := &engine{ex: ex, plan: p, chosen: formats}
	e.step = device.Step{X: random(r, o.batch*m.Input().Len()), Labels: make([]int32, p.Rows(o.batch)), N: o.batch, LR: 1e-3, Index: 1}
	if m.Nodes[0].Op == "embedding" {
		for i := range e.step.X {
			e.step.X[i] = float32(r.IntN(m.Params[m.Nodes[0].Params[0]].Shape[0]))
		}
	}
	for i := range e.step.Labels {
		e.step.Labels[i] = int32(r.IntN(m.Classes()))
	}
	if o.mode == plan.Infer {
		e.step.Out = make([]float32, o.batch*m.Values[m.Output].Len())
	}
	return e, nil
}

// randomMask drops that share of the blocks of r outputs × 1 input.
func randomMask(rnd *rand.Rand, s tensor.Shape, r int, zeros float64) *tensor.Mask {
	m := tensor.NewMask(s.Len())
	inputs := s[1:].Len()
	for n := 0; n < s[0]; n += r {
		for k := range inputs {
			if rnd.Float64() < zeros {
				for i := n; i < min(n+r, s[0]); i++ {
					m.Drop(i*inputs + k)
				}
			}
		}
	}
	return m
}

func (e *engine) run() error {
	_, err := e.ex.Run(&e.step)
	return err
}

// callTime is the time per step that the calls of a kernel take: their share of
// the time of all calls, summed over workers, times what passes on the clock.
func (e *engine) callTime(k device.Kernel, window time.Duration) (float64, error) {
	e.ex.Probe(true)
	defer e.ex.Probe(false)
	start, n := time.Now(), 0
	for n == 0 || time.Since(start) < window {
		if err := e.run(); err != nil {
			return 0, err
		}
		n++
	}
	wall := time.Since(start).Seconds() / float64(n)
	all, mine, i := time.Duration(0), time.Duration(0), 0
	times := e.ex.Times()
	for _, r := range e.plan.Regions {
		for _, c := range r.Calls {
			if all += times[i]; c.Kernel == k {
				mine += times[i]
			}
			i++
		}
	}
	return wall * mine.Seconds() / all.Seconds(), nil
}

func (e *engine) close() { e.ex.Close() } //nolint:errcheck // nothing left to do with it
