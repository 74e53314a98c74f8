package devicetest

import (
	"testing"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
)

// Outputs runs m on samples x, row-major [n][F], as in inference, and returns what it
// gives, row-major [n][outputs of a sample].
func Outputs(t testing.TB, dev device.Device, m *graph.Model, x []float32) []float32 {
	t.Helper()
	n := len(x) / m.Input().Len()
	p, err := plan.Build(m, dev, plan.Options{Mode: plan.Infer, Batch: n})
	if err != nil {
		t.Fatal(err)
	}
	bank, err := dev.NewBank(plan.Weights(m, nil), 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range m.Params {
		if err := bank.Set(i, q.Data); err != nil {
			t.Fatal(err)
		}
	}
	ex, err := dev.Compile(p, bank, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer ex.Close() //nolint:errcheck // nothing left to do with it
	y := make([]float32, n*m.Values[m.Output].Len())
	if _, err := ex.Run(&device.Step{X: x, N: n, Out: y}); err != nil {
		t.Fatal(err)
	}
	return y
}
