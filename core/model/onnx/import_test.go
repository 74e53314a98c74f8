package onnx

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"pare/core/device/ref"
	"pare/core/plan/devicetest"
)

type style struct {
	Name  string
	Model []byte // base64 in the file
	N     int
	X, Y  []float32
}

func styles(t testing.TB) []style {
	b, err := os.ReadFile("testdata/styles.json")
	if err != nil {
		t.Fatal(err)
	}
	var s []style
	if err := json.Unmarshal(b, &s); err != nil || len(s) == 0 {
		t.Fatal(err)
	}
	return s
}

// The many ways exporters spell the same network, with outputs by ONNX Runtime;
// testdata/styles.py makes them.
func TestImportStyles(t *testing.T) {
	for _, s := range styles(t) {
		t.Run(s.Name, func(t *testing.T) {
			m, err := Import(s.Model)
			if err != nil {
				t.Fatal(err)
			}
			if d := worst(devicetest.Outputs(t, ref.New(), m, s.X), s.Y); !(d <= 1e-5) {
				t.Errorf("off by %g", d)
			}
			for _, p := range m.Params {
				for i, v := range p.Data { // Export writes +0 for −0, so must the comparison
					if v == 0 {
						p.Data[i] = 0
					}
				}
			}
			roundTrip(t, m)
		})
	}
}

// What is recognised really is: one op, not a row of others that happens to
// compute the same.
func TestImportRecognises(t *testing.T) {
	want := map[string][]string{
		"gelu torch": {"linear", "gelu", "linear"}, "gelu half first": {"linear", "gelu", "linear"},
		"gelu over two": {"linear", "gelu", "linear"}, "gelu times root half": {"linear", "gelu", "linear"},
		"silu": {"linear", "silu", "linear"}, "hardswish clip": {"linear", "hardswish", "linear"},
		"matmul add": {"linear"}, "conv add channels": {"conv2d", "flatten"},
		"dropout identity cast": {"linear", "linear"}, "dead branch": {"linear", "relu", "linear"},
		"mean attribute": {"globalavgpool", "flatten"}, "view product": {"flatten", "linear"},
		"reshape in place": {"flatten", "linear"}, "input as images": {"conv2d", "flatten"},
	}
	for _, s := range styles(t) {
		w, ok := want[s.Name]
		if !ok {
			continue
		}
		delete(want, s.Name)
		m, err := Import(s.Model)
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		var got []string
		for _, n := range m.Nodes {
			got = append(got, n.Op)
		}
		if !slices.Equal(got, w) {
			t.Errorf("%s: %v, want %v", s.Name, got, w)
		}
		if s.Name == "matmul add" && len(m.Nodes[0].Params) != 2 {
			t.Errorf("%s: the bias is lost", s.Name)
		}
	}
	if len(want) > 0 {
		t.Errorf("not in styles.json: %v", want)
	}
}

// Gemm's beta scales its own C, not an Add behind it.
func TestGemmWithoutBiasLeavesTheAddAlone(t *testing.T) {
	gemm := op("Gemm", "z", "x", "w").with(attrInt("transB", 1), attrFloat("beta", 0))
	b, err := Encode(onnxGraph(17, dims(4), []Tensor{weights("w", 3, 4), FromFloat32("b", []int64{3}, []float32{1, 2, 3})}, gemm, op("Add", "y", "z", "b")))
	if err != nil {
		t.Fatal(err)
	}
	m, err := Import(b)
	if err != nil {
		t.Fatal(err)
	}
	if p := m.Params[m.Nodes[0].Params[1]]; !slices.Equal(p.Data, []float32{1, 2, 3}) {
		t.Errorf("the bias became %v", p.Data)
	}
}

// A batch of −1, as Paddle writes it, is an open one.
func TestBatchOfMinusOne(t *testing.T) {
	f := onnxGraph(17, dims(4), []Tensor{weights("w", 3, 4)}, op("Gemm", "y", "x", "w").with(attrInt("transB", 1)))
	f.Graph.Inputs[0].Type.Shape[0] = Dim{Value: -1}
	b, err := Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := Import(b); err != nil || m.Input().C != 4 {
		t.Errorf("%v", err)
	}
}

// One initializer read twice is one parameter; read plain and transposed it is
// two.
func TestImportShares(t *testing.T) {
	for _, s := range styles(t) {
		if !strings.HasPrefix(s.Name, "shared weight") {
			continue
		}
		m, err := Import(s.Model)
		if err != nil {
			t.Fatal(err)
		}
		want := 1
		if strings.HasSuffix(s.Name, "transposed") {
			want = 2
		}
		if len(m.Params) != want {
			t.Errorf("%s: %d parameters, want %d", s.Name, len(m.Params), want)
		}
	}
}

// onnxGraph is a model of one input x[N, …] and one output y.
func onnxGraph(opset int64, shape []Dim, ini []Tensor, nodes ...Node) *Model {
	for i := range nodes {
		if nodes[i].Name == "" {
			nodes[i].Name = "n" + string(rune('0'+i))
		}
	}
	return &Model{IRVersion: 8, Opsets: []Opset{{"", opset}}, Graph: &Graph{
		Name: "g", Nodes: nodes, Initializers: ini,
		Inputs:  []ValueInfo{{Name: "x", Type: &TensorType{Float, true, shape}}},
		Outputs: []ValueInfo{{Name: "y", Type: &TensorType{Float, true, nil}}},
	}}
}

func dims(v ...int64) []Dim {
	d := []Dim{{Param: "N"}}
	for _, x := range v {
		d = append(d, Dim{Value: x})
	}
	return d
}

func op(name string, out string, in ...string) Node {
	return Node{Op: name, Inputs: in, Outputs: []string{out}}
}

func (n Node) with(a ...Attribute) Node {
	n.Attrs = append(n.Attrs, a...)
	return n
}

func weights(name string, dims ...int64) Tensor {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i%5)/4 - 0.5
	}
	return FromFloat32(name, dims, x)
}

func TestImportRefuses(t *testing.T) {
	w, b4, conv := weights("w", 3, 4), weights("b", 4), weights("k", 2, 2, 3, 3)
	str := func(name, v string) Attribute { return Attribute{Name: name, Type: AttrString, S: []byte(v)} }
	nan := weights("w", 3, 4)
	copy(nan.Raw[8:], []byte{0, 0, 0xc0, 0x7f})
	external := Tensor{Name: "w", Type: Float, Dims: []int64{3, 4}, Location: 1, External: []KV{{"location", "weights.bin"}}}
	gemmT := op("Gemm", "y", "x", "w").with(attrInt("transB", 1))
	two := onnxGraph(17, dims(4), []Tensor{w}, gemmT)
	two.Graph.Inputs = append(two.Graph.Inputs, ValueInfo{Name: "mask"})
	outs := onnxGraph(17, dims(4), []Tensor{w}, gemmT)
	outs.Graph.Outputs = append(outs.Graph.Outputs, ValueInfo{Name: "aux"})
	ints := onnxGraph(17, dims(4), []Tensor{w}, gemmT)
	ints.Graph.Inputs[0].Type.Elem = Int8
	image, flat := dims(2, 5, 5), op("Flatten", "y", "z")
	microsoft := op("FusedMatMul", "y", "x", "w")
	microsoft.Domain = "com.microsoft"
	bn := func(a ...Attribute) *Model {
		return onnxGraph(17, dims(4), []Tensor{b4}, op("BatchNormalization", "y", "x", "b", "b", "b", "b").with(a...))
	}
	for name, c := range map[string]struct {
		m    *Model
		want []string
	}{
		"unknown op":        {onnxGraph(17, dims(4), nil, op("Einsum", "y", "x")), []string{`node "n0" (Einsum)`, "not supported", "Conv, ", "export it again"}},
		"log softmax":       {onnxGraph(17, dims(4), nil, op("LogSoftmax", "y", "x")), []string{`node "n0" (LogSoftmax)`, "logits"}},
		"own domain":        {onnxGraph(17, dims(4), []Tensor{w}, microsoft), []string{`"com.microsoft"`}},
		"old opset":         {onnxGraph(6, dims(4), []Tensor{w}, gemmT), []string{"operator set 6", "opset_version=17"}},
		"two inputs":        {two, []string{"2 inputs (x, mask)"}},
		"two outputs":       {outs, []string{"2 outputs (y, aux)"}},
		"integer input":     {ints, []string{`input "x" is int8`}},
		"dynamic width":     {onnxGraph(17, []Dim{{Param: "N"}, {Value: 3}, {Param: "h"}, {Value: 3}}, nil, op("Relu", "y", "x")), []string{`axis 2 is "h"`}},
		"five axes":         {onnxGraph(17, dims(1, 2, 3, 4), nil, op("Relu", "y", "x")), []string{"has 5 axes"}},
		"huge input":        {onnxGraph(17, dims(1<<30, 1<<30, 2), nil, op("Flatten", "y", "x")), []string{`input "x"`, "too large"}},
		"external data":     {onnxGraph(17, dims(4), []Tensor{external}, gemmT), []string{"n0", `"weights.bin"`, "external_data"}},
		"NaN weight":        {onnxGraph(17, dims(4), []Tensor{nan}, gemmT), []string{`"w"`, "value 2 is NaN"}},
		"wrong width":       {onnxGraph(17, dims(5), []Tensor{w}, gemmT), []string{"n0", "5 features"}},
		"wrong bias":        {onnxGraph(17, dims(4), []Tensor{w, b4}, op("Gemm", "y", "x", "w", "b").with(attrInt("transB", 1))), []string{`"b" has shape [4], need 3`}},
		"column bias":       {onnxGraph(17, dims(4), []Tensor{w, weights("b", 3, 1)}, op("Gemm", "y", "x", "w", "b").with(attrInt("transB", 1))), []string{`"b" has shape [3 1]`}},
		"training dropout":  {onnxGraph(17, dims(4), []Tensor{FromFloat32("p", nil, []float32{0.5}), {Name: "on", Type: Bool, Raw: []byte{1}}}, op("Dropout", "y", "x", "p", "on")), []string{"training mode"}},
		"transA":            {onnxGraph(17, dims(4), []Tensor{w}, gemmT.with(attrInt("transA", 1))), []string{"transA"}},
		"wrong attribute":   {onnxGraph(17, dims(4), []Tensor{w}, op("Gemm", "y", "x", "w").with(str("transB", "yes"))), []string{`attribute "transB"`}},
		"computed weight":   {onnxGraph(17, dims(4), nil, op("Relu", "r", "x"), op("MatMul", "y", "x", "r")), []string{"n1", "queries and keys"}},
		"missing input":     {onnxGraph(17, dims(4), nil, op("Relu", "y", "nowhere")), []string{`reads "nowhere"`}},
		"wrong order":       {onnxGraph(17, dims(4), nil, op("Relu", "y", "z"), op("Relu", "z", "x")), []string{`"n0"`, `reads "z"`}},
		"cycle":             {onnxGraph(17, dims(4), nil, op("Add", "z", "x", "y"), op("Relu", "y", "z")), []string{`reads "y"`}},
		"made twice":        {onnxGraph(17, dims(4), nil, op("Relu", "y", "x"), op("Tanh", "y", "x")), []string{`"y" is made twice`}},
		"no path":           {onnxGraph(17, dims(4), nil, op("Relu", "z", "x")), []string{`output "y" does not depend`}},
		"gemm on image":     {onnxGraph(17, image, []Tensor{w}, gemmT), []string{"4 axes, need [batch, features]"}},
		"conv on vector":    {onnxGraph(17, dims(4), []Tensor{conv}, op("Conv", "y", "x", "k")), []string{"2 axes, need [batch, channels"}},
		"dilations":         {onnxGraph(17, image, []Tensor{conv}, op("Conv", "z", "x", "k").with(attrInts("dilations", 2, 2)), flat), []string{"dilations 2×2"}},
		"kernel shape":      {onnxGraph(17, image, []Tensor{conv}, op("Conv", "z", "x", "k").with(attrInts("kernel_shape", 5, 5)), flat), []string{"5×5", "3×3"}},
		"pads too large":    {onnxGraph(17, image, []Tensor{conv}, op("Conv", "z", "x", "k").with(attrInts("pads", 3, 3, 3, 3)), flat), []string{"not smaller than the window"}},
		"negative pads":     {onnxGraph(17, image, []Tensor{conv}, op("Conv", "z", "x", "k").with(attrInts("pads", -1, 0, 0, 0)), flat), []string{"pads = [-1 0 0 0]"}},
		"stride 0":          {onnxGraph(17, image, []Tensor{conv}, op("Conv", "z", "x", "k").with(attrInts("strides", 0, 1)), flat), []string{"stride 0×1"}},
		"group 0":           {onnxGraph(17, image, []Tensor{conv}, op("Conv", "z", "x", "k").with(attrInt("group", 0)), flat), []string{"group = 0"}},
		"unknown padding":   {onnxGraph(17, image, []Tensor{conv}, op("Conv", "z", "x", "k").with(str("auto_pad", "FULL")), flat), []string{`"FULL"`}},
		"1-D convolution":   {onnxGraph(17, image, []Tensor{weights("k", 2, 2, 3)}, op("Conv", "z", "x", "k"), flat), []string{"only 2-D"}},
		"window too large":  {onnxGraph(17, image, nil, op("MaxPool", "z", "x").with(attrInts("kernel_shape", 6, 6)), flat), []string{"larger than the padded input"}},
		"mean of a row":     {onnxGraph(17, image, nil, op("ReduceMean", "z", "x").with(attrInts("axes", 3)), flat), []string{"axes [3]"}},
		"flatten axis 2":    {onnxGraph(17, image, nil, op("Flatten", "y", "x").with(attrInt("axis", 2))), []string{"axis = 2"}},
		"batch in features": {onnxGraph(17, image, []Tensor{FromInt64("s", []int64{2}, []int64{1, 50})}, op("Reshape", "y", "x", "s")), []string{"dynamic batch"}},
		"reshape 3 axes":    {onnxGraph(17, image, []Tensor{FromInt64("s", []int64{3}, []int64{0, 5, 10})}, op("Reshape", "z", "x", "s"), flat), []string{"cuts across axes"}},
		"reshape wrong":     {onnxGraph(17, image, []Tensor{FromInt64("s", []int64{2}, []int64{0, 51})}, op("Reshape", "y", "x", "s")), []string{"to [0 51]"}},
		"softmax channels":  {onnxGraph(17, image, nil, op("Softmax", "y", "x").with(attrInt("axis", 2))), []string{"axis = 2"}},
		"add constant":      {onnxGraph(17, dims(4), []Tensor{b4}, op("Add", "y", "x", "b")), []string{`"b" is a constant`}},
		"add ranks":         {onnxGraph(17, image, nil, op("Flatten", "f", "x"), op("Add", "y", "x", "f")), []string{"4 and 2 axes"}},
		"training norm":     {bn(attrInt("training_mode", 1)), []string{"model.eval()"}},
		"negative variance": {bn(), []string{`variance "b"`}},
		"eps 0":             {bn(attrFloat("epsilon", 0)), []string{"epsilon = 0"}},
		"cast to integers":  {onnxGraph(17, dims(4), nil, op("Cast", "y", "x").with(attrInt("to", 7))), []string{"to int64"}},
		"image as output":   {onnxGraph(17, image, nil, op("Relu", "y", "x")), []string{"2×5×5", "class scores"}},
		"nothing to do":     {onnxGraph(17, dims(4), nil, op("Identity", "y", "x")), []string{"no layers"}},
		"nameless weight":   {onnxGraph(17, dims(4), []Tensor{weights("", 3, 4)}, op("MatMul", "y", "x", "")), []string{"without a name"}},
		"empty constant":    {onnxGraph(17, dims(4), nil, op("Constant", "c"), op("Add", "y", "x", "c")), []string{"n0", "no value"}},
	} {
		b, err := Encode(c.m)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Import(b)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v; want one line with %q", name, err, want)
			}
		}
	}
	sparse := protowire.AppendBytes(protowire.AppendTag(nil, 15, protowire.BytesType), nil)
	file := protowire.AppendBytes(protowire.AppendTag(nil, 7, protowire.BytesType), sparse)
	file = append(protowire.AppendTag(file, 8, protowire.BytesType), 2, 2<<3, 17) // opset 17
	if _, err := Import(file); err == nil || !strings.Contains(err.Error(), "sparse initializers") {
		t.Errorf("sparse initializer: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.onnx")
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("absent: %v", err)
	}
	if err := os.WriteFile(path, []byte("PK\x03\x04"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "torch.onnx.export") {
		t.Errorf("a zip: %v", err)
	}
}

// Reading one initializer in ever new ways must not cost more memory than a
// small factor of the file.
func TestImportBoundsCopies(t *testing.T) {
	const layers = 600
	var nodes []Node
	x := "x"
	for i := range layers {
		y := fmt.Sprintf("v%d", i)
		if i == layers-1 {
			y = "y"
		}
		nodes = append(nodes, op("Gemm", y, x, "w").with(attrFloat("alpha", 1+float32(i)/layers)))
		x = y
	}
	b, err := Encode(onnxGraph(17, dims(64), []Tensor{weights("w", 64, 64)}, nodes...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Import(b); err == nil || !strings.Contains(err.Error(), "too many different ways") {
		t.Errorf("%v; want a refusal", err)
	}
}

// surviveImport holds for any bytes: no panic, and what is read can be written
// and read again.
func surviveImport(t interface {
	Helper()
	Fatalf(string, ...any)
}, b []byte,
) {
	t.Helper()
	m, err := Import(b)
	if err != nil {
		if strings.Contains(err.Error(), "\n") {
			t.Fatalf("more than one line: %v", err)
		}
		return
	}
	for _, p := range m.Params {
		for i, v := range p.Data { // Export writes +0 for −0
			if v == 0 {
				p.Data[i] = 0
			}
		}
	}
	out, err := Export(m, Options{})
	if err != nil {
		t.Fatalf("read but not written: %v", err)
	}
	got, err := Import(out)
	if err != nil {
		t.Fatalf("written but not read: %v", err)
	}
	if got.WeightHash() != m.WeightHash() {
		t.Fatalf("changed by a round trip:\n%+v\n%+v", m, got)
	}
}

// Damage that keeps the protobuf whole: other operators, inputs, attributes and
// shapes than a sound file would have.
func TestImportDamaged(t *testing.T) {
	var files [][]byte
	for _, s := range styles(t) {
		files = append(files, s.Model)
	}
	files = append(files, written(t)...)
	ops := []string{"Shape", "Sigmoid", "Mul", "Div", "Erf", "Concat", "Gather", "Constant", "Transpose", "Slice"}
	for op := range handlers {
		ops = append(ops, op)
	}
	slices.Sort(ops)
	rapid.Check(t, func(t *rapid.T) {
		m, err := Decode(rapid.SampledFrom(files).Draw(t, "style"))
		if err != nil {
			t.Fatal(err)
		}
		g := m.Graph
		values := []string{"", "x", "nowhere"}
		for _, n := range g.Nodes {
			values = append(values, n.Outputs...)
		}
		for _, c := range g.Initializers {
			values = append(values, c.Name)
		}
		number := rapid.SampledFrom([]int64{0, 1, -1, 2, 3, 4, 6, 12, -3, 1 << 31, 1<<62 + 1, math.MinInt64})
		for range rapid.IntRange(1, 3).Draw(t, "damages") {
			n := &g.Nodes[rapid.IntRange(0, len(g.Nodes)-1).Draw(t, "node")]
			switch rapid.IntRange(0, 6).Draw(t, "damage") {
			case 0:
				n.Op = rapid.SampledFrom(ops).Draw(t, "op")
			case 1:
				n.Inputs = rapid.SliceOfN(rapid.SampledFrom(values), 0, 4).Draw(t, "inputs")
			case 2:
				n.Outputs = rapid.SliceOfN(rapid.SampledFrom(values), 0, 2).Draw(t, "outputs")
			case 3:
				if len(n.Attrs) > 0 {
					a := &n.Attrs[rapid.IntRange(0, len(n.Attrs)-1).Draw(t, "attribute")]
					a.I = number.Draw(t, "i")
					a.Ints = rapid.SliceOfN(number, 0, 5).Draw(t, "ints")
					a.F = float32(number.Draw(t, "f"))
				}
			case 4:
				if len(g.Initializers) > 0 {
					c := &g.Initializers[rapid.IntRange(0, len(g.Initializers)-1).Draw(t, "initializer")]
					c.Dims = rapid.SliceOfN(number, 0, 4).Draw(t, "dims")
				}
			case 5:
				g.Inputs[0].Type.Shape = nil
				for _, d := range rapid.SliceOfN(number, 1, 4).Draw(t, "shape") {
					g.Inputs[0].Type.Shape = append(g.Inputs[0].Type.Shape, Dim{Value: d})
				}
			case 6:
				n.Name = rapid.SampledFrom(append(values, "n1", "n2", "n1/Sigmoid")).Draw(t, "name")
			}
		}
		b, err := Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		surviveImport(t, b)
	})
}

// TestErrorsAreOneLine: whatever an operator or a value is called.
func TestErrorsAreOneLine(t *testing.T) {
	m, err := Decode(styles(t)[0].Model)
	if err != nil {
		t.Fatal(err)
	}
	m.Graph.Nodes[0].Op = "Flat\nx\x1b[2J"
	b, err := Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Import(b); err == nil || strings.ContainsAny(err.Error(), "\n\x1b") || !strings.Contains(err.Error(), "Flat") {
		t.Errorf("%q", err)
	}
}

// FuzzImport is surviveImport for arbitrary bytes.
func FuzzImport(f *testing.F) {
	for _, s := range styles(f) {
		f.Add(s.Model)
	}
	for _, b := range written(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { surviveImport(t, b) })
}
