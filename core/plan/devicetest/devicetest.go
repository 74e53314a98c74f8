// Package devicetest is the compliance suite: what every device must do, op by
// op, in every weight format, against the scalar device core/device/ref. It
// imports core/plan, core/graph, the devices' contract and the zoo; devices run
// it from the test files of this package.
package devicetest

import (
	"fmt"
	"testing"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
)

// Run tests dev. Every case runs on 1 to 4 threads, and with each on dev and the
// twins, other set-ups of the same device, in turn: all give equal bits. With
// -short it takes fewer shapes, batches and threads, never fewer ops.
func Run(t *testing.T, dev device.Device, twins ...device.Device) {
	RunWithin(t, tolerance, unit32, dev, twins...)
}

// RunWithin is Run for a device whose results may be off by more than rounding in
// float32: by limit, as a share of the largest value of each result. One rounding is off by
// unit, as a share of the value.
func RunWithin(t *testing.T, limit, unit float64, dev device.Device, twins ...device.Device) {
	dev = family{dev, twins, limit, unit}
	t.Run("ops", func(t *testing.T) { testOps(t, dev) })
	t.Run("batches", func(t *testing.T) { testBatches(t, dev) })
	t.Run("optimisers", func(t *testing.T) { testOptimisers(t, dev) })
	t.Run("zoo", func(t *testing.T) { testZoo(t, dev) })
	t.Run("bits", func(t *testing.T) { testBits(t, dev) })
	t.Run("masks", func(t *testing.T) { testMasks(t, dev) })
	t.Run("pairs", func(t *testing.T) { testPairs(t, dev) })
	t.Run("open", func(t *testing.T) { testOpen(t, dev) })
	t.Run("distil", func(t *testing.T) { testDistil(t, dev) })
	t.Run("micro", func(t *testing.T) { testMicro(t, dev) })
	t.Run("ranks", func(t *testing.T) { testRanks(t, dev) })
	t.Run("recompute", func(t *testing.T) { testRecompute(t, dev) })
	t.Run("errors", func(t *testing.T) { testErrors(t, dev) })
}

// batches a device must get right: one, less than a tile, and more.
var batches = []int{1, 3, 7, 16, 17, 31, 33, 127, 129}

// family is a device with others of its kind, which must give the same bits.
type family struct {
	device.Device
	twins []device.Device
	limit float64
	unit  float64
}

// limitOf is what results of dev may be off by.
func limitOf(dev device.Device) float64 {
	if f, ok := dev.(family); ok {
		return f.limit
	}
	return tolerance
}

// all are the device and its twins.
func all(dev device.Device) []device.Device {
	if f, ok := dev.(family); ok {
		return append([]device.Device{f.Device}, f.twins...)
	}
	return []device.Device{dev}
}

// format is a way to store the weights of a net.
type format struct {
	name   string
	blocks tensor.Format // where the device supports it
	mask   int           // rows of the blocks that are dropped, 0 for no mask
}

// formats a weight may have. A mask of single elements on blocks drops parts of
// blocks; without a mask all blocks are stored.
var formats = []format{
	{"dense", tensor.Dense, 0}, {"masked", tensor.Dense, 1},
	{"blocks1", tensor.Single, 1}, {"blocks4", tensor.Block4, 4}, {"blocks8", tensor.Block8, 8}, {"blocks16", tensor.Block16, 16},
	{"parts-of-blocks4", tensor.Block4, 1}, {"parts-of-blocks16", tensor.Block16, 1},
	{"all-blocks1", tensor.Single, 0}, {"all-blocks4", tensor.Block4, 0}, {"all-blocks8", tensor.Block8, 0},
}

// build makes the net.
func (m model) net(t testing.TB) *graph.Model {
	t.Helper()
	b := &graph.Net{M: graph.New(m.name, m.c, m.h, m.w)}
	if m.seq > 0 {
		b.M = graph.NewSequence(m.name, m.c, m.seq)
	}
	m.build(b)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	return b.M
}

// choose asks for format f wherever dev has kernels for it.
func choose(m *graph.Model, dev device.Device, f tensor.Format) (cs []plan.Choice) {
	if f == tensor.Dense {
		return nil
	}
	for _, l := range m.Layers() {
		k := device.Linear
		if n := m.Nodes[l.Node]; n.Op == "conv2d" {
			if k = device.Conv; n.Attrs.Win.Groups > 1 {
				continue
			}
		}
		if dev.Supports(k, f) {
			cs = append(cs, plan.Choice{Param: l.Param, Format: f})
		}
	}
	return cs
}

// testOps runs every net in every mode, format and with several batch sizes.
func testOps(t *testing.T, dev device.Device) {
	seen := map[string]bool{}
	turn := 0
	for _, mod := range models() {
		for _, n := range mod.net(t).Nodes {
			seen[n.Op] = true
		}
		if mod.long && testing.Short() {
			continue
		}
		t.Run(mod.name, func(t *testing.T) {
			for i, f := range formats {
				m := mod.net(t)
				cs := choose(m, dev, f.blocks)
				if len(m.Layers()) == 0 && f.mask > 0 || f.blocks != tensor.Dense && (!mod.blocks || len(cs) == 0) {
					continue
				}
				modes := []plan.Mode{plan.Infer, plan.Seeded, plan.Train}
				if !mod.train {
					modes = modes[:1]
				}
				turn++
				for k, mode := range modes {
					j := job{m: m, formats: cs, mode: mode, lr: mod.rate(0.05), optim: device.Optim{Momentum: 0.9, WeightDecay: 1e-2}, threads: 2, ties: mod.ties}
					j.batch = batches[(turn+k+i)%len(batches)]
					if mod.batch > 0 {
						j.batch = mod.batch
					}
					j.batch = max(j.batch, mod.least)
					// Less than the plan takes, then all of it: nothing may be
					// left over from the step before.
					j.ns = []int{max(1, j.batch*2/3, mod.least), j.batch}
					t.Run(fmt.Sprintf("%s/%s/batch%d", f.name, modeName(mode), j.batch), func(t *testing.T) {
						against(t, dev, j, func(seed uint64) { prepare(m, f.mask, seed) })
					})
				}
			}
		})
	}
	for _, op := range graph.Ops() {
		if !seen[op.Name] {
			t.Errorf("op %s is in no net of this suite: add one", op.Name)
		}
	}
}

// testBatches runs a net of linear layers and one of convolutions in every format
// with every batch: testOps gives each case one of them.
func testBatches(t *testing.T, dev device.Device) {
	fc := vectorNet("linear", 129, func(b *graph.Net) { b.Linear("b", b.Op("relu", "relu", b.Linear("a", 0, 127)), 7) })
	image := model{name: "conv", c: 3, h: 5, w: 4, train: true, build: func(b *graph.Net) {
		x := b.Op("relu", "relu", convolve(b, "conv", 0, 17, square(3, 1, 1, 1), true))
		b.Linear("fc", b.Op("flat", "flatten", x), 5)
	}}
	for _, mod := range []model{fc, image} {
		for _, f := range formats {
			m := mod.net(t)
			cs := choose(m, dev, f.blocks)
			if f.blocks != tensor.Dense && len(cs) == 0 {
				continue
			}
			for i, n := range batches {
				if testing.Short() && i%3 != 0 {
					continue
				}
				for _, mode := range []plan.Mode{plan.Infer, plan.Train} {
					j := job{m: m, formats: cs, mode: mode, lr: 0.05, optim: device.Optim{Momentum: 0.9}, batch: n, ns: []int{n, max(1, n*2/3)}, threads: 2}
					t.Run(fmt.Sprintf("%s/%s/%s/batch%d", mod.name, f.name, modeName(mode), n), func(t *testing.T) {
						against(t, dev, j, func(seed uint64) { prepare(m, f.mask, seed) })
					})
				}
			}
		}
	}
}

// prepare gives m a mask of blocks of that many rows, none for 0, and values.
func prepare(m *graph.Model, mask int, seed uint64) {
	if mask > 0 {
		maskBlocks(m, mask, 0.5, seed)
	}
	fill(m, seed)
}

func modeName(m plan.Mode) string {
	return [...]string{"infer", "eval", "train", "grads", "seeded"}[m]
}
