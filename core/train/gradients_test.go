package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pare/core/data"
	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/graph"
	"pare/core/model/zoo"
)

// TestGradients: sums over batches equal finite differences of the loss, and neither
// weights nor running statistics move.
func TestGradients(t *testing.T) {
	b := &graph.Net{M: graph.New("net", 6, 1, 1)}
	x := b.Op("tanh", "tanh", b.Norm("norm", b.Linear("fc", 0, 5)))
	b.Linear("out", x, 3)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	m := b.M
	if err := zoo.Init(m, 1); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	set := &data.Set{Shape: []int{6}}
	for i := range 24 {
		set.Labels = append(set.Labels, int32(i%3))
		for range 6 {
			set.X = append(set.X, float32(r.NormFloat64()))
		}
	}
	tr, err := New(m, cpu.New(), Options{Batch: 12, Optim: device.Optim{Momentum: 0.9}, Threads: 2}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	before := m.Clone()
	batches := [][]int32{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, {12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}}
	sum, abs, err := tr.Gradients(set, batches)
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Pull(); err != nil {
		t.Fatal(err)
	}
	for i, p := range m.Params {
		if !slices.Equal(p.Data, before.Params[i].Data) {
			t.Errorf("%s moved", p.Name)
		}
		if (sum[i] != nil) != (p.Role == graph.Weight) {
			t.Errorf("%s, a %s: %d gradients", p.Name, p.Role, len(sum[i]))
		}
	}
	var single [2][][]float32
	for k := range single {
		if single[k], _, err = tr.Gradients(set, batches[k:k+1]); err != nil {
			t.Fatal(err)
		}
	}
	w := m.Param("out.weight")
	for j := range sum[w] {
		a, c := single[0][w][j], single[1][w][j]
		if sum[w][j] != a+c || abs[w][j] != max(a, -a)+max(c, -c) {
			t.Fatalf("element %d: sum %g and abs %g of %g and %g", j, sum[w][j], abs[w][j], a, c)
		}
	}
	// The loss itself, by hand, at w ± h.
	loss := func(rows []int32) float64 {
		l := 0.0
		p := func(name string) []float32 { return m.Params[m.Param(name)].Data }
		h := make([][]float64, len(rows))
		for n, row := range rows {
			h[n] = make([]float64, 5)
			for o := range h[n] {
				h[n][o] = float64(p("fc.bias")[o])
				for k := range 6 {
					h[n][o] += float64(p("fc.weight")[o*6+k]) * float64(set.X[int(row)*6+k])
				}
			}
		}
		for o := range 5 {
			mean, v := 0.0, 0.0
			for n := range h {
				mean += h[n][o] / float64(len(h))
			}
			for n := range h {
				v += (h[n][o] - mean) * (h[n][o] - mean) / float64(len(h))
			}
			for n := range h {
				h[n][o] = math.Tanh((h[n][o]-mean)/math.Sqrt(v+1e-5)*float64(p("norm.weight")[o]) + float64(p("norm.bias")[o]))
			}
		}
		for n, row := range rows {
			z, logit := 0.0, 0.0
			for c := range 3 {
				y := float64(p("out.bias")[c])
				for o := range 5 {
					y += float64(p("out.weight")[c*5+o]) * h[n][o]
				}
				z += math.Exp(y)
				if c == int(set.Labels[row]) {
					logit = y
				}
			}
			l += (math.Log(z) - logit) / float64(len(rows))
		}
		return l
	}
	for _, name := range []string{"fc.weight", "out.weight"} {
		i := m.Param(name)
		for _, j := range []int{0, 3, 7, 14} {
			const h = 1e-3
			old := m.Params[i].Data[j]
			d := 0.0
			for _, rows := range batches {
				m.Params[i].Data[j] = old + h
				up := loss(rows)
				m.Params[i].Data[j] = old - h
				d += (up - loss(rows)) / (float64(old+h) - float64(old-h))
				m.Params[i].Data[j] = old
			}
			if got := float64(sum[i][j]); math.Abs(got-d) > 1e-4*max(1, math.Abs(d)) {
				t.Errorf("%s %d: gradient %g, finite difference %g", name, j, got, d)
			}
		}
	}
}
