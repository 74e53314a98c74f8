package core_test

import (
	"encoding/binary"
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
	"pare/core/graph"
	"pare/core/infer"
	"pare/core/model/zoo"
	"pare/core/tensor"
)

// TestPredictFile: predict says what package infer says, bit by bit, and the scalar device
// to its last digits, whatever the number of samples.
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
	for _, b := range []int{1, 3, 7, 8, 70} {
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

// TestPredictFileNumpy: .npy files give what the same numbers in JSON give, in C and in
// Fortran order and of other types.
func TestPredictFileNumpy(t *testing.T) {
	b := &graph.Net{M: graph.New("net", 3, 1, 1)}
	b.Linear("out", 0, 2)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	b.M.Params[0].Data, b.M.Params[1].Data = []float32{1, 2, 3, -1, 0, 5}, []float32{0, 1}
	le := binary.LittleEndian
	floats := func(x ...float32) (b []byte) {
		for _, v := range x {
			b = le.AppendUint32(b, math.Float32bits(v))
		}
		return b
	}
	for name, c := range map[string]struct {
		dict string
		data []byte
		want string
	}{
		"C":       {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", floats(1, 2, 3, 4, 5, 6), ""},
		"Fortran": {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n", floats(1, 4, 2, 5, 3, 6), ""},
		"bytes":   {"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n", []byte{1, 2, 3, 4, 5, 6}, ""},
		"short":   {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", floats(1), "its array: its header (float32 of 2×3) promises 24 bytes, 4 follow"},
		"texts":   {"{'descr': '|S1', 'fortran_order': False, 'shape': (2, 3), }\n", []byte("abcdef"), "holds texts"},
		"objects": {"{'descr': '|O', 'fortran_order': False, 'shape': (2, 3), }\n", nil, "holds Python objects"},
	} {
		path := filepath.Join(t.TempDir(), "x.npy")
		file := append([]byte("\x93NUMPY\x01\x00"), byte(len(c.dict)), byte(len(c.dict)>>8))
		if err := os.WriteFile(path, append(append(file, c.dict...), c.data...), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := core.PredictFile(b.M, cpu.New(), path, 1)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if y := got.Outputs["logits"]; !slices.Equal(y.Data, []float32{14, 15, 32, 27}) {
			t.Errorf("%s: %v", name, y)
		}
	}
}

// TestPredictFileSegments: the ids of tokens and their segments may be given apart, by
// the names that an .onnx file has for them.
func TestPredictFileSegments(t *testing.T) {
	b := &graph.Net{M: graph.NewSequence("net", 2, 3)}
	b.M.InputName = "input_ids"
	x, err := b.M.Append("types", "segment", graph.Attrs{}, []int{b.M.AddParam("types.weight", graph.Table, tensor.Shape{2, 4}, []float32{0, 0, 0, 0, 1, 2, 3, 4})}, b.Embedding("wte", 0, 9, 4), 0)
	if err != nil || b.Err != nil {
		t.Fatal(err, b.Err)
	}
	b.Linear("out", b.Token("last", x, 2), 2)
	for i := range b.M.Params {
		p := &b.M.Params[i]
		p.Data = make([]float32, p.Shape.Len())
		for k := range p.Data {
			p.Data[k] = float32(k%7) - 3
		}
	}
	var outs [][]float32
	for text, want := range map[string]string{
		`{"input": {"shape": [1, 3, 2], "data": [4, 0, 5, 0, 6, 1]}}`:                                                 "",
		`{"input_ids": {"shape": [1, 3], "data": [4, 5, 6]}, "token_type_ids": {"shape": [1, 3], "data": [0, 0, 1]}}`: "",
		`{"input_ids": {"shape": [1, 3], "data": [4, 5, 6]}, "token_type_ids": {"shape": [1, 2], "data": [0, 1]}}`:    "need a segment for each token",
		`{"input_ids": {"shape": [1, 3], "data": [4, 5, 6]}, "attention_mask": {"shape": [1, 3], "data": [1, 1, 1]}}`: "names 2 inputs",
	} {
		path := filepath.Join(t.TempDir(), "x.json")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := core.PredictFile(b.M, cpu.New(), path, 1)
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", text, err, want)
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want == "":
			outs = append(outs, got.Outputs["logits"].Data)
		}
	}
	if len(outs) == 2 && !slices.Equal(outs[0], outs[1]) {
		t.Errorf("given apart %v, together %v", outs[0], outs[1])
	}
}
