package cpu

import (
	"fmt"

	"pare/core/device"
)

// verifyTokens is verifyShape for the kernels of layer norm and of sequences.
func verifyTokens(p *device.Plan, b *bank, c *device.Call) error {
	in, w := func() device.Val { return p.Vals[c.In[0]] }, &weight{}
	if len(c.W) > 0 {
		w = &b.ws[c.W[0]]
	}
	for i, v := range c.In {
		if x := p.Vals[v]; x.H != 1 || x.W != 1 {
			return fmt.Errorf("input %d is %d×%d×%d, need a vector", i, x.C, x.H, x.W)
		}
	}
	table := func(rows, c int) error {
		if w.lay != panels || w.Conv || w.n < rows || w.k != c {
			return fmt.Errorf("weight %s is %v, need a table of at least %d rows of %d channels", w.Name, w.Shape, rows, c)
		}
		return nil
	}
	switch c.Kernel {
	case device.LayerNorm, device.RMSNorm:
		if err := verifyVectors(b, c.W, in().C); err != nil {
			return err
		}
		return verifyChannels(p, c.Out, []int{in().C, 2})
	case device.LayerNormDX, device.RMSNormDX:
		n, parts := in().C, 2
		if c.Kernel == device.RMSNormDX {
			parts = 1
		}
		if err := verifyVectors(b, c.W, n); err != nil {
			return err
		}
		return verifyChannels(p, append(append([]int{}, c.In...), c.Out...), []int{n, 2, n, n, parts * n})
	case device.PartD:
		if from := c.S[0]; !(from >= 0) || from != float32(int(from)) || len(w.Shape) != 1 || int(from)+w.Shape[0] > in().C {
			return fmt.Errorf("weight %s of %v at %g of %d values", w.Name, w.Shape, from, in().C)
		}
		return nil
	case device.Embed, device.EmbedD:
		y := append(c.In[1:len(c.In):len(c.In)], c.Out...)
		if c.In[0] != p.Input || in().C > 2 || len(y) != 1 || w.n > 1<<24 {
			return fmt.Errorf("looks up value %s of %d channels: need ids, which the input holds, up to %d", in().Name, in().C, 1<<24)
		}
		if err := table(1, p.Vals[y[0]].C); err != nil {
			return err
		}
		return verifyChannels(p, y, []int{w.k})
	}
	if p.Seq < 1 {
		return fmt.Errorf("needs a sequence")
	}
	switch a := c.Attn; c.Kernel {
	case device.Positions:
		if err := verifyChannels(p, c.Out, []int{in().C}); err != nil {
			return err
		}
		return table(p.Seq, in().C)
	case device.PositionsD:
		return table(p.Seq, in().C)
	case device.Rope:
		if a == nil || a.Heads < 1 || a.Dim < 2 || a.Dim%2 != 0 || len(a.Freq) != a.Dim/2 || a.Dim > maxRows {
			return fmt.Errorf("heads %+v", a)
		}
		return verifyChannels(p, []int{c.In[0], c.Out[0]}, []int{a.Heads * a.Dim, a.Heads * a.Dim})
	}
	return verifyAttention(p, c)
}

// verifyAttention tests the channels of attention's values.
func verifyAttention(p *device.Plan, c *device.Call) error {
	a, forward := c.Attn, c.Kernel == device.Attention
	if a == nil {
		return fmt.Errorf("has no heads")
	}
	in := (&call{Call: c}).keyed()
	if a.Dim < 1 || a.Dim > maxRows || a.KVHeads < 1 || a.Heads < 1 || a.Heads%a.KVHeads != 0 || in != 1 && in != 3 || !forward && len(c.Out) != in {
		return fmt.Errorf("heads %+v with %d inputs and %d outputs", a, len(c.In), len(c.Out))
	}
	ids := c.In[in:]
	if !forward && len(ids) > 3 {
		ids = ids[3:]
	}
	if a.Pads && (len(ids) != 1 || ids[0] != p.Input || p.Vals[ids[0]].Sample) {
		return fmt.Errorf("takes ids from another value than the input: only that holds ids")
	}
	want := []int{a.Heads * a.Dim, a.KVHeads * a.Dim, a.KVHeads * a.Dim}
	if in == 1 {
		want = []int{(a.Heads + 2*a.KVHeads) * a.Dim}
	}
	if err := verifyChannels(p, c.In[:in], want); err != nil {
		return err
	}
	y := []int{a.Heads * a.Dim, a.Heads, a.Heads * a.Dim}
	if forward {
		return verifyChannels(p, c.Out, y[:2])
	}
	if err := verifyChannels(p, c.Out, want); err != nil {
		return err
	}
	return verifyChannels(p, c.In[in:in+3], y)
}

// verifyChannels tests that the values have that many channels and are vectors.
func verifyChannels(p *device.Plan, vals, channels []int) error {
	if len(vals) > len(channels) {
		return fmt.Errorf("has %d values, need at most %d", len(vals), len(channels))
	}
	for i, v := range vals {
		if x := p.Vals[v]; x.C != channels[i] || x.H != 1 || x.W != 1 {
			return fmt.Errorf("value %s is %d×%d×%d, need %d channels", x.Name, x.C, x.H, x.W, channels[i])
		}
	}
	return nil
}
