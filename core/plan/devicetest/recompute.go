package devicetest

import (
	"fmt"
	"testing"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
)

// testRecompute trains nets of blocks with their values made again, and compares all that
// is left behind with steps that keep them: bit by bit.
func testRecompute(t *testing.T, dev device.Device) {
	for _, mod := range blockModels() {
		for _, f := range formats {
			m := mod.net(t)
			if !plan.Recomputable(m) {
				t.Fatalf("%s has no blocks: %v", mod.name, m.Stretches())
			}
			cs := choose(m, dev, f.blocks)
			if f.blocks != tensor.Dense && len(cs) == 0 {
				continue
			}
			for _, micros := range []int{0, 2} {
				j := job{m: m, formats: cs, mode: plan.Train, optim: optimisers[6].o, lr: optimisers[6].lr, batch: mod.batch, ns: []int{mod.batch, mod.batch*2/3 + 1}, threads: 2, micros: micros, seed: 1}
				t.Run(fmt.Sprintf("%s/%s/in-%d", mod.name, f.name, max(micros, 1)), func(t *testing.T) {
					prepare(m, f.mask, 1)
					want := j.record(t, dev)
					j.again = true
					got := j.record(t, dev)
					if d := sameBits(got, want); d != "" {
						t.Error(d)
					}
					sameOnAllThreads(t, dev, j, got)
				})
			}
		}
	}
}

// blockModels are nets with shortcuts: of a language model with norms in front and behind,
// with a gate, dropout and a tied table; of an image with batch norm, and one that becomes
// a sequence; with adapters on frozen layers.
func blockModels() []model {
	frozen := func(m *graph.Model, names ...string) {
		for i := range m.Params {
			for _, n := range names {
				if m.Params[i].Name == n {
					m.Params[i].Frozen = true
				}
			}
		}
	}
	branch := func(b *graph.Net, at string, x int) int {
		y := b.Linear(at+".up", b.LayerNorm(at+".ln", x, 1e-5), 20)
		y = b.Dropout(at+".drop", b.Op(at+".act", "gelu_tanh", y), 0.25)
		return b.Op(at+".add", "add", x, b.Linear(at+".down", y, 10))
	}
	text := gptModel()
	text.name = "blocks/gpt"
	return []model{
		text,
		{name: "blocks/behind", c: 12, h: 1, w: 1, seq: 9, batch: 5, train: true, build: func(b *graph.Net) {
			x := b.Linear("in", 0, 12)
			for _, at := range []string{"a", "b", "c"} {
				q := b.Linear(at+".qkv", x, 36)
				y := b.Linear(at+".proj", b.Attention(at+".attn", 3, 3, false, q), 12)
				x = b.LayerNorm(at+".ln1", b.Op(at+".add1", "add", x, y), 1e-5)
				g := b.Op(at+".mul", "mul", b.Op(at+".silu", "silu", b.Linear(at+".gate", x, 20)), b.Linear(at+".up", x, 20))
				x = b.RMSNorm(at+".ln2", b.Op(at+".add2", "add", x, b.Linear(at+".down", g, 12)), 1e-5)
			}
			b.Linear("out", x, 7)
		}},
		vectorNet("blocks/dropout", 10, func(b *graph.Net) {
			x := b.Linear("in", 0, 10)
			for _, at := range []string{"a", "b", "c"} {
				x = branch(b, at, x)
			}
			b.Linear("out", x, 4)
		}).with(33),
		{name: "blocks/images", c: 3, h: 6, w: 6, batch: 20, train: true, build: func(b *graph.Net) {
			x := b.Op("relu0", "relu", b.Norm("n0", convolve(b, "c0", 0, 8, square(3, 1, 1, 1), false)))
			for _, at := range []string{"a", "b", "c"} {
				y := b.Op(at+".relu1", "relu", b.Norm(at+".n1", convolve(b, at+".c1", x, 8, square(3, 1, 1, 1), false)))
				y = b.Norm(at+".n2", convolve(b, at+".c2", y, 8, square(3, 1, 1, 1), true))
				x = b.Op(at+".relu2", "relu", b.Op(at+".add", "add", x, y))
			}
			b.Linear("out", b.Op("mean", "globalavgpool", x), 5)
		}},
		vectorNet("blocks/frozen", 10, func(b *graph.Net) {
			x := branch(b, "a", b.Linear("in", 0, 10))
			x = branch(b, "b", branch(b, "c", x))
			b.Linear("out", branch(b, "d", x), 4)
			frozen(b.M, "in.weight", "in.bias", "a.up.weight", "a.up.bias", "a.ln.weight", "a.ln.bias", "a.down.weight", "a.down.bias", "c.up.weight")
		}).with(19),
	}
}

// with is the model in batches of n.
func (m model) with(n int) model {
	m.batch = n
	return m
}
