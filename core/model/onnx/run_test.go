package onnx

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"pare/core/device/ref"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/plan/devicetest"
)

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
			y := devicetest.Outputs(t, ref.New(), m, r.Input)
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
