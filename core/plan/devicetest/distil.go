package devicetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
)

// distilled are nets that a teacher's logits can be mixed into: few classes and many,
// the logits of tokens, and of samples behind tokens.
func distilled() []model {
	tokens := func(name string, batch int, build func(b *graph.Net)) model {
		return model{name: name, c: 6, h: 1, w: 1, seq: 7, batch: batch, train: true, build: build}
	}
	return []model{
		vectorNet("distil/5", 9, func(b *graph.Net) { b.Linear("b", b.Op("f", "tanh", b.Linear("a", 0, 20)), 5) }),
		vectorNet("distil/1", 9, func(b *graph.Net) { b.Linear("b", b.Op("f", "tanh", b.Linear("a", 0, 20)), 1) }),
		vectorNet("distil/1030", 6, func(b *graph.Net) { b.Linear("a", 0, 1030) }),
		tokens("distil/tokens", 3, func(b *graph.Net) { b.Linear("b", b.Op("f", "tanh", b.Linear("a", 0, 20)), 9) }),
		tokens("distil/token", 19, func(b *graph.Net) {
			b.Linear("b", b.Token("token", b.Op("f", "tanh", b.Linear("a", 0, 20)), 0), 4)
		}),
	}
}

// temperatures and shares of the teacher that are tested.
var distils = []plan.Distil{{Alpha: 0.5, Temperature: 2}, {Alpha: 1, Temperature: 1}, {Alpha: 0.9, Temperature: 0.5}, {Alpha: 0.3, Temperature: 20}}

// testDistil trains with a teacher on dev and on ref.
func testDistil(t *testing.T, dev device.Device) {
	for i, mod := range distilled() {
		for k, d := range distils {
			t.Run(fmt.Sprintf("%s/a%g-t%g", mod.name, d.Alpha, d.Temperature), func(t *testing.T) {
				m := mod.net(t)
				n := batches[(2*i+3*k)%len(batches)]
				if mod.batch > 0 {
					n = mod.batch
				}
				j := job{m: m, mode: plan.Train, optim: device.Optim{Momentum: 0.9}, lr: 0.05, batch: n, ns: []int{max(1, n*2/3), n}, threads: 2, distil: d}
				against(t, dev, j, func(seed uint64) { prepare(m, 0, seed) })
			})
		}
	}
}

// gradientsDistil tests the gradient of the loss with a teacher against central
// differences of that loss.
func gradientsDistil(t *testing.T, dev device.Device) {
	for _, mod := range distilled() {
		for _, d := range distils {
			t.Run(fmt.Sprintf("%s/a%g-t%g", mod.name, d.Alpha, d.Temperature), func(t *testing.T) {
				n := 5
				g := newReady(t, dev, mod.net(t), plan.Options{Mode: plan.Grads, Batch: n, Distil: d})
				s := job{m: g.m, mode: plan.Grads, seed: 3, distil: d}.step(0, n)
				s.InGrad = nil
				loss := func() float64 {
					if _, err := g.ex.Run(s); err != nil {
						t.Fatal(err)
					}
					sum, of := 0.0, 0
					for i, l := range s.Losses {
						row := 0
						if tokens := len(s.Losses) / n; tokens > 1 {
							row = int(s.Rows[i/tokens])*tokens + i%tokens
						} else {
							row = int(s.Rows[i])
						}
						if s.Labels[row] >= 0 {
							of++
						}
						sum += float64(l)
					}
					return sum / float64(of)
				}
				loss()
				grads := make([][]float32, len(g.m.Params))
				for i, p := range g.m.Params {
					grads[i] = make([]float32, len(p.Data))
					if err := g.bank.Grad(i, grads[i]); err != nil {
						t.Fatal(err)
					}
				}
				r := rand.New(rand.NewPCG(7, 1))
				for i, p := range g.m.Params {
					scale := max(largest(grads[i]), 0.01)
					for range 8 {
						k := r.IntN(len(p.Data))
						old := p.Data[k]
						slope := func(h float32) float64 {
							at := func(v float32) float64 {
								p.Data[k] = v
								if err := g.bank.Set(i, p.Data); err != nil {
									t.Fatal(err)
								}
								return loss()
							}
							a, b := at(old+h), at(old-h)
							at(old)
							return (a - b) / (float64(old+h) - float64(old-h))
						}
						want := (4*slope(1./128) - slope(1./64)) / 3
						if e := math.Abs(want-float64(grads[i][k])) / scale; !(e <= 3e-3) {
							t.Errorf("gradient of %s: element %d is %g, differences say %g (off by %.1e of %.3g)", p.Name, k, grads[i][k], want, e, scale)
						}
					}
				}
			})
		}
	}
}
