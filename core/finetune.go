package core

import (
	"fmt"

	"pare/core/event"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/train"
)

// fineTuned measures a training step with the adapters against one that trains all
// weights of the same model, in alternation, and sets beside it what the plans' calls
// say: multiply-adds, bytes, and the time that the hardware's profile makes of them.
func (r *run) fineTuned() error {
	with, err := r.copyTrainer()
	if err != nil {
		return err
	}
	defer with.Close()
	m := r.model.Clone()
	e := &event.FineTune{Stage: r.loop.Stage, Step: r.loop.Step, Rounds: alternations}
	for _, a := range m.Adapters() {
		e.Layers = append(e.Layers, a.Layer)
	}
	for _, p := range m.Params {
		if p.Role != graph.Running && !p.Frozen {
			e.Trainable += int64(p.Shape.Len())
		}
	}
	for _, l := range e.Layers {
		if _, err := (graph.MergeLoRA{Layer: l}).Apply(m); err != nil {
			return err
		}
	}
	if _, err := (graph.Thaw{}).Apply(m); err != nil {
		return err
	}
	o, err := r.trainerOptions()
	if err != nil {
		return err
	}
	full, err := train.New(m, r.dev, o, nil)
	if err != nil {
		return err
	}
	defer full.Close()
	e.Of, _ = m.NumParams()
	rows := r.firstBatch()
	e.Batch = len(rows)
	step := func(t *train.Trainer) func(int) error {
		return func(i int) error {
			_, err := t.Step(r.set.Train, rows, 0, int64(i+1))
			return err
		}
	}
	costs, still, err := r.alternate(step(with), step(full))
	if err != nil {
		return err
	}
	var predicted [2]*float64
	for i, x := range []struct {
		t  *train.Trainer
		to *event.StepSide
	}{{with, &e.Adapters}, {full, &e.Full}} {
		cpu, half := train.Mean(column(costs[i], func(c cost) float64 { return c.cpuUS }))
		c := plan.Total(plan.Costs(x.t.Plan, x.t.Weights, len(rows)))
		*x.to = event.StepSide{CPUUS: cpu, Band: percent(half, cpu), Energy: meanJoules(costs[i]), MACs: c.MACs - c.Skipped, Bytes: c.Read + c.Written}
		w, err := count(x.t.Model, r.dev, precisionOn(r.hw, r.r.Hardware.Device), plan.Options{Mode: plan.Train, Batch: len(rows), Micros: o.Micros, Recompute: o.Recompute, Optim: o.Optim}, nil)
		if err != nil {
			return err
		}
		predicted[i] = r.hw.Estimate(w.dense()).Seconds
	}
	e.Saved = saved(e.Adapters.CPUUS, e.Full.CPUUS)
	if a, b := predicted[0], predicted[1]; a != nil && b != nil {
		s := saved(*a, *b)
		e.Predicted = &s
	}
	e.Text = fineTuneText(e, r.timeName(), still)
	return r.emit(e)
}

// saved is the share that a saves of b; negative where it costs more.
func saved(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return 1 - a/b
}

func fineTuneText(e *event.FineTune, time string, still stood) string {
	text := fmt.Sprintf("a step with adapters takes %.0f µs of %s, one that trains all weights %.0f µs: %s %%", e.Adapters.CPUUS, time, e.Full.CPUUS, signed(-100*e.Saved, 1))
	text += fmt.Sprintf("; multiply-adds %s %%, bytes %s %%", signed(-100*saved(float64(e.Adapters.MACs), float64(e.Full.MACs)), 1), signed(-100*saved(float64(e.Adapters.Bytes), float64(e.Full.Bytes)), 1))
	if e.Predicted != nil {
		text += fmt.Sprintf(", predicted from both %s %%", signed(-100**e.Predicted, 1))
	}
	text += fmt.Sprintf("; %d of %d values train", e.Trainable, e.Of)
	if s := still.String(); s != "" {
		text += "; " + s
	}
	return text
}
