package cpu_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/plan"
	"pare/core/tensor"
)

// mlp is a chain of linear layers with ReLU between them.
func mlp(sizes ...int) *graph.Model {
	b := &graph.Net{M: graph.New("mlp", sizes[0], 1, 1)}
	v := 0
	for i, n := range sizes[1:] {
		v = b.Linear(fmt.Sprint("fc", i), v, n)
		if i < len(sizes)-2 {
			v = b.Op(fmt.Sprint("relu", i), "relu", v)
		}
	}
	return b.M
}

// stepper is a training step with everything it needs.
type stepper struct {
	ex   device.Exec
	bank device.Bank
	step device.Step
	plan *device.Plan
	ws   []device.Weight
	macs int64 // multiply-adds of a step that are done
}

// newStepper prepares training of m with momentum. zeros is the share of the
// blocks of format f left out of all layers but the last.
func newStepper(tb testing.TB, m *graph.Model, batch, threads int, f tensor.Format, zeros float64) *stepper {
	tb.Helper()
	dev := cpu.New()
	r := rand.New(rand.NewPCG(1, 2))
	var formats []plan.Choice
	if layers := m.Layers(); zeros > 0 {
		for _, l := range layers[:len(layers)-1] {
			p := &m.Params[l.Param]
			p.Mask = tensor.NewMask(p.Shape.Len())
			inputs := p.Shape[1:].Len()
			for n := 0; n < p.Shape[0]; n += f.Height() {
				for k := range inputs {
					if r.Float64() < zeros {
						for i := n; i < min(n+f.Height(), p.Shape[0]); i++ {
							p.Mask.Drop(i*inputs + k)
						}
					}
				}
			}
			formats = append(formats, plan.Choice{Param: l.Param, Format: f})
		}
	}
	o := device.Optim{Momentum: 0.9}
	ws := plan.Weights(m, formats)
	bank, err := dev.NewBank(ws, o.Slots())
	if err != nil {
		tb.Fatal(err)
	}
	for i, w := range ws {
		x := make([]float32, w.Shape.Len())
		for k := range x {
			x[k] = 1
			if w.Matrix {
				x[k] = (2*r.Float32() - 1) / float32(w.K())
			}
		}
		if err := bank.Set(i, x); err != nil {
			tb.Fatal(err)
		}
	}
	p, err := plan.Build(m, dev, plan.Options{Mode: plan.Train, Batch: batch, Optim: o})
	if err != nil {
		tb.Fatal(err)
	}
	ex, err := dev.Compile(p, bank, threads)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { ex.Close() })
	total := plan.Total(plan.Costs(p, ws, batch))
	s := &stepper{ex: ex, bank: bank, plan: p, ws: ws, macs: total.MACs - total.Skipped}
	s.step = device.Step{X: make([]float32, batch*m.Input().Len()), Labels: make([]int32, batch), N: batch, LR: 1e-3, Index: 1}
	for i := range s.step.X {
		s.step.X[i] = r.Float32()
	}
	return s
}

func (s *stepper) run(tb testing.TB) {
	if _, err := s.ex.Run(&s.step); err != nil {
		tb.Fatal(err)
	}
}

// weights are those of the bank, one after the other.
func (s *stepper) weights(tb testing.TB) (all []float32) {
	for i, w := range s.ws {
		x := make([]float32, w.Shape.Len())
		if err := s.bank.Get(i, x); err != nil {
			tb.Fatal(err)
		}
		all = append(all, x...)
	}
	return all
}

// sparse is what the benchmarks of steps run: dense, and blocks with zeros.
var sparse = []struct {
	f     tensor.Format
	zeros float64
}{
	{tensor.Dense, 0},
	{tensor.Single, 0.5}, {tensor.Single, 0.8}, {tensor.Single, 0.9}, {tensor.Single, 0.95},
	{tensor.Block4, 0.5}, {tensor.Block4, 0.8}, {tensor.Block4, 0.9}, {tensor.Block4, 0.95},
	{tensor.Block8, 0.9}, {tensor.Block16, 0.9},
}

// BenchmarkStep times whole training steps: forward, loss, backward, momentum.
// GF/s counts the multiply-adds that are done.
func BenchmarkStep(b *testing.B) {
	for _, sizes := range [][]int{{784, 300, 100, 10}, {784, 1024, 1024, 10}} {
		name := strings.Join(strings.Fields(strings.Trim(fmt.Sprint(sizes), "[]")), "-")
		for _, batch := range []int{128, 256} {
			for _, threads := range []int{1, 2} {
				for _, s := range sparse {
					b.Run(fmt.Sprintf("%s/batch%d/threads%d/%v/%g", name, batch, threads, s.f, 100*s.zeros), func(b *testing.B) {
						benchStep(b, newStepper(b, mlp(sizes...), batch, threads, s.f, s.zeros))
					})
				}
			}
		}
	}
}

// BenchmarkConvStep times whole training steps of convolutional nets.
func BenchmarkConvStep(b *testing.B) {
	for name, in := range map[string]zoo.Input{"lenet-5": {C: 1, H: 28, W: 28}, "resnet-8": {C: 3, H: 32, W: 32}} {
		for _, threads := range []int{1, 2} {
			for _, s := range sparse {
				b.Run(fmt.Sprintf("%s/batch64/threads%d/%v/%g", name, threads, s.f, 100*s.zeros), func(b *testing.B) {
					m, _, err := zoo.New(name, 1, in, 10)
					if err != nil {
						b.Fatal(err)
					}
					benchStep(b, newStepper(b, m, 64, threads, s.f, s.zeros))
				})
			}
		}
	}
}

func benchStep(b *testing.B, s *stepper) {
	for range 3 {
		s.run(b)
	}
	b.ResetTimer()
	before := cpuTime()
	for range b.N {
		s.run(b)
	}
	if d := cpuTime() - before; d > 0 { // says more than GF/s on a busy machine
		b.ReportMetric(2*float64(s.macs)*float64(b.N)/float64(d.Nanoseconds()), "GF/cpu-s")
	}
	b.ReportMetric(2*float64(s.macs)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GF/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e6, "ms/step")
	b.ReportMetric(0, "ns/op")
}

// TestProbe: with probing on, times are measured for each call, and the large
// products take most of them.
func TestProbe(t *testing.T) {
	s := newStepper(t, mlp(200, 300, 10), 64, 2, tensor.Dense, 0)
	s.run(t)
	for _, d := range s.ex.Times() {
		if d != 0 {
			t.Fatal("a call was timed before Probe")
		}
	}
	s.ex.Probe(true)
	for range 10 {
		s.run(t)
	}
	i := 0
	times := s.ex.Times()
	for _, r := range s.plan.Regions {
		for _, c := range r.Calls {
			if c.Kernel == device.Linear && times[i] <= 0 {
				t.Errorf("call %d, %v: no time measured", i, c.Kernel)
			}
			i++
		}
	}
	if i != len(times) {
		t.Errorf("%d times for %d calls", len(times), i)
	}
	s.ex.Probe(false)
	for _, d := range s.ex.Times() {
		if d != 0 {
			t.Fatal("Probe(false) kept times")
		}
	}
}
