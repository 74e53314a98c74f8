package onnx

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// testdata/fields.onnx was written by the Python package onnx 1.23.2 and holds
// every field this package keeps.
func TestDecodeReference(t *testing.T) {
	b, err := os.ReadFile("testdata/fields.onnx")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	g := m.Graph
	head := *m
	head.Graph = nil
	if want := (Model{
		IRVersion: 8, ProducerName: "ref", ProducerVersion: "1", Domain: "d", ModelVersion: 4, Doc: "model doc",
		Opsets: []Opset{{"", 17}, {"my.dom", 1}}, Meta: []KV{{"k", "v"}, {"k2", ""}},
	}); !reflect.DeepEqual(head, want) {
		t.Errorf("model: %+v", head)
	}
	if g.Name != "g" || g.Doc != "graph doc" || g.Sparse != 0 {
		t.Errorf("graph %q %q", g.Name, g.Doc)
	}
	if want := []ValueInfo{{Name: "x", Type: &TensorType{Float, true, []Dim{{Param: "N"}, {Value: 3}, {}}}}}; !reflect.DeepEqual(g.Inputs, want) {
		t.Errorf("inputs %+v", g.Inputs)
	}
	if want := []ValueInfo{{Name: "y", Type: &TensorType{Elem: Float}}}; !reflect.DeepEqual(g.Outputs, want) {
		t.Errorf("outputs %+v", g.Outputs)
	}
	if want := []ValueInfo{{Name: "z", Type: &TensorType{Elem: Int64, HasShape: true}}}; !reflect.DeepEqual(g.Values, want) {
		t.Errorf("values %+v", g.Values)
	}
	checkNode(t, &g.Nodes[0])
	checkValues(t, g)

	out, err := Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(out)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again, m) {
		t.Error("changed by a round trip")
	}
}

func checkNode(t *testing.T, n *Node) {
	t.Helper()
	if n.Op != "Op" || n.Name != "n1" || n.Domain != "my.dom" || n.Doc != "node doc" ||
		!slices.Equal(n.Inputs, []string{"x", "", "w"}) || !slices.Equal(n.Outputs, []string{"y", "z"}) {
		t.Errorf("node %+v", n)
	}
	inner := Graph{
		Name: "then", Nodes: []Node{{Inputs: []string{"x"}, Outputs: []string{"sy"}, Name: "inner", Op: "Identity"}},
		Outputs: []ValueInfo{{Name: "sy", Type: &TensorType{Float, true, nil}}},
	}
	want := []Attribute{
		{Name: "f", Type: AttrFloat},
		{Name: "floats", Type: AttrFloats, Floats: []float32{1.5, -2}},
		{Name: "g", Type: AttrGraph, G: &inner},
		{Name: "graphs", Type: AttrGraphs, Graphs: []*Graph{&inner}},
		{Name: "i", Type: AttrInt, I: -3},
		{Name: "ints", Type: AttrInts, Ints: []int64{1, -1, 1 << 40}},
		{Name: "s", Type: AttrString, S: []byte("text")},
		{Name: "strings", Type: AttrStrings, Strings: [][]byte{[]byte("a"), {}}},
		{Name: "t", Type: AttrTensor, T: &Tensor{Dims: []int64{2}, Type: Float, Floats: []float32{1, 2}, Name: "at"}},
		{Name: "tensors", Type: AttrTensors, Tensors: []Tensor{{Type: Int64, Int64s: []int64{7}, Name: "t1"}}},
	}
	if !reflect.DeepEqual(n.Attrs, want) {
		t.Errorf("attributes\n%+v, want\n%+v", n.Attrs, want)
	}
}

func checkValues(t *testing.T, g *Graph) {
	t.Helper()
	byName := map[string]*Tensor{}
	for i := range g.Initializers {
		byName[g.Initializers[i].Name] = &g.Initializers[i]
	}
	for name, want := range map[string][]float32{
		"f": {1, -2, 3.5, 0}, "d": {0.1, -1e-3}, "f16": {1, -2, 0x1p-24}, "bf16": {1, -2},
		"rawf": {1.25, -8}, "rawh": {0.5, -0.25}, "empty": {},
	} {
		if got, err := byName[name].Float32(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v %v, want %v", name, got, err, want)
		}
		if _, err := byName[name].Int(); err == nil {
			t.Errorf("%s: floating point read as integers", name)
		}
	}
	for name, want := range map[string][]int64{
		"i32": {-1, math.MaxInt32}, "i64": {math.MinInt64, 5}, "u8": {0, 255}, "i8": {-128, 127}, "b": {1, 0},
		"u16": {65535}, "i16": {-2}, "rawi": {-1, 1 << 40},
	} {
		if got, err := byName[name].Int(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v %v, want %v", name, got, err, want)
		}
		if _, err := byName[name].Float32(); err == nil {
			t.Errorf("%s: integers read as floating point", name)
		}
	}
	if x := byName["u64"].Uint64s; !slices.Equal(x, []uint64{math.MaxUint64}) {
		t.Error("u64", x)
	}
	if x := byName["s"].Strings; len(x) != 2 || string(x[0]) != "p" {
		t.Error("s", x)
	}
}

// oracles is the folder of reference cases: $PARE_ORACLES when set, else the
// compact copy in testdata/oracles. To stay under 300 KB the copy keeps one
// export style and the first sample of onnx-resnet (model.onnx) and
// onnx-depthwise (model-dynamo.onnx); onnx-mlp, onnx-lenet5 and onnx-encoder
// are too large and are only read from $PARE_ORACLES.
func oracles(t testing.TB) string {
	if dir := os.Getenv("PARE_ORACLES"); dir != "" {
		return dir
	}
	return filepath.Join("testdata", "oracles")
}

// Every model of the oracles survives decode → encode → decode.
func TestWireOracle(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(oracles(t), "onnx-*", "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no onnx-*/*.onnx in %s (%v)", oracles(t), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path), func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			m, err := Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Graph.Nodes) == 0 || len(m.Graph.Initializers) == 0 || len(m.Graph.Inputs) == 0 {
				t.Fatal("decoded to an empty graph")
			}
			out, err := Encode(m)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Decode(out)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(again, m) {
				t.Error("changed by a round trip")
			}
		})
	}
}

// nest wraps a graph in attributes, n deep.
func nest(n int) *Graph {
	g := &Graph{Name: "leaf"}
	for range n - 1 {
		g = &Graph{Nodes: []Node{{Op: "If", Attrs: []Attribute{{Name: "then", Type: AttrGraph, G: g}}}}}
	}
	return g
}

func TestDecodeRefuses(t *testing.T) {
	enc := func(m *Model) []byte {
		b, err := Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	raw := func(num protowire.Number, typ protowire.Type, rest ...byte) []byte {
		return append(protowire.AppendTag(nil, num, typ), rest...)
	}
	graph := enc(&Model{Graph: &Graph{Name: "g"}})
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"nothing":          {nil, "is empty"},
		"git lfs":          {[]byte("version https://git-lfs.github.com/spec/v1"), "git lfs pull"},
		"torch zip":        {[]byte("PK\x03\x04\x00\x00"), "pickle"},
		"text":             {[]byte("hello, this is not a model"), "not ONNX"},
		"no graph":         {enc(&Model{Graph: &Graph{}})[:0:0], "is empty"},
		"only a version":   {raw(1, protowire.VarintType, 8), "holds no graph"},
		"two graphs":       {append(slices.Clone(graph), graph...), "two graphs"},
		"cut short":        {graph[:len(graph)-1], "unexpected EOF"},
		"wrong wire type":  {raw(7, protowire.VarintType, 1), "field 7 has wire type 0"},
		"wrong type, text": {append(slices.Clone(graph), raw(2, protowire.VarintType, 1)...), "field 2 has wire type 0"},
		"group":            {append(slices.Clone(graph), raw(99, protowire.StartGroupType)...), "wire type 3"},
		"field number 0":   {[]byte{0, 0}, "invalid field number"},
		"long varint":      {raw(1, protowire.VarintType, bytes.Repeat([]byte{0xff}, 11)...), "variable length integer overflow"},
		"bad UTF-8":        {append(slices.Clone(graph), raw(2, protowire.BytesType, 1, 0xff)...), "UTF-8"},
		"node without op":  {enc(&Model{Graph: &Graph{Nodes: []Node{{Name: "n7"}}}}), `node "n7" has no op_type`},
		"nine graphs deep": {enc(&Model{Graph: nest(9)}), "nested more than 8"},
	} {
		_, err := Decode(c.b)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want one line with %q", name, err, c.want)
		}
	}
	if _, err := Decode(enc(&Model{Graph: nest(8)})); err != nil {
		t.Errorf("eight graphs deep: %v", err)
	}
	// unknown fields of every wire type are skipped
	b := append(raw(77, protowire.VarintType, 5), raw(78, protowire.Fixed32Type, 1, 2, 3, 4)...)
	b = append(append(b, raw(79, protowire.Fixed64Type, 1, 2, 3, 4, 5, 6, 7, 8)...), raw(80, protowire.BytesType, 1, 0xff)...)
	if m, err := Decode(append(b, graph...)); err != nil || m.Graph.Name != "g" {
		t.Errorf("unknown fields: %v", err)
	}
}

// Repeated numbers may come packed or one by one, whatever the writer chose.
func TestPackedAndUnpacked(t *testing.T) {
	bytesField := func(num protowire.Number, v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), v)
	}
	varint := func(num protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
	}
	fix32 := func(num protowire.Number, v float32) []byte {
		return protowire.AppendFixed32(protowire.AppendTag(nil, num, protowire.Fixed32Type), math.Float32bits(v))
	}
	wrap := func(tensor []byte) []byte { return bytesField(7, bytesField(5, tensor)) }
	two := binaryFloats(1, 2)
	for name, b := range map[string][]byte{
		"packed":   slices.Concat(bytesField(1, []byte{1, 2}), varint(2, 1), bytesField(4, two)),
		"unpacked": slices.Concat(varint(1, 1), varint(1, 2), varint(2, 1), fix32(4, 1), fix32(4, 2)),
		"mixed":    slices.Concat(varint(1, 1), bytesField(1, []byte{2}), varint(2, 1), fix32(4, 1), bytesField(4, two[4:])),
	} {
		m, err := Decode(wrap(b))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		x := m.Graph.Initializers[0]
		if f, err := x.Float32(); err != nil || !slices.Equal(f, []float32{1, 2}) || !slices.Equal(x.Dims, []int64{1, 2}) {
			t.Errorf("%s: %+v %v", name, x, err)
		}
	}
	for name, b := range map[string][]byte{
		"half a float":    bytesField(4, two[:6]),
		"half a varint":   bytesField(1, []byte{0x80}),
		"int32 too large": varint(5, 1<<40),
	} {
		if _, err := Decode(wrap(b)); err == nil {
			t.Errorf("%s: decoded", name)
		}
	}
}

func binaryFloats(x ...float32) []byte { return FromFloat32("", nil, x).Raw }

func TestTensorRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		x    Tensor
		want string
	}{
		"external":        {Tensor{Name: "w", Type: Float, Dims: []int64{1}, Location: 1, External: []KV{{"location", "weights.bin"}}}, `"weights.bin"`},
		"too few":         {Tensor{Name: "w", Type: Float, Dims: []int64{3}, Floats: []float32{1}}, "1 values for shape [3]"},
		"raw too few":     {Tensor{Name: "w", Type: Float, Dims: []int64{3}, Raw: make([]byte, 8)}, "2 values for shape [3]"},
		"part of a value": {Tensor{Name: "w", Type: Float, Dims: []int64{1}, Raw: make([]byte, 5)}, "5 bytes of float32"},
		"negative axis":   {Tensor{Name: "w", Type: Float, Dims: []int64{-1}}, "negative"},
		"overflow":        {Tensor{Name: "w", Type: Float, Dims: []int64{1 << 40, 1 << 40}}, "overflows"},
		"strings":         {Tensor{Name: "w", Type: String, Dims: []int64{1}, Strings: [][]byte{nil}}, "is string"},
		"large double":    {Tensor{Name: "w", Type: Double, Dims: []int64{1}, Doubles: []float64{1e300}}, "too large"},
		"unknown type":    {Tensor{Name: "w", Type: 99, Dims: []int64{1}}, "type 99"},
	} {
		_, err := c.x.Float32()
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"w"`) {
			t.Errorf("%s: %v; want the name and %q", name, err, c.want)
		}
	}
	x := Tensor{Name: "i", Type: Int64, Dims: []int64{2}, Int64s: []int64{1}}
	if _, err := x.Int(); err == nil {
		t.Error("too few integers: read")
	}
	if _, err := Encode(&Model{Graph: &Graph{Sparse: 1}}); err == nil {
		t.Error("a graph whose sparse initializers were dropped: written")
	}
}

// FuzzDecode: nothing panics, and what decodes is the same after a round trip.
func FuzzDecode(f *testing.F) {
	for _, p := range []string{"testdata/fields.onnx"} {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	small, err := Encode(&Model{IRVersion: 8, Opsets: []Opset{{"", 17}}, Graph: &Graph{
		Nodes:        []Node{{Op: "Gemm", Inputs: []string{"x", "w"}, Outputs: []string{"y"}, Attrs: []Attribute{{Name: "transB", Type: AttrInt, I: 1}}}},
		Initializers: []Tensor{FromFloat32("w", []int64{1, 2}, []float32{1, 2})},
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(small)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		for i := range m.Graph.Initializers { // may refuse, never panic
			_, _ = m.Graph.Initializers[i].Float32()
			_, _ = m.Graph.Initializers[i].Int()
		}
		out, err := Encode(m)
		if err != nil {
			return // holds something that is not kept
		}
		again, err := Decode(out)
		if err != nil {
			t.Fatalf("written but not read: %v", err)
		}
		twice, err := Encode(again) // bytes, because NaN ≠ NaN
		if err != nil || !bytes.Equal(out, twice) {
			t.Fatal("changed by a round trip")
		}
	})
}
