package ref

import (
	"fmt"

	"pare/core/device"
	"pare/core/tensor"
)

// checkShapes tests that the sizes of a call's values and weights fit together.
// The number and kinds of arguments have been tested.
func checkShapes(p *device.Plan, ws []device.Weight, c *device.Call) error {
	in := func(i int) device.Val { return p.Vals[c.In[i]] }
	out := func(i int) device.Val { return p.Vals[c.Out[i]] }
	switch c.Kernel {
	case device.Load:
		if c.S[0] != 0 && c.S[0] != 1 {
			return fmt.Errorf("loads from source %g, want 0 or 1", c.S[0])
		}
		if c.S[0] == 0 {
			return same(out(0), p.Vals[p.Input])
		}
		return nil
	case device.Linear:
		return first(linearShape(ws[c.W[0]], in(0), out(0)), vectors(ws, c.W[1:], out(0).C))
	case device.LinearDX:
		return linearShape(ws[c.W[0]], out(0), in(0))
	case device.LinearDW:
		return first(linearShape(ws[c.W[0]], in(0), in(1)), transposed(p, c))
	case device.Conv:
		return first(convShape(ws[c.W[0]], c.Win, in(0), out(0)), vectors(ws, c.W[1:], out(0).C))
	case device.ConvDX:
		return convShape(ws[c.W[0]], c.Win, out(0), in(0))
	case device.ConvDW:
		return first(convShape(ws[c.W[0]], c.Win, in(0), in(1)), transposed(p, c))
	case device.MaxPool, device.AvgPool:
		return poolShape(c.Win, in(0), out(0))
	case device.MaxPoolDX:
		return first(poolShape(c.Win, in(0), in(1)), same(in(0), out(0)))
	case device.AvgPoolDX:
		return poolShape(c.Win, out(0), in(0))
	case device.Flatten:
		return flatShape(in(0), out(0))
	case device.FlattenDX:
		return flatShape(out(0), in(0))
	case device.Gate, device.GateD, device.Concat, device.Slice, device.SliceDX:
		return channelShape(p, c)
	case device.Softmax:
		return first(vector(in(0)), same(in(0), out(0)))
	case device.Add, device.ActDX, device.Mul:
		return first(same(in(0), in(1)), same(in(0), out(0)))
	case device.ActFn, device.Transpose, device.Accum, device.Copy, device.Scale:
		return same(in(0), out(0))
	case device.Dropout, device.DropoutDX:
		if !(c.S[0] >= 0 && c.S[0] < 1) {
			return fmt.Errorf("p = %g, need 0 ≤ p < 1", c.S[0])
		}
		return same(in(0), out(0))
	case device.CrossEntropy:
		if p.Output >= 0 && p.Vals[p.Output].Sample != in(0).Sample {
			return fmt.Errorf("the loss and the output are not both of tokens or of samples")
		}
		err := first(vector(in(0)), part(out(len(c.Out)-1), 2))
		if err == nil && len(c.Out) == 2 {
			err = same(in(0), out(0))
		}
		return err
	case device.LossMerge:
		return part(in(0), 2)
	case device.LayerNorm, device.RMSNorm:
		return first(vector(in(0)), same(in(0), out(0)), statShape(p, c.Out[1:], 2), vectors(ws, c.W, in(0).C))
	case device.LayerNormDX:
		return first(normDXShape(p, c), part(out(1), 2*in(0).C), vectors(ws, c.W, in(0).C))
	case device.RMSNormDX:
		return first(normDXShape(p, c), part(out(1), in(0).C), vectors(ws, c.W, in(0).C))
	case device.PartD:
		return partShape(c.S[0], in(0), ws[c.W[0]])
	case device.Embed:
		return tableShape(p, ws[c.W[0]], in(0), out(0))
	case device.EmbedD:
		return tableShape(p, ws[c.W[0]], in(0), in(1))
	case device.Positions:
		return first(same(in(0), out(0)), placesShape(p, ws[c.W[0]], in(0)))
	case device.PositionsD:
		return placesShape(p, ws[c.W[0]], in(0))
	case device.Rope:
		return first(same(in(0), out(0)), ropeShape(p, c.Attn, in(0)))
	case device.Attention, device.AttentionDX:
		return attentionShape(p, c)
	case device.Adapt:
		return adapterShape(ws[c.W[0]], ws[c.W[1]], ws[c.W[2]])
	case device.AdaptA:
		return adapterShape(ws[c.W[1]], ws[c.W[0]], ws[c.W[2]])
	case device.AdaptB:
		return adapterShape(ws[c.W[1]], ws[c.W[2]], ws[c.W[0]])
	case device.Segment, device.SegmentD, device.Token, device.TokenDX, device.MeanTokens, device.MeanTokensDX, device.Tokens, device.TokensDX, device.FirstD:
		return placeShape(p, ws, c)
	case device.BiasD:
		return vectors(ws, c.W, in(0).C)
	case device.NormStats:
		return part(out(0), 2*in(0).C)
	case device.NormDStats:
		return first(same(in(0), in(1)), part(out(0), 2*in(0).C))
	case device.NormMerge, device.NormDMerge:
		return first(part(in(0), 2*(in(0).C/2)), vectors(ws, c.W, in(0).C/2))
	case device.NormApply, device.NormInfer:
		return first(same(in(0), out(0)), vectors(ws, c.W, in(0).C))
	case device.NormDX:
		return first(same(in(0), in(1)), same(in(0), out(0)), vectors(ws, c.W, in(0).C))
	}
	return nil
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func same(a, b device.Val) error {
	if a.C != b.C || a.H != b.H || a.W != b.W {
		return fmt.Errorf("value %s is %d×%d×%d, %s is %d×%d×%d: need equal shapes", a.Name, a.C, a.H, a.W, b.Name, b.C, b.H, b.W)
	}
	return nil
}

func vector(v device.Val) error {
	if v.H != 1 || v.W != 1 {
		return fmt.Errorf("value %s is %d×%d×%d, need a vector", v.Name, v.C, v.H, v.W)
	}
	return nil
}

func part(v device.Val, c int) error {
	if v.C != c || v.H != 1 || v.W != 1 {
		return fmt.Errorf("part %s is %d×%d×%d, need %d values", v.Name, v.C, v.H, v.W, c)
	}
	return nil
}

func vectors(ws []device.Weight, idx []int, c int) error {
	for _, i := range idx {
		if !ws[i].Shape.Equal(tensor.Shape{c}) {
			return fmt.Errorf("weight %s is %v, need %d values", ws[i].Name, ws[i].Shape, c)
		}
	}
	return nil
}

// transposed tests the third value of LinearDW and ConvDW, which ref does not
// read: dy is in its layout already.
func transposed(p *device.Plan, c *device.Call) error {
	if len(c.In) < 3 {
		return nil
	}
	return same(p.Vals[c.In[1]], p.Vals[c.In[2]])
}

func linearShape(w device.Weight, x, y device.Val) error {
	if w.N() != y.C || w.K() != x.C {
		return fmt.Errorf("weight %s is %v between %d inputs and %d outputs", w.Name, w.Shape, x.C, y.C)
	}
	return first(vector(x), vector(y))
}

func flatShape(x, y device.Val) error {
	if y.C != x.C*x.H*x.W {
		return fmt.Errorf("value %s has %d elements, %s has %d", x.Name, x.C*x.H*x.W, y.Name, y.C)
	}
	return vector(y)
}

func convShape(w device.Weight, g *device.Window, x, y device.Val) error {
	if err := windowShape(g, x, y); err != nil {
		return err
	}
	if g.Groups < 1 || x.C%g.Groups != 0 || g.Groups != w.Groups || !w.Shape.Equal(tensor.Shape{y.C, x.C / g.Groups, g.KH, g.KW}) {
		return fmt.Errorf("weight %s is %v in %d groups, for %d to %d channels in %d groups and a %d×%d window", w.Name, w.Shape, w.Groups, x.C, y.C, g.Groups, g.KH, g.KW)
	}
	return nil
}

func poolShape(g *device.Window, x, y device.Val) error {
	if err := windowShape(g, x, y); err != nil {
		return err
	}
	if x.C != y.C {
		return fmt.Errorf("pools %d channels into %d", x.C, y.C)
	}
	return nil
}

// windowShape tests the geometry. Padding is smaller than the window, so every
// window holds at least one pixel of x.
func windowShape(g *device.Window, x, y device.Val) error {
	switch {
	case g == nil:
		return fmt.Errorf("has no window")
	case g.KH < 1 || g.KW < 1 || g.SH < 1 || g.SW < 1 || min(g.PT, g.PL, g.PB, g.PR) < 0:
		return fmt.Errorf("window %+v: sizes and strides must be at least 1, padding at least 0", *g)
	case max(g.PT, g.PB) >= g.KH || max(g.PL, g.PR) >= g.KW:
		return fmt.Errorf("window %+v: padding must be smaller than the window", *g)
	case x.H+g.PT+g.PB < g.KH || x.W+g.PL+g.PR < g.KW:
		return fmt.Errorf("window %+v is larger than the padded input of %d×%d", *g, x.H, x.W)
	}
	if oh, ow := g.Out(x.H, x.W); oh != y.H || ow != y.W {
		return fmt.Errorf("window makes %d×%d pixels of %d×%d, but %s has %d×%d", oh, ow, x.H, x.W, y.Name, y.H, y.W)
	}
	return nil
}
