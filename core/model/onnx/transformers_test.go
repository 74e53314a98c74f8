package onnx

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pare/core/graph"
	"pare/core/model/zoo"
)

// transformers are small ones that take every form of Export: segments and padding of
// BERT, with segments as an input and without, rotary positions plain and scaled.
func transformers(t failer) map[string]*graph.Model {
	models := map[string]*graph.Model{}
	for name, channels := range map[string]int{"bert": 1, "bert with segments": 2} {
		b := &graph.Net{M: graph.NewSequence("bert", channels, 5)}
		zoo.BERT{Layers: 1, Width: 8, Heads: 2, Vocabulary: 11, Tokens: 5, Pad: 3, Classes: 2}.Add(b)
		if b.Err != nil {
			t.Fatal(b.Err)
		}
		b.M.Nodes[0].Attrs = graph.Attrs{} // ONNX has no padding_idx
		models[name] = b.M
	}
	for name, freq := range map[string][]float64{"rope": nil, "scaled rope": {0.5, 0.0625}} {
		b := &graph.Net{M: graph.NewSequence(name, 1, 5)}
		x := b.Embedding("wte", 0, 11, 16)
		turn := func(n string, in, heads int) int {
			a := graph.Attrs{Heads: heads, Base: 10000}
			if freq != nil {
				a = graph.Attrs{Heads: heads, Freq: freq}
			}
			id, err := b.M.Append(n, "rope", a, nil, in)
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		q, k, v := turn("qr", b.Linear("q", x, 16), 4), turn("kr", b.Linear("k", x, 8), 2), b.Linear("v", x, 8)
		b.Linear("out", b.Attention("attn", 4, 2, true, q, k, v), 7)
		if b.Err != nil {
			t.Fatal(b.Err)
		}
		models[name] = b.M
	}
	for _, m := range models {
		fill(m, 4)
	}
	return models
}

type failer interface{ Fatal(args ...any) }

// Transformers are the same after a round trip, bit by bit.
func TestTransformersRoundTrip(t *testing.T) {
	for name, m := range transformers(t) {
		t.Run(name, func(t *testing.T) { roundTrip(t, m) })
	}
}

// TestSegmentsInput: ids and segments are two inputs, in any order; other pairs of inputs
// are refused.
func TestSegmentsInput(t *testing.T) {
	b, err := Export(transformers(t)["bert with segments"], Options{Input: "input_ids"})
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(g *Graph){
		"":             func(g *Graph) { g.Inputs[0], g.Inputs[1] = g.Inputs[1], g.Inputs[0] },
		"has 2 inputs": func(g *Graph) { g.Inputs[1].Type.Elem = Float },
		"has 2 inputs (input_ids, token_type_ids)": func(g *Graph) { g.Inputs[1].Type.Shape[1] = Dim{Value: 6} },
	} {
		f, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		change(f.Graph)
		x, err := Encode(f)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Import(x)
		switch {
		case want == "" && (err != nil || m.Input().C != 2 || m.Input().Seq != 5):
			t.Errorf("%v", err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%v, want %q", err, want)
		}
	}
	if in, _, err := Names(b); in != "input_ids" || err != nil {
		t.Errorf("the input is %q (%v)", in, err)
	}
}

// written are transformers as Export writes them.
func written(t failer) (files [][]byte) {
	all := transformers(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b, err := Export(all[name], Options{})
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, b)
	}
	return files
}
