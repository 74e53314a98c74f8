package prune

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pare/core/graph"
	"pare/core/model/zoo"

	"pgregory.net/rapid"
)

func zooModel(t interface{ Fatal(...any) }, name string, in zoo.Input) *graph.Model {
	m, _, err := zoo.New(name, 3, in, 10)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func cutAll(t interface{ Fatal(...any) }, m *graph.Model, cuts []graph.CutAxis) *graph.Model {
	m = m.Clone()
	for _, c := range cuts {
		if _, err := c.Apply(m); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// weights counts the prunable weights of the layers not skipped.
func weights(m *graph.Model, skip ...string) int {
	n := 0
	for _, l := range m.Layers() {
		if !slices.Contains(skip, l.Name) {
			n += m.Params[l.Param].Shape.Len()
		}
	}
	return n
}

// TestCutReachesTheTarget: at least k weights of the original go, and with one
// channel more in any group fewer than k would.
func TestCutReachesTheTarget(t *testing.T) {
	models := map[string]*graph.Model{
		"lenet-300-100": zooModel(t, "lenet-300-100", zoo.Input{C: 1, H: 6, W: 6}),
		"lenet-5":       zooModel(t, "lenet-5", zoo.Input{C: 1, H: 16, W: 16}),
		"resnet-8":      zooModel(t, "resnet-8", zoo.Input{C: 3, H: 8, W: 8}),
	}
	rapid.Check(t, func(t *rapid.T) {
		m := models[rapid.SampledFrom([]string{"lenet-300-100", "lenet-5", "resnet-8"}).Draw(t, "model")]
		s := Spec{
			Pattern:      "neuron",
			Score:        rapid.SampledFrom([]string{"magnitude", "random"}).Draw(t, "score"),
			Distribution: rapid.SampledFrom([]string{"layer", "global"}).Draw(t, "distribution"),
			Seed:         rapid.Uint64Range(0, 9).Draw(t, "seed"),
		}
		share := rapid.Float64Range(0, 0.85).Draw(t, "share")
		before := m.WeightHash()
		cuts, r, err := Cut(m, s, share, NewBase(m))
		if err != nil {
			t.Fatal(err)
		}
		if m.WeightHash() != before {
			t.Fatal("working out a cut changed the model")
		}
		small := cutAll(t, m, cuts)
		n := weights(m)
		gone := n - weights(small)
		if r.Zeros != gone || r.Of != n || gone < count(share, n) {
			t.Fatalf("%d of %d weights went, want %d; the report says %d of %d", gone, n, count(share, n), r.Zeros, r.Of)
		}
		gs, err := m.Groups()
		if err != nil {
			t.Fatal(err)
		}
		group := func(i int) graph.Group {
			return gs[slices.IndexFunc(gs, func(g graph.Group) bool { return g.Name == cuts[i].Group })]
		}
		// The smallest cut: giving one channel back to the group that lost last
		// would miss the target; by layer, one to each group of its size. That group
		// is one of those cut.
		least := gone
		for i := range cuts {
			fewer := slices.Clone(cuts)
			g := group(i)
			for k := range cuts {
				if k != i && (s.Distribution != "layer" || group(k).Size != g.Size) {
					continue
				}
				for j := 0; j < g.Size; j++ {
					if !slices.Contains(cuts[k].Keep, j) {
						fewer[k].Keep = append(slices.Clone(cuts[k].Keep), j)
						slices.Sort(fewer[k].Keep)
						break
					}
				}
				if s.Distribution == "layer" && len(cuts[k].Keep) != len(cuts[i].Keep) {
					t.Fatalf("groups of %d channels keep %d and %d", g.Size, len(cuts[i].Keep), len(cuts[k].Keep))
				}
			}
			least = min(least, n-weights(cutAll(t, m, fewer)))
			if r.Cuts[i] != (GroupReport{g.Name, g.Size, len(cuts[i].Keep)}) || len(cuts[i].Keep) < 1 {
				t.Fatalf("%+v for %d of %d channels", r.Cuts[i], len(cuts[i].Keep), g.Size)
			}
		}
		if len(cuts) > 0 && least >= count(share, n) {
			t.Fatalf("a channel less would do: %d weights, want %d", least, count(share, n))
		}
		again, err := Survey(small, s, NewBase(m))
		if err != nil {
			t.Fatal(err)
		}
		again.Share, again.Cuts = r.Share, r.Cuts
		if fmt.Sprint(again) != fmt.Sprint(r) {
			t.Fatalf("the cut reports\n%+v\nthe model that was cut\n%+v", r, again)
		}
	})
}

// TestCutUniform: per layer, every group loses the same fraction to within one
// channel.
func TestCutUniform(t *testing.T) {
	m := zooModel(t, "resnet-8", zoo.Input{C: 3, H: 8, W: 8})
	_, r, err := Cut(m, Spec{Score: "magnitude", Pattern: "neuron", Distribution: "layer"}, 0.6, NewBase(m))
	if err != nil {
		t.Fatal(err)
	}
	// The stem and block 1 share a group; each block has an inner one.
	if len(r.Cuts) != 6 {
		t.Fatalf("%+v", r.Cuts)
	}
	f := 1 - float64(r.Cuts[5].To)/float64(r.Cuts[5].From)
	for _, c := range r.Cuts {
		if lost := float64(c.From - c.To); math.Abs(lost-f*float64(c.From)) > 1.01 {
			t.Errorf("%s loses %g of %d channels, others %.3f of theirs", c.Name, lost, c.From, f)
		}
	}
}

// mlp432 is 4-3-2-2 with weights so that each row has one value.
func mlp432(t *testing.T, fc1, fc2 []float32) *graph.Model {
	t.Helper()
	b := &graph.Net{M: graph.New("m", 4, 1, 1)}
	b.Linear("out", b.Linear("fc2", b.Linear("fc1", 0, len(fc1)), len(fc2)), 2)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	for i := range b.M.Params {
		p := &b.M.Params[i]
		p.Data = make([]float32, p.Shape.Len())
		row := map[string][]float32{"fc1.weight": fc1, "fc2.weight": fc2}[p.Name]
		for j := range p.Data {
			if row != nil {
				p.Data[j] = row[j/p.Shape[1]]
			}
		}
	}
	return b.M
}

// TestCutRanking checks by hand which channels go.
func TestCutRanking(t *testing.T) {
	for _, c := range []struct {
		name         string
		fc1, fc2     []float32
		distribution string
		lost         int // weights
		want         string
	}{
		// A neuron of fc1 is 4 inputs and 2 outputs, one of fc2 3 and 2.
		{"global, smallest first", []float32{3, -1, 2}, []float32{1, 1}, "global", 6, "fc1[0 2]"},
		{"global, both of fc1", []float32{9, -1, 2}, []float32{1, 1}, "global", 7, "fc1[0]"},
		{"global, scale of a layer does not matter", []float32{3e6, -1e6, 2e6}, []float32{1, 1}, "global", 6, "fc1[0 2]"},
		{"global, then the other layer", []float32{4, 3, 5}, []float32{1, 9}, "global", 5, "fc2[1]"},
		{"ties stay at the lower index", []float32{1, 1, 1}, []float32{1, 1}, "layer", 6, "fc1[0 1]"},
		{"ties in the later layer go first", []float32{1, 1, 1}, []float32{1, 1}, "global", 5, "fc2[0]"},
		{"a layer of zeros", []float32{0, 0, 0}, []float32{1, 1}, "global", 12, "fc1[0]"},
		{"per layer", []float32{3, -1, 2}, []float32{2, 1}, "layer", 10, "fc1[0 2] fc2[0]"},
		{"nothing", []float32{3, -1, 2}, []float32{1, 1}, "global", 0, ""},
	} {
		m := mlp432(t, c.fc1, c.fc2)
		cuts, r, err := Cut(m, Spec{Score: "magnitude", Pattern: "neuron", Distribution: c.distribution}, float64(c.lost)/float64(weights(m)), NewBase(m))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range cuts {
			got = append(got, fmt.Sprintf("%s%v", x.Group, x.Keep))
		}
		if strings.Join(got, " ") != c.want || r.Zeros < c.lost {
			t.Errorf("%s: %v, %d weights; want %s, %d", c.name, got, r.Zeros, c.want, c.lost)
		}
	}
}

// TestCutResidualScore: in a residual group every producer counts.
func TestCutResidualScore(t *testing.T) {
	b := &graph.Net{M: graph.New("r", 2, 1, 1)}
	s := b.Linear("fc1", 0, 3)
	y := b.Linear("fc3", b.Linear("fc2", s, 1), 3)
	b.Linear("out", b.Op("add", "add", s, y), 2)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	m := b.M
	for i := range m.Params {
		m.Params[i].Data = make([]float32, m.Params[i].Shape.Len())
	}
	copy(m.Params[m.Param("fc1.weight")].Data, []float32{1, 1, 5, 5, 2, 2}) // rows: Σw² 2, 50, 8
	copy(m.Params[m.Param("fc3.weight")].Data, []float32{9, 0, 1})          // and 81, 0, 1
	cuts, _, err := Cut(m, Spec{Score: "magnitude", Pattern: "neuron", Distribution: "layer"}, 0.3, NewBase(m))
	if err != nil {
		t.Fatal(err)
	}
	if len(cuts) != 1 || cuts[0].Group != "fc1" || !slices.Equal(cuts[0].Keep, []int{0, 1}) {
		t.Errorf("%+v", cuts) // 83, 50, 9
	}
}

// TestCutAgain: a schedule cuts a model that is already smaller; the base stays
// that of the beginning.
func TestCutAgain(t *testing.T) {
	m := zooModel(t, "lenet-5", zoo.Input{C: 1, H: 28, W: 28})
	base, n := NewBase(m), weights(m)
	s := Spec{Score: "magnitude", Pattern: "neuron", Distribution: "layer"}
	for _, share := range []float64{0.3, 0.6, 0.6, 0.9} {
		cuts, r, err := Cut(m, s, share, base)
		if err != nil {
			t.Fatal(err)
		}
		m = cutAll(t, m, cuts)
		if gone := n - weights(m); gone < count(share, n) || r.Zeros != gone || r.Of != n || float64(gone) > (share+0.05)*float64(n) {
			t.Errorf("at %g: %d of %d weights are gone; the report says %d of %d", share, gone, n, r.Zeros, r.Of)
		}
	}
	if _, _, err := Cut(m, s, 0.5, NewBase(m)); err != nil {
		t.Errorf("a pared model as a new base: %v", err)
	}
	if _, _, err := Cut(zooModel(t, "lenet-5", zoo.Input{C: 1, H: 28, W: 28}), s, 0.5, NewBase(m)); err == nil || !strings.Contains(err.Error(), "the base is of another model") {
		t.Errorf("a base of a smaller model: %v", err)
	}
	if _, _, err := Cut(m, s, 0.5, nil); err == nil || !strings.Contains(err.Error(), "layer conv1 has") {
		t.Errorf("no base: %v", err)
	}
}

func TestCutRoundTo(t *testing.T) {
	m := zooModel(t, "lenet-300-100", zoo.Input{C: 1, H: 28, W: 28})
	for _, distribution := range []string{"layer", "global"} {
		for _, share := range []float64{0.1, 0.5, 0.9} {
			_, r, err := Cut(m, Spec{Score: "magnitude", Pattern: "neuron", Distribution: distribution, RoundTo: 8}, share, NewBase(m))
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range r.Cuts {
				if c.To%8 != 0 || c.To < 8 {
					t.Errorf("%s at %g: %+v", distribution, share, c)
				}
			}
			if r.Reached() < share-1e-5 {
				t.Errorf("%s at %g: reached %g", distribution, share, r.Reached())
			}
			if r.Rule != map[string]string{"layer": "magnitude, per layer", "global": "magnitude, global"}[distribution]+", neurons and filters in multiples of 8" {
				t.Error(r.Rule)
			}
		}
	}
}

// TestCutSkip: a skipped layer keeps its outputs, loses inputs, and is not in
// the base.
func TestCutSkip(t *testing.T) {
	m := zooModel(t, "lenet-300-100", zoo.Input{C: 1, H: 28, W: 28})
	s := Spec{Score: "magnitude", Pattern: "neuron", Distribution: "layer", Skip: []string{"fc2", "out"}}
	cuts, r, err := Cut(m, s, 0.5, NewBase(m))
	if err != nil {
		t.Fatal(err)
	}
	if len(cuts) != 1 || cuts[0].Group != "fc1" || len(cuts[0].Keep) != 150 || r.Of != 784*300 || r.Zeros != 784*150 {
		t.Errorf("%d cuts, %+v", len(cuts), r)
	}
	if l := r.Layers[1]; !l.Skipped || l.Zeros != 100*150 || l.Of != 100*300 {
		t.Errorf("%+v", l)
	}
}

func TestCutRefuses(t *testing.T) {
	m := zooModel(t, "lenet-300-100", zoo.Input{C: 1, H: 28, W: 28})
	good := Spec{Score: "magnitude", Pattern: "neuron", Distribution: "layer"}
	with := func(f func(*Spec)) Spec { s := good; f(&s); return s }
	for _, c := range []struct {
		s     Spec
		share float64
		want  string
	}{
		{good, 1.2, "target 1.2"},
		{with(func(s *Spec) { s.Pattern = "element" }), 0.5, "pattern element cuts no channels"},
		{with(func(s *Spec) { s.Skip = []string{"conv1"} }), 0.5, `no layer named "conv1" to skip; lenet-300-100 has fc1, fc2, out`},
		{good, 0.9999, "target 99.99 %: at most 99.7 % of the weights can be cut out (each group keeps a channel; out: it is the model's output)"},
		{with(func(s *Spec) { s.RoundTo = 64 }), 0.9, "each group keeps at least 64 channels"},
		{with(func(s *Spec) { s.Skip = []string{"fc1", "fc2"} }), 0.1, "at most 0.0 % of the weights can be cut out (fc1: fc1 is skipped; fc2: fc2 is skipped; out: it is the model's output)"},
	} {
		if _, _, err := Cut(m, c.s, c.share, NewBase(m)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v at %g: %v, want %q", c.s, c.share, err, c.want)
		}
	}
	m.Params[0].Data = nil
	if _, _, err := Cut(m, good, 0.5, NewBase(m)); err == nil || !strings.Contains(err.Error(), "fetch them from the device") {
		t.Error(err)
	}
}

// TestStep takes either road.
func TestStep(t *testing.T) {
	m := zooModel(t, "lenet-5", zoo.Input{C: 1, H: 28, W: 28})
	for _, pattern := range []string{"element", "block4x1", "neuron"} {
		s := Spec{Score: "magnitude", Pattern: pattern, Distribution: "global"}
		rs, r, err := Step(m, s, 0.7, NewBase(m))
		if err != nil {
			t.Fatal(err)
		}
		c := m.Clone()
		for _, x := range rs {
			if _, err := x.Apply(c); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Verify(); err != nil {
			t.Fatal(err)
		}
		again, err := Survey(c, s, NewBase(m))
		if err != nil {
			t.Fatal(err)
		}
		if again.Hash != r.Hash || again.Zeros != r.Zeros || r.Reached() < 0.7-1e-5 || r.Reached() > 0.72 {
			t.Errorf("%s: %d of %d weights, then %d", pattern, r.Zeros, r.Of, again.Zeros)
		}
		if _, _, err := Step(m, s, 2, NewBase(m)); err == nil {
			t.Errorf("%s: target 2", pattern)
		}
	}
}

// TestCutOfShapes: a random cut needs no weights, and takes as many channels without them.
func TestCutOfShapes(t *testing.T) {
	m := transformers(t)["gpt"]
	bare := m.Shallow()
	for i := range bare.Params {
		bare.Params[i].Data = nil
	}
	s := Spec{Score: "random", Pattern: "width", Distribution: "layer", Seed: 3}
	want, _, err := Cut(m, s, 0.5, NewBase(m))
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := Cut(bare, s, 0.5, NewBase(m))
	if err != nil || len(got) == 0 || len(got) != len(want) {
		t.Fatalf("%d cuts, %v; want %d", len(got), err, len(want))
	}
	for i, x := range got {
		if x.Group != want[i].Group || len(x.Keep) != len(want[i].Keep) {
			t.Errorf("%s keeps %d, want %s %d", x.Group, len(x.Keep), want[i].Group, len(want[i].Keep))
		}
	}
	s.Score = "magnitude"
	if _, _, err := Cut(bare, s, 0.5, NewBase(m)); err == nil || !strings.Contains(err.Error(), "weights are here") {
		t.Errorf("by magnitude: %v", err)
	}
}
