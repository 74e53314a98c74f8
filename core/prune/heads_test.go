package prune

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pare/core/graph"
	"pare/core/model/zoo"
)

// transformers: heads packed side by side as in GPT-2, and grouped-query ones with
// rotary positions and a gate as in Llama.
func transformers(t *testing.T) map[string]*graph.Model {
	t.Helper()
	gpt, _, err := zoo.New("gpt-nano", 3, zoo.Input{C: 1, H: 1, W: 1, Tokens: 10, Vocab: 13}, 13)
	if err != nil {
		t.Fatal(err)
	}
	b := &graph.Net{M: graph.NewSequence("llama", 1, 10)}
	x := b.Embedding("wte", 0, 13, 24)
	n := b.RMSNorm("norm", x, 1e-5)
	a := b.Attention("attn", 8, 4, true, b.Rope("rq", b.Linear("q", n, 48), 8, 1e4), b.Rope("rk", b.Linear("k", n, 24), 4, 1e4), b.Linear("v", n, 24))
	x = b.Op("add1", "add", x, b.Linear("o", a, 24))
	n = b.RMSNorm("norm2", x, 1e-5)
	g := b.Op("mul", "mul", b.Op("silu", "silu", b.Linear("gate", n, 40)), b.Linear("up", n, 40))
	x = b.Op("add2", "add", x, b.Linear("down", g, 24))
	b.Linear("head", x, 13)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b.M.Params {
		p := &b.M.Params[i]
		p.Data = make([]float32, p.Shape.Len())
		for j := range p.Data {
			p.Data[j] = float32(r.NormFloat64()) / 4
		}
	}
	return map[string]*graph.Model{"gpt": gpt, "llama": b.M}
}

// TestCutHeads: a model without heads computes what the whole one does when what those
// heads say is not listened to: the columns of the layer behind them are zero.
func TestCutHeads(t *testing.T) {
	for name, m := range transformers(t) {
		for _, c := range []struct {
			pattern string
			share   float64
		}{{"head", 0.05}, {"width", 0.5}, {"neuron", 0.3}} {
			for _, distribution := range []string{"layer", "global"} {
				cuts, rep, err := Cut(m, Spec{Score: "magnitude", Pattern: c.pattern, Distribution: distribution}, c.share, NewBase(m))
				if err != nil {
					t.Fatal(err)
				}
				gs, err := m.Groups()
				if err != nil {
					t.Fatal(err)
				}
				deaf, heads, others := m.Clone(), 0, 0
				for _, x := range cuts {
					g := gs[slices.IndexFunc(gs, func(g graph.Group) bool { return g.Name == x.Group })]
					if g.Heads {
						heads++
					} else {
						others++
					}
					for _, s := range g.Slices {
						p := &deaf.Params[s.Param]
						if s.Axis != 1 {
							continue
						}
						for j := range p.Data {
							if !slices.Contains(x.Keep, (j%p.Shape[1]-s.Offset)/s.Block) {
								p.Data[j] = 0
							}
						}
					}
				}
				if (heads > 0) != (c.pattern != "neuron") || (others > 0) != (c.pattern != "head") {
					t.Errorf("%s, %s: %d groups of heads and %d others are cut", name, c.pattern, heads, others)
				}
				if float64(rep.Zeros) < c.share*float64(rep.Of) {
					t.Errorf("%s, %s: %d of %d weights are gone", name, c.pattern, rep.Zeros, rep.Of)
				}
				x := make([]float32, 2*10)
				r := rand.New(rand.NewPCG(8, 9))
				for i := range x {
					x[i] = float32(r.IntN(13))
				}
				want := logits(t, deaf, nil, x, 2)
				pared := cutAll(t, m, cuts)
				near(t, name+", "+c.pattern+", "+distribution, logits(t, pared, nil, x, 2), want)
				if slices.Equal(want, logits(t, m, nil, x, 2)) {
					t.Errorf("%s: the cut changes nothing", name)
				}
				// A second cut goes on from there.
				again, _, err := Cut(pared, Spec{Score: "magnitude", Pattern: c.pattern, Distribution: distribution}, float64(rep.Zeros)/float64(rep.Of)+0.001, NewBase(m))
				if err != nil || len(again) == 0 {
					t.Errorf("%s, %s: again: %d cuts, %v", name, c.pattern, len(again), err)
				}
				logits(t, cutAll(t, pared, again), nil, x, 2)
			}
		}
	}
}

// TestHeadScoreSeesAllSides: the head whose queries, keys and values are small goes,
// though each lies elsewhere in the packed weight.
func TestHeadScoreSeesAllSides(t *testing.T) {
	m := transformers(t)["gpt"]
	const weak, d, c = 1, 16, 48
	p := &m.Params[m.Param("h.0.attn.c_attn.weight")]
	for row := range 3 * c {
		if row%c/d == weak {
			for k := range c {
				p.Data[row*c+k] *= 0.5
			}
		}
	}
	cuts, _, err := Cut(m, Spec{Score: "magnitude", Pattern: "head", Distribution: "layer", Skip: []string{"h.1.attn.c_attn", "h.2.attn.c_attn"}}, 0.01, NewBase(m))
	if err != nil || len(cuts) != 1 || !slices.Equal(cuts[0].Keep, []int{0, 2}) {
		t.Errorf("%v, %v: want heads 0 and 2 of the first block", cuts, err)
	}
}

// TestSmallCutsReachTheHeads: many small cuts by layer take of heads what one large
// cut takes.
func TestSmallCutsReachTheHeads(t *testing.T) {
	m := transformers(t)["gpt"]
	base := NewBase(m)
	s := Spec{Score: "magnitude", Pattern: "width", Distribution: "layer"}
	once, _, err := Cut(m, s, 0.4, base)
	if err != nil {
		t.Fatal(err)
	}
	slow := m
	for share := 0.02; share < 0.41; share += 0.02 {
		cuts, _, err := Cut(slow, s, min(share, 0.4), base)
		if err != nil {
			t.Fatal(err)
		}
		slow = cutAll(t, slow, cuts)
	}
	for i, n := range cutAll(t, m, once).Nodes {
		if got := slow.Nodes[i].Attrs.Heads; got != n.Attrs.Heads {
			t.Errorf("%s has %d heads after small cuts, %d after a large one", n.Name, got, n.Attrs.Heads)
		}
	}
	if h := slow.Nodes[slices.IndexFunc(slow.Nodes, func(n graph.Node) bool { return n.Op == "attention" })].Attrs.Heads; h != 2 {
		t.Errorf("%d of 3 heads are left at 40 %%", h)
	}
}

// TestHeadRefused: without attention there is nothing to cut.
func TestHeadRefused(t *testing.T) {
	m := zooModel(t, "lenet-300-100", zoo.Input{C: 1, H: 6, W: 6})
	_, _, err := Cut(m, Spec{Score: "magnitude", Pattern: "head", Distribution: "layer"}, 0.5, NewBase(m))
	if err == nil || !strings.Contains(err.Error(), "lenet-300-100 has no attention, so no heads: choose neuron") {
		t.Error(err)
	}
}
