package graph_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pare/core/graph"
	"pare/core/tensor"
)

// index is the row-major position of idx in shape.
func index(shape tensor.Shape, idx []int) int {
	i := 0
	for a, d := range shape {
		i = i*d + idx[a]
	}
	return i
}

// TestCutKeepsTheRightEntries cuts every group of every net and looks each kept
// entry up in the original by its index: shapes, values and masks.
func TestCutKeepsTheRightEntries(t *testing.T) {
	for name := range nets {
		t.Run(name, func(t *testing.T) {
			m := net(t, name)
			for i := range m.Params {
				p := &m.Params[i]
				if p.Role != graph.Weight {
					continue
				}
				k := tensor.NewMask(p.Shape.Len())
				for j := i; j < p.Shape.Len(); j += 3 {
					k.Drop(j)
				}
				if _, err := (graph.SetMask{Param: p.Name, Mask: k}).Apply(m); err != nil {
					t.Fatal(err)
				}
			}
			gs, err := m.Groups()
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range gs {
				if g.Refused != "" {
					continue
				}
				keep := []int{0, g.Size / 2, g.Size - 1}
				c := m.Clone()
				remap, err := graph.CutAxis{Group: g.Name, Keep: keep}.Apply(c)
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Verify(); err != nil {
					t.Fatal(err)
				}
				checkCut(t, m, c, g, keep)
				for i, p := range m.Params {
					if got := remap.Tensor(i, p.Shape, p.Data); !slices.Equal(got, c.Params[i].Data) {
						t.Errorf("cut %s: Remap takes state of %s elsewhere than the weights", g.Name, p.Name)
					}
				}
			}
		})
	}
}

// checkCut compares each entry of the cut model with the entry it came from.
func checkCut(t *testing.T, m, c *graph.Model, g graph.Group, keep []int) {
	t.Helper()
	for i, p := range m.Params {
		q := c.Params[i]
		from := make([][]int, len(p.Shape)) // kept entries of each axis
		for a, d := range p.Shape {
			for e := 0; e < d; e++ {
				ok := true
				for _, s := range g.Slices {
					ok = ok && (s.Param != i || s.Axis != a || slices.Contains(keep, e/s.Block))
				}
				if ok {
					from[a] = append(from[a], e)
				}
			}
			if q.Shape[a] != len(from[a]) {
				t.Fatalf("cut %s: %s is %v, want %d entries on axis %d", g.Name, p.Name, q.Shape, len(from[a]), a)
			}
		}
		old, idx := make([]int, len(p.Shape)), make([]int, len(p.Shape))
		for j := range q.Data {
			r := j
			for a := len(idx) - 1; a >= 0; a-- {
				idx[a] = r % q.Shape[a]
				r /= q.Shape[a]
				old[a] = from[a][idx[a]]
			}
			o := index(p.Shape, old)
			if q.Data[j] != p.Data[o] || q.Mask.Kept(j) != p.Mask.Kept(o) {
				t.Fatalf("cut %s: %s%v = %g (kept %v), in the original %v = %g (kept %v)",
					g.Name, q.Name, idx, q.Data[j], q.Mask.Kept(j), old, p.Data[o], p.Mask.Kept(o))
			}
		}
		if (q.Mask == nil) != (p.Mask == nil) {
			t.Errorf("cut %s: mask of %s appeared or went", g.Name, p.Name)
		}
	}
}

// TestCutEqualsMask: cutting channels computes what zeroing everything that
// produces them computes. The columns that read them are left as they are in
// the masked model, so a cut of the wrong columns shows.
func TestCutEqualsMask(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for name := range nets {
		t.Run(name, func(t *testing.T) {
			masked := net(t, name)
			cut := masked.Clone()
			gs, err := masked.Groups()
			if err != nil {
				t.Fatal(err)
			}
			for round, g := range gs {
				if g.Refused != "" {
					continue
				}
				keep := r.Perm(g.Size)[:1+r.IntN(g.Size-1)]
				slices.Sort(keep)
				if _, err := (graph.CutAxis{Group: g.Name, Keep: keep}).Apply(cut); err != nil {
					t.Fatal(err)
				}
				for _, s := range g.Slices {
					p := &masked.Params[s.Param]
					if s.Axis != 0 || p.Role == graph.Running {
						continue
					}
					row := p.Shape[1:].Len()
					for j := range p.Data {
						if !slices.Contains(keep, j/row) {
							p.Data[j] = 0
						}
					}
				}
				x := sample(masked, uint64(round))
				want, got := forward(t, masked, x), forward(t, cut, x)
				dense := forward(t, net(t, name), x)
				moved := false
				for i := range want {
					if e := math.Abs(got[i] - want[i]); e > 1e-12*(1+math.Abs(want[i])) {
						t.Fatalf("after cutting %s to %v: output %d is %g, masked model gives %g", g.Name, keep, i, got[i], want[i])
					}
					moved = moved || math.Abs(got[i]-dense[i]) > 1e-6
				}
				if !moved {
					t.Fatalf("cutting %s to %v left the output of the dense model: nothing is tested", g.Name, keep)
				}
			}
		})
	}
}

func TestCutRefuses(t *testing.T) {
	m := net(t, "mlp")
	before := m.WeightHash()
	for _, c := range []struct {
		cut  graph.CutAxis
		want string
	}{
		{graph.CutAxis{Group: "fc9", Keep: []int{0}}, `no group of channels named "fc9"`},
		{graph.CutAxis{Group: "fc1"}, "nothing would be left of 9 channels"},
		{graph.CutAxis{Group: "fc1", Keep: []int{1, 0}}, "not ascending within 0…8"},
		{graph.CutAxis{Group: "fc1", Keep: []int{0, 0}}, "not ascending"},
		{graph.CutAxis{Group: "fc1", Keep: []int{-1}}, "not ascending"},
		{graph.CutAxis{Group: "fc1", Keep: []int{3, 9}}, "not ascending"},
		{graph.CutAxis{Group: "input", Keep: []int{0}}, "it is the model's input"},
		{graph.CutAxis{Group: "out", Keep: []int{0}}, "it is the model's output"},
	} {
		if _, err := c.cut.Apply(m); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.cut, err, c.want)
		}
		if m.WeightHash() != before {
			t.Fatalf("%+v: a refused cut changed the model", c.cut)
		}
	}
}

// TestCutOfHollowModel: while a device holds the values, only shapes and masks
// are cut.
func TestCutOfHollowModel(t *testing.T) {
	m := net(t, "depthwise")
	for i := range m.Params {
		m.Params[i].Data = nil
	}
	if _, err := (graph.CutAxis{Group: "conv1", Keep: []int{1, 2, 5}}).Apply(m); err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Params {
		if p.Data != nil {
			t.Errorf("%s has values", p.Name)
		}
	}
	for _, n := range m.Nodes {
		if n.Name == "dw" && n.Attrs.Win.Groups != 3 {
			t.Errorf("depthwise convolution has %d groups for 3 channels", n.Attrs.Win.Groups)
		}
	}
	if s := m.Params[m.Param("dw.weight")].Shape; !s.Equal(tensor.Shape{3, 1, 3, 3}) {
		t.Errorf("dw.weight is %v", s)
	}
}

func TestCutText(t *testing.T) {
	c := graph.CutAxis{Group: "fc1", Keep: []int{0, 4}}
	if c.Text() != "cut fc1 to 2 channels" {
		t.Error(c.Text())
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back graph.CutAxis
	if err := json.Unmarshal(b, &back); err != nil || back.Group != c.Group || !slices.Equal(back.Keep, c.Keep) {
		t.Errorf("%s came back as %+v, %v", b, back, err)
	}
}

func TestSetMask(t *testing.T) {
	m := net(t, "mlp")
	w := m.Param("fc1.weight")
	mask := tensor.NewMask(54)
	mask.Drop(0)
	mask.Drop(53)
	keep := m.Params[w].Data[1]
	m.Params[w].Data[53] = float32(math.NaN())
	if _, err := (graph.SetMask{Param: "fc1.weight", Mask: mask}).Apply(m); err != nil {
		t.Fatal(err)
	}
	d := m.Params[w].Data
	if d[0] != 0 || d[53] != 0 || d[1] != keep {
		t.Errorf("after the mask: %g %g %g", d[0], d[1], d[53])
	}
	mask.Drop(1) // the model has its own copy
	if m.Params[w].Mask.Zeros() != 2 {
		t.Error("the model shares the mask it was given")
	}
	before := m.WeightHash()
	for _, c := range []struct {
		s    graph.SetMask
		want string
	}{
		{graph.SetMask{Param: "fc9.weight", Mask: mask}, `no parameter named "fc9.weight"`},
		{graph.SetMask{Param: "fc2.weight", Mask: mask}, "mask over 54 elements for fc2.weight of shape 7×9"},
	} {
		if _, err := c.s.Apply(m); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.s.Param, err, c.want)
		}
	}
	if m.WeightHash() != before {
		t.Error("a refused mask changed the model")
	}
	if got := (graph.SetMask{Param: "fc1.weight", Mask: mask}).Text(); !strings.Contains(got, "mask fc1.weight: 3 zeros, "+mask.Hash()) {
		t.Error(got)
	}
	if _, err := (graph.SetMask{Param: "fc1.weight"}).Apply(m); err != nil || m.Params[w].Mask != nil {
		t.Errorf("taking the mask off: %v", err)
	}
}
