package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core/model/onnx"
)

// TestPredictNodeByNode: a file that the engine cannot hold runs on the processor with
// --threads, and refuses another device in place of leaving it unused.
func TestPredictNodeByNode(t *testing.T) {
	dir := t.TempDir()
	f := func(name string) onnx.ValueInfo {
		return onnx.ValueInfo{Name: name, Type: &onnx.TensorType{Elem: onnx.Float, HasShape: true, Shape: []onnx.Dim{{Value: 1}, {Value: 3}}}}
	}
	b, err := onnx.Encode(&onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{
		Name: "g", Inputs: []onnx.ValueInfo{f("x")}, Outputs: []onnx.ValueInfo{f("y")},
		Nodes: []onnx.Node{{Op: "Softsign", Inputs: []string{"x"}, Outputs: []string{"y"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	path, in := filepath.Join(dir, "m.onnx"), filepath.Join(dir, "x.json")
	for name, b := range map[string][]byte{path: b, in: []byte(`{"x":{"shape":[1,3],"data":[1,0,-1]}}`)} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		flags []string
		code  int
		says  string
	}{
		{nil, 0, "[0.5,0,-0.5]"},
		{[]string{"--threads", "1", "--device", "cpu"}, 0, "[0.5,0,-0.5]"},
		{[]string{"--device", "cuda"}, 2, "runs node by node, on the processor alone: leave --device cuda out"},
		{[]string{"--device", "cuda:bf16"}, 2, "leave --device cuda:bf16 out"},
		{[]string{"--device", "foo"}, 1, `device "foo" is not known`},
	} {
		code, out, errs := call(t, append([]string{"predict", path, "--input", in}, c.flags...)...)
		if code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("%v: exit %d\n%s%s", c.flags, code, out, errs)
		}
	}
}
