package cuda_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pare/core/device"
	"pare/core/device/cuda"
	"pare/core/graph"
	"pare/core/plan"
)

// BenchmarkGPUConvStep times whole training steps of nets of convolutions, on the tensor
// cores and by the plain kernels, samples on their way to the card included; conv-ms is what
// of it convolutions take, each alone.
func BenchmarkGPUConvStep(b *testing.B) {
	for _, s := range []struct {
		name        string
		batch, c, h int
		build       func(n *graph.Net)
	}{
		{"lenet-5", 256, 1, 28, func(n *graph.Net) {
			x := n.Pool("p1", "maxpool", n.Op("r1", "relu", n.Conv("c1", 0, 6, 5, 1, 2, 1, true)), 2, 2)
			x = n.Pool("p2", "maxpool", n.Op("r2", "relu", n.Conv("c2", x, 16, 5, 1, 0, 1, true)), 2, 2)
			n.Linear("out", n.Op("r3", "relu", n.Linear("l", n.Op("flat", "flatten", x), 120)), 10)
		}},
		{"resnet-8", 128, 3, 32, func(n *graph.Net) {
			n.Linear("out", n.Op("pool", "globalavgpool", blocks(n, firstConv(n, 16, 3, 1), 16, 32, 64)), 10)
		}},
		{"resnet-18", 64, 3, 224, func(n *graph.Net) {
			x := n.Pool("pool1", "maxpool", firstConv(n, 64, 7, 2), 2, 2)
			n.Linear("out", n.Op("pool", "globalavgpool", blocks(n, x, 64, 64, 128, 128, 256, 256, 512, 512)), 1000)
		}},
		{"resnet-18-pruned", 64, 3, 224, func(n *graph.Net) { // odd numbers of channels are left
			x := n.Pool("pool1", "maxpool", firstConv(n, 45, 7, 2), 2, 2)
			n.Linear("out", n.Op("pool", "globalavgpool", blocks(n, x, 45, 45, 91, 91, 181, 181, 363, 363)), 1000)
		}},
	} {
		n := &graph.Net{M: graph.New(s.name, s.c, s.h, s.h)}
		if s.build(n); n.Err != nil {
			b.Fatal(n.Err)
		}
		for _, mode := range []struct {
			name      string
			precision cuda.Precision
			plain     bool
		}{{"bf16", cuda.BF16, false}, {"bf16-plain", cuda.BF16, true}, {"tf32", cuda.TF32, false}, {"f32", cuda.F32, false}} {
			b.Run(s.name+"/"+mode.name, func(b *testing.B) {
				dev, err := cuda.Open(mode.precision)
				if err != nil {
					b.Skipf("no card here: %v", err)
				}
				if mode.plain {
					dev = dev.Plain()
				}
				timeStep(b, dev, n.M, s.batch, s.c*s.h*s.h)
			})
		}
	}
}

func firstConv(n *graph.Net, filters, kernel, stride int) int {
	return n.Op("relu1", "relu", n.Norm("bn1", n.Conv("conv1", 0, filters, kernel, stride, kernel/2, 1, false)))
}

// blocks are residual ones of He et al. 2016, with stride 2 where filters change.
func blocks(n *graph.Net, x int, filters ...int) int {
	for i, f := range filters {
		name, stride := fmt.Sprint("b", i), 1
		if n.Err == nil && n.M.Values[x].C != f {
			stride = 2
		}
		y := n.Op(name+".r1", "relu", n.Norm(name+".n1", n.Conv(name+".c1", x, f, 3, stride, 1, 1, false)))
		y = n.Norm(name+".n2", n.Conv(name+".c2", y, f, 3, 1, 1, 1, false))
		if stride > 1 {
			x = n.Norm(name+".ns", n.Conv(name+".s", x, f, 1, stride, 0, 1, false))
		}
		x = n.Op(name+".r2", "relu", n.Op(name+".add", "add", y, x))
	}
	return x
}

func timeStep(b *testing.B, dev cuda.Device, m *graph.Model, batch, features int) {
	bank, err := dev.NewBank(plan.Weights(m, nil), 1)
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i, w := range bank.Weights() {
		x := make([]float32, w.Shape.Len())
		for j := range x {
			x[j] = float32(r.NormFloat64()) * 0.05
		}
		if err := bank.Set(i, x); err != nil {
			b.Fatal(err)
		}
	}
	q, err := plan.Build(m, dev, plan.Options{Mode: plan.Train, Batch: batch, Optim: device.Optim{Momentum: 0.9}})
	if err != nil {
		b.Fatal(err)
	}
	e, err := dev.Compile(q, bank, 0)
	if err != nil {
		b.Fatal(err)
	}
	s := &device.Step{X: make([]float32, batch*features), Labels: make([]int32, batch), N: batch, LR: 0.01}
	for i := range s.X {
		s.X[i] = float32(r.IntN(256))/128 - 1
	}
	run := func(n int) {
		for range n {
			s.Index++
			if _, err := e.Run(s); err != nil {
				b.Fatal(err)
			}
		}
	}
	run(3) // the second is recorded as a graph
	const steps = 10
	start := time.Now()
	run(b.N * steps)
	wall := time.Since(start)
	e.Probe(true)
	run(2)
	e.Probe(true)
	run(steps)
	by, i, times := map[device.Kernel]time.Duration{}, 0, e.Times()
	for _, region := range q.Regions {
		for _, c := range region.Calls {
			by[c.Kernel] += times[i]
			i++
		}
	}
	conv := by[device.Conv] + by[device.ConvDX] + by[device.ConvDW]
	most := slices.SortedFunc(maps.Keys(by), func(k, l device.Kernel) int { return cmp.Compare(by[l], by[k]) })
	list := ""
	for _, k := range most[:min(10, len(most))] {
		list += fmt.Sprintf(" %v %.3f", k, 1000*by[k].Seconds()/steps)
	}
	b.Log("ms by kernel:" + list)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(1000*wall.Seconds()/float64(b.N*steps), "ms/step")
	b.ReportMetric(1000*conv.Seconds()/steps, "conv-ms")
	if err := errors.Join(e.Close(), bank.Close()); err != nil {
		b.Fatal(err)
	}
}
