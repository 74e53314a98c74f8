package deploy

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pare/core/device/ref"
	"pare/core/graph"
	"pare/core/model/hf"
	"pare/core/model/onnx"
	"pare/core/model/zoo"
	"pare/core/plan/devicetest"
	"pare/core/tensor"
)

// samples are n samples for m: ids with padding behind them, the last row all padding,
// and segments where there are some.
func samples(m *graph.Model, pad, n int) []float32 {
	in := m.Input()
	x := make([]float32, n*in.Len())
	for i := range x {
		if in.Seq == 0 {
			x[i] = float32(i*37%101)/50 - 1
			continue
		}
		row, t := i/in.Len(), i%in.Len()/in.C
		switch id := 1 + (7*t+3*row)%18; {
		case i%in.C == 1:
			x[i] = float32(2 * t / in.Seq)
		case pad < 0:
			x[i] = float32(id)
		case n > 1 && row == n-1, t >= in.Seq-row:
			x[i] = float32(pad)
		case id == pad:
			x[i] = float32(id + 1)
		default:
			x[i] = float32(id)
		}
	}
	return x
}

// padding is the id that attention leaves out, or −1.
func padding(m *graph.Model) int {
	for _, n := range m.Nodes {
		if n.Op == "attention" && len(n.In)%2 == 0 {
			return n.Attrs.Pad
		}
	}
	return -1
}

// cut takes the first channel of every group of FFN neurons or heads away.
func cut(t *testing.T, m *graph.Model) {
	t.Helper()
	groups, err := m.Groups()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range groups {
		if g.Refused != "" || g.Size < 2 {
			continue
		}
		keep := make([]int, g.Size-1)
		for i := range keep {
			keep[i] = i + 1
		}
		if _, err := (graph.CutAxis{Group: g.Name, Keep: keep}).Apply(m); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n == 0 {
		t.Fatal("nothing can be cut")
	}
}

// zeros takes every second weight of the layers, behind a mask.
func zeros(_ *testing.T, m *graph.Model) {
	for _, l := range m.Layers() {
		p := &m.Params[l.Param]
		p.Mask = tensor.NewMask(p.Shape.Len())
		for i := range p.Data {
			if i%2 == 0 {
				p.Mask.Drop(i)
			}
		}
		p.Mask.Apply(p.Data)
	}
}

// same tests that two models compute the same on the same samples.
func same(t *testing.T, what string, m, got *graph.Model, pad int) {
	t.Helper()
	if m.Input() != got.Input() {
		t.Fatalf("%s: reads %v, not %v", what, got.Input(), m.Input())
	}
	x := samples(m, pad, 3)
	a, b := devicetest.Outputs(t, ref.New(), m, x), devicetest.Outputs(t, ref.New(), got, x)
	if len(a) != len(b) {
		t.Fatalf("%s: %d outputs, not %d", what, len(b), len(a))
	}
	for i := range a {
		if !(math.Abs(float64(a[i]-b[i])) <= 1e-5*max(1, math.Abs(float64(a[i])))) {
			t.Fatalf("%s: output %d is %g, not %g", what, i, b[i], a[i])
		}
	}
}

// export writes m in a format and reads it again; the bytes are also what is read
// gives when it is written.
func export(t *testing.T, m *graph.Model, format string) (*graph.Model, []byte) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "m.safetensors")
	if format == ONNX {
		path = filepath.Join(dir, "m.onnx")
	}
	write := func(m *graph.Model) []byte {
		var b bytes.Buffer
		if err := Write(&b, m, format); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		return b.Bytes()
	}
	b := write(m)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Open(path)
	if err != nil {
		t.Fatalf("%s: %v", format, err)
	}
	if !bytes.Equal(write(got), b) {
		t.Errorf("%s: what was read is written in other bytes", format)
	}
	again, err := Open(path)
	if err != nil || again.WeightHash() != got.WeightHash() {
		t.Errorf("%s: read twice, it differs (%v)", format, err)
	}
	return got, b
}

// runs tests that ONNX Runtime computes what m does, where PARE_ONNX_PYTHON names a Python
// that has it.
func runs(t *testing.T, m *graph.Model, b []byte, pad int) {
	t.Helper()
	python := os.Getenv("PARE_ONNX_PYTHON")
	if python == "" {
		return
	}
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	in := m.Input()
	var cases []map[string]any
	for _, n := range []int{1, 3} {
		x, shape := samples(m, pad, n), []int{n, in.C, in.H, in.W}
		if in.Seq > 0 {
			shape = []int{n, in.Seq, in.C}
		}
		cases = append(cases, map[string]any{"x": x, "shape": shape, "y": devicetest.Outputs(t, ref.New(), m, x)})
	}
	text, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "testdata/runs.py", path)
	cmd.Stdin = bytes.NewReader(text)
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("ONNX Runtime: %v\n%s", err, said)
	}
	t.Logf("%s", bytes.TrimSpace(said))
}

// folders are the folders of Hugging Face: those of PARE_ORACLES, and the ones here.
func folders(t *testing.T) []string {
	t.Helper()
	var dirs []string
	for _, root := range []string{os.Getenv("PARE_ORACLES"), "../model/hf/testdata"} {
		if root != "" {
			d, err := filepath.Glob(filepath.Join(root, "hf-*"))
			if err != nil {
				t.Fatal(err)
			}
			dirs = append(dirs, d...)
		}
	}
	return dirs
}

// TestTransformersOracle: transformers of every kind, as they are, with neurons and heads
// cut away and with zeros, are written in every format, read again, compute the same, and
// are written in the same bytes again; of ONNX, in ONNX Runtime too.
func TestTransformersOracle(t *testing.T) {
	variants := map[string]func(*testing.T, *graph.Model){"dense": nil, "cut": cut, "zeros": zeros}
	check := func(t *testing.T, m *graph.Model) {
		pad := padding(m)
		for _, format := range []string{Packed, Safetensors} {
			got, _ := export(t, m, format)
			if got.WeightHash() != m.WeightHash() {
				t.Errorf("%s: read again it is another model", format)
			}
		}
		got, b := export(t, m, ONNX)
		same(t, ONNX, m, got, pad)
		if len(got.Nodes) != len(m.Nodes) {
			t.Errorf("onnx: %d layers became %d", len(m.Nodes), len(got.Nodes))
		}
		for i, n := range got.Nodes {
			if w := m.Nodes[i]; n.Op != w.Op || n.Name != w.Name || len(n.In) != len(w.In) {
				t.Errorf("onnx: layer %s %s became %s %s", w.Op, w.Name, n.Op, n.Name)
			}
		}
		runs(t, m, b, pad)
	}
	each := func(t *testing.T, build func(t *testing.T) *graph.Model) {
		for _, name := range []string{"dense", "cut", "zeros"} {
			t.Run(name, func(t *testing.T) {
				m := build(t)
				if f := variants[name]; f != nil {
					f(t, m)
				}
				check(t, m)
			})
		}
	}
	for _, dir := range folders(t) {
		d, err := hf.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		options := map[string]hf.Options{filepath.Base(dir): {Tokens: 8}}
		if d.Config.ModelType == "bert" {
			options[filepath.Base(dir)+"/segments"] = hf.Options{Tokens: 8, Segments: true}
			options[filepath.Base(dir)+"/pads"] = hf.Options{Tokens: 8, Pads: true}
		}
		for name, o := range options {
			t.Run(name, func(t *testing.T) {
				each(t, func(t *testing.T) *graph.Model {
					m, err := d.Build(o)
					if err != nil {
						t.Fatal(err)
					}
					return m
				})
			})
		}
	}
	for _, name := range []string{"gpt-nano", "bert-mini"} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() {
				t.Skip("a model of the zoo is large for the scalar device")
			}
			i := slices.IndexFunc(zoo.List(), func(i zoo.Info) bool { return i.Name == name })
			in := zoo.List()[i].Input
			if in.Tokens > 0 {
				in.Tokens = 8
			}
			m, _, err := zoo.New(name, 1, in, zoo.List()[i].Classes)
			if err != nil {
				t.Fatal(err)
			}
			for i, n := range m.Nodes { // an export leaves it out
				if n.Op == "dropout" {
					t.Skipf("layer %d is dropout", i)
				}
			}
			check(t, m)
		})
	}
}

// Attention that is causal and leaves out padding is refused by name.
func TestExportRefusesCausalPadding(t *testing.T) {
	b := &graph.Net{M: graph.NewSequence("net", 1, 4)}
	x := b.Embedding("wte", 0, 9, 8)
	b.MaskedAttention("attn", 2, 2, true, 3, x, x, x)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	for i := range b.M.Params {
		b.M.Params[i].Data = make([]float32, b.M.Params[i].Shape.Len())
	}
	_, err := onnx.Export(b.M, onnx.Options{})
	if want := "layer attn: causal attention that leaves out the id 3"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v; want %q", err, want)
	}
}
