package cpu_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/plan"
)

// BenchmarkAdapters is a training step with adapters of rank 8 beside all layers but the
// head: of bert-mini on 32 texts of 128 tokens and of gpt-micro on 16 of 64, with one
// thread. The log says where a step goes, call by call, and what all calls of adapters
// take of it, in place of which a frozen layer has none, beside what they multiply and
// move. Run it with -v.
func BenchmarkAdapters(b *testing.B) {
	for _, net := range []struct {
		name, head                    string
		batch, tokens, vocab, classes int
	}{{"bert-mini", "classifier", 32, 128, 1000, 2}, {"gpt-micro", "lm_head", 16, 64, 96, 96}} {
		b.Run(net.name, func(b *testing.B) {
			in := zoo.Input{C: 1, H: 1, W: 1, Tokens: net.tokens, Vocab: net.vocab}
			m, _, err := zoo.New(net.name, 1, in, net.classes)
			if err != nil {
				b.Fatal(err)
			}
			s := newAdapterStepper(b, m, net.batch, net.head)
			for range 3 {
				s.run(b)
			}
			best := make([]time.Duration, len(s.ex.Times()))
			n := 0
			for b.Loop() {
				n++
				s.ex.Probe(true)
				s.run(b)
				for i, d := range s.ex.Times() {
					if best[i] == 0 || d < best[i] {
						best[i] = d
					}
				}
			}
			b.Log("\n" + s.profile(best, net.batch) + s.adapters(best, net.batch))
		})
	}
}

// newAdapterStepper prepares fine-tuning of m's adapters and the layer head.
func newAdapterStepper(tb testing.TB, m *graph.Model, batch int, head string) *stepper {
	tb.Helper()
	var rs []graph.Rewrite
	for _, l := range m.Layers() {
		if l.Name != head && m.Adaptable(l, 8) == nil {
			rs = append(rs, graph.AttachLoRA{Layer: l.Name, Rank: 8, Alpha: 16})
		}
	}
	for _, r := range append(rs, graph.Freeze{}) {
		if _, err := r.Apply(m); err != nil {
			tb.Fatal(err)
		}
	}
	dev, o := cpu.New(), device.Optim{Kind: device.AdamW, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}
	s := &stepper{ws: plan.Weights(m, nil)}
	bank, err := dev.NewBank(s.ws, o.Slots())
	if err != nil {
		tb.Fatal(err)
	}
	for i, p := range m.Params {
		if err := bank.Set(i, p.Data); err != nil {
			tb.Fatal(err)
		}
	}
	if s.plan, err = plan.Build(m, dev, plan.Options{Mode: plan.Train, Batch: batch, Optim: o}); err != nil {
		tb.Fatal(err)
	}
	if s.ex, err = dev.Compile(s.plan, bank, 1); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.ex.Close() })
	labels := batch
	if m.Values[m.Output].Seq > 0 {
		labels *= m.Input().Seq
	}
	s.step = device.Step{X: make([]float32, batch*m.Input().Len()), Labels: make([]int32, labels), N: batch, LR: 1e-3, Index: 1}
	for i := range s.step.X {
		s.step.X[i] = float32(1 + rand.IntN(95)) // 0 fills up
	}
	return s
}

// adapters is what the calls of adapters take of a step, kernel by kernel.
func (s *stepper) adapters(times []time.Duration, batch int) string {
	costs := plan.Costs(s.plan, s.ws, batch)
	type sum struct {
		d           time.Duration
		macs, bytes int64
	}
	var all, own sum
	parts := map[string]*sum{}
	var names []string
	i := 0
	for _, r := range s.plan.Regions {
		for _, c := range r.Calls {
			add := func(t *sum) {
				t.d, t.macs, t.bytes = t.d+times[i], t.macs+costs[i].MACs, t.bytes+costs[i].Read+costs[i].Written
			}
			add(&all)
			node := s.plan.Nodes[c.Node]
			_, part, ok := strings.Cut(node, ".lora_")
			if c.Kernel == device.Accum && c.Node > 0 { // dx of the layer, added to the one of its adapter
				part, ok = "dx", ok || s.adapted(node)
			}
			if ok {
				add(&own)
				name := part + " " + c.Kernel.String()
				if parts[name] == nil {
					parts[name] = &sum{}
					names = append(names, name)
				}
				add(parts[name])
			}
			i++
		}
	}
	var out strings.Builder
	row := func(name string, t sum) {
		fmt.Fprintf(&out, "%-34s %9.3f ms %5.1f %% of the time, %5.1f %% of multiply-adds, %5.1f %% of bytes\n", name, 1e3*t.d.Seconds(),
			100*t.d.Seconds()/all.d.Seconds(), 100*float64(t.macs)/float64(all.macs), 100*float64(t.bytes)/float64(all.bytes))
	}
	for _, n := range names {
		row(n, *parts[n])
	}
	row("adapters", own)
	return out.String()
}

// adapted reports whether an adapter stands beside a node.
func (s *stepper) adapted(node string) bool {
	for _, n := range s.plan.Nodes {
		if n == node+".lora_A" {
			return true
		}
	}
	return false
}
