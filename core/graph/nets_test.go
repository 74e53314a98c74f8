package graph_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pare/core/graph"
)

// nets are small models, one per way in which channels hang together.
var nets = map[string]func(b *graph.Net){
	"mlp": func(b *graph.Net) { // 6 features
		x := b.Op("a1", "tanh", b.Linear("fc1", 0, 9))
		x = b.Op("a2", "gelu", b.Linear("fc2", x, 7))
		b.Linear("out", x, 4)
	},
	"conv-bn-flatten": func(b *graph.Net) {
		x := b.Op("a1", "relu", b.Norm("bn1", b.Conv("conv1", 0, 6, 3, 1, 1, 1, false)))
		x = b.Pool("p1", "maxpool", x, 2, 2)
		x = b.Op("a2", "silu", b.Conv("conv2", x, 5, 3, 1, 1, 1, true))
		x = b.Pool("p2", "avgpool", x, 2, 1)
		x = b.Dropout("drop", b.Op("flat", "flatten", x), 0.5)
		b.Linear("out", b.Op("a3", "relu", b.Linear("fc", x, 8)), 3)
	},
	"residual": func(b *graph.Net) { // an identity shortcut, then a projection
		s := b.Op("a0", "relu", b.Norm("bn0", b.Conv("conv0", 0, 4, 3, 1, 1, 1, false)))
		y := b.Op("a1", "relu", b.Norm("bn1", b.Conv("conv1", s, 7, 3, 1, 1, 1, false)))
		y = b.Norm("bn2", b.Conv("conv2", y, 4, 3, 1, 1, 1, false))
		s = b.Op("a2", "relu", b.Op("add1", "add", y, s))
		y = b.Conv("conv3", s, 6, 3, 2, 1, 1, true)
		z := b.Norm("bn4", b.Conv("short", s, 6, 1, 2, 0, 1, false))
		s = b.Op("a3", "hardswish", b.Op("add2", "add", y, z))
		b.Linear("out", b.Op("gap", "globalavgpool", s), 3)
	},
	"depthwise": func(b *graph.Net) {
		x := b.Op("a1", "relu", b.Norm("bn1", b.Conv("conv1", 0, 6, 3, 1, 1, 1, false)))
		x = b.Op("a2", "hardswish", b.Norm("bn2", b.Conv("dw", x, 6, 3, 2, 1, 6, true)))
		x = b.Op("a3", "relu", b.Conv("pw", x, 5, 1, 1, 0, 1, true))
		b.Linear("out", b.Op("gap", "globalavgpool", x), 3)
	},
	"tokens": func(b *graph.Net) { // an image, its pixels and one of them
		x := b.Tokens("class", b.Conv("patch", 0, 6, 2, 2, 0, 1, true), true)
		b.Linear("out", b.Token("first", b.Op("a", "gelu", b.Linear("fc", x, 7)), 0), 3)
	},
	"residual-mlp": func(b *graph.Net) { // both axes of fc2 belong to one group
		s := b.Linear("fc1", 0, 8)
		y := b.Op("a", "relu", b.Linear("fc2", s, 8))
		b.Linear("out", b.Op("add", "add", y, s), 3)
	},
}

// net builds one of nets and fills every parameter with values that differ.
func net(t *testing.T, name string) *graph.Model {
	t.Helper()
	m := shape(t, name)
	fill(m)
	if err := m.Verify(); err != nil {
		t.Fatal(err)
	}
	return m
}

// shape builds one of nets without values.
func shape(t testing.TB, name string) *graph.Model {
	t.Helper()
	in := [3]int{2, 6, 6}
	if name == "mlp" || name == "residual-mlp" {
		in = [3]int{6, 1, 1}
	}
	b := &graph.Net{M: graph.New(name, in[0], in[1], in[2])}
	nets[name](b)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	return b.M
}

func fill(m *graph.Model) {
	r := rand.New(rand.NewPCG(1, uint64(len(m.Params))))
	for i := range m.Params {
		p := &m.Params[i]
		p.Data = make([]float32, p.Shape.Len())
		for j := range p.Data {
			p.Data[j] = float32(r.NormFloat64())
			if p.Role == graph.Running { // a variance must be positive
				p.Data[j] = float32(0.5 + r.Float64())
			}
		}
	}
}

// forward is a second, slow opinion on what a model computes: float64, straight
// from the formulas, inference mode. x is one sample in the order C, H, W.
func forward(t *testing.T, m *graph.Model, x []float64) []float64 {
	t.Helper()
	vals := make([][]float64, len(m.Values))
	vals[0] = x
	for i := range m.Nodes {
		n := &m.Nodes[i]
		in := vals[n.In[0]]
		iv, ov := m.Values[n.In[0]], m.Values[n.Out]
		out := make([]float64, ov.Len())
		par := func(i int) []float32 {
			if i < len(n.Params) {
				return m.Params[n.Params[i]].Data
			}
			return make([]float32, ov.C)
		}
		switch n.Op {
		case "linear":
			for i := range out {
				token, o := i/ov.C, i%ov.C
				out[i] = float64(par(1)[o])
				for k, v := range in[token*iv.C*iv.H*iv.W:][:iv.C*iv.H*iv.W] {
					out[i] += float64(par(0)[o*iv.C*iv.H*iv.W+k]) * v
				}
			}
		case "conv2d":
			window(iv, ov, n, func(o, c, at, tap int) {
				g := n.Attrs.Win.Groups
				cg, ng := iv.C/g, ov.C/g
				f := o / (ov.H * ov.W)
				if c/cg == f/ng {
					out[o] += float64(par(0)[(f*cg+c%cg)*n.Attrs.Win.KH*n.Attrs.Win.KW+tap]) * in[at]
				}
			})
			for o := range out {
				out[o] += float64(par(1)[o/(ov.H*ov.W)])
			}
		case "maxpool", "avgpool":
			for o := range out {
				if n.Op == "maxpool" {
					out[o] = math.Inf(-1)
				}
			}
			window(iv, ov, n, func(o, c, at, _ int) {
				switch {
				case c != o/(ov.H*ov.W):
				case n.Op == "maxpool":
					out[o] = max(out[o], in[at])
				default: // padding counts
					out[o] += in[at] / float64(n.Attrs.Win.KH*n.Attrs.Win.KW)
				}
			})
		case "globalavgpool":
			for k, v := range in {
				out[k/(iv.H*iv.W)] += v / float64(iv.H*iv.W)
			}
		case "batchnorm":
			for k, v := range in {
				c := k / (iv.H * iv.W)
				out[k] = (v-float64(par(2)[c]))/math.Sqrt(float64(par(3)[c])+float64(n.Attrs.Eps))*float64(par(0)[c]) + float64(par(1)[c])
			}
		case "add":
			for k := range out {
				out[k] = in[k] + vals[n.In[1]][k]
			}
		case "tokens": // pixels in the order C, H, W become tokens of C channels
			for k := range out {
				token, c := k/ov.C-len(n.Params), k%ov.C
				if token < 0 {
					out[k] = float64(par(0)[c])
				} else {
					out[k] = in[c*iv.H*iv.W+token]
				}
			}
		case "token":
			copy(out, in[n.Attrs.At*iv.C:])
		case "flatten", "dropout":
			copy(out, in)
		default:
			f, ok := map[string]func(float64) float64{
				"relu": func(v float64) float64 { return max(v, 0) }, "tanh": math.Tanh,
				"gelu":      func(v float64) float64 { return v / 2 * (1 + math.Erf(v/math.Sqrt2)) },
				"silu":      func(v float64) float64 { return v / (1 + math.Exp(-v)) },
				"hardswish": func(v float64) float64 { return v * min(max(v+3, 0), 6) / 6 },
			}[n.Op]
			if !ok {
				t.Fatalf("forward: no formula for %s", n.Op)
			}
			for k := range out {
				out[k] = f(in[k])
			}
		}
		vals[n.Out] = out
	}
	return vals[m.Output]
}

// window calls f(output, input channel, input element, tap) for all pixels under
// each output's window.
func window(iv, ov graph.Value, n *graph.Node, f func(o, c, at, tap int)) {
	g := n.Attrs.Win
	for o := 0; o < ov.Len(); o++ {
		oy, ox := o/ov.W%ov.H, o%ov.W
		for c := 0; c < iv.C; c++ {
			for tap := 0; tap < g.KH*g.KW; tap++ {
				y, x := oy*g.SH-g.PT+tap/g.KW, ox*g.SW-g.PL+tap%g.KW
				if y >= 0 && y < iv.H && x >= 0 && x < iv.W {
					f(o, c, (c*iv.H+y)*iv.W+x, tap)
				}
			}
		}
	}
}

func sample(m *graph.Model, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 2))
	x := make([]float64, m.Input().Len())
	for i := range x {
		x[i] = r.NormFloat64()
	}
	return x
}

func groupNames(m *graph.Model) ([]graph.Group, []string, error) {
	gs, err := m.Groups()
	var names []string
	for _, g := range gs {
		names = append(names, fmt.Sprintf("%s %d", g.Name, g.Size))
	}
	return gs, names, err
}
