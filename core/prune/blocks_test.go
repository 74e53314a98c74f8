package prune

import (
	"strings"
	"testing"

	"pare/core/graph"
	"pare/core/model/zoo"
)

// TestDropEqualsZeros: a model without a block computes what the whole one computes with
// the last layer of that block zeroed: drop(m) = zero(m). It reports what is gone.
func TestDropEqualsZeros(t *testing.T) {
	m := zooModel(t, "resnet-8", zoo.Input{C: 3, H: 8, W: 8})
	blocks := m.ResidualBlocks()
	if len(blocks) != 1 { // in the others the shortcut is a convolution
		t.Fatalf("%d blocks", len(blocks))
	}
	s, base := Spec{Score: "magnitude", Pattern: "layer", Distribution: "global"}, NewBase(m)
	drops, r, err := Drop(m, s, 0.05, base)
	if err != nil || len(drops) != 1 {
		t.Fatalf("%d blocks dropped, %v", len(drops), err)
	}
	after := m.Clone()
	if _, err := drops[0].Apply(after); err != nil {
		t.Fatal(err)
	}
	gone := 0
	for _, l := range r.Layers {
		if l.Dropped {
			gone += l.Zeros
			if after.Param(l.Name+".weight") >= 0 {
				t.Errorf("%s is said to be dropped and is there", l.Name)
			}
		}
	}
	if gone != r.Zeros || gone != 2*16*16*9 || base.Dropped(after, nil) != gone || len(r.Empty()) > 0 {
		t.Errorf("%d weights in dropped layers, %d reported, empty %v", gone, r.Zeros, r.Empty())
	}
	if again, err := Survey(after, s, base); err != nil || again.Hash != r.Hash || again.Zeros != r.Zeros {
		t.Errorf("surveyed again: %d zeros, %s, %v; reported %d, %s", again.Zeros, again.Hash, err, r.Zeros, r.Hash)
	}
	zeroed := m.Clone()
	for _, p := range blocks[0].Params {
		q := &zeroed.Params[p]
		if strings.Contains(q.Name, "bn2") && q.Role != graph.Running {
			clear(q.Data)
		}
	}
	x := inputs(2 * m.Input().Len())
	near(t, "resnet-8", logits(t, after, nil, x, 2), logits(t, zeroed, nil, x, 2))
	if _, _, err := Drop(m, s, 0.5, base); err == nil || !strings.Contains(err.Error(), "at most 6.") {
		t.Errorf("half of the weights: %v", err)
	}
	s.Skip = []string{"block1.conv2"}
	if _, _, err := Drop(m, s, 0.05, base); err == nil {
		t.Error("a block with a skipped layer is dropped")
	}
}

// TestDropOrder: the block worth least goes first, then the next.
func TestDropOrder(t *testing.T) {
	b := &graph.Net{M: graph.New("chain", 8, 1, 1)}
	x := b.Linear("in", 0, 8)
	for _, n := range []string{"a", "b", "c"} {
		x = b.Op(n, "add", x, b.Linear(n+".fc", b.Op(n+".relu", "relu", x), 8))
	}
	b.Linear("out", x, 3)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	m := b.M
	for i := range m.Params {
		m.Params[i].Data = make([]float32, m.Params[i].Shape.Len())
	}
	for n, v := range map[string]float32{"a": 2, "b": 1, "c": 2} { // a and c tie: the later goes first
		d := m.Params[m.Param(n+".fc.weight")].Data
		for i := range d {
			d[i] = v
		}
	}
	s, base := Spec{Score: "magnitude", Pattern: "layer", Distribution: "global"}, NewBase(m)
	for k, want := range []string{"", "b", "b c", "b c a"} {
		drops, r, err := Drop(m, s, float64(64*k)/float64(64*4+24), base)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range drops {
			got = append(got, d.Block)
		}
		if strings.Join(got, " ") != want || r.Zeros != 64*k {
			t.Errorf("%d blocks: %v with %d weights, want %q", k, got, r.Zeros, want)
		}
	}
	for _, c := range []struct {
		m    *graph.Model
		s    Spec
		want string
	}{
		{m, Spec{Score: "magnitude", Pattern: "layer", Distribution: "layer"}, "distribution global"},
		{build(t, false, []int{4, 3}, 1), s, "no residual block"},
	} {
		if err := c.s.Check(c.m); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
