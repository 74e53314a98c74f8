package onnx

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core/device/ref"
	"pare/core/plan"
	"pare/core/plan/devicetest"
)

// exported is what stands beside a file that testdata/exported.py made: the length of
// sequences where the file leaves it open, inputs, and what ONNX Runtime computes.
type exported struct {
	N, Seq int
	X, Y   []float32
}

// Small networks of many architectures, as PyTorch's exporters write them in several
// operator sets: they give ONNX Runtime's outputs, can be trained, and are the same after
// a round trip. PARE_ONNX_FILES names a folder with more of them.
func TestExportedFiles(t *testing.T) {
	dirs := []string{"testdata/exported"}
	if d := os.Getenv("PARE_ONNX_FILES"); d != "" {
		dirs = append(dirs, d)
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			t.Fatalf("no .onnx in %s", dir)
		}
		for _, path := range files {
			t.Run(strings.TrimSuffix(filepath.Base(path), ".onnx"), func(t *testing.T) {
				js, err := os.ReadFile(path + ".json")
				if err != nil {
					t.Fatal(err)
				}
				var e exported
				if err := json.Unmarshal(js, &e); err != nil {
					t.Fatal(err)
				}
				m, err := OpenWith(path, ImportOptions{Seq: e.Seq})
				if err != nil {
					t.Fatal(err)
				}
				if d := worst(devicetest.Outputs(t, ref.New(), m, e.X), e.Y); !(d <= 1e-4) {
					t.Errorf("off by %g", d)
				}
				if _, err := plan.Build(m, ref.New(), plan.Options{Mode: plan.Train, Batch: 2}); err != nil {
					t.Errorf("cannot be trained: %v", err)
				}
				positiveZeros(m)
				roundTripOf(t, m, ImportOptions{Seq: e.Seq})
			})
		}
	}
}
