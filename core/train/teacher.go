package train

import (
	"fmt"

	"pare/core/data"
	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
)

// teacher is a frozen model whose logits a training step learns from besides the
// labels. It runs as in inference: no dropout, batch norm by its running statistics.
type teacher struct {
	ex      device.Exec // with its bank
	plan    *device.Plan
	weights []device.Weight
	out     []float32 // [Batch][logits of a sample]
	per     int
}

// newTeacher puts m on dev for batches of the student's. Its weights have no gradients
// and no state.
func newTeacher(m *graph.Model, student *graph.Model, dev device.Device, o Options) (*teacher, error) {
	a, b := m.Values[m.Output], student.Values[student.Output]
	if a.Len() != b.Len() || a.Seq != b.Seq {
		return nil, fmt.Errorf("the teacher %s scores %d values, %s has %d: take one with the same classes", m.Name, a.Len(), student.Name, b.Len())
	}
	t := &teacher{weights: plan.Weights(m, plan.Choose(m, dev, o.Prices)), per: a.Len()}
	for i := range t.weights {
		t.weights[i].Train = false
	}
	var err error
	if t.plan, err = plan.Build(m, dev, plan.Options{Mode: plan.Infer, Batch: o.Batch, Micros: o.Micros}); err != nil {
		return nil, err
	}
	if t.ex, err = device.Alone(dev, t.plan, t.weights, 0, o.Threads, func(i int) []float32 { return m.Params[i].Data }); err != nil {
		return nil, fmt.Errorf("teacher: %w", err)
	}
	t.out = make([]float32, o.Batch*t.per)
	return t, nil
}

// logits are the teacher's of a batch, of which it looks at n samples from the first on, until
// the next one.
func (t *teacher) logits(b *data.Batch, first, n int) ([]float32, error) {
	out := t.out[:len(b.Rows)*t.per]
	if n == 0 {
		return out, nil
	}
	s := &device.Step{X: b.X, Rows: b.Rows[first : first+n], Out: out[first*t.per : (first+n)*t.per]}
	if _, err := device.RunParts(t.ex, t.plan, s); err != nil {
		return nil, fmt.Errorf("teacher: %w", err)
	}
	return out, nil
}
