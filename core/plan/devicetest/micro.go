package devicetest

import (
	"fmt"
	"testing"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
)

// testMicro takes steps in several runs on dev and compares with one run on ref: loss,
// gradients, weights and state after the last one, of every net that trains and in every
// format. Only what batch norm learns of a batch is each run's own: there ref takes the
// same runs.
func testMicro(t *testing.T, dev device.Device) {
	turn := 0
	for _, mod := range models() {
		if !mod.train || mod.long && testing.Short() {
			continue
		}
		t.Run(mod.name, func(t *testing.T) {
			for _, f := range formats {
				m := mod.net(t)
				cs := choose(m, dev, f.blocks)
				if len(m.Layers()) == 0 && f.mask > 0 || f.blocks != tensor.Dense && (!mod.blocks || len(cs) == 0) {
					continue
				}
				turn++
				j := job{m: m, formats: cs, mode: plan.Train, lr: mod.rate(0.01), optim: device.Optim{Momentum: 0.9, WeightDecay: 1e-2}, threads: 2, ties: mod.ties}
				if turn%3 == 0 {
					j.mode = plan.Grads
				}
				j.micros = 2 + turn%3
				j.batch = batches[1+turn%(len(batches)-1)]
				if dev.Name() == "ref" { // slow
					j.batch = min(j.batch, 7)
				}
				if mod.batch > 0 {
					j.batch = mod.batch
				}
				j.batch = max(j.batch, j.micros*max(mod.least, 1))
				// The second step has fewer samples, and is the one that is compared.
				j.ns = []int{j.batch, max(1, j.batch*2/3, mod.least), j.batch}
				t.Run(fmt.Sprintf("%s/%s/batch%d-in-%d", f.name, modeName(j.mode), j.batch, j.micros), func(t *testing.T) {
					against(t, dev, j, func(seed uint64) { prepare(m, f.mask, seed) })
				})
			}
		})
	}
	for i, mod := range distilled() {
		m := mod.net(t)
		j := job{m: m, mode: plan.Train, optim: optimisers[6].o, lr: optimisers[6].lr, batch: 9, ns: []int{9, 4}, threads: 2, distil: distils[i%len(distils)], micros: 3}
		t.Run(mod.name, func(t *testing.T) {
			against(t, dev, j, func(seed uint64) { prepare(m, 0, seed) })
		})
	}
	t.Run("refused", func(t *testing.T) { microRefused(t, dev) })
}

// whole is the job that the reference does: each step in one run, but for nets in which a
// run is more than its samples.
func (j job) whole() job {
	for _, n := range j.m.Nodes {
		if n.Op == "batchnorm" {
			return j
		}
	}
	j.micros, j.world = 0, 0
	return j
}

// microRefused: a part of a step is refused by a plan of whole steps, and by any if it
// does not say what it is a part of; a label outside is found before the first part.
func microRefused(t *testing.T, dev device.Device) {
	m := vectorNet("net", 4, func(b *graph.Net) { b.Linear("a", 0, 3) }).net(t)
	fill(m, 1)
	for _, micros := range []int{0, 2} {
		r := newReady(t, dev, m, plan.Options{Mode: plan.Train, Batch: 8, Micros: micros})
		s := job{m: m, mode: plan.Train, lr: 0.1, seed: 1}.step(0, 4)
		s.InGrad = nil
		for name, mi := range map[string]device.Micro{
			"plan": {Rows: 8, Hold: true}, "rows": {Hold: true}, "first": {Rows: 8, Onto: true},
		} {
			if name == "plan" && micros > 0 {
				continue
			}
			s.Micro = mi
			if _, err := r.ex.Run(s); err == nil {
				t.Errorf("%d runs a step, %s: %+v passed", micros, name, mi)
			}
		}
	}
	r := newReady(t, dev, m, plan.Options{Mode: plan.Train, Batch: 8, Micros: 2})
	s := job{m: m, mode: plan.Train, lr: 0.1, seed: 1}.step(0, 8)
	s.InGrad, s.Labels[s.Rows[7]] = nil, 9
	if _, err := device.RunParts(r.ex, r.p, s); err == nil {
		t.Error("a label outside passed")
	}
	s = job{m: m, mode: plan.Train, lr: 0.1, seed: 1}.step(0, 9)
	s.InGrad = nil
	if _, err := device.RunParts(r.ex, r.p, s); err == nil {
		t.Error("more samples than a step has passed")
	}
}
