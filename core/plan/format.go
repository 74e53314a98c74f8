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
	// Cost is what a training step of the layer is expected to take, as a share of
	// the dense kernels' time; 1 for a dense layer.
	Cost float64
	Why  string
}

// margin is how much cheaper than dense a format must be expected to be: the
// choice must not make a layer slower.
const margin = 0.85

// Choose picks a format for every layer: a function of the model, the device's
// kernels and the prices alone. What it returns is written to the session before
// it takes effect.
func Choose(m *graph.Model, dev device.Device, prices Prices) []Choice {
	var cs []Choice
	slow, _ := dev.(device.SlowConver)
	for _, l := range m.Layers() {
		c := choose(m, dev, prices, l)
		if n := m.Nodes[l.Node]; slow != nil && n.Op == "conv2d" {
			x, y := m.Values[n.In[0]], m.Values[n.Out]
			if why := slow.SlowConv(n.Attrs.Win, device.Val{C: x.C, H: x.H, W: x.W}, device.Val{C: y.C, H: y.H, W: y.W}); why != "" {
				c.Why += "; a slow kernel: " + why
			}
		}
		cs = append(cs, c)
	}
	return cs
}

func choose(m *graph.Model, dev device.Device, prices Prices, l graph.Layer) Choice {
	p := m.Params[l.Param]
	c := Choice{Param: l.Param, Name: l.Name, Format: tensor.Dense, Cost: 1}
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
	n, k := p.Shape[0], p.Shape[1:].Len()
	// The cheapest format, and the mask's own: the highest blocks that store
	// nothing more.
	best, own := offer{cost: math.Inf(1)}, offer{stored: math.Inf(1)}
	for _, f := range tensor.Blocks {
		fixed, perStored, ok := prices.of(kernel, f, n, k)
		if !ok || !dev.Supports(kernel, f) {
			continue
		}
		o := offer{format: f, stored: storedShare(p, f), from: paysFrom(fixed, perStored, padding(f, n))}
		o.cost = fixed + perStored*o.stored*padding(f, n)
		if o.cost < best.cost {
			best = o
		}
		if o.stored <= own.stored+1e-9 {
			own = o
		}
	}
	if best.cost > margin && kernel == device.Linear && dev.Supports(kernel, tensor.NM24) && tensor.TwoInFour(p.Mask, n, k) {
		c.Format = tensor.NM24
		c.Why = "2:4: skips half of the multiply-adds of one sample at a time; larger batches and training run dense, no gain there"
		if _, ok := dev.(device.Card); ok { // see Settle
			c.Why = "2:4: skips half of the multiply-adds in products where that takes less time than dense"
		}
		return c
	}
	switch {
	case own.format == tensor.Dense:
		c.Why = fmt.Sprintf("no gain here: %.0f %% zeros, but %s has no sparse %s kernel", 100*zeros, dev.Name(), kernel)
	case best.cost <= margin:
		c.Format, c.Cost = best.format, best.cost
		c.Why = fmt.Sprintf("skips %.0f %% of the multiply-adds, expected %.2f × the dense time", 100*(1-best.stored), best.cost)
	case own.from >= 1:
		c.Why = fmt.Sprintf("no gain here: %.0f %% zeros, but %v kernels do not pay in a layer of this size", 100*zeros, own.format)
	default:
		c.Why = fmt.Sprintf("no gain yet: %.0f %% zeros, %v kernels pay from %.0f %% (now expected %.2f × the dense time)", 100*zeros, own.format, 100*own.from, own.cost)
	}
	return c
}

// offer is what one format would do for a layer.
type offer struct {
	format tensor.Format
	stored float64 // share of the values
	cost   float64 // expected share of the dense time
	from   float64 // share of zeros from which the format is taken
}

// storedShare is the share of the values of a matrix that format f stores.
func storedShare(p graph.Param, f tensor.Format) float64 {
	return float64(device.Weight{Shape: p.Shape, Mask: p.Mask, Format: f}.Stored()) / float64(p.Shape.Len())
}
