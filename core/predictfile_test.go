package core_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pare/core"
	"pare/core/device/cpu"
	"pare/core/device/ref"
	"pare/core/infer"
	"pare/core/model/zoo"
)

// TestPredictFile: predict says what package infer says, and what the scalar
// device says to its last digits, whatever the number of samples.
func TestPredictFile(t *testing.T) {
	m, _, err := zoo.New("lenet-300-100", 1, zoo.Input{C: 1, H: 28, W: 28}, 10)
	if err != nil {
		t.Fatal(err)
	}
	m.OutputName = "scores"
	n, err := infer.New(m)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for _, b := range []int{1, 3, 70} {
		x := make([]float32, b*784)
		for i := range x {
			x[i] = float32(i%7) - 3
		}
		js, err := json.Marshal(map[string]core.Tensor{"input": {Shape: []int{b, 784}, Data: x}})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "x.json")
		if err := os.WriteFile(path, js, 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := core.PredictFile(m, cpu.New(), path, 2)
		if err != nil {
			t.Fatal(err)
		}
		slow, err := core.PredictFile(m, ref.New(), path, 1)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]float32, b*10)
		if err := n.Run(x, want); err != nil {
			t.Fatal(err)
		}
		y := got.Outputs["scores"]
		if len(y.Data) != b*10 || y.Shape[0] != b || y.Shape[1] != 10 {
			t.Fatalf("%d samples: %v, %d values", b, y.Shape, len(y.Data))
		}
		for i, v := range y.Data {
			if v != want[i] || math.Abs(float64(v-slow.Outputs["scores"].Data[i])) > 1e-4 {
				t.Fatalf("%d samples: output %d is %g, infer says %g, ref %g", b, i, v, want[i], slow.Outputs["scores"].Data[i])
			}
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(js), "784", "783", 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := core.PredictFile(m, cpu.New(), path, 1); err == nil {
			t.Error("a wrong shape passed")
		}
	}
}

// TestPredictFileSequence: a model of sequences says which token has which logits.
func TestPredictFileSequence(t *testing.T) {
	m, err := zoo.GPT{Layers: 1, Width: 16, Heads: 2, Vocabulary: 20, Tokens: 3}.Build("gpt", 1)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{"input": {"shape": [2, 3], "data": [1, 2, 3, 4, 5, 6]}}`: "",
		`{"input": {"shape": [2, 2], "data": [1, 2, 3, 4]}}`:       "takes [B, 3, 1] or [B, 3]",
		`{"input": {"shape": [1, 3], "data": [1, 2, 20]}}`:         "whole numbers from 0 to 19",
	} {
		path := filepath.Join(t.TempDir(), "x.json")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := core.PredictFile(m, cpu.New(), path, 1)
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", text, err, want)
		case want == "" && err != nil:
			t.Error(err)
		case want == "":
			if s := got.Outputs["logits"].Shape; !slices.Equal(s, []int{2, 3, 20}) {
				t.Errorf("%s: %v", text, s)
			}
		}
	}
}
