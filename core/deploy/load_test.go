package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core/model/safetensors"
	"pare/core/tensor"
)

// TestLoad: files on disk, and the line a person reads when one is bad: it
// names the file, the tensor, and what to do.
func TestLoad(t *testing.T) {
	m := net(t, 1, 5, 6, 3)
	m.Name = "shop"
	for _, name := range []string{"conv.weight", "fc.weight"} {
		p := &m.Params[m.Param(name)]
		p.Mask = tensor.NewMask(len(p.Data))
		p.Mask.Drop(2)
		if name == "fc.weight" {
			clear(p.Mask.Bits) // whole blocks
		}
		p.Mask.Apply(p.Data)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "shop.safetensors")
	if err := os.WriteFile(path, written(t, m, Packed), 0o644); err != nil {
		t.Fatal(err)
	}
	back, err := Load(path)
	if err != nil || back.WeightHash() != m.WeightHash() || back.Name != "shop" {
		t.Fatalf("%v, %+v", err, back)
	}
	if _, err := Load(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "none")) {
		t.Errorf("no file: %v", err)
	}
	type file = safetensors.File
	change := func(name string, f func(x *safetensors.Tensor)) func(*file) {
		return func(s *file) {
			x, ok := s.Get(name)
			if !ok {
				t.Fatalf("no %s", name)
			}
			f(x)
		}
	}
	gone := func(name string) func(*file) { return change(name, func(x *safetensors.Tensor) { x.Name = "gone" }) }
	meta := func(key, v string) func(*file) { return func(s *file) { s.Meta[key] = v } }
	swap := func(old, new string) func(*file) {
		return func(s *file) {
			g := strings.Replace(s.Meta["graph"], old, new, 1)
			if g == s.Meta["graph"] {
				t.Fatalf("no %s in %s", old, g)
			}
			s.Meta["graph"] = g
		}
	}
	for _, c := range []struct {
		want  string
		spoil func(*file)
	}{
		{"holds weights but no model: only .safetensors files written by pare", func(s *file) { delete(s.Meta, "graph") }},
		{`another version of pare (format "9", this program reads 1)`, meta("pare_version", "9")},
		{`neither packed nor plain, but "zipped"`, meta("pare", "zipped")},
		{"its model description does not parse", meta("graph", `{"nodes":7}`)},
		{"its model description does not parse", meta("graph", "")},
		{"its model description is not sound: model \"\" has no layers", meta("graph", "{}")},
		{"has no layers", meta("graph", "null")},
		{"node fc: no parameter 99", swap(`"params":[6,7]`, `"params":[6,99]`)},
		{"needs a window", swap(`"win":{`, `"won":{`)},
		{"padding -1", swap(`"PT":1`, `"PT":-1`)},
		{"parameter bn.weight: shape 7", swap(`{"name":"bn.weight","shape":[5]`, `{"name":"bn.weight","shape":[7,0]`)},
		{"parameter fc.bias: missing from the file", gone("fc.bias")},
		{"parameter out.weight: missing from the file", gone("out.weight")},
		{"parameter conv.weight: missing from the file", gone("conv.weight.mask")},
		{"parameter conv.weight: missing from the file", gone("conv.weight.values")},
		{"parameter fc.weight: missing from the file", gone("fc.weight.blocks")},
		{"parameter fc.weight: fc.weight.index is missing", gone("fc.weight.index")},
		{"parameter fc.weight: fc.weight.rows is missing", gone("fc.weight.rows")},
		{"parameter out.weight is 6×3 in the file, the model needs 3×6", change("out.weight", func(x *safetensors.Tensor) { x.Shape = []int{6, 3} })},
		{"needed as floating point", change("out.weight", func(x *safetensors.Tensor) { x.DType = "I32" })},
		{"parameter fc.weight: tensor \"fc.weight.rows\": is F32, needed as integers", change("fc.weight.rows", func(x *safetensors.Tensor) { x.DType = "F32" })},
		{"fc.weight.rows holds -1, which is no index", change("fc.weight.rows", func(x *safetensors.Tensor) { copy(x.Data, "\xff\xff\xff\xff") })},
		{"parameter fc.weight: block format: row pointers do not cover", change("fc.weight.rows", func(x *safetensors.Tensor) { x.Data[0] = 1 })},
		{"parameter conv.weight: its mask does not fit: 6 bytes for 45 elements and 43 kept values", change("conv.weight.values", func(x *safetensors.Tensor) { x.Shape, x.Data = []int{43}, x.Data[4:] })},
		{"its mask does not fit", change("conv.weight.mask", func(x *safetensors.Tensor) { x.Data[5] |= 0x80 })}, // past the end
		{"its mask does not fit", change("conv.weight.mask", func(x *safetensors.Tensor) { x.Data[0] ^= 1 })},
	} {
		s, err := safetensors.Parse(written(t, m, Packed))
		if err != nil {
			t.Fatal(err)
		}
		c.spoil(s)
		b, err := safetensors.Marshal(s.Tensors, s.Meta)
		if err != nil {
			t.Fatal(err)
		}
		bad := filepath.Join(dir, "bad.safetensors")
		if err := os.WriteFile(bad, b, 0o644); err != nil {
			t.Fatal(err)
		}
		switch _, err := Load(bad); {
		case err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), bad):
			t.Errorf("%v, want %q", err, c.want)
		case strings.Contains(err.Error(), "\n"):
			t.Errorf("more than one line: %q", err)
		case !strings.Contains(err.Error(), "export") && !strings.Contains(err.Error(), "save it as") && !strings.Contains(err.Error(), "give the"):
			t.Errorf("no way out: %v", err)
		}
	}
}

// TestHugeModel: a small file that describes a huge model is refused before
// room is made for it.
func TestHugeModel(t *testing.T) {
	const graphJSON = `{"name":"huge","values":[{"c":536870912,"h":1,"w":1},{}],"params":[{"name":"w","shape":[3,536870912],"role":"weight"}],
		"nodes":[{"name":"fc","op":"linear","attrs":{},"in":[0],"out":1,"params":[0]}],"output":1}`
	b, err := safetensors.Marshal([]safetensors.Tensor{
		safetensors.FromFloat32("w.blocks", []int{0, 4}, nil), safetensors.FromInt32("w.index", []int{0}, nil), safetensors.FromInt32("w.rows", []int{2}, []int32{0, 0}),
	}, map[string]string{"pare": Packed, "pare_version": version, "graph": graphJSON})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(b); err == nil || !strings.Contains(err.Error(), "describes a model of 1610612736 values, but holds only 8 bytes") {
		t.Fatal(err)
	}
}

// TestNamelessGraphs: a graph whose name says nothing is called as its file, so that two
// models of one exporter can be told apart.
func TestNamelessGraphs(t *testing.T) {
	b, err := os.ReadFile("../model/onnx/testdata/oracles/onnx-resnet/model.onnx") // PyTorch calls it main_graph
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "shop v2.onnx")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if m, err := Open(path); err != nil || m.Name != "shop-v2" {
		t.Errorf("%v, called %q", err, m.Name)
	}
}
