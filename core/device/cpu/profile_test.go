package cpu_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pare/core/device"
	"pare/core/model/zoo"
	"pare/core/plan"
	"pare/core/tensor"
)

// BenchmarkProfile says where a step of the convolutional nets goes: for each
// call, the best of its times, its share, and what it multiplies and moves.
// Run it with -v.
func BenchmarkProfile(b *testing.B) {
	for _, net := range []struct {
		name string
		in   zoo.Input
	}{{"resnet-8", zoo.Input{C: 3, H: 32, W: 32}}, {"lenet-5", zoo.Input{C: 1, H: 28, W: 28}}} {
		b.Run(net.name, func(b *testing.B) {
			m, _, err := zoo.New(net.name, 1, net.in, 10)
			if err != nil {
				b.Fatal(err)
			}
			s := newStepper(b, m, 64, 1, tensor.Dense, 0)
			for range 3 {
				s.run(b)
			}
			b.ResetTimer()
			best := make([]time.Duration, len(s.ex.Times()))
			for range max(b.N, 20) {
				s.ex.Probe(true)
				s.run(b)
				for i, d := range s.ex.Times() {
					if best[i] == 0 || d < best[i] {
						best[i] = d
					}
				}
			}
			b.Log("\n" + s.profile(best, 64))
		})
	}
}

// profile is a table of times of calls.
func (s *stepper) profile(times []time.Duration, batch int) string {
	var out strings.Builder
	total := time.Duration(0)
	for _, d := range times {
		total += d
	}
	type sum struct {
		d              time.Duration
		macs, bytes, n int64
	}
	byKernel := map[device.Kernel]*sum{}
	costs := plan.Costs(s.plan, s.ws, batch)
	row := func(name string, d time.Duration, macs, bytes int64) {
		sec := d.Seconds()
		if sec > 0 {
			fmt.Fprintf(&out, "%-34s %9.3f ms %5.1f %% %7.1f GF/s %7.1f GB/s\n", name, 1e3*sec, 100*sec/total.Seconds(), 2e-9*float64(macs)/sec, 1e-9*float64(bytes)/sec)
		}
	}
	i := 0
	for _, r := range s.plan.Regions {
		for _, c := range r.Calls {
			k := byKernel[c.Kernel]
			if k == nil {
				k = &sum{}
				byKernel[c.Kernel] = k
			}
			k.d, k.macs, k.bytes, k.n = k.d+times[i], k.macs+costs[i].MACs, k.bytes+costs[i].Read+costs[i].Written, k.n+1
			name := c.Kernel.String()
			if len(c.In) > 0 {
				v := s.plan.Vals[c.In[0]]
				name += fmt.Sprintf(" %d×%d×%d", v.C, v.H, v.W)
			}
			if len(c.W) > 0 && len(s.ws[c.W[0]].Shape) > 1 {
				name += fmt.Sprint(" ", s.ws[c.W[0]].Shape)
			}
			row(name, times[i], costs[i].MACs, costs[i].Read+costs[i].Written)
			i++
		}
	}
	var ks []device.Kernel
	for k := range byKernel {
		ks = append(ks, k)
	}
	slices.SortFunc(ks, func(a, b device.Kernel) int { return int(byKernel[b].d - byKernel[a].d) })
	for _, k := range ks {
		row(fmt.Sprintf("%v (%d)", k, byKernel[k].n), byKernel[k].d, byKernel[k].macs, byKernel[k].bytes)
	}
	fmt.Fprintf(&out, "%-34s %9.3f ms\n", "all", 1e3*total.Seconds())
	return out.String()
}
