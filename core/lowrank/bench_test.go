package lowrank_test

import (
	"math/rand/v2"
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/graph"
	"pare/core/lowrank"
	"pare/core/model/zoo"
	"pare/core/plan"
)

// BenchmarkFineTune is a training step of a transformer of bert-mini's size (4 layers
// of 256 channels, 128 tokens, 32 sequences), of all weights and of adapters of rank 8
// on a part of the layers. MMAC and MB are what the plan counts.
func BenchmarkFineTune(b *testing.B) {
	for _, c := range []struct {
		name   string
		layers []string
	}{{"all-weights", nil}, {"lora-attention", []string{"c_attn"}}, {"lora-all", []string{"c_attn", "c_proj", "c_fc"}}} {
		b.Run(c.name, func(b *testing.B) {
			m, err := zoo.GPT{Layers: 4, Width: 256, Heads: 4, Vocabulary: 512, Tokens: 128, Places: 128}.Build("mini", 1)
			if err != nil {
				b.Fatal(err)
			}
			if c.layers != nil {
				var rs []graph.Rewrite
				l, err := lowrank.Select(m, c.layers, func(l graph.Layer) error { return m.Adaptable(l, 8) })
				if err != nil {
					b.Fatal(err)
				}
				for _, x := range l {
					rs = append(rs, graph.AttachLoRA{Layer: x.Name, Rank: 8, Alpha: 16})
				}
				for _, r := range append(rs, graph.Freeze{}) {
					if _, err := r.Apply(m); err != nil {
						b.Fatal(err)
					}
				}
			}
			dev, o := cpu.New(), device.Optim{Kind: device.AdamW, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}
			ws := plan.Weights(m, nil)
			bank, err := dev.NewBank(ws, o.Slots())
			if err != nil {
				b.Fatal(err)
			}
			for i, p := range m.Params {
				if err := bank.Set(i, p.Data); err != nil {
					b.Fatal(err)
				}
			}
			const batch = 32
			p, err := plan.Build(m, dev, plan.Options{Mode: plan.Train, Batch: batch, Optim: o})
			if err != nil {
				b.Fatal(err)
			}
			ex, err := dev.Compile(p, bank, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer ex.Close()
			s := &device.Step{N: batch, Index: 1, X: make([]float32, batch*128), Labels: make([]int32, batch*128)}
			for i := range s.X {
				s.X[i], s.Labels[i] = float32(rand.IntN(512)), rand.Int32N(512)
			}
			cost := plan.Total(plan.Costs(p, ws, batch))
			for b.Loop() {
				if _, err := ex.Run(s); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cost.MACs)/1e6, "MMAC")
			b.ReportMetric(float64(cost.Read+cost.Written)/1e6, "MB")
		})
	}
}
