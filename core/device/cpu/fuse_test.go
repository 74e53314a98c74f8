package cpu_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/graph"
	"pare/core/plan"
)

// TestFusedSums: a product that takes over the addition or the factor behind it leaves the
// bits that both calls do, whatever its size, with a bias and without. Beside the plan runs
// one in which each product is read once more, so that none is fused.
func TestFusedSums(t *testing.T) {
	for _, width := range []int{5, 16, 40, 150, 1100} { // sums of one pass, and of several
		b := &graph.Net{M: graph.New("sums", width, 1, 1)}
		x := b.Op("act0", "tanh", b.Linear("in", 0, width))
		for _, name := range []string{"a", "b"} {
			x = b.Op(name+".residual", "add", x, b.Linear(name, b.Op(name+".act", "tanh", x), width))
		}
		b.Linear("out", b.Op("other", "add", b.Linear("c", x, width), b.Linear("d", x, width)), 3)
		if b.Err != nil {
			t.Fatal(b.Err)
		}
		m := b.M
		for i := range m.Params {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			m.Params[i].Data = make([]float32, m.Params[i].Shape.Len())
			for k := range m.Params[i].Data {
				m.Params[i].Data[k] = (2*r.Float32() - 1) / float32(math.Sqrt(float64(width)))
			}
		}
		for _, name := range []string{"a", "b", "c"} {
			if _, err := (graph.AttachLoRA{Layer: name, Rank: min(8, width), Alpha: 16, Seed: 1}).Apply(m); err != nil {
				t.Fatal(err)
			}
		}
		for i, p := range m.Params {
			if p.Role == graph.LoraB {
				r := rand.New(rand.NewPCG(uint64(i), 2))
				for k := range p.Data {
					m.Params[i].Data[k] = r.Float32() - 0.5
				}
			}
		}
		if _, err := (graph.Freeze{Except: []string{"in", "out"}}).Apply(m); err != nil {
			t.Fatal(err)
		}
		p, err := plan.Build(m, cpu.New(), plan.Options{Mode: plan.Train, Batch: 35, Optim: device.Optim{Momentum: 0.9}})
		if err != nil {
			t.Fatal(err)
		}
		fused, apart := runSums(t, m, p), runSums(t, m, twiceRead(p))
		for i := range fused {
			for k, v := range fused[i] {
				if math.Float32bits(v) != math.Float32bits(apart[i][k]) {
					t.Fatalf("width %d, %s: element %d is %g, of calls by themselves %g", width, m.Params[i].Name, k, v, apart[i][k])
				}
			}
		}
	}
}

// twiceRead is p with one more call that reads the result of each product, at the end of its
// region.
func twiceRead(p *device.Plan) *device.Plan {
	q := *p
	q.Vals, q.Regions = slices.Clone(p.Vals), slices.Clone(p.Regions)
	for i, r := range q.Regions {
		for _, c := range r.Calls {
			if c.Kernel == device.Linear || c.Kernel == device.LinearDX {
				v := q.Vals[c.Out[0]]
				v.Off, q.Slab = q.Slab, q.Slab+(v.Size(p.T, p.P)+15)/16*16
				q.Vals = append(q.Vals, v)
				q.Regions[i].Calls = append(q.Regions[i].Calls[:len(q.Regions[i].Calls):len(q.Regions[i].Calls)],
					device.Call{Kernel: device.Copy, In: []int{c.Out[0]}, Out: []int{len(q.Vals) - 1}, Node: c.Node})
			}
		}
	}
	return &q
}

// runSums trains for two steps and returns all weights.
func runSums(t *testing.T, m *graph.Model, p *device.Plan) [][]float32 {
	t.Helper()
	bank, err := cpu.New().NewBank(plan.Weights(m, nil), 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range m.Params {
		if err := bank.Set(i, q.Data); err != nil {
			t.Fatal(err)
		}
	}
	ex, err := cpu.New().Compile(p, bank, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer ex.Close()
	r := rand.New(rand.NewPCG(3, 4))
	s := device.Step{X: make([]float32, 35*m.Input().Len()), Labels: make([]int32, 35), N: 35, LR: 0.1}
	for i := range s.X {
		s.X[i] = 2*r.Float32() - 1
	}
	for s.Index = 1; s.Index <= 2; s.Index++ {
		if _, err := ex.Run(&s); err != nil {
			t.Fatal(err)
		}
	}
	out := make([][]float32, len(m.Params))
	for i, q := range m.Params {
		out[i] = make([]float32, q.Shape.Len())
		if err := bank.Get(i, out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}
