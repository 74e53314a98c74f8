package interp

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pare/core/model/onnx"
)

func f32(shape []int, x ...float32) *Tensor { return &Tensor{Type: onnx.Float, Shape: shape, F: x} }
func i64(shape []int, x ...int64) *Tensor   { return &Tensor{Type: onnx.Int64, Shape: shape, I: x} }

func ints1(name string, v ...int64) onnx.Attribute {
	return onnx.Attribute{Name: name, Type: onnx.AttrInts, Ints: v}
}

func int1(name string, v int64) onnx.Attribute {
	return onnx.Attribute{Name: name, Type: onnx.AttrInt, I: v}
}

// TestOperators: values by hand, or by NumPy.
func TestOperators(t *testing.T) {
	six := f32([]int{2, 3}, 1, 2, 3, 4, 5, 6)
	for _, c := range []struct {
		op    string
		attrs []onnx.Attribute
		in    []*Tensor
		want  *Tensor
	}{
		{"Add", nil, []*Tensor{six, f32([]int{3}, 10, 20, 30)}, f32([]int{2, 3}, 11, 22, 33, 14, 25, 36)},
		{"Mul", nil, []*Tensor{f32([]int{2, 1}, 2, 3), f32([]int{2}, 5, 7)}, f32([]int{2, 2}, 10, 14, 15, 21)},
		{"Div", nil, []*Tensor{i64([]int{2}, -7, 7), i64([]int{}, 2)}, i64([]int{2}, -3, 3)},
		{"Transpose", nil, []*Tensor{six}, f32([]int{3, 2}, 1, 4, 2, 5, 3, 6)},
		{"Reshape", nil, []*Tensor{six, i64([]int{2}, -1, 2)}, f32([]int{3, 2}, 1, 2, 3, 4, 5, 6)},
		{"Slice", nil, []*Tensor{six, i64([]int{1}, -1), i64([]int{1}, -100), i64([]int{1}, 1), i64([]int{1}, -2)}, f32([]int{2, 2}, 3, 1, 6, 4)},
		{"Gather", []onnx.Attribute{int1("axis", 1)}, []*Tensor{six, i64([]int{2}, -1, 0)}, f32([]int{2, 2}, 3, 1, 6, 4)},
		{"MatMul", nil, []*Tensor{six, f32([]int{3}, 1, 0, -1)}, f32([]int{2}, -2, -2)},
		{"ReduceMean", []onnx.Attribute{int1("keepdims", 0)}, []*Tensor{six, i64([]int{1}, 0)}, f32([]int{3}, 2.5, 3.5, 4.5)},
		{"Softmax", nil, []*Tensor{f32([]int{1, 2}, 0, float32(math.Log(3)))}, f32([]int{1, 2}, 0.25, 0.75)},
		{"Conv", nil, []*Tensor{f32([]int{1, 1, 2, 2}, 1, 2, 3, 4), f32([]int{1, 1, 2, 2}, 1, 0, 0, -1), f32([]int{1}, 10)}, f32([]int{1, 1, 1, 1}, 7)},
		{"MaxPool", []onnx.Attribute{ints1("kernel_shape", 2), ints1("pads", 1, 0)}, []*Tensor{f32([]int{1, 1, 3}, -3, -1, -2)}, f32([]int{1, 1, 3}, -3, -1, -1)},
		{"Where", nil, []*Tensor{{Type: onnx.Bool, Shape: []int{2}, I: []int64{1, 0}}, f32([]int{}, 1), f32([]int{2}, 8, 9)}, f32([]int{2}, 1, 9)},
		{"CumSum", []onnx.Attribute{int1("reverse", 1)}, []*Tensor{f32([]int{3}, 1, 2, 3), i64([]int{}, 0)}, f32([]int{3}, 6, 5, 3)},
		{"Cast", []onnx.Attribute{int1("to", int64(onnx.Uint8))}, []*Tensor{i64([]int{2}, 257, -1)}, &Tensor{Type: onnx.Uint8, Shape: []int{2}, I: []int64{1, 255}}},
		{"Cast", []onnx.Attribute{int1("to", int64(onnx.Float16))}, []*Tensor{f32([]int{3}, 1.0004883, 65520, 6e-8)}, &Tensor{Type: onnx.Float16, Shape: []int{3}, F: []float32{1, float32(math.Inf(1)), 0x1p-24}}},
	} {
		n := &onnx.Node{Op: c.op, Attrs: c.attrs, Outputs: []string{"y"}}
		got, err := Eval(n, 18, c.in)
		if err != nil {
			t.Errorf("%s: %v", c.op, err)
			continue
		}
		if err := same(got[0], c.want); err != nil {
			t.Errorf("%s: %v", c.op, err)
		}
	}
}

func value(name string, t onnx.DataType, dims ...int64) onnx.ValueInfo {
	v := onnx.ValueInfo{Name: name, Type: &onnx.TensorType{Elem: t, HasShape: true}}
	for _, d := range dims {
		v.Type.Shape = append(v.Type.Shape, onnx.Dim{Value: d})
	}
	return v
}

// doubling is a loop that doubles x until it is above 100, and keeps each value.
func doubling() *onnx.Model {
	body := &onnx.Graph{
		Nodes: []onnx.Node{
			{Op: "Add", Inputs: []string{"v", "v"}, Outputs: []string{"next"}},
			{Op: "Less", Inputs: []string{"next", "hundred"}, Outputs: []string{"more"}},
			{Op: "Identity", Inputs: []string{"next"}, Outputs: []string{"kept"}},
		},
		Inputs:  []onnx.ValueInfo{{Name: "i"}, {Name: "go"}, {Name: "v"}},
		Outputs: []onnx.ValueInfo{{Name: "more"}, {Name: "next"}, {Name: "kept"}},
	}
	return &onnx.Model{Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{
		Nodes:        []onnx.Node{{Name: "loop", Op: "Loop", Inputs: []string{"", "", "x"}, Outputs: []string{"y", "all"}, Attrs: []onnx.Attribute{{Name: "body", Type: onnx.AttrGraph, G: body}}}},
		Initializers: []onnx.Tensor{onnx.FromFloat32("hundred", nil, []float32{100})},
		Inputs:       []onnx.ValueInfo{value("x", onnx.Float)},
		Outputs:      []onnx.ValueInfo{{Name: "y"}, {Name: "all"}},
	}}
}

func TestLoop(t *testing.T) {
	p, err := Compile(doubling())
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Run(map[string]*Tensor{"x": f32([]int{}, 15)})
	if err != nil {
		t.Fatal(err)
	}
	if y, all := out["y"], out["all"]; y.F[0] != 120 || !slices.Equal(all.Shape, []int{3}) || !slices.Equal(all.F, []float32{30, 60, 120}) {
		t.Errorf("%v, %v %v", y.F, all.Shape, all.F)
	}
	if _, err := p.Run(map[string]*Tensor{"x": i64([]int{}, 15)}); err == nil || !strings.Contains(err.Error(), `input "x" is int64, the model takes float32`) {
		t.Error(err)
	}
	if _, err := p.Run(nil); err == nil || !strings.Contains(err.Error(), `input "x" is missing: the model has x`) {
		t.Error(err)
	}
}

// TestErrors: each names the node and comes before there is much work.
func TestErrors(t *testing.T) {
	graph := func(n ...onnx.Node) *onnx.Model {
		return &onnx.Model{Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{Nodes: n, Inputs: []onnx.ValueInfo{value("x", onnx.Float, 2, 3)}, Outputs: []onnx.ValueInfo{{Name: "y"}}}}
	}
	deep := &onnx.Graph{Outputs: []onnx.ValueInfo{{Name: "x"}}}
	for range 40 {
		deep = &onnx.Graph{Nodes: []onnx.Node{{Op: "If", Inputs: []string{"c"}, Outputs: []string{"z"}, Attrs: []onnx.Attribute{{Name: "then_branch", Type: onnx.AttrGraph, G: deep}}}}, Outputs: []onnx.ValueInfo{{Name: "z"}}}
	}
	huge := onnx.FromInt64("shape", []int64{3}, []int64{1 << 20, 1 << 20, 1 << 20})
	for want, m := range map[string]*onnx.Model{
		`node "a": operator Quantum is not known here`:                       graph(onnx.Node{Name: "a", Op: "Quantum", Inputs: []string{"x"}, Outputs: []string{"y"}}),
		`operator Relu of the domain com.microsoft is not known here`:        graph(onnx.Node{Op: "Relu", Domain: "com.microsoft", Inputs: []string{"x"}, Outputs: []string{"y"}}),
		`node "a" (Relu) reads "y", which nothing before it makes`:           graph(onnx.Node{Name: "a", Op: "Relu", Inputs: []string{"y"}, Outputs: []string{"z"}}, onnx.Node{Op: "Relu", Inputs: []string{"z"}, Outputs: []string{"y"}}),
		`nothing makes the output "y"`:                                       graph(onnx.Node{Op: "Relu", Inputs: []string{"x"}, Outputs: []string{"z"}}),
		`node "a" (MatMul): multiplies shapes [2 3] and [2 3]`:               graph(onnx.Node{Name: "a", Op: "MatMul", Inputs: []string{"x", "x"}, Outputs: []string{"y"}}),
		`node "number 0" (Transpose): perm [0 0] names axis 0 twice`:         graph(onnx.Node{Op: "Transpose", Inputs: []string{"x"}, Outputs: []string{"y"}, Attrs: []onnx.Attribute{ints1("perm", 0, 0)}}),
		`node "number 0" (BatchNormalization): input 1 is missing`:           graph(onnx.Node{Op: "BatchNormalization", Inputs: []string{"x"}, Outputs: []string{"y"}}),
		`nested more than 16 deep`:                                           {Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{Nodes: []onnx.Node{{Op: "Constant", Outputs: []string{"c"}, Attrs: []onnx.Attribute{int1("value_int", 1)}}, deep.Nodes[0]}, Inputs: []onnx.ValueInfo{value("x", onnx.Float, 2, 3)}, Outputs: deep.Outputs}},
		`node "number 1" (ConstantOfShape): shape [1048576 1048576 1048576]`: graph(onnx.Node{Op: "Constant", Outputs: []string{"s"}, Attrs: []onnx.Attribute{{Name: "value", Type: onnx.AttrTensor, T: &huge}}}, onnx.Node{Op: "ConstantOfShape", Inputs: []string{"s"}, Outputs: []string{"y"}}),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p, err := Compile(m)
		if err == nil {
			_, err = p.Run(map[string]*Tensor{"x": f32([]int{2, 3}, 1, 2, 3, 4, 5, 6)})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%q took %d bytes of memory", want, n)
		}
	}
	m := graph(onnx.Node{Name: "a", Op: "Add", Inputs: []string{"x", "x"}, Outputs: []string{"y"}})
	m.Opsets[0].Version = 6
	if _, err := Compile(m); !errors.As(err, &Unknown{}) || !strings.Contains(err.Error(), "operator Add is of operator set 6, known here from 7 on") {
		t.Error(err)
	}
}

// TestOracleONNX: the reference cases of torch.onnx, in both export styles.
func TestOracleONNX(t *testing.T) {
	dir := os.Getenv("PARE_ORACLES")
	if dir == "" {
		dir = filepath.Join("..", "testdata", "oracles")
	}
	files, err := filepath.Glob(filepath.Join(dir, "onnx-*", "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Skipf("no cases in %s (%v): PARE_ORACLES names a folder with them", dir, err)
	}
	for _, f := range files {
		t.Run(filepath.Base(filepath.Dir(f))+"/"+filepath.Base(f), func(t *testing.T) {
			var want struct {
				InputShape  []int     `json:"input_shape"`
				Input       []float64 `json:"input"`
				LogitsShape []int     `json:"logits_shape"`
				Logits      []float32 `json:"logits"`
			}
			text, err := os.ReadFile(filepath.Join(filepath.Dir(f), "reference.json"))
			if err == nil {
				err = json.Unmarshal(text, &want)
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			m, err := onnx.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			p, err := Compile(m)
			if err != nil {
				t.Fatal(err)
			}
			v := p.Inputs()[0]
			x := (&heap{Limit}).make(v.Type.Elem, want.InputShape...)
			for i, d := range want.Input {
				x.put(i, d)
			}
			out, err := p.Run(map[string]*Tensor{v.Name: x})
			if err != nil {
				t.Fatal(err)
			}
			y := out[p.Outputs()[0]]
			if !slices.Equal(y.Shape, want.LogitsShape) {
				t.Fatalf("logits of %v, want %v", y.Shape, want.LogitsShape)
			}
			for i, w := range want.Logits {
				if d := y.F[i] - w; !(d < 2e-5 && d > -2e-5) {
					t.Fatalf("logit %d is %g, want %g", i, y.F[i], w)
				}
			}
		})
	}
}

// FuzzRun: whatever a file says, compiling and running it ends in an error or a result.
func FuzzRun(f *testing.F) {
	b, err := onnx.Encode(doubling())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	files, _ := filepath.Glob(filepath.Join("..", "testdata", "*", "*", "*.onnx"))
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil && len(b) < 1<<14 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := onnx.Decode(b)
		if err != nil {
			return
		}
		p, err := Compile(m)
		if err != nil {
			return
		}
		p.limit, p.rounds = 1<<16, 16
		in := map[string]*Tensor{}
		for _, v := range p.Inputs() {
			if v.Type == nil {
				return
			}
			n, shape := 1, []int{}
			for _, d := range v.Type.Shape {
				k := int(min(max(d.Value, 1), 64))
				n *= k
				shape = append(shape, k)
			}
			if n > 1<<12 || kindOf(v.Type.Elem) == unknown {
				return
			}
			in[v.Name] = (&heap{1 << 13}).make(v.Type.Elem, shape...)
		}
		_, _ = p.Run(in)
	})
}

// TestThreads: products take as many threads as the program says, inside of other nodes
// too, and all where it says nothing.
func TestThreads(t *testing.T) {
	var met []int
	op("TestThreads", 1, func(c *call) []*Tensor {
		met = append(met, c.s.threads)
		return []*Tensor{c.x(0)}
	})
	defer delete(table, "TestThreads")
	one := func(in, out string) onnx.Node {
		return onnx.Node{Op: "TestThreads", Inputs: []string{in}, Outputs: []string{out}}
	}
	inner := &onnx.Graph{Nodes: []onnx.Node{one("x", "z")}, Outputs: []onnx.ValueInfo{{Name: "z"}}}
	p, err := Compile(&onnx.Model{Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{
		Nodes: []onnx.Node{
			{Op: "Constant", Outputs: []string{"c"}, Attrs: []onnx.Attribute{int1("value_int", 1)}},
			{Op: "Cast", Inputs: []string{"c"}, Outputs: []string{"yes"}, Attrs: []onnx.Attribute{int1("to", int64(onnx.Bool))}},
			{Op: "If", Inputs: []string{"yes"}, Outputs: []string{"y"}, Attrs: []onnx.Attribute{{Name: "then_branch", Type: onnx.AttrGraph, G: inner}, {Name: "else_branch", Type: onnx.AttrGraph, G: inner}}},
			one("y", "last"),
		},
		Inputs: []onnx.ValueInfo{value("x", onnx.Float, 1)}, Outputs: []onnx.ValueInfo{{Name: "last"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 3} {
		met, p.Threads = nil, n
		if _, err := p.Run(map[string]*Tensor{"x": f32([]int{1}, 1)}); err != nil {
			t.Fatal(err)
		}
		want := n
		if n == 0 {
			want = runtime.GOMAXPROCS(0)
		}
		if !slices.Equal(met, []int{want, want}) {
			t.Errorf("%d threads: %v", n, met)
		}
	}
}
