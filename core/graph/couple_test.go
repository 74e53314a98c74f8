package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pare/core/graph"
	"pare/core/tensor"
)

// describe writes groups as "name size: param.axis×block …", or the refusal.
func describe(m *graph.Model, gs []graph.Group) []string {
	var l []string
	for _, g := range gs {
		if g.Refused != "" {
			l = append(l, fmt.Sprintf("%s %d: %s", g.Name, g.Size, g.Refused))
			continue
		}
		var s []string
		for _, x := range g.Slices {
			s = append(s, fmt.Sprintf("%s.%d×%d", m.Params[x.Param].Name, x.Axis, x.Block))
		}
		l = append(l, fmt.Sprintf("%s %d: %s", g.Name, g.Size, strings.Join(s, " ")))
	}
	return l
}

func TestGroups(t *testing.T) {
	const input, output = "it is the model's input", "it is the model's output"
	bn := func(name string) string {
		return name + ".weight.0×1 " + name + ".bias.0×1 " + name + ".running_mean.0×1 " + name + ".running_var.0×1"
	}
	for name, want := range map[string][]string{
		"mlp": {
			"input 6: " + input,
			"fc1 9: fc1.weight.0×1 fc1.bias.0×1 fc2.weight.1×1",
			"fc2 7: fc2.weight.0×1 fc2.bias.0×1 out.weight.1×1",
			"out 4: " + output,
		},
		// 6×6 pixels become 3×3 and then 2×2 before the flatten.
		"conv-bn-flatten": {
			"input 2: " + input,
			"conv1 6: conv1.weight.0×1 " + bn("bn1") + " conv2.weight.1×1",
			"conv2 5: conv2.weight.0×1 conv2.bias.0×1 fc.weight.1×4",
			"fc 8: fc.weight.0×1 fc.bias.0×1 out.weight.1×1",
			"out 3: " + output,
		},
		"residual": {
			"input 2: " + input,
			"conv0 4: conv0.weight.0×1 " + bn("bn0") + " conv1.weight.1×1 conv2.weight.0×1 " + bn("bn2") + " conv3.weight.1×1 short.weight.1×1",
			"conv1 7: conv1.weight.0×1 " + bn("bn1") + " conv2.weight.1×1",
			"conv3 6: conv3.weight.0×1 conv3.bias.0×1 short.weight.0×1 " + bn("bn4") + " out.weight.1×1",
			"out 3: " + output,
		},
		"depthwise": {
			"input 2: " + input,
			"conv1 6: conv1.weight.0×1 " + bn("bn1") + " dw.weight.0×1 dw.bias.0×1 " + bn("bn2") + " pw.weight.1×1",
			"pw 5: pw.weight.0×1 pw.bias.0×1 out.weight.1×1",
			"out 3: " + output,
		},
		"tokens": {
			"input 2: " + input,
			"patch 6: patch.weight.0×1 patch.bias.0×1 class.weight.0×1 fc.weight.1×1",
			"fc 7: fc.weight.0×1 fc.bias.0×1 out.weight.1×1",
			"out 3: " + output,
		},
		"residual-mlp": {
			"input 6: " + input,
			"fc1 8: fc1.weight.0×1 fc1.bias.0×1 fc2.weight.0×1 fc2.weight.1×1 fc2.bias.0×1 out.weight.1×1",
			"out 3: " + output,
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := net(t, name)
			gs, err := m.Groups()
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(m, gs); !slices.Equal(got, want) {
				t.Errorf("groups\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
		})
	}
}

// TestGroupsFlattenBlock: each filter in front of a flatten owns H·W columns of
// the layer behind it, also through a second flatten.
func TestGroupsFlattenBlock(t *testing.T) {
	b := &graph.Net{M: graph.New("f", 1, 6, 4)}
	x := b.Conv("conv", 0, 3, 3, 1, 1, 1, true)
	x = b.Op("f2", "flatten", b.Op("f1", "flatten", x))
	b.Linear("out", x, 2)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	gs, err := b.M.Groups()
	if err != nil {
		t.Fatal(err)
	}
	if got := describe(b.M, gs)[1]; got != "conv 3: conv.weight.0×1 conv.bias.0×1 out.weight.1×24" {
		t.Error(got)
	}
}

// TestGroupsRefused lists what cannot be cut, and why.
func TestGroupsRefused(t *testing.T) {
	for _, c := range []struct {
		name, group, want string
		build             func(b *graph.Net)
	}{
		{"residual with the input", "input", "it is the model's input", func(b *graph.Net) {
			x := b.Op("add", "add", b.Conv("conv", 0, 4, 3, 1, 1, 1, true), 0)
			b.Linear("out", b.Op("gap", "globalavgpool", x), 2)
		}},
		{"residual with the output", "fc1", "it is the model's output", func(b *graph.Net) {
			f := b.Op("gap", "globalavgpool", 0)
			x := b.Linear("fc1", f, 3)
			b.Op("add", "add", b.Linear("fc2", x, 3), x)
		}},
		{"depthwise on the input", "input", "it is the model's input", func(b *graph.Net) {
			x := b.Conv("dw", 0, 4, 3, 1, 1, 4, true)
			b.Linear("out", b.Op("gap", "globalavgpool", x), 2)
		}},
		{"grouped convolution, its filters", "g2", "grouped convolution g2", func(b *graph.Net) {
			x := b.Conv("g2", b.Conv("conv", 0, 8, 3, 1, 1, 1, true), 6, 3, 1, 1, 2, true)
			b.Linear("out", b.Op("gap", "globalavgpool", x), 2)
		}},
		{"grouped convolution, its inputs", "conv", "grouped convolution g2", func(b *graph.Net) {
			x := b.Conv("g2", b.Conv("conv", 0, 8, 3, 1, 1, 1, true), 6, 3, 1, 1, 2, true)
			b.Linear("out", b.Op("gap", "globalavgpool", x), 2)
		}},
		{"depthwise with two filters per channel", "conv", "grouped convolution dw2", func(b *graph.Net) {
			x := b.Conv("dw2", b.Conv("conv", 0, 4, 3, 1, 1, 1, true), 8, 3, 1, 1, 4, true)
			b.Linear("out", b.Op("gap", "globalavgpool", x), 2)
		}},
		{"a flattened image joined with a vector", "conv", "add joins channels of different layouts", func(b *graph.Net) {
			x := b.Op("flat", "flatten", b.Conv("conv", 0, 3, 3, 1, 1, 1, true))
			y := b.Linear("fc", b.Op("gap", "globalavgpool", 0), 75)
			b.Linear("out", b.Op("add", "add", x, y), 2)
		}},
		{"a vector joined with a flattened image", "fc", "add joins channels of different layouts", func(b *graph.Net) {
			x := b.Op("flat", "flatten", b.Conv("conv", 0, 3, 3, 1, 1, 1, true))
			y := b.Linear("fc", b.Op("gap", "globalavgpool", 0), 75)
			b.Linear("out", b.Op("add", "add", x, y), 2)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &graph.Net{M: graph.New("r", 4, 5, 5)}
			c.build(b)
			if b.Err != nil {
				t.Fatal(b.Err)
			}
			gs, names, err := groupNames(b.M)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(gs, func(g graph.Group) bool { return g.Name == c.group })
			if i < 0 {
				t.Fatalf("no group %s in %v", c.group, names)
			}
			if gs[i].Refused != c.want {
				t.Errorf("group %s refused because %q, want %q", c.group, gs[i].Refused, c.want)
			}
			before := b.M.WeightHash()
			_, err = graph.CutAxis{Group: c.group, Keep: []int{0}}.Apply(b.M)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("cut: %v, want %q", err, c.want)
			}
			if b.M.WeightHash() != before {
				t.Error("a refused cut changed the model")
			}
		})
	}
}

// TestSharedWeight: one parameter in two layers cannot be cut in one of them.
func TestSharedWeight(t *testing.T) {
	m := graph.New("tied", 4, 1, 1)
	w := m.AddParam("w", graph.Weight, tensor.Shape{4, 4}, make([]float32, 16))
	o := m.AddParam("o", graph.Weight, tensor.Shape{2, 4}, make([]float32, 8))
	x := 0
	for i, n := range []struct{ name, op string }{{"l1", "linear"}, {"a1", "relu"}, {"l2", "linear"}, {"a2", "relu"}, {"out", "linear"}} {
		p := []int{w}
		if n.op == "relu" {
			p = nil
		} else if i == 4 {
			p = []int{o}
		}
		v, err := m.Append(n.name, n.op, graph.Attrs{}, p, x)
		if err != nil {
			t.Fatal(err)
		}
		x = v
	}
	gs, _, err := groupNames(m)
	if err != nil {
		t.Fatal(err)
	}
	before := m.WeightHash()
	for _, g := range gs {
		if _, err := (graph.CutAxis{Group: g.Name, Keep: []int{0, 1}}).Apply(m); err == nil {
			t.Errorf("group %s was cut although its weight is shared with the input's", g.Name)
		}
		if m.WeightHash() != before || m.Verify() != nil {
			t.Fatalf("group %s: a refused cut changed the model", g.Name)
		}
	}
}

// TestOpsHaveRows: every op of the table can be coupled, lowered and written.
func TestOpsHaveRows(t *testing.T) {
	ops := graph.Ops()
	for i, o := range ops {
		if o.Name == "" || o.ONNX == "" || o.Infer == nil || o.Lower == nil || o.Couple == nil {
			t.Errorf("op %q: incomplete row %+v", o.Name, o)
		}
		if i > 0 && ops[i-1].Name >= o.Name {
			t.Errorf("ops are not sorted: %s before %s", ops[i-1].Name, o.Name)
		}
		if o.Grad == nil && o.Name != "softmax" {
			t.Errorf("op %s has no gradient", o.Name)
		}
	}
	if len(ops) != 38 {
		t.Errorf("%d ops: add the new one's coupling to these tests", len(ops))
	}
}
