package devicetest

import (
	"fmt"
	"testing"

	"pare/core/device"
	"pare/core/plan"
	"pare/core/tensor"
)

// testRanks takes steps by two or three ranks on dev, each with a bank of its own, and
// compares them with one rank on ref: of every net that trains.
func testRanks(t *testing.T, dev device.Device) {
	t.Run("set", func(t *testing.T) { testSetGrad(t, dev) })
	for turn, mod := range models() {
		if !mod.train || mod.long && testing.Short() || mod.least > 1 || ownStatistics(mod, t) {
			continue
		}
		m := mod.net(t)
		f := formats[turn%len(formats)]
		cs := choose(m, dev, f.blocks)
		if len(m.Layers()) == 0 && f.mask > 0 || f.blocks != tensor.Dense && (!mod.blocks || len(cs) == 0) {
			f = formats[0]
			cs = choose(m, dev, f.blocks)
		}
		j := job{m: m, formats: cs, mode: plan.Train, lr: mod.rate(0.01), optim: device.Optim{Momentum: 0.9, WeightDecay: 1e-2}, threads: 2, ties: mod.ties, batch: 7, world: 2 + turn%2, micros: turn % 3}
		if mod.batch > 0 {
			j.batch = mod.batch
		}
		j.ns = []int{j.batch, max(1, j.batch/3), j.batch}
		t.Run(fmt.Sprintf("%s/%s/%d-ranks-in-%d", mod.name, f.name, j.world, j.micros), func(t *testing.T) {
			against(t, dev, j, func(seed uint64) { prepare(m, f.mask, seed) })
		})
	}
}

// testSetGrad: a gradient that is set is the one that is read, zero at masked places unless the
// weight is open; of a weight that does not train it is refused.
func testSetGrad(t *testing.T, dev device.Device) {
	var ws []device.Weight
	for _, open := range []bool{false, true} {
		for _, shape := range []tensor.Shape{{5}, {5, 6}, {4, 2, 3, 3}} {
			mask := tensor.NewMask(shape.Len())
			mask.Drop(1)
			mask.Drop(4)
			ws = append(ws, device.Weight{Name: fmt.Sprintf("%v, open %t", shape, open), Shape: shape, Matrix: len(shape) > 1, Conv: len(shape) == 4, Groups: 1, Mask: mask, Train: true, Open: open})
		}
	}
	ws = append(ws, device.Weight{Name: "frozen", Shape: tensor.Shape{3}})
	bank, err := dev.NewBank(ws, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer bank.Close() //nolint:errcheck // a test's
	for i, w := range ws {
		x, got := make([]float32, w.Shape.Len()), make([]float32, w.Shape.Len())
		for k := range x {
			x[k] = float32(1 + k)
		}
		if err := bank.SetGrad(i, x); (err == nil) != w.Train {
			t.Errorf("%s: %v", w.Name, err)
		}
		if !w.Train {
			continue
		}
		if err := bank.Grad(i, got); err != nil {
			t.Fatal(err)
		}
		for k, g := range got {
			want := x[k]
			if !w.Open && !w.Mask.Kept(k) {
				want = 0
			}
			if g != want {
				t.Errorf("%s: gradient %d is %g, was set to %g", w.Name, k, g, x[k])
			}
		}
	}
}

// ownStatistics reports whether a net learns of its batch more than gradients.
func ownStatistics(mod model, t *testing.T) bool {
	for _, n := range mod.net(t).Nodes {
		if n.Op == "batchnorm" {
			return true
		}
	}
	return false
}

// together is how a step runs on all ranks, of which the first has `bank`.
func (j job) together(t testing.TB, dev device.Device, o plan.Options, ws []device.Weight, bank device.Bank) func(*device.Step) (device.Result, error) {
	t.Helper()
	o.Ranked = true
	moves, err := plan.Moves(j.m, dev, o)
	if err != nil {
		t.Fatal(err)
	}
	o.Batch = (o.Batch + j.world - 1) / j.world
	p, err := plan.Build(j.m, dev, o)
	if err != nil {
		t.Fatal(err)
	}
	type rank struct {
		bank       device.Bank
		step, move device.Exec
	}
	ranks := make([]rank, j.world)
	for i := range ranks {
		r := &ranks[i]
		if r.bank = bank; i > 0 {
			if r.bank, err = dev.NewBank(ws, j.optim.Slots()); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.bank.Close() }) //nolint:errcheck // a test's
			for k, w := range j.m.Params {
				if err := r.bank.Set(k, j.off.of(w.Data)); err != nil {
					t.Fatal(err)
				}
			}
		}
		for at, p := range map[*device.Exec]*device.Plan{&r.step: p, &r.move: moves} {
			if *at, err = dev.Compile(p, r.bank, j.threads); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { (*at).Close() }) //nolint:errcheck // a test's
		}
	}
	return func(s *device.Step) (all device.Result, err error) {
		n := s.Count()
		for i, r := range ranks {
			first, k := device.Share(n, i, j.world)
			res, err := device.RunShare(r.step, p, s, first, k)
			if err != nil {
				return res, err
			}
			all.Loss, all.Correct, all.N = all.Loss+res.Loss, all.Correct+res.Correct, res.N
		}
		for i, w := range ws {
			if !w.Train {
				continue
			}
			sum, x := make([]float32, w.Shape.Len()), make([]float32, w.Shape.Len())
			for k, r := range ranks {
				if _, own := device.Share(n, k, j.world); own == 0 {
					continue // what lies in the bank is an earlier step's
				}
				if err := r.bank.Grad(i, x); err != nil {
					return all, err
				}
				for e, v := range x {
					sum[e] += v
				}
			}
			for _, r := range ranks {
				if err := r.bank.SetGrad(i, sum); err != nil {
					return all, err
				}
			}
		}
		for _, r := range ranks {
			if _, err := r.move.Run(&device.Step{X: []float32{0}, N: 1, Index: s.Index, LR: s.LR}); err != nil {
				return all, err
			}
		}
		return all, nil
	}
}
