package zoo

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pare/core/graph"
	"pare/core/tensor"
)

// TestPublishedSizes builds each model for the input of its paper: the number
// of parameters must be the one Info states.
func TestPublishedSizes(t *testing.T) {
	for _, i := range List() {
		m, _, err := New(i.Name, 1, i.Input, i.Classes)
		if err != nil {
			t.Fatal(err)
		}
		if all, _ := m.NumParams(); all != i.Params {
			t.Errorf("%s has %d parameters, its Info says %d", i.Name, all, i.Params)
		}
		if m.Name != i.Name || i.About == "" || i.Paper == "" {
			t.Errorf("%s: name %q, about %q, paper %q", i.Name, m.Name, i.About, i.Paper)
		}
	}
}

// TestShapes checks the layer table of each model on other inputs than the
// paper's, prunable weights included.
func TestShapes(t *testing.T) {
	for _, c := range []struct {
		name          string
		in            Input
		all, prunable int64
		layers        string
	}{
		{"lenet-300-100", Input{C: 1, H: 28, W: 28}, 266_610, 266_200, "fc1 300×784, fc2 100×300, out 10×100"},
		{"lenet-300-100", Input{C: 3, H: 16, W: 16}, 768*300 + 300 + 30_100 + 1_010, 768*300 + 31_000, "fc1 300×768, fc2 100×300, out 10×100"},
		{"lenet-300-100", Input{C: 7, H: 1, W: 1}, 7*300 + 300 + 30_100 + 1_010, 7*300 + 31_000, "fc1 300×7, fc2 100×300, out 10×100"},
		{"lenet-5", Input{C: 1, H: 28, W: 28}, 61_706, 61_470, "conv1 6×1×5×5, conv2 16×6×5×5, fc1 120×400, fc2 84×120, out 10×84"},
		{
			"lenet-5",
			Input{C: 3, H: 16, W: 16},
			456 + 2_416 + 64*120 + 120 + 10_164 + 850, 450 + 2_400 + 64*120 + 10_080 + 840,
			"conv1 6×3×5×5, conv2 16×6×5×5, fc1 120×64, fc2 84×120, out 10×84",
		},
		{
			"resnet-8",
			Input{C: 1, H: 28, W: 28},
			77_754, 144 + 4_608 + 14_336 + 57_344 + 640,
			"conv1 16×1×3×3, block1.conv1 16×16×3×3, block1.conv2 16×16×3×3, " +
				"block2.conv1 32×16×3×3, block2.conv2 32×32×3×3, block2.short 32×16×1×1, " +
				"block3.conv1 64×32×3×3, block3.conv2 64×64×3×3, block3.short 64×32×1×1, out 10×64",
		},
		{"resnet-8", Input{C: 3, H: 16, W: 16}, 78_042, 432 + 4_608 + 14_336 + 57_344 + 640, ""},
		{"mlp", Input{C: 7, H: 1, W: 1}, 7*64 + 64 + 2_080 + 330, 7*64 + 2_048 + 320, "fc1 64×7, fc2 32×64, out 10×32"},
		{"mlp", Input{C: 3, H: 16, W: 16}, 768*64 + 64 + 2_080 + 330, 768*64 + 2_048 + 320, "fc1 64×768, fc2 32×64, out 10×32"},
	} {
		t.Run(fmt.Sprintf("%s/%v", c.name, c.in), func(t *testing.T) {
			m, _, err := New(c.name, 1, c.in, 10)
			if err != nil {
				t.Fatal(err)
			}
			if all, prunable := m.NumParams(); all != c.all || prunable != c.prunable {
				t.Errorf("%d parameters, %d prunable; want %d, %d", all, prunable, c.all, c.prunable)
			}
			var l []string
			for _, x := range m.Layers() {
				l = append(l, fmt.Sprintf("%s %v", x.Name, m.Params[x.Param].Shape))
			}
			if got := strings.Join(l, ", "); c.layers != "" && got != c.layers {
				t.Errorf("layers %s\nwant   %s", got, c.layers)
			}
			if m.Classes() != 10 || m.Input() != (graph.Value{C: c.in.C, H: c.in.H, W: c.in.W}) {
				t.Errorf("input %v, %d classes", m.Input(), m.Classes())
			}
			if _, err := m.Groups(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWeightsNeverChange pins the first weights of each model: a session
// recorded with one version must start from the same bits in the next.
func TestWeightsNeverChange(t *testing.T) {
	want := map[string]string{
		"lenet-300-100": "cf5e0e5743d1791f",
		"lenet-5":       "f7f581a5716869ab",
		"resnet-8":      "5c1f7788614d77eb",
		"mlp":           "01be9f0cc7225547",
		"gpt-nano":      "cf97d74ef34a0e00",
		"gpt-micro":     "ffab00966377c3c5",
		"gpt-mini":      "29462bc1ed64ffc6",
	}
	for _, i := range small() {
		m, _, err := New(i.Name, 1, i.Input, i.Classes)
		if err != nil {
			t.Fatal(err)
		}
		if got := bitsHash(m); got != want[i.Name] {
			t.Errorf("%s with seed 1 has weights %s, want %s", i.Name, got, want[i.Name])
		}
	}
}

// bitsHash covers names and bits of all parameters, and nothing that a new
// field in the graph would change.
func bitsHash(m *graph.Model) string {
	h := sha256.New()
	for _, p := range m.Params {
		fmt.Fprintln(h, p.Name, p.Shape)
		for _, x := range p.Data {
			fmt.Fprintf(h, "%08x", math.Float32bits(x))
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// TestInit checks ranges and moments against PyTorch's defaults: a uniform
// distribution on ±b has mean 0 and variance b²/3.
func TestInit(t *testing.T) {
	for _, i := range small() {
		if i.Input.Tokens > 0 {
			continue // TestInitGPT
		}
		m, _, err := New(i.Name, 7, i.Input, i.Classes)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range m.Nodes {
			for k, p := range n.Params {
				q := m.Params[p]
				if len(q.Data) != q.Shape.Len() {
					t.Fatalf("%s %s: %d values for %v", i.Name, q.Name, len(q.Data), q.Shape)
				}
				switch q.Role {
				case graph.Weight, graph.Bias:
					uniform(t, i.Name+" "+q.Name, q.Data, 1/math.Sqrt(float64(m.Params[n.Params[0]].Shape[1:].Len())))
				default: // gamma, beta, running mean, running variance
					for _, v := range q.Data {
						if v != []float32{1, 0, 0, 1}[k] {
							t.Fatalf("%s %s starts at %g", i.Name, q.Name, v)
						}
					}
				}
			}
		}
	}
}

// TestInitGPT: GPT-2's variances, and no bias.
func TestInitGPT(t *testing.T) {
	m, _, err := New("gpt-micro", 7, Input{C: 1, H: 1, W: 1, Tokens: 32, Vocab: 50}, 50)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Params {
		bound := 0.02 * math.Sqrt(3)
		switch p.Role {
		case graph.Weight, graph.Table:
			if strings.HasSuffix(p.Name, "c_proj.weight") {
				bound /= math.Sqrt(8) // two additions in each of four layers
			}
			uniform(t, p.Name, p.Data, bound)
		case graph.Bias:
			if slices.ContainsFunc(p.Data, func(x float32) bool { return x != 0 }) {
				t.Errorf("%s is not zero", p.Name)
			}
		}
	}
}

func uniform(t *testing.T, name string, x []float32, bound float64) {
	t.Helper()
	var sum, sq float64
	for _, v := range x {
		if v == 0 || math.Abs(float64(v)) > bound*(1+1e-6) {
			t.Fatalf("%s: %g is outside ±%g, or zero", name, v, bound)
		}
		sum += float64(v)
		sq += float64(v) * float64(v)
	}
	n := float64(len(x))
	// Six standard errors: of the mean b/√(3n), of the mean square
	// b²·√(4/45n).
	if e := math.Abs(sum / n); e > 6*bound/math.Sqrt(3*n) {
		t.Errorf("%s: mean %g of %d values in ±%g", name, sum/n, len(x), bound)
	}
	if e := math.Abs(sq/n - bound*bound/3); e > 6*bound*bound*math.Sqrt(4/(45*n)) {
		t.Errorf("%s: mean square %g of %d values in ±%g, want %g", name, sq/n, len(x), bound, bound*bound/3)
	}
}

// TestKeys: weights follow from (seed, name, element) and nothing else.
func TestKeys(t *testing.T) {
	get := func(seed uint64, in Input, name string) []float32 {
		m, _, err := New("lenet-300-100", seed, in, 10)
		if err != nil {
			t.Fatal(err)
		}
		return m.Params[m.Param(name)].Data
	}
	a := get(1, Input{C: 1, H: 28, W: 28}, "fc2.weight")
	if !slices.Equal(a, get(1, Input{C: 3, H: 16, W: 16}, "fc2.weight")) {
		t.Error("fc2 depends on the size of fc1")
	}
	if slices.Equal(a, get(2, Input{C: 1, H: 28, W: 28}, "fc2.weight")) {
		t.Error("fc2 is the same for two seeds")
	}
	seen := map[float32]int{}
	for _, v := range a {
		seen[v]++
	}
	if len(seen) < len(a)*99/100 { // 2²⁴ possible values: about 27 pairs among 30,000
		t.Errorf("%d different values among %d", len(seen), len(a))
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name    string
		in      Input
		classes int
		want    string
	}{
		{"lenet-5000", Input{C: 1, H: 28, W: 28}, 10, `unknown model "lenet-5000": choose one of lenet-300-100, lenet-5, resnet-8, mlp, gpt-nano, gpt-micro, gpt-mini, gpt-small`},
		{"mlp", Input{C: 0, H: 1, W: 1}, 3, "each size must be at least 1"},
		{"mlp", Input{C: 4, H: 1, W: 1}, 1, "1 classes"},
		{"mlp", Input{C: 4, H: 1, W: 1}, 0, "0 classes"},
		{"lenet-5", Input{C: 7, H: 1, W: 1}, 10, "model lenet-5 does not fit samples of 7×1×1: node pool1 (maxpool): window 2×2"},
		{"lenet-5", Input{C: 7, H: 1, W: 1}, 10, "choose mlp or lenet-300-100"},
		{"lenet-5", Input{C: 1, H: 11, W: 11}, 10, "node pool2"},
		{"mlp", Input{C: 1, H: 1 << 20, W: 1 << 20}, 10, "too large"},
		{"mlp", Input{C: 1, H: 1, W: 1, Tokens: 8, Vocab: 20}, 20, "model mlp does not take this data, running text: choose one of gpt-nano"},
		{"gpt-nano", Input{C: 1, H: 28, W: 28}, 10, "images or tables: choose one of lenet-300-100"},
		{"gpt-nano", Input{C: 1, H: 1, W: 1, Tokens: 8, Vocab: 20}, 2, "texts with one label each"},
	} {
		if _, _, err := New(c.name, 1, c.in, c.classes); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("New(%s, %v, %d): %v, want %q", c.name, c.in, c.classes, err, c.want)
		}
	}
}

// TestPresets: every preset is one a recipe accepts.
func TestPresets(t *testing.T) {
	for _, e := range entries {
		p := e.preset
		if !slices.Contains([]string{"sgd", "momentum", "nesterov", "adam", "adamw"}, p.Optimizer) ||
			!slices.Contains([]string{"constant", "cosine", "step"}, p.LRSchedule) ||
			(p.Momentum > 0) != (p.Optimizer == "momentum" || p.Optimizer == "nesterov") ||
			p.LR <= 0 || p.LR > 1 || p.Batch < 1 || p.Epochs < 1 || p.WeightDecay < 0 {
			t.Errorf("%s: %+v", e.info.Name, p)
		}
	}
}

// TestInitKeepsMasks: a control that starts a pared model from new weights must
// keep its zeros.
func TestInitKeepsMasks(t *testing.T) {
	m, _, err := New("mlp", 1, Input{C: 4, H: 1, W: 1}, 3)
	if err != nil {
		t.Fatal(err)
	}
	w := m.Param("fc1.weight")
	mask := maskOdd(m.Params[w].Shape.Len())
	if _, err := (graph.SetMask{Param: "fc1.weight", Mask: mask}).Apply(m); err != nil {
		t.Fatal(err)
	}
	if err := Init(m, 2); err != nil {
		t.Fatal(err)
	}
	for i, v := range m.Params[w].Data {
		if (v == 0) != (i%2 == 1) {
			t.Fatalf("element %d is %g", i, v)
		}
	}
}

func maskOdd(n int) *tensor.Mask {
	m := tensor.NewMask(n)
	for i := 1; i < n; i += 2 {
		m.Drop(i)
	}
	return m
}
