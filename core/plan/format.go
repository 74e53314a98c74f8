package plan

import (
	"fmt"
	"math"
	"slices"

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

// Prices are what a training step of a layer costs in each format, as a share of
// the dense kernels' time: fixed + perStored · (share of the values stored). The
// keys are the formats' words. A run writes its prices into its recipe, so that
// the choice is the same when it resumes, and when the recipe runs again.
type Prices struct {
	Linear map[string][2]float64 `toml:"linear,omitempty" json:"linear,omitempty"`
	Conv   map[string][2]float64 `toml:"conv,omitempty" json:"conv,omitempty"`
}

// DefaultPrices are those of BenchmarkStep and BenchmarkConvStep of
// core/device/cpu on Zen 4.
func DefaultPrices() Prices {
	return Prices{
		Linear: map[string][2]float64{"1×1": {0.06, 1.75}, "4×1": {0.03, 1.1}, "8×1": {0.03, 1.05}, "16×1": {0.03, 1.05}},
		Conv:   map[string][2]float64{"1×1": {0.2, 2.2}, "4×1": {0.1, 1.2}, "8×1": {0.1, 1.1}, "16×1": {0.1, 1.1}},
	}
}

// Known reports whether there are prices at all.
func (p Prices) Known() bool { return len(p.Linear)+len(p.Conv) > 0 }

// Check refuses words that are no format and figures that are no cost.
func (p Prices) Check() error {
	for key, l := range map[string]map[string][2]float64{"plan.linear": p.Linear, "plan.conv": p.Conv} {
		for word, v := range l {
			if !slices.ContainsFunc(tensor.Blocks, func(f tensor.Format) bool { return f.String() == word }) {
				return fmt.Errorf("%s has a price for %q: the formats are 1×1, 4×1, 8×1 and 16×1", key, word)
			}
			for _, x := range v {
				if !(x >= 0 && x <= 1e6) {
					return fmt.Errorf("%s.%s = %v: a price is fixed and per stored value, both 0 or more", key, word, v)
				}
			}
		}
	}
	return nil
}

// of is the price of a format for one kind of layer.
func (p Prices) of(k device.Kernel, f tensor.Format) (fixed, perStored float64, ok bool) {
	l := p.Linear
	if k == device.Conv {
		l = p.Conv
	}
	v, ok := l[f.String()]
	return v[0], v[1], ok
}

// margin is how much cheaper than dense a format must be expected to be: the
// choice must not make a layer slower.
const margin = 0.85

// Choose picks a format for every layer. What it returns is written to the
// session before it takes effect.
func Choose(m *graph.Model, dev device.Device, prices Prices) []Choice {
	var cs []Choice
	for _, l := range m.Layers() {
		cs = append(cs, choose(m, dev, prices, l))
	}
	return cs
}

func choose(m *graph.Model, dev device.Device, prices Prices, l graph.Layer) Choice {
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
		fixed, perStored, ok := prices.of(kernel, f)
		if !ok || !dev.Supports(kernel, f) {
			continue
		}
		share := storedShare(p, f)
		if t := fixed + perStored*share; t < cost {
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
		fixed, perStored, _ := prices.of(kernel, pattern)
		c.Why = fmt.Sprintf("no gain yet: %.0f %% zeros, %v kernels pay from %.0f %%", 100*zeros, pattern, 100*(1-(margin-fixed)/perStored))
	default:
		c.Format = best
		c.Why = fmt.Sprintf("skips %.0f %% of the multiply-adds", 100*(1-stored))
	}
	return c
}

// storedShare is the share of the values of a matrix that format f stores.
func storedShare(p graph.Param, f tensor.Format) float64 {
	return float64(device.Weight{Shape: p.Shape, Mask: p.Mask, Format: f}.Stored()) / float64(p.Shape.Len())
}
