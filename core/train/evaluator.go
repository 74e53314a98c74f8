package train

import (
	"pare/core/data"
	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
)

// Evaluator runs a model on dense kernels, whatever its masks, and does not train it:
// weights can be changed between evaluations. Not safe for concurrent use.
type Evaluator struct{ t *Trainer }

// NewEvaluator puts m on dev, for batches that are no larger than what a trainer of these
// options runs in one go; of these only Batch, Micros and Threads count. m stays as it is.
func NewEvaluator(m *graph.Model, dev device.Device, o Options) (*Evaluator, error) {
	if o.Threads <= 0 {
		o.Threads = Procs()
	}
	t := &Trainer{Model: m, dev: dev, o: o, Weights: plan.Weights(m, nil)}
	if err := t.evaluates(); err != nil {
		t.Close()
		return nil, err
	}
	return &Evaluator{t}, nil
}

// evaluates puts the model on the device.
func (t *Trainer) evaluates() (err error) {
	m, dev := t.Model, t.dev
	if t.bank, err = dev.NewBank(t.Weights, 0); err != nil {
		return err
	}
	for i, p := range m.Params {
		if err := t.bank.Set(i, p.Data); err != nil {
			return err
		}
	}
	p, err := plan.Build(m, dev, plan.Options{Mode: plan.Eval, Batch: t.evalBatch()})
	if err != nil {
		return err
	}
	t.eval, err = dev.Compile(p, t.bank, t.o.Threads)
	return err
}

// Set replaces the values of a parameter, row-major, on the device only.
func (e *Evaluator) Set(param int, values []float32) error { return e.t.bank.Set(param, values) }

// Eval is Trainer.Eval without the predictions.
func (e *Evaluator) Eval(set *data.Set) (Score, error) { return e.t.Eval(set, nil) }

// Close frees the device's side.
func (e *Evaluator) Close() { e.t.Close() }

// MeasurePairs has dev choose, for the batch of an evaluation of m by a trainer of these
// options, between 2:4 and dense products, and says so in cs, the formats of m's layers. Of the
// options only Batch and Micros count; none: as much as is evaluated at a time. No values are
// needed.
func MeasurePairs(m *graph.Model, dev device.Device, o Options, cs []plan.Choice) error {
	ws := plan.Weights(m, cs)
	for i := range ws {
		ws[i].Train = false
	}
	p, err := plan.Build(m, dev, plan.Options{Mode: plan.Infer, Batch: o.evalBatch(m)})
	if err != nil {
		return err
	}
	bank, err := dev.NewBank(ws, 0)
	if err != nil {
		return err
	}
	defer bank.Close() //nolint:errcheck // nothing left to do with it
	e, err := dev.Compile(p, bank, 0)
	if err != nil {
		return err
	}
	plan.Settle(cs, plan.Measured("evaluation", e))
	return e.Close()
}
