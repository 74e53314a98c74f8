package onnx

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"pare/core/device"
	"pare/core/device/ref"
	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/plan/devicetest"
	"pare/core/tensor"
)

// roundTrip exports and imports m and compares everything: structure, names,
// values, bytes. m must hold no dropout and no mask.
func roundTrip(t interface {
	Helper()
	Fatalf(string, ...any)
}, m *graph.Model,
) *graph.Model {
	t.Helper()
	return roundTripOf(t, m, ImportOptions{})
}

// roundTripOf is roundTrip for a model that leaves something open.
func roundTripOf(t interface {
	Helper()
	Fatalf(string, ...any)
}, m *graph.Model, o ImportOptions,
) *graph.Model {
	t.Helper()
	b, err := Export(m, Options{})
	if err != nil {
		t.Fatalf("%v", err)
	}
	got, err := ImportWith(b, o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if got.StructHash() != m.StructHash() {
		t.Fatalf("structure changed:\n%+v\n%+v", m.Nodes, got.Nodes)
	}
	if got.WeightHash() != m.WeightHash() {
		t.Fatalf("values changed")
	}
	again, err := Export(got, Options{})
	if err != nil || !bytes.Equal(again, b) {
		t.Fatalf("the second export differs (%v)", err)
	}
	return got
}

func TestZooRoundTrip(t *testing.T) {
	for _, i := range zoo.List() {
		t.Run(i.Name, func(t *testing.T) {
			m, _, err := zoo.New(i.Name, 1, i.Input, i.Classes)
			if err != nil {
				t.Fatal(err)
			}
			if n, _ := m.NumParams(); n > 3e6 {
				t.Skipf("%d parameters: a smaller one of its kind is tested", n)
			}
			roundTrip(t, m)
		})
	}
}

// fill gives every parameter values; variances are positive, weights never −0.
func fill(m *graph.Model, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range m.Params {
		p := &m.Params[i]
		p.Data = make([]float32, p.Shape.Len())
		for j := range p.Data {
			p.Data[j] = float32(r.NormFloat64()) * 0.5
			if p.Role == graph.Running || p.Role == graph.Scale {
				p.Data[j] = r.Float32() + 0.5
			}
		}
	}
}

// genNet draws a network over all ops: a row of image layers, some joined by
// additions, then a row of layers over vectors.
func genNet(t *rapid.T) *graph.Model {
	draw := func(name string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(t, name) }
	c, h, w := draw("c", 1, 4), draw("h", 1, 9), draw("w", 1, 9)
	b := &graph.Net{M: graph.New("net", c, h, w)}
	m := b.M
	x := 0
	acts := []string{"relu", "gelu", "silu", "hardswish", "tanh"}
	name := func(op string) string { return fmt.Sprintf("%s%d", op, len(m.Nodes)) }
	for range draw("layers", 0, 6) {
		v := m.Values[x]
		k, s := draw("k", 1, min(3, v.H, v.W)), draw("s", 1, 2)
		switch rapid.SampledFrom([]string{"conv", "depthwise", "norm", "act", "max", "avg", "add"}).Draw(t, "op") {
		case "conv":
			x = b.Conv(name("conv"), x, draw("filters", 1, 4), k, s, draw("pad", 0, k-1), 1, draw("bias", 0, 1) == 1)
		case "depthwise":
			x = b.Conv(name("dw"), x, v.C, k, s, draw("pad", 0, k-1), v.C, true)
		case "norm":
			x = b.Norm(name("norm"), x)
		case "act":
			x = b.Op(name("act"), rapid.SampledFrom(acts).Draw(t, "fn"), x)
		case "max":
			x = b.Pool(name("max"), "maxpool", x, k, s)
		case "avg":
			g := device.Window{KH: k, KW: k, SH: s, SW: s, Groups: 1, PT: draw("pt", 0, k-1), PR: draw("pr", 0, k-1), CountPad: draw("count", 0, 1) == 1}
			y, err := m.Append(name("avg"), "avgpool", graph.Attrs{Win: &g}, nil, x)
			if err != nil {
				t.Fatal(err)
			}
			x = y
		case "add":
			x = b.Op(name("add"), "add", b.Op(name("left"), rapid.SampledFrom(acts).Draw(t, "fn"), x), x)
		}
	}
	if draw("global", 0, 1) == 1 {
		x = b.Op(name("pool"), "globalavgpool", x)
	}
	x = b.Op(name("flat"), "flatten", x)
	for range draw("dense", 0, 2) {
		x = b.Linear(name("fc"), x, draw("n", 1, 5))
		switch draw("then", 0, 2) {
		case 0:
			x = b.Norm(name("norm"), x)
		case 1:
			x = b.Op(name("act"), rapid.SampledFrom(acts).Draw(t, "fn"), x)
		}
	}
	x = b.Linear("out", x, draw("classes", 2, 4))
	if draw("softmax", 0, 1) == 1 {
		b.Op("prob", "softmax", x)
	}
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	fill(m, uint64(draw("seed", 0, 1<<30)))
	return m
}

// Whatever the ops build: import(export(m)) is m, bit by bit.
func TestRandomRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { roundTrip(t, genNet(t)) })
}

// Dropout goes, masks become zeros, −0 becomes +0, and nothing else changes:
// the logits are those of the model in memory.
func TestExportDropoutAndMasks(t *testing.T) {
	build := func(dropout bool) *graph.Model {
		b := &graph.Net{M: graph.New("net", 2, 4, 4)}
		x := b.Conv("conv", 0, 3, 3, 1, 1, 1, true)
		if dropout {
			x = b.Dropout("drop1", x, 0.5)
		}
		x = b.Op("flat", "flatten", b.Op("act", "relu", x))
		if dropout {
			x = b.Dropout("drop2", x, 0.25)
		}
		x = b.Linear("out", x, 3)
		if dropout {
			b.Dropout("drop3", x, 0.1)
		}
		if b.Err != nil {
			t.Fatal(b.Err)
		}
		fill(b.M, 7)
		return b.M
	}
	m, want := build(true), build(false)
	for _, name := range []string{"conv.weight", "out.weight"} {
		p := &m.Params[m.Param(name)]
		p.Mask = tensor.NewMask(p.Shape.Len())
		for j := range p.Data {
			if j%3 == 0 { // the values stay behind, as they may on the way
				p.Mask.Drop(j)
				want.Params[want.Param(name)].Data[j] = 0
			}
		}
		p.Data[1] = float32(math.Copysign(0, -1))
		want.Params[want.Param(name)].Data[1] = 0
	}
	b, err := Export(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Import(b)
	if err != nil {
		t.Fatal(err)
	}
	if got.StructHash() != want.StructHash() || got.WeightHash() != want.WeightHash() {
		t.Errorf("got %+v", got)
	}
	x := make([]float32, 2*32)
	for i := range x {
		x[i] = float32(i%7) - 3
	}
	for i := range m.Params { // what the file says, held against what runs
		m.Params[i].Mask.Apply(m.Params[i].Data)
	}
	if d := worst(devicetest.Outputs(t, ref.New(), got, x), devicetest.Outputs(t, ref.New(), m, x)); d != 0 {
		t.Errorf("logits differ by %g", d)
	}
}

// A linear layer may read [B, C, 1, 1] in the graph but not in ONNX; the file
// then has a Squeeze more, which the import takes for what it is.
func TestExportSqueezes(t *testing.T) {
	b := &graph.Net{M: graph.New("net", 2, 4, 4)}
	x := b.Op("pool", "globalavgpool", b.Conv("conv", 0, 3, 3, 1, 1, 1, true))
	b.Op("prob", "softmax", b.Op("sum", "add", b.Linear("out", x, 3), x)) // adds [B, 3] and [B, 3, 1, 1]
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	fill(b.M, 3)
	roundTrip(t, b.M)
	out, err := Export(b.M, Options{Input: "image", Output: "p"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Import(out)
	if err != nil {
		t.Fatal(err)
	}
	xs := make([]float32, 32)
	for i := range xs {
		xs[i] = float32(i) / 32
	}
	if d := worst(devicetest.Outputs(t, ref.New(), got, xs), devicetest.Outputs(t, ref.New(), b.M, xs)); d != 0 {
		t.Errorf("outputs differ by %g", d)
	}
	if in, o, err := Names(out); in != "image" || o != "p" || err != nil {
		t.Errorf("names %q %q %v", in, o, err)
	}
}

// Names in the graph that would clash in the file are told apart there.
func TestExportNames(t *testing.T) {
	b := &graph.Net{M: graph.New("", 3, 1, 1)}
	x := b.Linear("input", 0, 3)  // like the input
	x = b.Op("logits", "gelu", x) // like the output
	x = b.Op("fc.weight", "relu", x)
	b.M.AddParam("pare.half", graph.Weight, tensor.Shape{2, 3}, nil)
	if _, err := b.M.Append("last", "linear", graph.Attrs{}, []int{2}, x); err != nil || b.Err != nil {
		t.Fatal(err, b.Err)
	}
	fill(b.M, 5)
	out, err := Export(b.M, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Import(out)
	if err != nil {
		t.Fatal(err)
	}
	xs := []float32{1, -2, 0.5, 0, 3, 1}
	if d := worst(devicetest.Outputs(t, ref.New(), got, xs), devicetest.Outputs(t, ref.New(), b.M, xs)); d != 0 {
		t.Errorf("logits differ by %g", d)
	}
	for i, p := range b.M.Params {
		if got.Params[i].Name != p.Name {
			t.Errorf("parameter %s became %s", p.Name, got.Params[i].Name)
		}
	}
}

// A graph without a name is the same after a round trip.
func TestUnnamedGraph(t *testing.T) {
	b := &graph.Net{M: graph.New("", 3, 1, 1)}
	b.Linear("out", 0, 2)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	fill(b.M, 5)
	roundTrip(t, b.M)
}

func TestExportRefuses(t *testing.T) {
	build := func() *graph.Model {
		b := &graph.Net{M: graph.New("net", 3, 1, 1)}
		b.Linear("out", 0, 2)
		fill(b.M, 1)
		return b.M
	}
	nan := build()
	nan.Params[0].Data[4] = float32(math.NaN())
	empty := build()
	empty.Params[1].Data = nil
	named := build()
	named.Params[1].Name = "input"
	for name, c := range map[string]struct {
		m    *graph.Model
		o    Options
		want string
	}{
		"NaN":             {nan, Options{}, "out.weight: value 4 is NaN"},
		"no values":       {empty, Options{}, "out.bias has no values"},
		"parameter input": {named, Options{Input: "input"}, `"input" is the name of a parameter`},
		"one name":        {build(), Options{Input: "x", Output: "x"}, `both named "x"`},
		"no layers":       {graph.New("net", 1, 1, 1), Options{}, "no layers"},
	} {
		if _, err := Export(c.m, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
	out, err := Export(named, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if in, _, err := Names(out); in != "input_2" || err != nil {
		t.Errorf("with a parameter named input, the input is %q (%v)", in, err)
	}
	nan.Params[0].Mask = tensor.NewMask(6)
	nan.Params[0].Mask.Drop(4)
	if _, err := Export(nan, Options{}); err != nil {
		t.Errorf("NaN under a mask: %v", err)
	}
}
