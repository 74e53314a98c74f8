package cpu

import (
	"errors"
	"fmt"

	"pare/core/device"
)

// verifyKind tests that a call works on values of tokens or on values of samples,
// and stands in a region of that kind. Some kernels lead from one to the other.
func verifyKind(p *device.Plan, r *device.Region, c *device.Call) error {
	switch c.Kernel {
	case device.Token, device.TokenDX, device.MeanTokens, device.MeanTokensDX, device.Tokens, device.TokensDX:
		return nil
	}
	kind := r.Sample
	for i, v := range append(append([]int{}, c.In...), c.Out...) {
		if v < 0 || v >= len(p.Vals) {
			return nil // verifyCall has said so
		}
		if i == 0 && r.Scope != device.Tile {
			kind = p.Vals[v].Sample
		}
		if p.Vals[v].Sample != kind {
			return fmt.Errorf("value %s is of another kind of tiles: a call works on tokens or on samples", p.Vals[v].Name)
		}
	}
	return nil
}

// verifyPlaces is verifyShape for segments and for the kernels between tokens and
// samples.
func verifyPlaces(p *device.Plan, b *bank, c *device.Call) error {
	if p.Seq < 1 {
		return errors.New("needs a sequence")
	}
	val := func(l []int) device.Val { return p.Vals[l[0]] }
	between := func(tokens, samples device.Val) error {
		if tokens.Sample || !samples.Sample || tokens.C != samples.C || tokens.H != 1 || tokens.W != 1 {
			return fmt.Errorf("value %s of %d channels and %s of %d: need the same of tokens and of samples", tokens.Name, tokens.C, samples.Name, samples.C)
		}
		return nil
	}
	pixels := func(tokens, samples device.Val, front float32) error {
		if n := samples.H * samples.W; front != 0 && front != 1 || n+int(front) != p.Seq {
			return fmt.Errorf("%d pixels behind %g tokens are not %d tokens", n, front, p.Seq)
		}
		return between(tokens, samples)
	}
	switch c.Kernel {
	case device.Token, device.TokenDX, device.MeanTokens, device.MeanTokensDX:
		at, x, y := c.S[0], val(c.In), val(c.Out)
		if c.Kernel == device.TokenDX || c.Kernel == device.MeanTokensDX {
			x, y = y, x
		}
		if !(at >= 0 && at < float32(p.Seq)) || at != float32(int(at)) || y.H != 1 || y.W != 1 {
			return fmt.Errorf("token %g of %d, to %d×%d×%d", at, p.Seq, y.C, y.H, y.W)
		}
		return between(x, y)
	case device.Tokens:
		return errors.Join(pixels(val(c.Out), val(c.In), float32(len(c.W))), verifyVectors(b, c.W, val(c.In).C))
	case device.TokensDX:
		return pixels(val(c.In), val(c.Out), c.S[0])
	}
	x := val(c.In)
	if x.Sample || x.H != 1 || x.W != 1 {
		return fmt.Errorf("value %s is %d×%d×%d, need vectors of tokens", x.Name, x.C, x.H, x.W)
	}
	if c.Kernel == device.FirstD {
		return verifyVectors(b, c.W, x.C)
	}
	if w := &b.ws[c.W[0]]; w.lay != panels || w.Conv || w.k != x.C || w.n > 1<<24 {
		return fmt.Errorf("weight %s is %v, need a table of %d channels", w.Name, w.Shape, x.C)
	}
	if ids := c.In[1:]; len(ids) > 0 && (ids[0] != p.Input || p.Vals[ids[0]].C != 2) {
		return fmt.Errorf("takes segments from value %s: only the plan's input holds them", p.Vals[ids[0]].Name)
	}
	return verifyChannels(p, c.Out, []int{x.C})
}
