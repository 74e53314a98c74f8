package graph_test

import (
	"strings"
	"testing"

	"pare/core/graph"
	"pare/core/tensor"
)

// block is one block of a transformer with gated and plain networks behind it.
func block(t *testing.T) *graph.Model {
	t.Helper()
	b := &graph.Net{M: graph.NewSequence("block", 1, 9)}
	x := b.Positions("wpe", b.Embedding("wte", 0, 11, 12), 16)
	n := b.RMSNorm("norm", x, 1e-5)
	a := b.Attention("attn", 4, 2, true, b.Rope("rq", b.Linear("q", n, 24), 4, 1e4), b.Rope("rk", b.Linear("k", n, 12), 2, 1e4), b.Linear("v", n, 12))
	x = b.Op("add1", "add", x, b.Linear("o", a, 12))
	n = b.LayerNorm("norm2", x, 1e-5)
	g := b.Op("mul", "mul", b.Op("gelu", "gelu_tanh", b.Linear("gate", n, 20)), b.Linear("up", n, 20))
	x = b.Op("add2", "add", x, b.Linear("down", g, 12))
	b.Linear("head", x, 5)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	for i := range b.M.Params {
		b.M.Params[i].Data = make([]float32, b.M.Params[i].Shape.Len())
	}
	return b.M
}

// TestSequenceGroups: what of a transformer can be cut, and why not the rest.
func TestSequenceGroups(t *testing.T) {
	m := block(t)
	gs, err := m.Groups()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"input": "input", "wte": "normalises over all channels", "q": "", "gate": "", "head": "output",
	}
	for _, g := range gs {
		why, ok := want[g.Name]
		if !ok {
			t.Errorf("group %s of %d channels, refused: %q, was not expected", g.Name, g.Size, g.Refused)
		} else if why == "" && g.Refused != "" || !strings.Contains(g.Refused, why) {
			t.Errorf("group %s is refused because %q, want %q", g.Name, g.Refused, why)
		}
		delete(want, g.Name)
	}
	for name := range want {
		t.Errorf("there is no group %s", name)
	}
	for _, c := range []graph.CutAxis{{Group: "gate", Keep: []int{0, 3, 19}}, {Group: "q", Keep: []int{1}}} {
		if _, err := c.Apply(m); err != nil {
			t.Fatal(err)
		}
	}
	for name, shape := range map[string]tensor.Shape{"gate.weight": {3, 12}, "up.weight": {3, 12}, "down.weight": {12, 3}, "up.bias": {3},
		"q.weight": {12, 12}, "k.weight": {6, 12}, "v.bias": {6}, "o.weight": {12, 12}} {
		if p := m.Params[m.Param(name)]; !p.Shape.Equal(shape) {
			t.Errorf("%s is %v behind the cut, want %v", name, p.Shape, shape)
		}
	}
	if err := m.Verify(); err != nil {
		t.Error(err)
	}
}

// TestSequenceErrors: one line each says what does not fit.
func TestSequenceErrors(t *testing.T) {
	seq := func(c int) *graph.Net { return &graph.Net{M: graph.NewSequence("m", c, 9)} }
	for _, c := range []struct {
		want  string
		build func() error
	}{
		{"need a sequence", func() error {
			b := &graph.Net{M: graph.New("m", 12, 1, 1)}
			b.Attention("a", 2, 2, true, 0, 0, 0)
			return b.Err
		}},
		{"a multiple of", func() error { b := seq(12); b.Attention("a", 3, 2, true, 0, 0, 0); return b.Err }},
		// Their sum overflows to 2.
		{"6 channels", func() error {
			b := seq(6)
			b.Attention("a", 6148914691236517206, 6148914691236517206, true, 0)
			return b.Err
		}},
		{"do not divide", func() error { b := seq(6); b.Rope("r", 0, 1<<63-1, 1e4); return b.Err }},
		{"do not divide into 5 heads", func() error { b := seq(12); b.Attention("a", 5, 5, true, 0, 0, 0); return b.Err }},
		{"keys or values are 9×12, 1 heads of 6 channels are 9×6", func() error { b := seq(12); b.Attention("a", 2, 1, true, 0, 0, 0); return b.Err }},
		{"do not divide into 9 heads", func() error { b := seq(12); b.Attention("a", 3, 3, true, 0); return b.Err }},
		{"heads of an even number", func() error { b := seq(9); b.Rope("r", 0, 3, 1e4); return b.Err }},
		{"base = 0", func() error { b := seq(12); b.Rope("r", 0, 3, 0); return b.Err }},
		{"only the model's input holds ids", func() error { b := seq(1); b.Embedding("e", b.Op("relu", "relu", 0), 5, 4); return b.Err }},
		{"one id per token", func() error { b := seq(3); b.Embedding("e", 0, 5, 4); return b.Err }},
		{"at least 9 places", func() error { b := seq(2); b.Positions("p", 0, 8); return b.Err }},
		{"takes token 9 of 9×3", func() error { b := seq(3); b.Token("t", 0, 9); return b.Err }},
		{"takes token -1", func() error { b := seq(3); b.Token("t", 0, -1); return b.Err }},
		{"it takes images", func() error { b := seq(3); b.Tokens("t", 0, true); return b.Err }},
		{"need a sequence", func() error {
			b := &graph.Net{M: graph.New("m", 3, 1, 1)}
			b.Segments("s", 0, 2)
			return b.Err
		}},
		{"holds them, in its second channel", func() error {
			b := seq(1)
			x := b.Embedding("e", 0, 5, 4)
			_, err := b.M.Append("s", "segment", graph.Attrs{}, []int{b.M.AddParam("w", graph.Table, tensor.Shape{2, 4}, nil)}, x, 0)
			return err
		}},
		{"only the model's input holds ids", func() error {
			b := seq(1)
			x := b.Embedding("e", 0, 5, 4)
			_, err := b.M.Append("a", "attention", graph.Attrs{Heads: 2, KVHeads: 2}, nil, x, x, x, x)
			return err
		}},
		{"padding is id 5", func() error {
			b := seq(1)
			_, err := b.M.Append("e", "embedding", graph.Attrs{Padded: true, Pad: 5}, []int{b.M.AddParam("w", graph.Table, tensor.Shape{5, 4}, nil)}, 0)
			return err
		}},
		{"the id -1", func() error {
			b := seq(1)
			x := b.Embedding("e", 0, 5, 4)
			b.MaskedAttention("a", 2, 2, false, -1, x, x, x)
			return b.Err
		}},
		{"it takes images", func() error { b := seq(3); b.Conv("c", 0, 4, 1, 1, 0, 1, true); return b.Err }},
		{"it takes images", func() error { b := seq(3); b.Norm("n", 0); return b.Err }},
		{"it takes images", func() error { b := seq(3); b.Op("f", "flatten", 0); return b.Err }},
		{"it takes images", func() error { b := seq(3); b.Op("g", "globalavgpool", 0); return b.Err }},
		{"shapes must be equal", func() error { b := seq(3); b.Op("m", "mul", 0, b.Linear("l", 0, 4)); return b.Err }},
		{"need a vector", func() error {
			b := &graph.Net{M: graph.New("m", 3, 4, 4)}
			b.LayerNorm("n", 0, 1e-5)
			return b.Err
		}},
		{"need a positive value", func() error { b := seq(3); b.RMSNorm("n", 0, 0); return b.Err }},
	} {
		if err := c.build(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// TestSharedTableGroups: a table in two places is cut once, in both, and never by
// its rows.
func TestSharedTableGroups(t *testing.T) {
	b := &graph.Net{M: graph.NewSequence("tied", 1, 9)}
	again := func(name string, in int) int {
		v, err := b.M.Append(name, "linear", graph.Attrs{}, []int{b.M.Param("wte.weight")}, in)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	x := b.Op("gelu", "gelu", again("tied", b.Linear("between", b.Positions("wpe", b.Embedding("wte", 0, 11, 12), 16), 12)))
	b.Linear("head", x, 5)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	for i := range b.M.Params {
		p := &b.M.Params[i]
		p.Data = make([]float32, p.Shape.Len())
		for k := range p.Data {
			p.Data[k] = float32(k)
		}
	}
	if _, err := (graph.CutAxis{Group: "tied", Keep: []int{1, 2}}).Apply(b.M); err == nil || !strings.Contains(err.Error(), "a row for each id") {
		t.Errorf("%v, want that ids keep their rows", err)
	}
	// The table's columns are the embedding's and those of the layer between.
	if _, err := (graph.CutAxis{Group: "wte", Keep: []int{0, 3, 7}}).Apply(b.M); err != nil {
		t.Fatal(err)
	}
	for name, shape := range map[string]tensor.Shape{"wte.weight": {11, 3}, "wpe.weight": {16, 3}, "between.weight": {3, 3}, "between.bias": {3}, "head.weight": {5, 11}} {
		if p := b.M.Params[b.M.Param(name)]; !p.Shape.Equal(shape) {
			t.Errorf("%s is %v behind the cut, want %v", name, p.Shape, shape)
		}
	}
	if w := b.M.Params[b.M.Param("wte.weight")].Data; w[1] != 3 || w[5] != 19 {
		t.Errorf("columns 0, 3 and 7 are %v", w[:6])
	}
}
