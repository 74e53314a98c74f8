package cpu_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
)

// convLayer is a convolution with a layer before it, so that dx is computed too.
type convLayer struct{ c, n, size, k, stride, groups int }

func (l convLayer) String() string {
	s := fmt.Sprintf("%d-%dx%d/%dx%d", l.c, l.n, l.size, l.k, l.k)
	if l.stride > 1 {
		s += fmt.Sprint("s", l.stride)
	}
	if l.groups > 1 {
		s += fmt.Sprint("g", l.groups)
	}
	return s
}

// start prepares a training step of batch 64 of a small net with the layer in it.
func (l convLayer) start(b *testing.B, threads int, f tensor.Format, zeros float64) *stepper {
	net := &graph.Net{M: graph.New("layer", l.c, l.size, l.size)}
	v := net.Conv("before", 0, l.c, 1, 1, 0, 1, false)
	v = net.Conv("conv", v, l.n, l.k, l.stride, l.k/2, l.groups, false)
	net.Linear("fc", net.Op("pool", "globalavgpool", v), 10)
	if net.Err != nil {
		b.Fatal(net.Err)
	}
	return newStepper(b, net.M, 64, threads, f, zeros)
}

// times runs a step and gives the time of the layer's calls, summed over threads: forward, dx, dw.
func (l convLayer) times(b *testing.B, s *stepper) (d [3]time.Duration) {
	s.ex.Probe(true)
	s.run(b)
	times := s.ex.Times()
	i := 0
	for _, r := range s.plan.Regions {
		for _, c := range r.Calls {
			if k := slices.Index([]device.Kernel{device.Conv, device.ConvDX, device.ConvDW}, c.Kernel); k >= 0 && s.ws[c.W[0]].Name == "conv.weight" {
				d[k] += times[i]
			}
			i++
		}
	}
	return d
}

var kinds = [3]string{"forward", "dx", "dw"}

// BenchmarkConvLayer reports GF/s of forward, dx and dw of dense layers, from the
// least times.
func BenchmarkConvLayer(b *testing.B) {
	for _, l := range []convLayer{
		{3, 16, 32, 3, 1, 1}, {1, 6, 28, 5, 1, 1}, {3, 8, 32, 3, 1, 1}, {16, 8, 32, 3, 1, 1}, {64, 8, 14, 1, 1, 1}, {16, 16, 32, 3, 1, 1}, {32, 32, 16, 3, 1, 1}, {64, 64, 8, 3, 1, 1}, {64, 64, 14, 3, 1, 1},
		{16, 32, 32, 1, 2, 1}, {32, 64, 16, 1, 2, 1}, {64, 64, 14, 1, 1, 1}, {128, 256, 7, 1, 1, 1},
		{32, 32, 32, 3, 1, 32}, {64, 64, 16, 3, 2, 64}, {128, 128, 14, 3, 1, 128}, {256, 256, 7, 5, 1, 256},
	} {
		b.Run(l.String(), func(b *testing.B) {
			s := l.start(b, 1, tensor.Dense, 0)
			var all [3][]float64
			for i := range max(b.N, 10) {
				for k, d := range l.times(b, s) {
					if i > 1 {
						all[k] = append(all[k], d.Seconds())
					}
				}
			}
			macs := 64 * float64(l.n*l.c/l.groups*l.k*l.k) * float64((l.size/l.stride)*(l.size/l.stride))
			for k, kind := range kinds {
				b.ReportMetric(2e-9*macs/slices.Min(all[k]), kind+"-GF/s")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkSparseConv reports how much faster than dense the layers of blocks
// with 90 % zeros are: the two take turns, and the metric is the median of the
// rounds' quotients.
func BenchmarkSparseConv(b *testing.B) {
	for _, threads := range []int{1, 2} {
		for _, l := range []convLayer{{64, 64, 14, 3, 1, 1}, {64, 128, 14, 3, 1, 1}, {32, 64, 28, 3, 1, 1}} {
			for _, f := range []tensor.Format{tensor.Block4, tensor.Block8, tensor.Block16} {
				b.Run(fmt.Sprintf("threads%d/%v/%v", threads, l, f), func(b *testing.B) {
					dense, sparse := l.start(b, threads, tensor.Dense, 0), l.start(b, threads, f, 0.9)
					costs := plan.Total(plan.Costs(sparse.plan, sparse.ws, 64))
					var all [3][]float64
					for i := range max(b.N, 10) {
						x, y := l.times(b, dense), l.times(b, sparse)
						for k := range x {
							if i > 1 {
								all[k] = append(all[k], x[k].Seconds()/y[k].Seconds())
							}
						}
					}
					for k, kind := range kinds {
						b.ReportMetric(middle(all[k]), kind+"-x")
					}
					b.ReportMetric(100*float64(costs.Skipped)/float64(costs.MACs), "%skipped")
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}

func middle(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}
