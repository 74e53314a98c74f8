package core_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pare/core"
	"pare/core/model/onnx"
)

// TestRunOnlyExternal: a file that the engine cannot hold runs with weights that lie
// beside it, and says which file is missing where they do not.
func TestRunOnlyExternal(t *testing.T) {
	dir := t.TempDir()
	var raw []byte
	for _, v := range []float32{1, 2, 3, 4, 5, 6} {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	f := func(name string, dims ...int64) onnx.ValueInfo {
		v := onnx.ValueInfo{Name: name, Type: &onnx.TensorType{Elem: onnx.Float, HasShape: true}}
		for _, d := range dims {
			v.Type.Shape = append(v.Type.Shape, onnx.Dim{Value: d})
		}
		return v
	}
	b, err := onnx.Encode(&onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{
		Name: "g", Inputs: []onnx.ValueInfo{f("x", 1, 3)}, Outputs: []onnx.ValueInfo{f("y", 1, 2)},
		Nodes:        []onnx.Node{{Op: "MatMul", Inputs: []string{"x", "w"}, Outputs: []string{"z"}}, {Op: "Softsign", Inputs: []string{"z"}, Outputs: []string{"y"}}},
		Initializers: []onnx.Tensor{{Name: "w", Type: onnx.Float, Dims: []int64{3, 2}, Location: 1, External: []onnx.KV{{Key: "location", Value: "w.bin"}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	path, in, data := filepath.Join(dir, "m.onnx"), filepath.Join(dir, "x.json"), filepath.Join(dir, "w.bin")
	for name, b := range map[string][]byte{path: b, in: []byte(`{"x":{"shape":[1,3],"data":[1,0,-1]}}`), data: raw} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, why := core.LoadModel(path)
	if why == nil || !strings.Contains(why.Error(), "Softsign") {
		t.Fatalf("%v, want the operator that is not supported", why)
	}
	r, err := core.OpenRunOnly(path, why)
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.Predict(in, 1)
	if err != nil {
		t.Fatal(err)
	}
	y := out["outputs"]["y"].Data.([]float32)
	if len(y) != 2 || y[0] != -4./5 || y[1] != -4./5 {
		t.Errorf("%v, want −4/5 twice", y)
	}
	if err := os.Remove(data); err != nil {
		t.Fatal(err)
	}
	if _, err := core.LoadModel(path); err == nil || !strings.Contains(err.Error(), `"w.bin"`) || !strings.Contains(err.Error(), "copy it there") {
		t.Errorf("without its weights: %v", err)
	}
}

// TestRunOnlyTruths: inputs and outputs of true and false, as JSON writes them.
func TestRunOnlyTruths(t *testing.T) {
	dir := t.TempDir()
	port := func(name string) onnx.ValueInfo {
		return onnx.ValueInfo{Name: name, Type: &onnx.TensorType{Elem: onnx.Bool, HasShape: true, Shape: []onnx.Dim{{Value: 3}}}}
	}
	b, err := onnx.Encode(&onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{
		Name: "g", Inputs: []onnx.ValueInfo{port("a"), port("b")}, Outputs: []onnx.ValueInfo{port("y")},
		Nodes: []onnx.Node{{Op: "Xor", Inputs: []string{"a", "b"}, Outputs: []string{"y"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	path, in := filepath.Join(dir, "m.onnx"), filepath.Join(dir, "x.json")
	for name, b := range map[string][]byte{path: b, in: []byte(`{"a":{"shape":[3],"data":[true,false,true]},"b":{"shape":[3],"data":[1,0,false]}}`)} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, why := core.LoadModel(path)
	r, err := core.OpenRunOnly(path, why)
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.Predict(in, 1)
	if err != nil {
		t.Fatal(err)
	}
	if y := out["outputs"]["y"].Data.([]bool); !slices.Equal(y, []bool{false, false, true}) {
		t.Errorf("%v", y)
	}
}
