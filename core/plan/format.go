package plan

import (
	"fmt"
	"math"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/tensor"
)

// Choice is the format one layer runs in, and why.
type Choice struct {
	Param  int
	Name   string // layer
	Format tensor.Format
	Why    string
}

// price is what a training step of a layer costs in a format, as a share of the
// dense kernels' time: fixed + perStored · (share of the values stored).
type price struct{ fixed, perStored float64 }

// prices of the formats, from BenchmarkStep and BenchmarkConvStep of
// core/device/cpu on Zen 4.
var prices = map[device.Kernel]map[tensor.Format]price{
	device.Linear: {tensor.Single: {0.06, 1.75}, tensor.Block4: {0.03, 1.1}, tensor.Block8: {0.03, 1.05}, tensor.Block16: {0.03, 1.05}},
	device.Conv:   {tensor.Single: {0.2, 2.2}, tensor.Block4: {0.1, 1.2}, tensor.Block8: {0.1, 1.1}, tensor.Block16: {0.1, 1.1}},
}

// paysFrom is the share of zeros from which a format is chosen.
func (p price) paysFrom() float64 { return 1 - (margin-p.fixed)/p.perStored }

// margin is how much cheaper than dense a format must be expected to be: the
// choice must not make a layer slower.
const margin = 0.85

// Choose picks a format for every layer. What it returns is written to the
// session before it takes effect.
func Choose(m *graph.Model, dev device.Device) []Choice {
	var cs []Choice
	for _, l := range m.Layers() {
		cs = append(cs, choose(m, dev, l))
	}
	return cs
}

func choose(m *graph.Model, dev device.Device, l graph.Layer) Choice {
	p := m.Params[l.Param]
	c := Choice{Param: l.Param, Name: l.Name, Format: tensor.Dense}
	zeros := float64(p.Mask.Zeros()) / float64(p.Shape.Len())
	kernel := device.Linear
	if m.Nodes[l.Node].Op == "conv2d" {
		kernel = device.Conv
		if m.Nodes[l.Node].Attrs.Win.Groups > 1 && zeros > 0 {
			c.Why = fmt.Sprintf("no gain here: %.0f %% zeros, but there is no sparse kernel for grouped convolutions", 100*zeros)
			return c
		}
	}
	if zeros == 0 {
		c.Why = "no zeros"
		return c
	}
	best, cost, stored := tensor.Dense, 1.0, 1.0
	pattern, least := tensor.Dense, math.Inf(1) // the mask's own: the highest blocks that store nothing more
	for _, f := range tensor.Blocks {
		if !dev.Supports(kernel, f) {
			continue
		}
		share := storedShare(p, f.Height())
		if t := prices[kernel][f].fixed + prices[kernel][f].perStored*share; t < cost {
			best, cost, stored = f, t, share
		}
		if share <= least+1e-9 {
			pattern, least = f, share
		}
	}
	switch {
	case pattern == tensor.Dense:
		c.Why = fmt.Sprintf("no gain here: %.0f %% zeros, but %s has no sparse %s kernel", 100*zeros, dev.Name(), kernel)
	case cost > margin:
		c.Why = fmt.Sprintf("no gain yet: %.0f %% zeros, %v kernels pay from %.0f %%", 100*zeros, pattern, 100*prices[kernel][pattern].paysFrom())
	default:
		c.Format = best
		c.Why = fmt.Sprintf("skips %.0f %% of the multiply-adds", 100*(1-stored))
	}
	return c
}

// storedShare is the share of the values of a matrix that blocks of r outputs × 1
// input store: those of every block that keeps something.
func storedShare(p graph.Param, r int) float64 {
	n, k := p.Shape[0], p.Shape[1:].Len()
	stored := 0
	for nb := 0; nb < n; nb += r {
		rows := min(r, n-nb)
		for j := range k {
			for i := nb; i < nb+rows; i++ {
				if p.Mask.Kept(i*k + j) {
					stored += rows
					break
				}
			}
		}
	}
	return float64(stored) / float64(n*k)
}
