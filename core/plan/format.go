package plan

import (
	"fmt"

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

// MinBlockZeros is the share of zeros from which a block-packed layer is
// expected to beat the dense kernel. Measured break-even of the three products
// is 7–10 %; the margin covers small layers.
const MinBlockZeros = 0.25

// Choose picks a format for every layer. What it returns is written to the
// session before it takes effect.
func Choose(m *graph.Model, dev device.Device) []Choice {
	var cs []Choice
	for _, l := range m.Layers() {
		p := m.Params[l.Param]
		c := Choice{Param: l.Param, Name: l.Name, Format: tensor.Dense}
		zeros := float64(p.Mask.Zeros()) / float64(p.Shape.Len())
		kernel := device.Linear
		if m.Nodes[l.Node].Op == "conv2d" {
			kernel = device.Conv
		}
		switch {
		case zeros == 0:
			c.Why = "no zeros"
		case !isBlocks(p, 4):
			c.Why = fmt.Sprintf("no gain here: %.0f %% zeros, but not in 4×1 blocks, and there is no kernel for single zeros", 100*zeros)
		case kernel == device.Conv && m.Nodes[l.Node].Attrs.Win.Groups > 1:
			c.Why = fmt.Sprintf("no gain here: %.0f %% zeros, but there is no sparse kernel for grouped convolutions", 100*zeros)
		case !dev.Supports(kernel, tensor.Block4):
			c.Why = fmt.Sprintf("no gain here: %.0f %% zeros, but %s has no sparse %s kernel", 100*zeros, dev.Name(), kernel)
		case zeros < MinBlockZeros:
			c.Why = fmt.Sprintf("no gain yet: %.0f %% zeros, 4×1 kernels pay from %.0f %%", 100*zeros, 100*MinBlockZeros)
		default:
			c.Format = tensor.Block4
			c.Why = fmt.Sprintf("skips %.0f %% of the multiply-adds", 100*zeros)
		}
		cs = append(cs, c)
	}
	return cs
}

// isBlocks reports whether the mask of a matrix keeps or drops whole blocks of
// r outputs × 1 input.
func isBlocks(p graph.Param, r int) bool {
	if p.Mask == nil {
		return true
	}
	n, k := p.Shape[0], p.Shape[1:].Len()
	for nb := 0; nb < n; nb += r {
		for j := 0; j < k; j++ {
			first := p.Mask.Kept(nb*k + j)
			for i := nb + 1; i < min(nb+r, n); i++ {
				if p.Mask.Kept(i*k+j) != first {
					return false
				}
			}
		}
	}
	return true
}
