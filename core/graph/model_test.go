package graph_test

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/tensor"
)

// TestVerifyRefuses breaks a sound model in one place at a time.
func TestVerifyRefuses(t *testing.T) {
	for _, c := range []struct {
		net, want string
		spoil     func(m *graph.Model)
	}{
		{"mlp", `model "mlp" has no layers`, func(m *graph.Model) { m.Nodes = nil }},
		{"mlp", `model "mlp" has no layers`, func(m *graph.Model) { m.Values = nil }},
		{"mlp", `name "" is empty or used twice`, func(m *graph.Model) { m.Params[0].Name = "" }},
		{"mlp", `name "fc2.weight" is empty or used twice`, func(m *graph.Model) { m.Params[0].Name = "fc2.weight" }},
		{"mlp", "parameter fc1.weight: shape 0×6", func(m *graph.Model) { m.Params[0].Shape = tensor.Shape{0, 6} }},
		{"mlp", "parameter fc1.weight: shape 1073741824×6 has more than", func(m *graph.Model) { m.Params[0].Shape = tensor.Shape{1 << 30, 6} }},
		{"mlp", "parameter fc1.weight: 3 values for shape 9×6", func(m *graph.Model) { m.Params[0].Data = m.Params[0].Data[:3] }},
		{"mlp", "parameter fc1.weight: mask over 7 elements for shape 9×6", func(m *graph.Model) { m.Params[0].Mask = tensor.NewMask(7) }},
		{"mlp", `node 1 (tanh): name "" is empty`, func(m *graph.Model) { m.Nodes[1].Name = "" }},
		{"mlp", `name "fc1" is empty or used twice`, func(m *graph.Model) { m.Nodes[1].Name = "fc1" }},
		{"mlp", `node a1: unknown op "sine"`, func(m *graph.Model) { m.Nodes[1].Op = "sine" }},
		{"mlp", "node fc1: input value 9 is not made before it", func(m *graph.Model) { m.Nodes[0].In[0] = 9 }},
		{"mlp", "node fc1: input value -1", func(m *graph.Model) { m.Nodes[0].In[0] = -1 }},
		{"mlp", "node fc1: input value 2 is not made before it", func(m *graph.Model) { m.Nodes[0].In[0] = 2 }},
		{"mlp", "node fc1: no parameter 99", func(m *graph.Model) { m.Nodes[0].Params[1] = 99 }},
		{"mlp", "node fc1: no parameter -1", func(m *graph.Model) { m.Nodes[0].Params[1] = -1 }},
		{"mlp", "node a1: output value 1 is made twice", func(m *graph.Model) { m.Nodes[1].Out = 1 }},
		{"mlp", "node a1: output value 0 is made twice", func(m *graph.Model) { m.Nodes[1].Out = 0 }},
		{"mlp", "node out: output value 70 is made twice or unknown", func(m *graph.Model) { m.Nodes[4].Out = 70 }},
		{"mlp", "output value 44 is never made", func(m *graph.Model) { m.Output = 44 }},
		{"mlp", "output value -1 is never made", func(m *graph.Model) { m.Output = -1 }},
		{"mlp", "has 2 inputs, need 1", func(m *graph.Model) { m.Nodes[1].In = []int{1, 1} }},
		{"mlp", "has 0 inputs, need 1", func(m *graph.Model) { m.Nodes[1].In = nil }},
		{"mlp", "has 1 parameters", func(m *graph.Model) { m.Nodes[1].Params = []int{0} }},
		{"mlp", "has 0 parameters", func(m *graph.Model) { m.Nodes[0].Params = nil }},
		{"mlp", "weight fc2.weight is 7×9, the input has 10 features", func(m *graph.Model) {
			m.Params[0].Shape, m.Params[0].Data = tensor.Shape{10, 6}, nil
			m.Params[1].Shape, m.Params[1].Data = tensor.Shape{10}, nil
		}},
		{"mlp", "bias fc1.bias is 8, need 9 values", func(m *graph.Model) { m.Params[1].Shape, m.Params[1].Data = tensor.Shape{8}, nil }},
		{"mlp", "node fc1 (linear): input is 6×2×1, need a vector: put a flatten before it", func(m *graph.Model) { m.Values[0].H = 2 }},
		{"conv-bn-flatten", "needs a window and a weight of four axes", func(m *graph.Model) { m.Nodes[0].Attrs.Win = nil }},
		{"conv-bn-flatten", "window 0×3", func(m *graph.Model) { m.Nodes[0].Attrs.Win.KH = 0 }},
		{"conv-bn-flatten", "with stride 0×1", func(m *graph.Model) { m.Nodes[0].Attrs.Win.SH = 0 }},
		{"conv-bn-flatten", "padding -1,1,1,1", func(m *graph.Model) { m.Nodes[0].Attrs.Win.PT = -1 }},
		{"conv-bn-flatten", "padding 3,1,1,1 is not smaller than the window 3×3", func(m *graph.Model) { m.Nodes[0].Attrs.Win.PT = 3 }},
		{"conv-bn-flatten", "1 groups and a 3×5 window", func(m *graph.Model) { m.Nodes[0].Attrs.Win.KW = 5 }},
		{"conv-bn-flatten", "2 input channels, 3 groups", func(m *graph.Model) { m.Nodes[0].Attrs.Win.Groups = 3 }},
		{"conv-bn-flatten", "2 input channels, 0 groups", func(m *graph.Model) { m.Nodes[0].Attrs.Win.Groups = 0 }},
		{"conv-bn-flatten", "bn1.running_var is 5, the input has 6 channels", func(m *graph.Model) {
			i := m.Param("bn1.running_var")
			m.Params[i].Shape, m.Params[i].Data = tensor.Shape{5}, nil
		}},
		{"conv-bn-flatten", "eps = 0", func(m *graph.Model) { m.Nodes[1].Attrs.Eps = 0 }},
		{"conv-bn-flatten", "eps = NaN", func(m *graph.Model) { m.Nodes[1].Attrs.Eps = float32(math.NaN()) }},
		{"conv-bn-flatten", "node p1 (maxpool): needs a window", func(m *graph.Model) { m.Nodes[3].Attrs.Win = nil }},
		{"conv-bn-flatten", "window 9×2 is larger than the padded input 6×6", func(m *graph.Model) { m.Nodes[3].Attrs.Win.KH = 9 }},
		{"conv-bn-flatten", "p = 1, need 0 ≤ p < 1", func(m *graph.Model) { m.Nodes[8].Attrs.P = 1 }},
		{"conv-bn-flatten", "p = NaN", func(m *graph.Model) { m.Nodes[8].Attrs.P = float32(math.NaN()) }},
		{"conv-bn-flatten", "output is 6×6×6, need one vector of class scores", func(m *graph.Model) { m.Output = 1 }},
		{"residual", "node add1 (add): adds 4×6×6 and 2×6×6: shapes must be equal", func(m *graph.Model) { m.Nodes[8].In[1] = 0 }},
	} {
		m := net(t, c.net)
		c.spoil(m)
		if err := m.Verify(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %q", c.net, err, c.want)
		}
	}
}

// TestAppendRefuses: building reports the layer that does not fit.
func TestAppendRefuses(t *testing.T) {
	m := graph.New("m", 2, 4, 4)
	for _, c := range []struct {
		op     string
		params []int
		in     []int
		want   string
	}{
		{"sine", nil, []int{0}, `node x: unknown op "sine"`},
		{"relu", nil, []int{1}, "node x: no value 1"},
		{"relu", nil, []int{-1}, "node x: no value -1"},
		{"linear", []int{0}, []int{0}, "node x: no parameter 0"},
		{"softmax", nil, []int{0}, "node x (softmax): input is 2×4×4, need a vector"},
	} {
		if _, err := m.Append("x", c.op, graph.Attrs{}, c.params, c.in...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.op, err, c.want)
		}
	}
	b := &graph.Net{M: m}
	b.Linear("fc", 0, 3)
	first := b.Err
	b.Conv("conv", 0, 3, 3, 1, 1, 1, true)
	if first == nil || b.Err != first || len(m.Nodes) != 0 {
		t.Errorf("the first error must stand: %v, then %v, %d nodes", first, b.Err, len(m.Nodes))
	}
}

func TestCounts(t *testing.T) {
	m := net(t, "conv-bn-flatten")
	all, prunable := m.NumParams()
	// conv1 6·2·9, conv2 5·6·9 + 5, fc 8·20 + 8, out 3·8 + 3; bn 6 + 6, running statistics do not count.
	weights := int64(108 + 270 + 160 + 24)
	if prunable != weights || all != weights+5+8+3+12 {
		t.Errorf("%d parameters, %d prunable", all, prunable)
	}
	var names []string
	for _, l := range m.Layers() {
		names = append(names, l.Name)
		if m.Nodes[l.Node].Name != l.Name || m.Params[l.Param].Name != l.Name+".weight" {
			t.Errorf("%+v", l)
		}
	}
	if !slices.Equal(names, []string{"conv1", "conv2", "fc", "out"}) {
		t.Error(names)
	}
	if m.Classes() != 3 || m.Input().Len() != 72 || m.Param("nowhere") != -1 {
		t.Errorf("%d classes, input of %d", m.Classes(), m.Input().Len())
	}
}

// TestCloneIsIndependent changes everything a clone could share.
func TestCloneIsIndependent(t *testing.T) {
	m := net(t, "depthwise")
	mask := tensor.NewMask(m.Params[0].Shape.Len())
	mask.Drop(1)
	m.Params[0].Mask = mask
	m.Params[0].Frozen = true
	before, c := m.WeightHash(), m.Clone()
	if c.WeightHash() != before || c.StructHash() != m.StructHash() || c.Name != m.Name {
		t.Fatal("a clone differs from its model")
	}
	if !c.Params[0].Frozen || c.Params[0].Role != graph.Weight {
		t.Error("a clone lost a parameter's role")
	}
	c.Values[0].C = 77
	c.Output = 1
	for i := range c.Params {
		p := &c.Params[i]
		p.Name += "'"
		p.Shape[0] = 99
		p.Data[0] = 1e9
		if p.Mask != nil {
			p.Mask.Drop(0)
		}
	}
	for i := range c.Nodes {
		n := &c.Nodes[i]
		n.In[0] = 5
		if n.Attrs.Win != nil {
			n.Attrs.Win.KH = 50
		}
		if len(n.Params) > 0 {
			n.Params[0] = 3
		}
	}
	if m.WeightHash() != before {
		t.Error("changing the clone changed the model")
	}
	if err := m.Verify(); err != nil {
		t.Error(err)
	}
}

// TestHashes: each hash moves with what it is for, and only with that.
func TestHashes(t *testing.T) {
	for _, c := range []struct {
		name           string
		structs, value bool
		change         func(m *graph.Model)
	}{
		{"nothing", false, false, func(m *graph.Model) {}},
		{"verify", false, false, func(m *graph.Model) { _ = m.Verify() }},
		{"a weight", false, true, func(m *graph.Model) { m.Params[0].Data[0]++ }},
		{"the sign of a zero", false, true, func(m *graph.Model) {
			m.Params[0].Data[0] = float32(math.Copysign(0, -1))
		}},
		{"a mask", false, true, func(m *graph.Model) {
			m.Params[0].Mask = tensor.NewMask(m.Params[0].Shape.Len())
			m.Params[0].Mask.Drop(0)
		}},
		{"two weights swapped", false, true, func(m *graph.Model) { d := m.Params[0].Data; d[0], d[1] = d[1], d[0] }},
		{"a name", true, true, func(m *graph.Model) { m.Params[0].Name = "x" }},
		{"an op", true, true, func(m *graph.Model) { m.Nodes[1].Op = "relu" }},
		{"an attribute", true, true, func(m *graph.Model) { m.Nodes[1].Attrs.P = 0.5 }},
		{"frozen", true, true, func(m *graph.Model) { m.Params[0].Frozen = true }},
		{"a cut", true, true, func(m *graph.Model) {
			if _, err := (graph.CutAxis{Group: "fc1", Keep: []int{0, 1}}).Apply(m); err != nil {
				t.Error(err)
			}
		}},
	} {
		m := net(t, "mlp")
		m.Params[0].Data[0] = 0
		s, w := m.StructHash(), m.WeightHash()
		c.change(m)
		if (m.StructHash() != s) != c.structs || (m.WeightHash() != w) != c.value {
			t.Errorf("after a change of %s: structure %v, weights %v; want %v, %v", c.name, m.StructHash() != s, m.WeightHash() != w, c.structs, c.value)
		}
	}
}

// TestJSON: the structure survives a file; values and masks travel elsewhere.
func TestJSON(t *testing.T) {
	for name := range nets {
		m := net(t, name)
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var back graph.Model
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if err := back.Verify(); err != nil {
			t.Fatal(err)
		}
		if back.StructHash() != m.StructHash() {
			t.Errorf("%s: structure changed on the way", name)
		}
		for i := range back.Params {
			if back.Params[i].Data != nil || back.Params[i].Mask != nil {
				t.Errorf("%s: values of %s are in the JSON", name, back.Params[i].Name)
			}
			back.Params[i].Data = m.Params[i].Data
		}
		x := sample(m, 9)
		if got, want := forward(t, &back, x), forward(t, m, x); !slices.Equal(got, want) {
			t.Errorf("%s: computes %v, before %v", name, got, want)
		}
	}
}

// TestGlobalPoolFollowsTheInput: it has no window of its own.
func TestGlobalPoolFollowsTheInput(t *testing.T) {
	b := &graph.Net{M: graph.New("g", 2, 3, 5)}
	v := b.Op("gap", "globalavgpool", 0)
	if b.Err != nil || b.M.Values[v] != (graph.Value{C: 2, H: 1, W: 1}) {
		t.Errorf("%v, %v", b.M.Values, b.Err)
	}
}

// TestWindowOut checks output sizes against PyTorch's formula
// ⌊(H + 2p − k)/s⌋ + 1.
func TestWindowOut(t *testing.T) {
	for _, c := range [][5]int{{28, 5, 1, 2, 28}, {28, 2, 2, 0, 14}, {14, 5, 1, 0, 10}, {7, 3, 2, 1, 4}, {8, 3, 2, 1, 4}, {6, 3, 3, 0, 2}} {
		g := device.Window{KH: c[1], KW: c[1], SH: c[2], SW: c[2], PT: c[3], PL: c[3], PB: c[3], PR: c[3], Groups: 1}
		if h, w := g.Out(c[0], c[0]); h != c[4] || w != c[4] {
			t.Errorf("%v: %d×%d", c, h, w)
		}
	}
}
