package onnx

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"pare/core/device"
	"pare/core/device/ref"
	"pare/core/graph"
	"pare/core/plan"
)

// forward runs m on n samples with the scalar device and returns its outputs,
// row-major [n][classes].
func forward(t testing.TB, m *graph.Model, x []float32, n int) []float32 {
	t.Helper()
	dev := ref.New()
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
	exec, err := dev.Compile(p, bank, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Close()
	y := make([]float32, n*max(m.Values[m.Output].Seq, 1)*m.Classes())
	if _, err := exec.Run(&device.Step{X: x, N: n, Out: y}); err != nil {
		t.Fatal(err)
	}
	return y
}

// worst is the largest absolute difference; NaN if there is one anywhere.
func worst(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	d := 0.0
	for i := range a {
		e := math.Abs(float64(a[i]) - float64(b[i]))
		if math.IsNaN(e) {
			return e
		}
		d = max(d, e)
	}
	return d
}

type reference struct {
	InputShape  []int     `json:"input_shape"`
	Input       []float32 `json:"input"`
	LogitsShape []int     `json:"logits_shape"`
	Logits      []float32 `json:"logits"`
}

// The models that PyTorch wrote, in both export styles, give the logits that PyTorch
// computed, within 2e-4, and are the same after a round trip.
func TestImportOracle(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(oracles(t), "onnx-*", "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no onnx-*/*.onnx in %s (%v)", oracles(t), err)
	}
	for _, path := range files {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir)+"/"+filepath.Base(path), func(t *testing.T) {
			js, err := os.ReadFile(filepath.Join(dir, "reference.json"))
			if err != nil {
				t.Fatal(err)
			}
			var r reference
			if err := json.Unmarshal(js, &r); err != nil {
				t.Fatal(err)
			}
			m, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if in := m.Input(); in.Len()*r.InputShape[0] != len(r.Input) || m.Classes() != r.LogitsShape[len(r.LogitsShape)-1] {
				t.Fatalf("reads %v and gives %d classes; the reference has %v and %v", in, m.Classes(), r.InputShape, r.LogitsShape)
			}
			y := forward(t, m, r.Input, r.InputShape[0])
			d := worst(y, r.Logits)
			if !(d <= 2e-4) {
				t.Errorf("logits are off by %g", d)
			}
			t.Logf("logits within %.1g", d)
			if _, err := plan.Build(m, ref.New(), plan.Options{Mode: plan.Train, Batch: 2}); err != nil {
				t.Errorf("cannot be trained: %v", err)
			}
			positiveZeros(m)
			roundTrip(t, m)
		})
	}
}

// positiveZeros makes +0 of every −0, as Export does.
func positiveZeros(m *graph.Model) {
	for _, p := range m.Params {
		for i, v := range p.Data {
			if v == 0 {
				p.Data[i] = 0
			}
		}
	}
}
